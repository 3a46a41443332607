"""DVC's own settings, from whichever of its files they come."""

__all__ = ["FOLDER", "cache", "setting"]

from pathlib import Path

from whitepatch.errors import UserError

FOLDER = Path(".dvc")


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
