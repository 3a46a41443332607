"""DVC's own settings, from whichever of its files they come."""

__all__ = ["FOLDER", "cache", "files", "setting"]

import re
from collections.abc import Iterator
from fnmatch import translate
from pathlib import Path

from whitepatch.errors import UserError

FOLDER = Path(".dvc")

IGNORE = Path(".dvcignore")


def files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that DVC counts: what others leave there is no part of it."""
    lines = IGNORE.read_text(encoding="utf-8").splitlines() if IGNORE.exists() else []
    left = re.compile("|".join(translate(line) for line in lines if line and line[0] != "#") or "$")
    for path in folder.rglob("*"):
        if path.is_file() and not any(map(left.match, path.relative_to(folder).parts)):
            yield path


def cache() -> Path:
    """Return the folder of DVC's cache: its own, or another that it is told of.

    Raises:
        UserError: DVC's settings cannot be read.
    """
    return FOLDER / (setting("cache", "dir") or "cache")


def setting(section: str, key: str) -> str | None:
    """Return a setting; None if nobody has made it.

    Raises:
        UserError: DVC's settings cannot be read.
    """
    from dvc.config import Config, ConfigError  # takes half a second, and is seldom asked

    try:
        return Config(str(FOLDER)).get(section, {}).get(key)
    except ConfigError as error:
        cure = f"git checkout {FOLDER}/config; your own is {FOLDER}/config.local"
        raise UserError(f"{error}; {cure}") from None
    except IsADirectoryError as error:
        path = FOLDER / Path(error.filename).name
        again = f" && git checkout {path}" if path.name == "config" else ""
        raise UserError(f"{path} is a folder, and must be a file; rm -r {path}{again}") from None
