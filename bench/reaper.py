"""Nothing that a measurement starts outlives it: its daemons become our children, and are killed."""

from __future__ import annotations

import ctypes
import os
import signal
import time

from bench.processes import tree_pids

PR_SET_CHILD_SUBREAPER = 36
KILL_PAUSE_S = 0.01


def become_subreaper() -> None:
    """Make this process the parent of whatever its descendants orphan.

    It is kept across exec. So a peer's daemons never leave the tree, and the tree is all that a
    measurement has started, whatever they do to their names, groups and environments.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_descendants() -> None:
    """Kill and reap every descendant of this process; it must wait for no child elsewhere meanwhile."""
    me = os.getpid()
    while rest := tree_pids(me) - {me}:
        for pid in rest:
            _kill(pid)
        _reap_the_dead()
        time.sleep(KILL_PAUSE_S)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended between the look and the kill


def _reap_the_dead() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return
