"""The same bytes elsewhere: another folder, home, locale, time zone, order, seed of hashes."""

from random import Random

import pytest
from helpers.project import load, miniature, results, run

pytestmark = pytest.mark.pipeline

ELSEWHERE = {
    "LC_ALL": "C",
    "LANG": "de_DE.UTF-8",
    "LANGUAGE": "de",
    "TZ": "Pacific/Kiritimati",
    "PYTHONHASHSEED": "4242",
    "OMP_NUM_THREADS": "3",
    "MKL_NUM_THREADS": "3",
    "COLUMNS": "40",
    "SOURCE_DATE_EPOCH": "1",
    "MPLBACKEND": "svg",
}


def test_from_nothing_in_another_place_the_stages_in_another_order(root, made, tmp_path):
    folder = miniature(root, tmp_path.resolve() / "größer & (anderswo)")
    home = tmp_path / "home"
    home.mkdir()
    elsewhere = ELSEWHERE | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "USER": "nobody"}
    random = Random(3)  # noqa: S311 -- no secret
    left = dict(load(made / "dvc.lock")["stages"])
    while left:
        made_by = {out["path"]: name for name, entry in left.items() for out in entry["outs"]}
        ready = [
            name
            for name, entry in left.items()
            if not any(
                path == dep["path"] or path.startswith(f"{dep['path']}/")
                for dep in entry["deps"]
                for path in made_by
            )
        ]
        # another order than DVC's: a later stage of one variant before the first of another
        stage = max(ready, key=lambda name: (name.split("@")[0] == "evaluate", random.random()))
        status, said = run(
            folder, "dvc", "repro", "--single-item", stage, env=elsewhere, umask=0o77
        )
        assert status == 0, said
        assert f"Running stage '{stage}'" in said
        del left[stage]
    assert load(folder / "dvc.lock") == load(made / "dvc.lock")
    before, after = results(made), results(folder)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []
