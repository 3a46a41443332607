"""What DVC keeps: its cache, its remote, the state of the pipeline."""

__all__ = ["cache", "pipeline", "remote"]

import json
import os
import re
import sys
from pathlib import Path

from whitepatch import dvc_config, paths
from whitepatch.doctor.finding import Finding, ask
from whitepatch.dvc_lock import FROM_GIT, LOCK
from whitepatch.errors import short
from whitepatch.params import Params
from whitepatch.processes import RWLOCK

DVC = (sys.executable, "-m", "dvc")

CURES = {
    "dvc.yaml": "git checkout dvc.yaml",
    "dvc.lock": FROM_GIT,
    "rwlock": f"rm {RWLOCK}",
    "/files/md5/": "whitepatch verify --hashes names what is damaged in DVC's cache",
}
"""By the file that DVC cannot read."""

LOOK_AT_REMOTE = """
from dvc.repo import Repo
storage = Repo().cloud.get_remote_odb()
print(storage.fs.exists(storage.path))
"""


def cache(_: Params | None) -> list[Finding]:
    """Say whether DVC's cache can be read and written."""
    if not dvc_config.FOLDER.is_dir():
        cure = "run this in the project's folder, a clone with .dvc in it"
        return [Finding("dvc cache", "bad", f"{dvc_config.FOLDER} is not here", cure)]
    folder = dvc_config.cache().absolute()
    if not folder.exists():
        parent = next(path for path in folder.parents if path.exists())
        good, said = os.access(parent, os.W_OK | os.X_OK), f"{folder} is made when it is needed"
    else:
        good, said = os.access(folder, os.R_OK | os.W_OK | os.X_OK), f"{folder} can be written"
    if good:
        return [Finding("dvc cache", "ok", said)]
    cure = f"chmod -R u+rwX {folder}; where nobody may, another: dvc cache dir --local FOLDER"
    return [Finding("dvc cache", "bad", f"{folder} cannot be written", cure)]


def remote(_: Params | None) -> list[Finding]:
    """Say whether the default remote answers."""
    name = dvc_config.setting("core", "remote")
    if not name:
        return [Finding("dvc remote", "ok", "none; to share results: docs/teammates.md")]
    status, said, error = ask(sys.executable, "-c", LOOK_AT_REMOTE)
    if status == 0 and said.strip() == "True":
        return [Finding("dvc remote", "ok", f"{name} answers")]
    if status == 0:
        return [Finding("dvc remote", "look", f"{name} has nothing yet", "make push")]
    cure = "only make push and make pull need it: docs/teammates.md"
    return [Finding("dvc remote", "look", f"{name}: {_reason(status, error)}", cure)]


def pipeline(everything: Params | None) -> list[Finding]:
    """Say of each experiment whether it is up to date, as DVC knows it."""
    if everything is None:
        return []
    if LOCK.exists() and not LOCK.is_file():
        return [Finding("pipeline", "bad", f"{LOCK} is no file", f"rm -r {LOCK} && {FROM_GIT}")]
    ran = LOCK.read_text(encoding="utf-8", errors="replace") if LOCK.exists() else ""
    status, said, error = ask(*DVC, "status", "--json")
    if status is None or (status and ("acquire lock" in error or "is busy" in error)):
        reason = "DVC is at work, or takes long" if status else "DVC takes long"
        return [Finding("pipeline", "look", reason, "dvc status")]
    if status or not said.lstrip().startswith("{"):
        name = next((name for name in CURES if name in error), "")
        cure = CURES.get(name, "dvc status says it in full")
        return [Finding("pipeline", "bad", _reason(status, error, name), cure)]
    try:
        plan = Path("dvc.yaml").read_text(encoding="utf-8")
    except FileNotFoundError:
        plan = ""
    if "\n  report:" not in plan:
        words = "dvc.yaml, which has the stages, is not here, or not whole"
        return [Finding("pipeline", "bad", words, "git checkout dvc.yaml")]
    changed = json.loads(said)
    found = []
    if not paths.PUBLISHED.exists():  # the report reads it, and no stage makes it
        words, cure = f"{paths.PUBLISHED} is not here", f"git checkout {paths.PUBLISHED}"
        found.append(Finding("pipeline", "bad", words, cure))
    for name, experiment in everything.experiments.items():
        what = f"pipeline {name}"
        stages = re.compile(
            rf"(split|train|evaluate|report)@{name}(-.*)?|fetch@{experiment.source}"
        )
        stale = [stage for stage in changed if stages.fullmatch(stage)]
        if f"\n  report@{name}:\n" not in ran and (paths.report(name) / "report.md").exists():
            words = "has results that dvc.lock does not know"
            found.append(Finding(what, "look", words, FROM_GIT))
        elif f"\n  report@{name}:\n" not in ran:
            found.append(Finding(what, "ok", f"has not run; to run it: make {name}"))
        elif stale:
            some = ", ".join(stale[:3]) + (" ..." if len(stale) > 3 else "")
            words = f"{len(stale)} stages differ from dvc.lock: {some}"
            cure = f"make pull if a teammate has them, or dvc repro report@{name}"
            found.append(Finding(what, "look", words, cure))
        else:
            found.append(Finding(what, "ok", "up to date"))
    return found


def _reason(status: int | None, error: str, name: str = "") -> str:
    """Return the line of an answer of DVC's that says most: of this file, if it names one."""
    lines = [line for line in error.splitlines() if line.strip()]
    # the last line may be no more than where to ask for help
    best = [line for line in lines if line.startswith("ERROR: ")] or lines[-1:]
    best = [line for line in lines if name and name in line] or best
    return (
        short(best[0].removeprefix("ERROR: "), 200)
        if best and status is not None
        else "DVC gives no answer in time"
    )
