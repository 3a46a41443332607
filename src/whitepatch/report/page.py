"""From tables to a page: one self-contained HTML file, and its twin in Markdown."""

__all__ = ["Figure", "Table", "ranged", "render", "spread"]

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from whitepatch.statistics import Interval


@dataclass(frozen=True)
class Table:
    """A table whose cells are text already; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A figure on the page.

    Attributes:
        path: Of the PNG, relative to the page.
        image: The PNG itself.
        alt: What it shows, in a few words; also its caption.
        origin: The stage that drew it, and the files that it drew.
    """

    path: str
    image: bytes
    alt: str
    origin: str

    @classmethod
    def of(cls, folder: Path, path: str, alt: str, origin: str) -> "Figure":
        """Load a figure below the page's folder."""
        return cls(path, (folder / path).read_bytes(), alt, origin)

    @property
    def data(self) -> str:
        """The PNG as base64."""
        return b64encode(self.image).decode("ascii")


def render(template: str, content: Mapping[str, Any]) -> str:
    """Fill a template: *.html needs no other file, *.md lies beside its figures."""
    return _environment(escape=template.endswith(".html")).get_template(template).render(content)


def spread(values: "pd.Series[float]", digits: int) -> str:
    """Return `mean ± standard deviation` of some seeds, or the value of a single one."""
    mean = f"{values.mean():.{digits}f}"
    return f"{mean} ± {values.std():.{digits}f}" if len(values) > 1 else mean


def ranged(interval: Interval, digits: int) -> str:
    """Return `mean [low, high]`, or the mean alone where there is no interval."""
    mean, low, high = (f"{x:+.{digits}f}" for x in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]" if interval.num_seeds > 1 else mean


def _environment(*, escape: bool) -> Environment:
    # one setting for all templates of a page: the words that both pages share are escaped in HTML
    environment = Environment(
        loader=PackageLoader("whitepatch.report"),
        autoescape=escape,  # noqa: S701 -- Markdown is not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["fixed"] = lambda value, digits: f"{value:.{digits}f}"
    return environment
