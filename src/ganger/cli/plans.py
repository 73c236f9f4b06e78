"""What `up`, `master` and `worker` run, made of flags and settings, and checked before anything starts."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from ganger.config import JournalSettings, MasterSettings, WorkerSettings, load, state_folder
from ganger.master.server import MasterPlan, check_addresses
from ganger.security.secret import make_private_folder, read_secret
from ganger.worker.agent import WorkerPlan

MEMORY = "memory"
Sections = Mapping[str, Mapping[str, object]]


def plan_master(
    listen: list[str], journal: str | None, sections: Sections, *, insecure: bool = False
) -> MasterPlan:
    """A master.

    Args:
        listen: Where.
        journal: A folder, ``memory``, or None for the one in the user's state folder.
        sections: Settings given as flags.
        insecure: Whether others than loopback may be listened on, and no secret is asked for.

    Raises:
        AddressError: An address cannot be read.
        Refused: An address can be reached from other machines.
        ConfigurationError: A setting, or the state folder.
    """
    if journal is None:
        make_private_folder(state_folder())
        folder = str(state_folder() / "journal")
    else:
        folder = "" if journal == MEMORY else str(Path(journal).expanduser().absolute())
    plan = MasterPlan(
        listen=listen,
        journal=folder,
        insecure=insecure,
        settings=load(MasterSettings, sections.get("master")),
        journal_settings=load(JournalSettings, sections.get("journal")),
    )
    check_addresses(plan)
    return plan


def plan_worker(
    join: str,
    *,
    name: str,
    slots: int,
    resources: Mapping[str, float],
    preload: str,
    insecure: bool,
    sections: Sections,
) -> WorkerPlan:
    """A worker. With a preload function it imports from the current folder, too, as ``python -m`` does.

    Raises:
        ConfigurationError: A setting, or a secret that others may read.
    """
    secret = None if insecure else read_secret()
    return WorkerPlan(
        join=join,
        name=name,
        slots=slots,
        resources=dict(resources),
        preload=preload,
        paths=list(dict.fromkeys([os.getcwd(), *sys.path])) if preload else [],
        secret=secret.hex() if secret else "",
        frame_bytes_max=load(MasterSettings, sections.get("master")).frame_bytes_max,
        settings=load(WorkerSettings, sections.get("worker")),
    )


def offer(resources: Iterable[tuple[str, float]], workers: int) -> dict[str, float]:
    """What each of so many workers on this machine offers: its share of the memory, unless told otherwise."""
    return {MEMORY: float(psutil.virtual_memory().total // workers), **dict(resources)}


def share_cores(workers: int) -> int:
    """Slots for each of so many workers on this machine."""
    affinity: Callable[[int], Sequence[int] | set[int]] | None = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, cores // workers)


def make_name() -> str:
    """A worker's name that no other has: machine, process, chance."""
    return f"{socket.gethostname().partition('.')[0]}-{os.getpid()}-{secrets.token_hex(2)}"


def show_journal(plan: MasterPlan) -> str:
    """The journal's folder, or ``memory``."""
    return plan.journal or MEMORY
