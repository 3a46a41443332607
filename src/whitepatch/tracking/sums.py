"""What artifacts were when they were published: a list, as `sha256sum --check` reads it."""

__all__ = ["hold", "write"]

from hashlib import file_digest
from pathlib import Path

NAME = "SHA256SUMS"


def write(folder: Path) -> None:
    """List the files of a folder in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{_sum(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / NAME).write_text("".join(lines), encoding="utf-8", newline="\n")


def hold(folder: Path) -> bool:
    """Say whether a folder has its list, and every file of it as it was; others do not count."""
    try:
        lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
        listed = [line.split("  ", 1) for line in lines]
        return bool(listed) and all(total == _sum(folder / path) for total, path in listed)
    except (OSError, ValueError):  # no text, or no list
        return False


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
