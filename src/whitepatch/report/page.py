"""From a template and what fills it to a page: Markdown, and the same as one HTML file."""

__all__ = ["Page", "render", "write"]

import numbers
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markdown_it import MarkdownIt
from markdown_it.token import Token

from whitepatch.files import replacing, write_text
from whitepatch.report.numbers import LEDGER, Number

Cell: TypeAlias = str | Number

MARK = re.compile("\ue000([0-9]+)\ue001")
"""Where a number stands until the Markdown is HTML: its place in the ledger, between two private
characters."""


@dataclass(frozen=True)
class Page:
    """A page, twice, and its numbers in the order in which it prints them."""

    markdown: str
    html: str
    numbers: list[Number]


def write(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write a page, its twin, and numbers.csv with the origin of every number on both.

    Args:
        folder: Where to; the page's figures lie below it.
        name: Of the page and its template, without the suffix.
        content: What the template is filled with.
    """
    page = render(name, content, lambda file: (folder / file).read_bytes())
    write_text(folder / f"{name}.md", page.markdown)
    write_text(folder / f"{name}.html", page.html)
    rows = [
        row
        for file in (f"{name}.html", f"{name}.md")
        for place, number in enumerate(page.numbers, start=1)
        for row in number.ledger(file, place)
    ]
    with replacing(folder / "numbers.csv") as temporary:
        table = pd.DataFrame(rows, columns=pd.Index(LEDGER))
        table.to_csv(temporary, index=False, lineterminator="\n")


def render(name: str, content: Mapping[str, Any], read: Callable[[str], bytes]) -> Page:
    """Fill a template, and make the HTML of its Markdown.

    Args:
        name: Of the template, without the suffix.
        content: What it is filled with.
        read: Returns the PNG of a figure, by the path that the page has for it.

    Raises:
        TypeError: The template prints a number without an origin.
        ValueError: A row of a table has not as many cells as its head.
    """
    printed: list[Number] = []
    environment = _environment()
    filled = environment.get_template(f"{name}.md").render(content, printed=printed)
    filled = "\n\n".join(map(_joined, re.split(r"\n{2,}", filled.strip()))) + "\n"
    _refuse_uneven_tables(filled)
    shell = environment.get_template("page.html")
    html = shell.render(title=escape(content["name"]), body=_html(filled, read))
    return Page(
        MARK.sub(lambda found: printed[int(found[1])].text, filled),
        MARK.sub(lambda found: _span(printed[int(found[1])]), html),
        [printed[int(place)] for place in MARK.findall(filled)],
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("whitepatch.report"),
        autoescape=False,  # noqa: S701 -- Markdown is escaped where it becomes HTML
        undefined=StrictUndefined,
        finalize=_mark,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"row": _row, "head": _head}
    return environment


@pass_context
def _mark(context: Context, value: Any) -> Any:
    """Write a number down, and return what stands for it; return all else as it is."""
    if isinstance(value, Number):
        context["printed"].append(value)
        return f"\ue000{len(context['printed']) - 1}\ue001"
    if isinstance(value, numbers.Number | np.generic):
        raise TypeError(f"a page prints {value!r}, a number without an origin")
    return value


@pass_context
def _row(context: Context, *cells: Cell | Sequence[Cell]) -> str:
    """Return a row of a table; a cell that is empty behind the first says that it is."""
    flat = [x for it in cells for x in ([it] if isinstance(it, str | Number) else it)]
    filled = [_mark(context, it) if it or not place else "–" for place, it in enumerate(flat)]
    return f"| {' | '.join(' '.join(it.split()) for it in filled)} |"


@pass_context
def _head(context: Context, *words: str | Sequence[str]) -> str:
    """Return the head of a table of numbers."""
    line = _row(context, *words)
    return f"{line}\n| --- |{' ---: |' * (line.count('|') - 2)}"


def _joined(block: str) -> str:
    """Put every paragraph, and every point of a list, on a line of its own."""
    return block if block[0] in "|`#" else re.sub(r"\s*\n(?!- )[> ]*", " ", block)


def _refuse_uneven_tables(markdown: str) -> None:
    head = ""
    for line in markdown.splitlines():
        if not line.startswith("|"):
            head = ""
        elif not head:
            head = line
        elif line.count("|") != head.count("|"):
            raise ValueError(f"a row must have as many cells as its head\n{head}\ngot\n{line}")


def _span(number: Number) -> str:
    return f'<span title="{escape(number.origin())}">{escape(number.text)}</span>'


def _html(markdown: str, read: Callable[[str], bytes]) -> str:
    """Return Markdown as HTML that needs no other file; HTML in it is escaped."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(markdown)
    heading, first = "", True
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[place + 1].content
            # as GitHub names it
            token.attrs["id"] = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        elif token.type == "table_open":
            token.attrs["aria-label"] = heading
        elif token.type == "tr_open":
            first = True
        elif token.type == "th_open":
            token.attrs["scope"] = "col"
        elif token.type == "td_open" and first:
            token.tag, token.attrs["scope"], first = "th", "row", False
            tokens[place + 2].tag = "th"
        for child in token.children or ():
            _refer(child, read)
    html: str = reader.renderer.render(tokens, reader.options, {})
    # a wide table is moved sideways, by the keyboard too
    html = html.replace("<table", '<div class="wide" tabindex="0"><table')
    return html.replace("</table>", "</table></div>")


def _refer(token: Token, read: Callable[[str], bytes]) -> None:
    """Put a picture into the page, and let a page refer to others of its kind."""
    if token.type == "image":
        data = b64encode(read(str(token.attrs["src"]))).decode("ascii")
        token.attrs["src"] = f"data:image/png;base64,{data}"
    elif token.type == "link_open":
        token.attrs["href"] = re.sub(r"\.md$", ".html", str(token.attrs["href"]))
