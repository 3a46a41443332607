"""Say how many branches of the package the tests took: `make coverage`, which has measured them."""

import json
import sys
from pathlib import Path

LEAST = 95.0
"""Per cent of the branches that the tests must take."""

if __name__ == "__main__":
    found = json.loads(Path("coverage.json").read_text())["totals"]
    taken, there = found["covered_branches"], found["num_branches"]
    lines, all_lines = found["covered_lines"], found["num_statements"]
    sys.stdout.write(
        f"{taken} of {there} branches ({taken / there:.1%}), "
        f"{lines} of {all_lines} statements ({lines / all_lines:.1%})\n"
    )
    if 100 * taken < LEAST * there:
        sys.exit(f"The tests must take {LEAST} % of the branches")
