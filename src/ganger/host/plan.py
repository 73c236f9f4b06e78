"""What a host is told to run, and what it says when it runs."""

from __future__ import annotations

from msgspec import Struct

from ganger.master.server import MasterPlan
from ganger.worker.agent import WorkerPlan


class HostPlan(Struct, frozen=True):
    """The processes of one machine.

    Attributes:
        master: The master to run, or None to join one elsewhere.
        workers: The workers to run; where `join` is empty it is the master above.
        folder: A private folder to remove at the end, or empty.
        restart_delay_s: Pause before a worker that died is replaced; it doubles up to the maximum.
        restart_delay_max_s: The longest pause.
        stop_grace_s: How long processes may take to end when asked.
    """

    master: MasterPlan | None
    workers: list[WorkerPlan]
    folder: str = ""
    restart_delay_s: float = 0.1
    restart_delay_max_s: float = 5.0
    stop_grace_s: float = 5.0


class Status(Struct, frozen=True):
    """What a child, or the host itself, has to say.

    Attributes:
        name: ``master``, a worker's name, or ``host``.
        ready: It serves.
        addresses: A master's actual addresses.
        error, message, hint: Why it cannot: the class of the error, its text, what to do.
    """

    name: str
    ready: bool
    addresses: list[str] = []
    error: str = ""
    message: str = ""
    hint: str = ""
