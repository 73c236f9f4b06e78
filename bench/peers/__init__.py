"""The peers by name: one adapter each behind one small protocol; only the measured one is imported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.peers.peer import Peer

NO_FUTURES = {"tree": "a future cannot be an argument of another task"}
NO_MAP = {"map": "it has no map of its own, tasks are submitted one by one"}


@dataclass(frozen=True, slots=True)
class Pace:
    """About how fast a peer is on two cores, so that a measurement takes neither an instant nor an hour.

    Only the number of tasks is derived from it, never a figure of the report.

    Attributes:
        tasks_per_s: No-ops submitted one by one.
        round_trips_per_s: One after the other.
        payloads_per_s: Of 100 KiB, there and back.
        leaves: Of the tree.
        queued: Tasks to queue for the memory workload.
    """

    tasks_per_s: int
    round_trips_per_s: int
    payloads_per_s: int
    leaves: int
    queued: int


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a peer's adapter lies, how the report names it, and what it cannot do.

    Attributes:
        title: Its name in the report.
        adapter: ``module:class`` below ``bench.peers``.
        environment: The virtual environment that it runs in.
        distribution: The installed package whose version counts; none for the standard library.
        pace: Its rough speed.
        starts_slowly: Whether a start takes seconds; it then gets fewer rounds.
        lacks: The workloads that make no sense for it, each with the reason.
    """

    title: str
    adapter: str
    environment: str
    distribution: str | None
    pace: Pace
    starts_slowly: bool = False
    lacks: Mapping[str, str] = field(default_factory=dict)


ENTRIES: dict[str, Entry] = {
    "ganger": Entry(
        "ganger, journal in memory",
        "ganger:Ganger",
        "ganger",
        "ganger",
        Pace(150_000, 4_000, 1_000, 10_000, 1_000_000),
    ),
    "ganger_disk": Entry(
        "ganger, journal on disk",
        "ganger:GangerOnDisk",
        "ganger",
        "ganger",
        Pace(100_000, 1_500, 500, 10_000, 1_000_000),
    ),
    "mp_pool": Entry(
        "multiprocessing.Pool",
        "mp_pool:MultiprocessingPool",
        "stdlib",
        None,
        Pace(40_000, 8_000, 1_000, 0, 1_000_000),
        lacks=NO_FUTURES,
    ),
    "process_pool": Entry(
        "ProcessPoolExecutor",
        "process_pool:ProcessPool",
        "stdlib",
        None,
        Pace(15_000, 6_000, 1_000, 0, 300_000),
        lacks=NO_FUTURES,
    ),
    "loky": Entry(
        "loky", "loky:Loky", "loky", "loky", Pace(8_000, 4_000, 1_000, 0, 100_000), lacks=NO_FUTURES
    ),
    "frisky": Entry(
        "frisky", "frisky:Frisky", "frisky", "frisky", Pace(12_000, 3_000, 1_000, 10_000, 200_000)
    ),
    "ray": Entry(
        "ray",
        "ray:Ray",
        "ray",
        "ray",
        Pace(2_000, 600, 500, 10_000, 30_000),
        starts_slowly=True,
        lacks=NO_MAP,
    ),
    "dask": Entry(
        "dask.distributed",
        "dask:Dask",
        "dask",
        "distributed",
        Pace(600, 90, 300, 3_000, 10_000),
        starts_slowly=True,
    ),
    "celery": Entry(
        "celery on Redis",
        "celery:Celery",
        "celery",
        "celery",
        Pace(1_000, 300, 200, 0, 10_000),
        starts_slowly=True,
        lacks=NO_FUTURES,
    ),
    "parsl": Entry(
        "parsl",
        "parsl:Parsl",
        "parsl",
        "parsl",
        Pace(1_500, 700, 500, 10_000, 10_000),
        starts_slowly=True,
        lacks=NO_MAP,
    ),
}


def load_peer(name: str) -> Peer:
    """Import the adapter of the peer ``name`` and return a new, not yet started one."""
    module_name, _, class_name = ENTRIES[name].adapter.partition(":")
    peer: Peer = getattr(importlib.import_module(f"bench.peers.{module_name}"), class_name)()
    return peer
