"""What could not be evaluated is refused by whatever reads the parameters."""

import pytest
from helpers.project import load as parsed
from ruamel.yaml import YAML

from whitepatch import params
from whitepatch.data.plan import plan
from whitepatch.errors import UserError
from whitepatch.feasible import FEW, refuse_one_sided


def changed(everything, section, **values):
    experiment = everything.experiment("demo")
    part = getattr(experiment, section).model_copy(update=values)
    return experiment.model_copy(update={section: part})


def test_the_experiments_of_params_yaml_pass(everything):
    for name, experiment in everything.experiments.items():
        refuse_one_sided(name, experiment)


@pytest.mark.parametrize(("probability", "label"), [(1e-9, 0), (1 - 1e-9, 1)])
def test_a_split_that_is_all_one_answer_is_named_with_it(everything, probability, label):
    words = rf"^experiments\.demo\.split\.train must hold .*, got only label {label};"
    with pytest.raises(UserError, match=words):
        refuse_one_sided("demo", changed(everything, "patch", probability=probability))


def test_what_comes_late_in_a_split_counts(everything):
    rare = changed(everything, "patch", probability=0.03, seed=10)
    labels = plan(rare.split.train, rare.patch, rare.train.batch_size).labels
    assert labels.any()
    assert not labels[:FEW].any()
    refuse_one_sided("demo", rare)


@pytest.mark.parametrize("plan", ["per_image", "per_batch"])
def test_what_is_scored_is_asked_from_its_own_first_image_on(everything, plan):
    experiment = changed(everything, "patch", plan=plan)
    refused = set()
    for first in range(20):
        score = experiment.score.model_copy(update={"first": first, "images": 1})
        with pytest.raises(UserError, match=r"score\.images must hold .* label [01];") as error:
            refuse_one_sided("demo", experiment.model_copy(update={"score": score}))
        refused.add(str(error.value))
    assert len(refused) == 2, "some have a patch, some have none"


def test_reading_the_parameters_refuses_it_for_every_stage(root, tmp_path):
    content = parsed(root / "params.yaml")
    content["experiments"]["photos"]["patch"]["probability"] = 1e-9
    YAML().dump(content, tmp_path / "params.yaml")
    with pytest.raises(UserError, match=r"params\.yaml: experiments\.photos\.split\.train must"):
        params.load(tmp_path / "params.yaml")
