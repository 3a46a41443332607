"""The same bytes elsewhere: another folder, home, locale, time zone, seed of hashes."""

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


def test_from_nothing_in_another_place(root, request, tmp_path):
    folder = miniature(root, tmp_path.resolve() / "größer & (anderswo)")
    home = tmp_path / "home"
    home.mkdir()
    elsewhere = ELSEWHERE | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "USER": "nobody"}
    status, said = run(folder, "dvc", "repro", "report@tiny", env=elsewhere, umask=0o77)
    assert status == 0, said
    assert said.count("Running stage") == 9
    made = request.getfixturevalue("made")  # another worker may make it meanwhile
    assert load(folder / "dvc.lock") == load(made / "dvc.lock")
    before, after = results(made), results(folder)
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == []
