"""Nothing builds on what dvc.lock has otherwise; with a pipeline: tests/test_pipeline.py."""

import pytest

from whitepatch import dvc_lock, recorded
from whitepatch.errors import UserError


def test_what_is_as_recorded_passes_and_what_is_not_here_too(locked):
    recorded.refuse_other("evaluate@demo-cnn")
    (locked / "a").write_bytes(b"hellp")
    with pytest.raises(
        UserError, match=r"^a is not what dvc\.lock has; .*dvc repro -f -s train@demo-"
    ):
        recorded.refuse_other("evaluate@demo-cnn")


@pytest.mark.parametrize(
    ("stage", "earlier", "builds"),
    [
        ("split@demo", "fetch@photos", True),
        ("train@demo-cnn", "fetch@photos", False),  # the split knows every picture
        ("train@demo-cnn", "split@demo", True),
        ("train@demo-cnn", "split@photos", False),
        ("train@demo-cnn", "train@demo-cbam", False),
        ("evaluate@demo-cbam", "train@demo-cbam", True),
        ("evaluate@demo-cbam", "train@demo-cbam_spatial", False),
        ("evaluate@demo-cbam", "evaluate@demo-cbam", False),
        ("report@demo", "evaluate@demo-cbam", True),
        ("publish@demo", "report@demo", True),
        ("compare", "report@photos", True),
        ("compare", "evaluate@photos-cnn", True),
        ("compare", "train@photos-cnn", False),
        ("compare", "publish@photos", False),
        ("mine@demo", "split@demo", False),
    ],
)
def test_a_stage_builds_on_those_before_it_of_its_experiment_and_variant(stage, earlier, builds):
    assert recorded._builds_on(stage, earlier) is builds


def test_a_split_reads_its_own_source_and_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lock = "".join(
        f"  fetch@{name}: {{outs: [{{path: raw/{name}, md5: '0'}}]}}\n" for name in ("a", "b")
    )
    (tmp_path / "params.yaml").write_text("variants: []")
    (tmp_path / "raw/a").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(f"stages:\n{lock}")
    with pytest.raises(UserError, match=r"^raw/a is not what dvc\.lock has"):
        recorded.refuse_other("split@demo")  # which has never run
    for name, good in (("a", False), ("b", True)):
        split = f"  split@demo: {{deps: [{{path: raw/{name}, md5: '0'}}]}}\n"
        (tmp_path / "dvc.lock").write_text(f"stages:\n{lock}{split}")
        if good:
            recorded.refuse_other("split@demo")
        else:
            with pytest.raises(UserError, match=r"^raw/a is not what dvc\.lock has"):
                recorded.refuse_other("split@demo")


def test_what_a_stage_has_made_is_looked_at_if_that_is_asked_for(locked):
    (locked / "a").write_bytes(b"hellp")
    recorded.refuse_other("train@demo-cnn")
    with pytest.raises(UserError, match=r"^a is not what dvc\.lock has"):
        recorded.refuse_other("train@demo-cnn", and_made=True)


PARAMS = """
variants: [cnn]
sources: {photos: 1, stl10: 2}
experiments: {demo: {source: photos, train: {epochs: 3}}, photos: {train: {epochs: 4}}}
"""


