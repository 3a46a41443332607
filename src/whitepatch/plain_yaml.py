"""YAML that people write, read as text, numbers, lists and sections; all else is refused.

YAML can say much more: dates, bytes, sets, classes, a list that holds itself, a thousand lines
that mean a thousand million. Nothing of it belongs in params.yaml.
"""

__all__ = ["at", "read", "was_read"]

import warnings
from pathlib import Path
from typing import Any

from whitepatch.errors import UserError, short

MOST_BYTES = 2**16
"""Of a file, six times what ours has; the reader takes a second for so much."""

MOST_VALUES = 20_000
MOST_LEVELS = 20
LONGEST_KEY = 100
LARGEST = 2**63
"""In size, of an integer; DVC and MLflow keep no larger."""


_read: dict[Path, set[bytes]] = {}
"""What this process has read, by name; mostly once."""


def read(path: Path) -> Any:
    """Return the sections of a YAML file.

    Raises:
        UserError: The file is missing, too long, no YAML, or has what is not plain; one line.
    """
    # here, because a machine that only trains (bench/full.py) need not have it
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError, YAMLWarning

    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UserError(f"{path} must be a file; it is a device or a pipe")
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path} is not here; run this from the project's root") from None
    if len(raw) > MOST_BYTES:
        raise UserError(f"{path} must have at most {MOST_BYTES // 1024} KiB; it has more")
    _read.setdefault(path, set()).add(raw)
    try:
        text = raw.decode("utf-8")
        with warnings.catch_warnings():
            # it warns of what it understands in its own way, in several lines
            warnings.simplefilter("error")
            content = YAML(typ="safe", pure=True).load(text)
    except RecursionError:
        raise UserError(f"{path} is no readable YAML: it is nested too deeply") from None
    except (UnicodeDecodeError, YAMLError, YAMLWarning) as error:
        raise UserError(f"{path} is no readable YAML: {short(str(error), 300)}") from None
    # what a tag makes of a value may raise anything: ValueError, KeyError, AttributeError
    except Exception as error:
        reason = f"a value of it means nothing ({short(str(error), 200)})"
        raise UserError(f"{path} is no readable YAML: {reason}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must be sections, each with a key, got {_kind(content)}")
    _refuse_what_is_not_plain(path, content)
    return content


def was_read(path: Path) -> set[bytes]:
    """Return what this process has read under a name: one content, or what it has been in turn."""
    return _read.get(path, set())


def at(content: Any, key: str) -> Any:
    """Return what sections have at a dotted key; None if nothing."""
    for name in key.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _refuse_what_is_not_plain(path: Path, content: dict[Any, Any]) -> None:
    """Walk through all values, as often as they are referred to."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    seen = 0
    while waiting:
        where, value = waiting.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise UserError(f"{path}: must have at most {MOST_VALUES} values; it has more")
        # ruamel gives its own kinds of text and numbers; bool is an int
        rule, inside = "", []
        if len(where) > MOST_LEVELS:
            rule, value = f"is nested deeper than {MOST_LEVELS} levels", ...
        elif isinstance(value, dict):
            bad = next((key for key in value if not _is_key(key)), None)
            if bad is not None or None in value:
                rule = f"a key must be a line of text of at most {LONGEST_KEY} characters"
                value = bad
            else:
                inside = list(value.items())
        elif isinstance(value, list):
            inside = list(enumerate(value))
        elif isinstance(value, str):
            rule = "" if value.isprintable() else "must be one line of printable text"
        elif isinstance(value, int):
            rule = "" if abs(value) < LARGEST else f"must be below {LARGEST} in size"
        elif value is not None and not isinstance(value, float):
            rule = "must be text, a number, true, false, null, a list or a section"
        if rule:
            given = "" if value is ... else f", got {_kind(value)}"
            place = short(".".join(where), 200)
            raise UserError(f"{path}: {place}{': ' if place else ''}{rule}{given}")
        waiting += [((*where, str(key)), item) for key, item in reversed(inside)]


def _is_key(key: Any) -> bool:
    return isinstance(key, str) and key.isprintable() and 0 < len(key) <= LONGEST_KEY


def _kind(value: Any) -> str:
    """Return a value, or only its kind where it may be long."""
    if isinstance(value, str):
        return short(ascii(value), 80)
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return f"a {type(value).__name__}"
