"""What the tasks of the fault tests do: each function is one way for a task to behave, mostly a bad one.

It imports little, so that a fresh executor has it at once. Side effects are lines in a file, each
written in one piece, so that a test can count what ran, where, and how often.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

FOREVER_S = 3600.0
PAUSE_S = 0.002
MIB = 1 << 20


class Stay(NamedTuple):
    """Where and when a call ran: the process, and monotonic seconds, which all processes share."""

    pid: int
    began_s: float
    ended_s: float


def note(path: str, *words: object) -> None:
    """Adds a line to a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    finally:
        os.close(descriptor)


def notes(path: str | Path) -> list[str]:
    """The lines of such a file; none if it is not there yet."""
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


# ------------------------------------------------------------------------------------- well-behaved ones


def noted(path: str, number: int) -> int:
    """Says that it ran, and returns its number."""
    note(path, number)
    return number


def noted_after(seconds: float, path: str, number: int) -> int:
    """Sleeps, says that it ran, and returns its number."""
    time.sleep(seconds)
    return noted(path, number)


def noted_blob(path: str, number: int, size_bytes: int) -> bytes:
    """Says that it ran, and returns many bytes."""
    note(path, number)
    return blob(size_bytes)


def where() -> int:
    """The process that runs it."""
    return os.getpid()


def stay(seconds: float) -> Stay:
    """Sleeps, and says where and when."""
    began_s = time.monotonic()
    if seconds:
        time.sleep(seconds)
    return Stay(os.getpid(), began_s, time.monotonic())


def wait_for(gate: str, path: str, number: int = 0) -> int:
    """Says that it has started and in which process, then waits for a file to appear."""
    note(path, number, os.getpid())
    while not os.path.exists(gate):
        time.sleep(PAUSE_S)
    return number


def fail_until(gate: str, path: str) -> int:
    """Fails as long as a file is not there. Returns how often it had failed."""
    if not os.path.exists(gate):
        note(path, "failed")
        raise LookupError("not there yet")
    return len(notes(path))


def blob(size_bytes: int) -> bytes:
    """Bytes that no compression could shorten much, and that differ by position."""
    return (b"0123456789abcdef" * (size_bytes // 16 + 1))[:size_bytes]


# --------------------------------------------------------------------------------------- the end of a process


def exit_at_once(code: int = 3) -> None:
    """Ends the process without a word."""
    os._exit(code)


def exit_politely(code: int = 4) -> None:
    """Asks the interpreter to end."""
    sys.exit(code)


def segfault() -> None:
    """Reads where nothing is."""
    ctypes.string_at(0)


def abort() -> None:
    """Does what a failed C assertion does."""
    os.abort()


def kill_itself(number: int) -> None:
    """Sends its own process a signal."""
    os.kill(os.getpid(), number)
    time.sleep(FOREVER_S)


def kill_an_ancestor(path: str, generations: int) -> None:
    """Kills the process that started its own (1, the zygote), or the one that started that (2, the agent)."""
    note(path, os.getpid())
    victim = os.getppid()
    if generations == 2:
        status = Path(f"/proc/{victim}/status").read_text(encoding="utf-8")
        victim = int(status.partition("PPid:")[2].split()[0])
    os.kill(victim, signal.SIGKILL)
    time.sleep(FOREVER_S)


def exhaust_memory(limit_bytes: int) -> int:
    """Takes and touches memory, somewhat faster than anyone could want."""
    held: list[bytearray] = []
    while len(held) * 8 * MIB < limit_bytes:
        held.append(bytearray(b"x") * (8 * MIB))
        time.sleep(0.005)
    return len(held)


def noted_then(behaviour: Callable[..., object], path: str, number: int, *arguments: object) -> object:
    """Says that it ran, then behaves as told."""
    note(path, number)
    return behaviour(*arguments)


def noted_but_one(path: str, number: int, bad: int) -> int:
    """Says that it ran; the bad one of them ends the process."""
    note(path, number)
    if number == bad:
        os._exit(9)
    return number


# --------------------------------------------------------------------------------------------- without an end


def spin() -> None:
    """Never returns, and never lets go of the interpreter for long."""
    while True:
        pass


def sleep_for_ever(path: str) -> None:
    """Says that it has started, and in which process, and never returns."""
    note(path, os.getpid())
    time.sleep(FOREVER_S)


async def doze(seconds: float, path: str, number: int) -> int:
    """A coroutine that says when it starts and when it is cancelled."""
    note(path, "start", number)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        note(path, "cancelled", number)
        raise
    return os.getpid()


async def heed_nothing(path: str, number: int, seconds: float) -> int:
    """A coroutine that ignores its cancellation if its number is 0; another sleeps and ends."""
    note(path, "start", number)
    while not number:
        try:
            await asyncio.sleep(FOREVER_S)
        except asyncio.CancelledError:
            note(path, "heeds nothing")
    await asyncio.sleep(seconds)
    return os.getpid()


# --------------------------------------------------------------------------------- processes and descriptors


def start_a_process(path: str) -> int:
    """Starts a process that would outlive it, and says its id."""
    child = subprocess.Popen(["sleep", str(FOREVER_S)])
    note(path, child.pid)
    return child.pid


def start_a_process_and_stay(path: str) -> None:
    """Starts a process that would outlive it, and never returns."""
    start_a_process(path)
    time.sleep(FOREVER_S)


def run_a_process(text: str) -> str:
    """Has another process say something."""
    return subprocess.run(["echo", text], capture_output=True, text=True, check=True).stdout.strip()


def start_threads(count: int) -> int:
    """Leaves threads behind that never end."""
    for _ in range(count):
        threading.Thread(target=time.sleep, args=(FOREVER_S,), daemon=True).start()
    return threading.active_count()


def print_much(text: str) -> None:
    """Writes to both streams."""
    print(text, flush=True)
    print(text, file=sys.stderr, flush=True)


def close_all_descriptors(first: int = 3) -> str:
    """Closes everything that the process has open, its connection to the agent included."""
    os.closerange(first, 4096)
    return "closed"


def fork_and_return(path: str) -> int:
    """Forks, and forgets that two processes return from here."""
    child = os.fork()
    note(path, "parent" if child else "child")
    return child


def leave_the_folder() -> str:
    """Goes somewhere else, and stays there."""
    os.chdir("/")
    return os.getcwd()
