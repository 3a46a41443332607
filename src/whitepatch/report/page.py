"""From tables to a page: one self-contained HTML file, and its twin in Markdown."""

__all__ = ["Figure", "Table", "content", "render", "spread"]

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from whitepatch.localization import SCORES
from whitepatch.report.results import Results
from whitepatch.report.tables import (
    comparison,
    feature_table,
    looking_maps,
    map_table,
    published_table,
    seed_table,
)

LOSSES = {"min_train_loss": "smallest train loss", "min_test_loss": "smallest test loss"}
"""What people call the article's two numbers."""


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


def content(results: Results, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Return what the templates of a page are filled with."""
    some = results.any_variant
    return {
        "name": results.name,
        "experiment": results.experiment,
        "origin": results.origin,
        "is_printed": results.is_printed,
        "published": _published(results),
        "figures": figures,
        "some": some,
        "num_seeds": len(results.experiment.train.seeds),
        "lowest": _best(results, "min_test_loss", "idxmin"),
        "highest": _best(results, "accuracy", "idxmax"),
        "errors": _errors(results),
        "scores": _scores(results),
        "features": _features(results),
        "first_seed": results.experiment.train.seeds[0],
    }


def render(template: str, content: Mapping[str, Any]) -> str:
    """Fill a template: *.html needs no other file, *.md lies beside its figures."""
    return _environment(escape=template.endswith(".html")).get_template(template).render(content)


def spread(values: "pd.Series[float]", digits: int) -> str:
    """Return `mean ± standard deviation` of some seeds, or the value of a single one."""
    mean = f"{values.mean():.{digits}f}"
    return f"{mean} ± {values.std():.{digits}f}" if len(values) > 1 else mean


def _best(results: Results, measure: str, which: str) -> dict[str, Any]:
    table = comparison(results)
    table = table[table["measure"] == measure].reset_index(drop=True)
    row = table.loc[getattr(table["mean"], which)()]
    return {"title": results.titles[row["variant"]], "mean": row["mean"], "std": row["std"]}


def _errors(results: Results) -> Table:
    table = seed_table(results)
    rows = []
    for variant, title in results.titles.items():
        seeds = table[table["variant"] == variant]
        rows.append(
            [
                title,
                f"{results.metrics[variant]['num_parameters']:,}",
                spread(seeds["min_train_loss"], 4),
                spread(seeds["min_test_loss"], 4),
                spread(seeds["loss"], 4),
                spread(seeds["accuracy"], 3),
                spread(seeds["auc"], 3),
            ]
        )
    return Table(
        [
            "variant",
            "parameters",
            "smallest train loss",
            "smallest test loss",
            "chosen test loss",
            "test accuracy",
            "test ROC-AUC",
        ],
        rows,
    )


def _published(results: Results) -> Table:
    """Return the article's numbers beside ours; empty where the images are not its own kind."""
    head = ["variant", "loss", "published", "measured", "difference", "seeds below"]
    if results.experiment.source != "stl10":
        return Table(head, [])
    return Table(
        head,
        [
            [
                results.titles[row["variant"]],
                LOSSES[row["measure"]],
                f"{row['published']:#.3g}",
                f"{row['mean']:#.3g}" + (f" ± {row['std']:#.2g}" if row["num_seeds"] > 1 else ""),
                f"{row['difference']:+#.2g}",
                f"{row['num_below']} of {row['num_seeds']}",
            ]
            for row in published_table(results).to_dict("records")
        ],
    )


def _scores(results: Results) -> Table:
    table = map_table(results)
    rows = []
    for variant, name, label in looking_maps(results):
        chosen = table[(table["variant"] == variant) & (table["map"] == name)]
        trained, untrained = chosen[chosen["trained"]], chosen[~chosen["trained"]]
        rows.append(
            [
                label,
                *(spread(trained[kind], 2) for kind in SCORES),
                spread(untrained["auc"], 2),
            ]
        )
    controls = results.any_variant["controls"]["maps"]
    labels = {
        "brightness": "control: brightness",
        "edges": "control: edges",
        "uniform": "chance (uniform map)",
        "perfect": "ceiling (perfect 24×24 map)",
    }
    rows += [
        [label, *(f"{controls[name][kind]:.2f}" for kind in SCORES), "–"]
        for name, label in labels.items()
    ]
    return Table(
        ["map", "pixel AUC", "pointing", "mass", "rank", "pixel AUC, untrained"],
        rows,
    )


def _features(results: Results) -> Table:
    table = feature_table(results)

    def cell(variant: str, side: str, *, trained: bool) -> str:
        chosen = (
            (table["variant"] == variant) & (table["side"] == side) & (table["trained"] == trained)
        )
        return spread(table.loc[chosen, "separation"], 2)

    return Table(
        ["variant", "output", "input", "output, untrained"],
        [
            [
                title,
                cell(variant, "output", trained=True),
                cell(variant, "input", trained=True),
                cell(variant, "output", trained=False),
            ]
            for variant, title in results.titles.items()
        ],
    )


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
