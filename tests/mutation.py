"""Count what the tests did with the mutants, module by module: `make mutation`.

A mutant is the code with one thing changed: an operator, a number, an argument, a word. It is
killed when a test fails with it. Lines outside functions have no mutants: constants, a class's
attributes, what is decorated.
"""

import json
import sys
from collections import Counter
from pathlib import Path

MUTANTS = Path("mutants/src/whitepatch")
LEAST = 0.85
"""Share of the mutants that the tests must kill."""

VERDICTS = {0: "survived", 1: "killed", 3: "killed"}
"""By pytest's exit status; all others, say of a timeout, are neither."""


def verdicts(meta: Path) -> Counter[str]:
    """Count the verdicts on one module's mutants."""
    statuses = json.loads(meta.read_text())["exit_code_by_key"].values()
    return Counter(VERDICTS.get(status, "neither") for status in statuses)


def row(name: str, count: Counter[str]) -> str:
    """Return a line of the table."""
    numbers = (count.total(), count["killed"], count["survived"], count["neither"])
    share = f"{count['killed'] / count.total():.1%}"
    return f"{name:<32}" + "".join(f"{number:>10}" for number in numbers) + f"{share:>10}"


if __name__ == "__main__":
    counts = {
        str(meta.relative_to(MUTANTS)).removesuffix(".meta"): verdicts(meta)
        for meta in sorted(MUTANTS.rglob("*.meta"))
    }
    everything = sum(counts.values(), Counter())
    columns = ("mutants", "killed", "survived", "neither", "share")
    sys.stdout.write(f"{'':<32}" + "".join(f"{column:>10}" for column in columns) + "\n")
    for name, count in (counts | {"all": everything}).items():
        if count:
            sys.stdout.write(row(name, count) + "\n")
    if everything["killed"] < LEAST * everything.total():
        sys.exit(f"The tests must kill {LEAST:.0%} of the mutants: mutmut results names the others")
