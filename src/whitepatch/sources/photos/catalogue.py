"""Which photographs there are, where they lie, and what their files must be.

They stand in catalogue.csv; sources and licences: docs/photographs.md.
"""

__all__ = ["PHOTOGRAPHS", "Photograph", "read"]

import csv
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import Image

from whitepatch.errors import UserError


@dataclass(frozen=True)
class Photograph:
    """Where a photograph lies, and what its file must be.

    Attributes:
        package: The package that carries it.
        file: Its path inside the package.
        origin: How it is known where it comes from: `stated` by the package; `camera`, the file
            itself names the camera that took it; or `unknown`.
        sha256: Of the file.
    """

    package: str
    file: str
    origin: str
    sha256: str


def _catalogue() -> dict[str, Photograph]:
    """Return the photographs by name, in the order of the file."""
    with Path(__file__).with_name("catalogue.csv").open(encoding="utf-8", newline="") as file:
        return {line.pop("name"): Photograph(**line) for line in csv.DictReader(file)}


PHOTOGRAPHS = _catalogue()


def read(name: str) -> Image.Image:
    """Return a photograph, RGB.

    Raises:
        UserError: It is unknown, missing, or its file is not the one that was pinned.
    """
    if name not in PHOTOGRAPHS:
        raise UserError(f"no photograph {name!r}; there are {', '.join(PHOTOGRAPHS)}")
    photograph = PHOTOGRAPHS[name]
    cure = f"install the {photograph.package} that requirements.txt pins: make setup"
    try:
        # looked for, not imported: that takes seconds, and may fail for reasons of its own
        spec = find_spec(photograph.package)
        (folder,) = (spec and spec.submodule_search_locations) or [""]
        content = Path(folder, photograph.file).read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"photograph {name}: {photograph.package} does not carry {photograph.file}; {cure}"
        ) from None
    found = sha256(content).hexdigest()
    if found != photograph.sha256:
        raise UserError(
            f"photograph {name}: {photograph.package}'s {photograph.file} must have SHA-256 "
            f"{photograph.sha256[:12]}..., got {found[:12]}...; {cure}"
        )
    return Image.open(BytesIO(content)).convert("RGB")
