"""The command line: plan, prepare the environments, measure, and report if the run was complete."""

from __future__ import annotations

import argparse
import secrets
import shlex
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.environments import EnvironmentFailed, ensure_environment, ensure_redis_server
from bench.machine import describe_machine, describe_sources
from bench.paths import REPORT, RESULTS
from bench.peers import ENTRIES
from bench.plan import MODES, Step, make_plan
from bench.reaper import become_subreaper
from bench.report import write_report
from bench.results import FAILED, MEASURED, Row, append_row
from bench.runner import RunFacts, run_step
from bench.workloads import WORKLOADS

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; return 0 if everything that was planned was measured."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parse(words)
    mode = MODES[options.mode]
    steps = make_plan(mode, options.only, options.workload, options.rounds)
    facts = RunFacts(
        run=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}",
        command=shlex.join(["python", "-m", "bench", *words]),
        mode=mode,
        complete=_is_complete(options),
        sources=describe_sources(),
        machine=describe_machine(),
    )
    become_subreaper()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up after a polite kill as after Ctrl-C
    pythons = _prepare(options.only)
    rows = _run(facts, [step for step in steps if step.peer in pythons], pythons, options.out)
    if facts.complete if options.report is None else options.report:
        print(f"wrote {write_report(options.out, REPORT, (facts.run,))}")
    failed = len(pythons) < len(options.only) or any(row.outcome == FAILED for row in rows)
    return EXIT_FAILED if failed else 0


def _is_complete(options: argparse.Namespace) -> bool:
    everything = len(options.only) == len(ENTRIES) and len(options.workload) == len(WORKLOADS)
    return bool(options.mode == "full" and everything)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure ganger beside its peers.")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--quick", dest="mode", action="store_const", const="quick", default="full", help="one short round"
    )
    modes.add_argument(
        "--smoke", dest="mode", action="store_const", const="smoke", help="see that all works; no figures"
    )
    peers, workloads = NameList(ENTRIES), NameList(WORKLOADS)
    parser.add_argument("--only", type=peers, default=list(ENTRIES), metavar="PEER,…", help="some peers")
    parser.add_argument(
        "--workload", type=workloads, default=list(WORKLOADS), metavar="NAME,…", help="some workloads"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds of everything")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, metavar="FILE", help="append the results to this"
    )
    parser.add_argument(
        "--report",
        action=argparse.BooleanOptionalAction,
        help=f"write {REPORT.name} afterwards; by default after a complete full run",
    )
    return parser.parse_args(arguments)


class NameList:
    """Parses a list of known names, separated by commas."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = list(known)

    def __call__(self, text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in self.known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(self.known)}")
        return [name for name in self.known if name in names]


def _prepare(peers: Sequence[str]) -> dict[str, Path]:
    """Return the interpreter of each peer whose environment could be made; say which could not."""
    pythons = {}
    for peer in peers:
        try:
            if peer == "celery":
                ensure_redis_server()
            pythons[peer] = ensure_environment(ENTRIES[peer].environment)
        except EnvironmentFailed as reason:
            print(f"error: {peer} is left out: {reason}", file=sys.stderr)
    return pythons


def _run(facts: RunFacts, steps: Sequence[Step], pythons: dict[str, Path], out: Path) -> list[Row]:
    rows = []
    begun_s = time.monotonic()
    for index, step in enumerate(steps, 1):
        row = run_step(facts, step, pythons[step.peer])
        append_row(out, row)
        rows.append(row)
        print(f"{index:3}/{len(steps)}  {_shown(row)}", flush=True)
    print(f"{len(rows)} measurements in {(time.monotonic() - begun_s) / 60:.1f} min, appended to {out}")
    return rows


def _shown(row: Row) -> str:
    headline = WORKLOADS[row.workload].headline
    measured = row.outcome == MEASURED
    what = f"{headline} {row.metrics[headline]:,.4g}" if measured else f"{row.outcome}: {row.detail}"
    return f"{row.workload:13}{row.peer:14}round {row.round + 1}  {row.took_s:6.1f} s  {what}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted; what was measured is kept", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