@pytest.mark.parametrize(
    ("stage", "edit", "named"),
    [
        ("report@demo", ("epochs: 3", "epochs: 5"), "train@demo-cnn"),
        ("evaluate@demo-cnn", ("epochs: 3", "epochs: 5"), "train@demo-cnn"),
        ("train@demo-cnn", ("epochs: 3", "epochs: 5"), None),  # its own, which DVC has seen
        ("report@photos", ("epochs: 3", "epochs: 5"), None),
        ("split@demo", ("photos: 1", "photos: 3"), "fetch@photos"),
        ("split@demo", ("stl10: 2", "stl10: 3"), None),
        ("report@demo", ("epochs: 3", "epochs: 3.0"), None),
        ("report@demo", ("variants: [cnn]", "variants: 3"), None),  # the stage refuses it
        ("report@demo", ("train: {epochs: 3}", "train: 3"), "train@demo-cnn"),
        ("publish@demo", ("epochs: 3", "epochs: 5"), None),  # says what results say
        ("compare", ("epochs: 3", "epochs: 5"), None),  # leaves it out, and says so
    ],
)
def test_what_was_made_with_other_parameters_is_not_built_on(locked, stage, edit, named):
    (locked / "dvc.lock").write_text("""
stages:
  fetch@photos: {params: {params.yaml: {sources.photos: 1}}}
  fetch@stl10: {params: {params.yaml: {sources.stl10: 2}}}
  train@demo-cnn: {params: {params.yaml: {experiments.demo.train: {epochs: 3}}}}
  train@demo-cbam: {params: {params.yaml: {experiments.demo.train: {epochs: 9}}}}
""")
    (locked / "params.yaml").write_text(PARAMS)
    recorded.refuse_other(stage)
    (locked / "params.yaml").write_text(PARAMS.replace(*edit))
    if named is None:
        recorded.refuse_other(stage)
    else:
        cure = f"in params.yaml is not what {named} ran with; dvc repro {stage}"
        with pytest.raises(UserError, match=f"^.* {cure}$"):
            recorded.refuse_other(stage)
        recorded.refuse_other(stage, and_made=True)  # who makes nothing


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ("report@demo", "evaluate@demo-cnn"),
        ("evaluate@demo-cnn", None),  # it runs for the first time, or again
        ("report@photos", None),
        ("publish@demo", None),  # refuse_mixture says so
    ],
)
def test_what_is_not_of_one_piece_is_not_built_on(locked, stage, named):
    (locked / "params.yaml").write_text(PARAMS)
    whole = """
stages:
  train@demo-cnn: {outs: [{path: w, md5: '1'}]}
  evaluate@demo-cnn: {deps: [{path: w, md5: '1'}, {path: src, md5: '3'}]}
  evaluate@demo-cbam: {deps: [{path: w, md5: '9'}]}
"""
    (locked / "dvc.lock").write_text(whole)
    recorded.refuse_other(stage)
    (locked / "dvc.lock").write_text(whole.replace("'1'", "'2'", 1))
    if named is None:
        recorded.refuse_other(stage)
    else:
        with pytest.raises(UserError, match=f"^w has changed since {named} ran; dvc repro {stage}"):
            recorded.refuse_other(stage)


def test_an_evaluation_of_other_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/cnn.json").write_bytes(b"hello")
    folder = dvc_lock.digest(tmp_path / "m")
    lock = f"""
stages:
  train@demo-cnn: {{outs: [{{path: w, md5: '1'}}]}}
  evaluate@demo-cnn: {{deps: [{{path: w, md5: '1'}}], outs: [{{path: m/cnn.json, md5: '2'}}]}}
  report@demo: {{deps: [{{path: m, md5: {folder}}}, {{path: src, md5: '3'}}]}}
  evaluate@photos-cnn: {{deps: [{{path: w, md5: '9'}}]}}
"""
    (tmp_path / "dvc.lock").write_text(lock)
    recorded.refuse_mixture("demo", ["cnn"])
    with pytest.raises(
        UserError, match=r"^w has changed since evaluate@photos-cnn ran; .*@photos$"
    ):
        recorded.refuse_mixture("photos", ["cnn"])
    recorded.refuse_mixture("photos", ["cbam"])  # DVC keeps what it knows of others
    (tmp_path / "m/cnn.json").write_bytes(b"hellp")
    with pytest.raises(UserError, match=r"^m has changed since report@demo ran; .*report@demo$"):
        recorded.refuse_mixture("demo", ["cnn"])
    (tmp_path / "dvc.lock").write_text(lock.replace("path: w, md5: '1'", "path: w, md5: '4'", 1))
    with pytest.raises(UserError, match=r"^w has changed since evaluate@demo-cnn ran; "):
        recorded.refuse_mixture("demo", ["cnn"])
