"""`core/` and `protocol/` are covered to at least the floor, each for itself, branches and statements apart.

Run by `make test` after pytest with pytest-cov's JSON report. It is silent when the floor is reached, so that
pytest's closing line stays the last one printed, and exits with 1 and one line per shortfall when it is not.
"""

import json
import sys
from pathlib import Path

FLOOR_PERCENT = 95.0
PACKAGES = ("core", "protocol")
# What is covered and what there is, by their names in the report.
MEASURES = {
    "branches": ("covered_branches", "num_branches"),
    "statements": ("covered_lines", "num_statements"),
}


def shortfalls(report: dict) -> list[str]:
    """Returns a line for each package and measure that stays below the floor."""
    summaries = {Path(path): file["summary"] for path, file in report["files"].items()}
    lines = []
    for package in PACKAGES:
        folder = Path("src/ganger", package)
        lines += _shortfalls_of(package, [summaries[path] for path in summaries if folder in path.parents])
    return lines


def _shortfalls_of(package: str, summaries: list[dict]) -> list[str]:
    lines = []
    for measure, names in MEASURES.items():
        covered, present = (sum(summary[name] for summary in summaries) for name in names)
        if measure == "statements" and not present:
            lines.append(f"coverage: nothing of {package}/ was measured")
        elif present and 100.0 * covered / present < FLOOR_PERCENT:
            percent = f"{100.0 * covered / present:.1f} % ({covered} of {present})"
            lines.append(f"coverage: {package}/ {measure} {percent}, below the floor of {FLOOR_PERCENT} %")
    return lines


def main(path: Path) -> int:
    """Prints what is missing and returns the exit code."""
    if not path.exists():
        print(f"coverage: {path} is not there, so nothing was measured", file=sys.stderr)
        return 1
    found = shortfalls(json.loads(path.read_text()))
    if found:
        hint = "hint: the table above names the lines that no fast test reaches"
        print(*found, hint, sep="\n", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
