"""Parameters of sources alone, whatever the experiments of params.yaml are."""

import json
from pathlib import Path
from typing import Any

from helpers.project import load
from whitepatch.params import Params, Sources

ROOT = Path(__file__).parents[2]


def sections() -> Any:
    """Return the committed section `sources`, to be changed."""
    return load(ROOT / "params.yaml")["sources"]


def params_of(content: Any) -> Params:
    """Return parameters that have these sources, checked, and nothing else."""
    return Params.model_construct(sources=Sources.model_validate_json(json.dumps(content)))
