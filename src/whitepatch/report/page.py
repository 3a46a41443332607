"""From tables to a page: one self-contained HTML file, and its twin in Markdown."""

__all__ = ["Figure", "Table", "render", "write"]

import numbers
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from whitepatch.files import replacing, write_text
from whitepatch.report.numbers import LEDGER, Number


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | Number]]


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


def write(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write a page, its twin, and numbers.csv with the origin of every number on both.

    Args:
        folder: Where to.
        name: Of the page and its templates, without the suffix.
        content: What the templates are filled with.
    """
    printed: list[Sequence[str | int]] = []
    for file in (f"{name}.html", f"{name}.md"):
        found: list[Number] = []
        write_text(folder / file, render(file, content, found))
        for place, number in enumerate(found, start=1):
            printed += number.ledger(file, place)
    with replacing(folder / "numbers.csv") as temporary:
        pd.DataFrame(printed, columns=pd.Index(LEDGER)).to_csv(
            temporary, index=False, lineterminator="\n"
        )


def render(template: str, content: Mapping[str, Any], ledger: list[Number] | None = None) -> str:
    """Fill a template: *.html needs no other file, *.md lies beside its figures.

    Args:
        template: Its file.
        content: What it is filled with.
        ledger: Gets every number of the page, in order.

    Raises:
        TypeError: The template prints a number past the filter `number`.
    """
    html = template.endswith(".html")
    # one setting for all templates of a page: the words that both pages share are escaped in HTML
    environment = Environment(
        loader=PackageLoader("whitepatch.report"),
        autoescape=html,  # noqa: S701 -- Markdown is not HTML
        undefined=StrictUndefined,
        finalize=_refuse_bare_numbers,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

    def number(value: Number | str) -> str:
        """Print a number, with its origin where the page can show it; and words as they are."""
        if isinstance(value, str):
            return value
        if ledger is not None:
            ledger.append(value)
        if not html:
            return value.text
        return Markup('<span title="{}">{}</span>').format(value.origin(), value.text)

    environment.filters["number"] = number
    return environment.get_template(template).render(content)


def _refuse_bare_numbers(value: Any) -> Any:
    if isinstance(value, numbers.Number | np.generic | Number):
        raise TypeError(f"a page prints {value!r} past the filter `number`")
    return value
