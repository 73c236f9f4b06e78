"""What a process says of itself at the handshake, and how it reads the time."""

from __future__ import annotations

import os
import platform
import socket
import time
from importlib.metadata import PackageNotFoundError, version

from ganger.ports import Now
from ganger.protocol.messages import Runtime


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Now:
        """Both clocks at this moment, in nanoseconds."""
        return Now(time.monotonic_ns(), time.time_ns())


def ganger_version() -> str:
    """The installed version."""
    try:
        return version("ganger")
    except PackageNotFoundError:
        return "0+unknown"


def runtime_of_this_process() -> Runtime:
    """Python's and ganger's version, the host's name and the process id."""
    return Runtime(platform.python_version(), ganger_version(), socket.gethostname(), os.getpid())
