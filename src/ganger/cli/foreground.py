"""Processes of a plan run in the foreground until Ctrl-C; why they ended otherwise becomes an error."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable

from ganger import errors
from ganger.cli.exits import DefectOfAnother
from ganger.host.plan import HostPlan, Status
from ganger.host.supervisor import HOPELESS, Supervisor

logger = logging.getLogger("ganger.host")


class Foreground:
    """Runs a plan in this process.

    Args:
        plan: What to run.
        on_master: Takes the master's addresses once it can be connected to.
        on_worker: Takes the name of each worker that is ready.
    """

    def __init__(
        self, plan: HostPlan, on_master: Callable[[list[str]], None], on_worker: Callable[[str], None]
    ) -> None:
        self.plan = plan
        self.on_master = on_master
        self.on_worker = on_worker
        self._fatal: Status | None = None

    def run(self) -> None:
        """Returns when it was asked to end and nothing runs any more.

        Raises:
            GangerError: The master could not start or has ended, or no worker can work.
        """
        leave_terminal()
        Supervisor(self.plan, -1, self._on_status).run()
        if self._fatal is not None:
            raise as_error(self._fatal)

    def _on_status(self, status: Status) -> None:
        if status.ready:
            if status.name == "master":
                self.on_master(status.addresses)
            else:
                self.on_worker(status.name)
        elif status.name in ("master", "host") or status.error in HOPELESS:
            self._fatal = self._fatal or status
            signal.raise_signal(signal.SIGTERM)
        else:
            logger.error("%s; another takes its place", status.message)


def leave_terminal() -> None:
    """Takes no input, and ends in order when the terminal goes away, unless told to ignore that (nohup)."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def as_error(status: Status) -> errors.GangerError:
    """What a process says of its failure, as the error that it was there."""
    if status.error == "MasterEnded":
        return errors.OperatorError(
            status.message, hint="start it again on the same journal; it goes on from there"
        )
    kind = getattr(errors, status.error, None)
    if isinstance(kind, type) and issubclass(kind, errors.GangerError):
        return kind(status.message, hint=status.hint)
    return DefectOfAnother(status.message, hint="please report it with the traceback above")
