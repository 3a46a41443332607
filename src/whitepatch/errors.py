"""The one exception that speaks to people, and how a command ends with it."""

__all__ = ["CURES", "UserError", "printable", "run_app", "short"]

import errno
import os
import sys
from collections.abc import Callable

FULL = "free some space and run this again"
MINE = "let it be read and written by you, and run this again"
CURES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EROFS: "run this where the project's folder can be written",
    errno.EACCES: MINE,
    errno.EPERM: MINE,
    errno.EEXIST: "a file lies where a folder must be; move it away",
    errno.EISDIR: "a folder lies where a file must be; move it away",
    errno.ENOLCK: "its disk knows no locks; move the project to a local one",
}
"""By the number of an `OSError`."""

MEMORY = (
    "the GPU's memory is full; what is trained is kept: end what else is on it (nvidia-smi), or "
    "say dvc repro, which evaluates when all is trained, or device: cpu in params.yaml"
)
REFUSALS = {
    "CUDA out of memory": MEMORY,
    "CUDA error: out of memory": MEMORY,
    "_STATUS_ALLOC_FAILED": MEMORY,
    "busy or unavailable": "another process has the GPU to itself; run this again when it is free",
    "no kernel image": "the installed torch is not for such a GPU; say device: cpu in params.yaml",
    "DefaultCPUAllocator": "no memory is left; end other programs, or make cells.workers smaller",
}
"""What torch says of a device, and what to do: its own types are known to those who import it."""


class UserError(Exception):
    """A mistake that the reader of the message can mend.

    The message is one line: what, which rule, what was given, how to mend it.
    Commands print it without a traceback and exit with status 2.
    """


def run_app(app: Callable[[], object], stage: str = "") -> None:
    """Run a command line; a `UserError` ends it with one line and status 2.

    So does what the machine refuses: no space, no permission, no memory, a file that no stage has
    made yet.

    Args:
        app: The command line.
        stage: Of DVC, that runs it; begins the line.
    """
    try:
        app()
    except UserError as error:
        line = str(error)
    except OSError as error:
        made = str(error.filename).partition("/")[0] in ("data", "models", "reports")
        if error.errno == errno.ENOENT and made:
            line = f"{error.filename} is missing; make it: dvc repro report@NAME"
        elif error.errno in CURES:
            reason = os.strerror(error.errno)
            line = f"{error.filename or 'a file'}: {reason}; {CURES[error.errno]}"
        else:
            raise
    except RuntimeError as error:
        refusal = next((cure for sign, cure in REFUSALS.items() if sign in str(error)), None)
        if refusal is None:
            raise
        line = f"{refusal} ({short(str(error), 250)})"
    else:
        return
    line = " ".join(line.splitlines())  # names may have any character
    print(f"{stage}: {line}" if stage else line, file=sys.stderr)  # noqa: T201
    sys.exit(2)


def printable(name: str) -> str:
    """Return a name that somebody gave with whatever cannot be printed escaped."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name
    )


def short(text: str, most: int) -> str:
    """Return a text as one line of at most `most` characters, its middle left out if need be."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    kept = (most - 5) // 2
    return f"{line[:kept]} ... {line[-kept:]}"
