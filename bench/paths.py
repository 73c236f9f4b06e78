"""Where the benchmark reads and writes: everything that it makes lies under ``bench-data/``."""

from __future__ import annotations

import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = REPOSITORY / "bench-data"
VENVS = DATA / "venvs"
SCRATCH = DATA / "scratch"
LOGS = DATA / "logs"
RESULTS = DATA / "results.jsonl"
REPORT = REPOSITORY / "docs" / "reference" / "performance.md"
PLOTS = REPORT.with_suffix("")

# One for the whole machine, not for this checkout: two benchmarks at once would measure each other.
LOCK = Path(tempfile.gettempdir()) / "ganger-bench.lock"
