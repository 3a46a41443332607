"""Health at a glance: is there all that a run needs, and if not, what mends it?

Looks and changes nothing; DVC's own scratch in `.dvc/tmp` aside, which any of its commands writes.
"""

__all__ = ["Finding", "examine"]

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from whitepatch import params, paths
from whitepatch.doctor import kept, machine, served
from whitepatch.doctor.finding import Finding
from whitepatch.doctor.leftovers import leftovers
from whitepatch.errors import CURES, UserError, short
from whitepatch.params import Params

Check = Callable[[Params | None], list[Finding]]

CHECKS: dict[str, Check] = {
    "python": machine.python,
    "packages": machine.packages,
    "device": machine.device,
    "disk": machine.disk,
    "git": machine.git,
    "dvc cache": kept.cache,
    "dvc remote": kept.remote,
    "pipeline": kept.pipeline,
    "STL-10": served.stl10,
    "MLflow": served.mlflow,
}
"""What is looked at, in the order of the lines; those that wait do so beside each other."""


def examine() -> list[Finding]:
    """Return what there is to say of the folder that this runs in; takes seconds, 15 at most."""
    try:
        everything = params.load()
        names = ", ".join(everything.experiments)
        said = f"valid; {len(everything.variants)} variants, experiments {names}"
        found = [Finding("params.yaml", "ok", said)]
    except (UserError, OSError) as error:
        everything = None
        said, cure = str(error), "mend that line; its history: git log -p params.yaml"
        if not paths.PARAMS.exists():
            said = "not here"
            cure = "run this from the project's root, or: git checkout params.yaml"
        elif isinstance(error, OSError):
            cure = CURES.get(error.errno or 0, cure)
        found = [Finding("params.yaml", "bad", said, cure)]
    left = _checked("leftovers", leftovers, everything)  # first: DVC, below, uses its locks
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        waiting = [pool.submit(_checked, what, check, everything) for what, check in CHECKS.items()]
        return [*found, *(one for future in waiting for one in future.result()), *left]


def _checked(what: str, check: Check, everything: Params | None) -> list[Finding]:
    try:
        return check(everything)
    except UserError as error:
        said, _, cure = str(error).partition("; ")
        return [Finding(what, "bad", said, cure)]
    except OSError as error:
        cure = CURES.get(error.errno or 0, "let it be read and written by you")
        return [Finding(what, "bad", f"could not be looked at: {short(str(error), 200)}", cure)]
    # a doctor that falls ill helps nobody
    except Exception as error:
        said = f"could not be looked at: {type(error).__name__}: {short(str(error), 200)}"
        cure = "rm -rf .venv && make setup; if it stays, it is our fault: report it"
        return [Finding(what, "bad", said, cure)]
