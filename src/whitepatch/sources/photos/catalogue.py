"""Which photographs there are, where they lie, and what their files must be.

Sources and licences: docs/photographs.md.
"""

__all__ = ["PHOTOGRAPHS", "Photograph", "read"]

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
        number: The label of its crops, 1 to 255. Two pictures of one scene share a number.
        package: The package that carries it.
        file: Its path inside the package.
        sha256: Of the file.
    """

    number: int
    package: str
    file: str
    sha256: str


PHOTOGRAPHS = {
    "astronaut": Photograph(
        1,
        "skimage",
        "data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    "chelsea": Photograph(
        2,
        "skimage",
        "data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    ),
    "coffee": Photograph(
        3,
        "skimage",
        "data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    ),
    "rocket": Photograph(
        4,
        "skimage",
        "data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
    "hubble_deep_field": Photograph(
        5,
        "skimage",
        "data/hubble_deep_field.jpg",
        "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    ),
    "ihc": Photograph(
        6,
        "skimage",
        "data/ihc.png",
        "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
    ),
    "retina": Photograph(
        7,
        "skimage",
        "data/retina.jpg",
        "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
    ),
    "motorcycle_left": Photograph(
        8,
        "skimage",
        "data/motorcycle_left.png",
        "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    ),
    "motorcycle_right": Photograph(
        8,
        "skimage",
        "data/motorcycle_right.png",
        "5fc913ae870e42a4b662314bc904d1786bcad8e2f0b9b67dba5a229406357797",
    ),
    "china": Photograph(
        9,
        "sklearn",
        "datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    ),
    "flower": Photograph(
        10,
        "sklearn",
        "datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
    ),
    "grace_hopper": Photograph(
        11,
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
}


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
