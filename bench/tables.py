"""The tables of the report: a row a peer, a column a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.formatting import median, median_and_range, table
from bench.peers import ENTRIES
from bench.results import FAILED, NOT_APPLICABLE, Results

Column = tuple[str, Callable[[str], str]]


def throughput_table(results: Results) -> str:
    """Return what gets through, and what a task costs."""

    def advantage(peer: str) -> str:
        return "1" if peer == "ganger" else median_and_range(results.advantage("ganger", "submit", peer))

    return _by_peer(
        results,
        [
            ("one by one, tasks/s", _ranged(results, "submit", "tasks_per_s")),
            ("ganger is × as fast", advantage),
            ("CPU a task: client, µs", _plain(results, "submit", "client_cpu_us")),
            ("all processes, µs", _plain(results, "submit", "all_cpu_us")),
            ("by map, tasks/s", _ranged(results, "map", "tasks_per_s")),
            ("by map in chunks, tasks/s", _plain(results, "map_chunked", "tasks_per_s")),
            ("tree, tasks/s", _ranged(results, "tree", "tasks_per_s")),
            ("leaves", _plain(results, "tree", "leaves")),
        ],
    )


def latency_table(results: Results) -> str:
    """Return how long things take."""
    return _by_peer(
        results,
        [
            ("round trip p50, µs", _ranged(results, "round_trip", "p50_us")),
            ("p99, µs", _ranged(results, "round_trip", "p99_us")),
            ("first 20 no-ops, ms", _plain(results, "straggler", "first_no_ops_ms")),
            ("all 40 no-ops, ms", _plain(results, "straggler", "no_ops_ms")),
            ("with the two slow ones, ms", _plain(results, "straggler", "all_ms")),
            ("150 skewed sleeps, × greedy", lambda peer: _ratio(results, peer)),
        ],
    )


def payload_table(results: Results) -> str:
    """Return how fast bytes travel."""
    return _by_peer(
        results,
        [
            ("1 KiB, tasks/s", _ranged(results, "payload_1k", "tasks_per_s")),
            ("100 KiB, tasks/s", _ranged(results, "payload_100k", "tasks_per_s")),
            ("100 KiB, MB/s both ways", _ranged(results, "payload_100k", "mb_per_s")),
        ],
    )


def cost_table(results: Results) -> str:
    """Return what a peer costs before and between tasks, and while they queue."""
    return _by_peer(
        results,
        [
            ("cold start, s", _ranged(results, "cold_start", "first_result_s")),
            ("idle CPU, %", _plain(results, "cold_start", "idle_cpu_percent")),
            ("idle PSS, MiB", _plain(results, "cold_start", "idle_pss_mib")),
            ("idle RSS, MiB", _plain(results, "cold_start", "idle_rss_mib")),
            ("processes", _plain(results, "cold_start", "processes")),
            ("queued tasks", _plain(results, "memory", "tasks")),
            ("master, bytes a task", _plain(results, "memory", "master_bytes_per_task")),
            ("master and client, bytes a task", _plain(results, "memory", "all_bytes_per_task")),
        ],
    )


def master_cpu_table(results: Results) -> str:
    """Return what a task costs the master's core and codec as the cluster grows; empty if unknown."""
    row = [
        median_and_range(results.spread("ganger", "master_cpu", f"workers_{count}_us"))
        for count in (1, 100, 1_000)
    ]
    if not results.measured("ganger", "master_cpu"):
        return ""
    return table(["simulated workers", "1", "100", "1,000"], [["CPU a task, µs", *row]])


def absences(results: Results) -> str:
    """Return a list of what has no figure, and why."""
    lines = []
    for row in results.rows:
        if row.outcome in (FAILED, NOT_APPLICABLE):
            reason = row.detail.splitlines()[0] if row.detail else row.outcome
            verb = "failed in" if row.outcome == FAILED else "has no"
            lines.append(f"- {ENTRIES[row.peer].title} {verb} `{row.workload}`: {reason}")
    return "\n".join(dict.fromkeys(lines)) + "\n" if lines else ""


def _by_peer(results: Results, columns: Sequence[Column]) -> str:
    present = {row.peer for row in results.rows}
    rows = [
        [_emphasised(peer), *(value(peer) for _, value in columns)] for peer in ENTRIES if peer in present
    ]
    return table(["", *(head for head, _ in columns)], rows)


def _emphasised(peer: str) -> str:
    title = ENTRIES[peer].title
    return f"**{title}**" if peer.startswith("ganger") else title


def _plain(results: Results, workload: str, metric: str) -> Callable[[str], str]:
    return lambda peer: median(results.spread(peer, workload, metric))


def _ranged(results: Results, workload: str, metric: str) -> Callable[[str], str]:
    return lambda peer: median_and_range(results.spread(peer, workload, metric))


def _ratio(results: Results, peer: str) -> str:
    # Three digits would hide what differs: all of them are a little over one.
    spread = results.spread(peer, "makespan", "ratio")
    return median(spread) if spread is None else f"{spread.median:.3f}"
