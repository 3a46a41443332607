"""Could what these parameters train be evaluated? Asked of the plan, which needs no pictures."""

__all__ = ["refuse_one_sided"]

from whitepatch.data.plan import plan
from whitepatch.errors import UserError
from whitepatch.params import Experiment, Rows

FEW = 64
"""Rows that almost always hold both; no more are planned then."""


def refuse_one_sided(name: str, experiment: Experiment) -> None:
    """See to it that each part of a split, and what is scored, has both answers to the task.

    Raises:
        UserError: All its images have a patch, or none has.
    """
    parts = {f"split.{part}": (rows, 0) for part, rows in experiment.split.parts().items()}
    parts["score.images"] = (experiment.split.test, experiment.score.first)
    for where, (rows, first) in parts.items():
        number = experiment.score.images if where == "score.images" else len(rows)
        for several in (min(FEW, number), number):
            planned = Rows(file=rows.file, start=rows.start, stop=rows.start + first + several)
            labels = plan(planned, experiment.patch, experiment.train.batch_size).labels[first:]
            if len(set(labels.tolist())) == 2:
                break
        else:
            raise UserError(
                f"experiments.{name}.{where} must hold images with and without a patch, got only "
                f"label {labels[0]}; take more rows, or another patch.seed or patch.probability"
            )
