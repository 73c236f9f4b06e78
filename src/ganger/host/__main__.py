"""``python -m ganger.host``: the host of an embedded cluster, started by the client's library.

The plan comes on standard input, which then serves as the lifeline: its end means that the client
is gone. The status of its processes goes to the descriptor that the first argument names.
"""

from __future__ import annotations

import os
import sys

import msgspec

from ganger.host.plan import HostPlan, Status
from ganger.host.supervisor import Supervisor
from ganger.protocol.framing import HEADER, HEADER_BYTES, frame


def main() -> int:
    """Reads the plan and runs it."""
    status_end = int(sys.argv[1])
    lifeline = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.set_inheritable(status_end, False)
    os.set_blocking(status_end, False)
    (size,) = HEADER.unpack(_read_exactly(lifeline, HEADER_BYTES))
    plan = msgspec.msgpack.decode(_read_exactly(lifeline, size), type=HostPlan)

    def say(status: Status) -> None:
        try:
            os.write(status_end, frame(msgspec.msgpack.encode(status)))
        except (BrokenPipeError, BlockingIOError):
            if not status.ready:  # the client reads this pipe only while it starts
                sys.stderr.write(f"ganger: {status.name}: {status.message}\n")

    return Supervisor(plan, lifeline, say).run()


def _read_exactly(descriptor: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(descriptor, size)
        if not part:
            raise SystemExit("ganger.host: the plan was cut short")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    sys.exit(main())
