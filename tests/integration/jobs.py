"""Functions that tests have run on workers: a module of its own, so that executors import it quickly.

A gate is a path: what waits at it goes on when somebody makes the file.
"""

import asyncio
import os
import time
from pathlib import Path

import ganger

LOOK_S = 0.002
prepared: list[str] = []


def double(number):
    return 2 * number


def same(value):
    return value


def add(*numbers, **named):
    return sum(numbers) + sum(named.values())


def pid(*_):
    return os.getpid()


def keywords(**named):
    return named


def wait_at(gate, value=None):
    """Returns the value once the gate is open."""
    while not os.path.exists(gate):
        time.sleep(LOOK_S)
    return value


def come_to(arrival, gate, value=None):
    """Says that it has started, then waits at the gate."""
    Path(arrival).touch()
    return wait_at(gate, value)


def write_line(path, line):
    with open(path, "a") as file:
        file.write(f"{line}\n")
    return line


def sleep_then(seconds, value):
    time.sleep(seconds)
    return value


def fail(message="no"):
    raise ValueError(message)


def fail_until(path, times):
    """Fails so many times, counting in a file, and then says which try it was."""
    write_line(path, "try")
    tries = len(Path(path).read_text().splitlines())
    if tries <= times:
        raise KeyError(f"try {tries}")
    return tries


def never():
    while True:
        time.sleep(LOOK_S)


def inside(thing):
    return thing.inside


def visible_devices():
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def prepare():
    prepared.append("once")


def preparations():
    return list(prepared)


def prepare_badly():
    raise RuntimeError("the model file is missing")


class Box:
    """Something with an attribute."""

    def __init__(self, inside):
        self.inside = inside

    def scaled(self, factor):
        return self.inside * factor

    @ganger.task(retries=2)
    def stubborn(self, path, times):
        return self.inside, fail_until(path, times)

    @staticmethod
    def fixed(value):
        return value

    @classmethod
    def name(cls):
        return cls.__name__


class Unpicklable:
    """Refuses to be pickled, as a value or as a result."""

    def __reduce__(self):
        raise TypeError("an open socket cannot travel")


class LocalOnly(Exception):
    """An exception that can be pickled but not rebuilt."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def make_unpicklable():
    return Unpicklable()


def raise_local_only():
    raise LocalOnly("this", "that")


def raise_from():
    try:
        fail("inner")
    except ValueError as error:
        raise RuntimeError("outer") from error


@ganger.task(retries=3)
def patient(path, times):
    return fail_until(path, times)


@ganger.task
def factorial(number):
    return 1 if number < 2 else number * factorial(number - 1)


@ganger.task(concurrency=50)
async def arrive(expected):
    """Returns the process once so many calls are in it at the same time."""
    arrive.present = getattr(arrive, "present", 0) + 1
    while arrive.present < expected:
        await asyncio.sleep(LOOK_S)
    return os.getpid()


async def add_later(first, second):
    await asyncio.sleep(0)
    return first + second


async def loop_id():
    return id(asyncio.get_running_loop())


async def wait_at_later(gate, value=None):
    while not os.path.exists(gate):
        await asyncio.sleep(LOOK_S)
    return value


class OnlyThere:
    """Can be rebuilt anywhere but in one process."""

    def __init__(self, pid):
        self.pid = pid

    def __setstate__(self, state):
        if state["pid"] == os.getpid():
            raise ValueError("not here")
        self.__dict__.update(state)


def only_there(pid):
    return OnlyThere(pid)
