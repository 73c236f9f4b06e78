"""A process knows what it runs on, and two clocks."""

import os
import platform
from importlib.metadata import PackageNotFoundError

import pytest

from ganger.runtime import environment
from ganger.runtime.environment import SystemClock, ganger_version, runtime_of_this_process


def test_a_process_says_what_it_runs_on() -> None:
    runtime = runtime_of_this_process()
    assert (runtime.python, runtime.pid) == (platform.python_version(), os.getpid())
    assert runtime.ganger == ganger_version()
    assert runtime.host


def test_a_checkout_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", missing)
    assert ganger_version() == "0+unknown"


def test_the_monotonic_clock_never_goes_back_and_the_wall_clock_has_a_date() -> None:
    clock = SystemClock()
    before, after = clock.now(), clock.now()
    assert before.monotonic_ns <= after.monotonic_ns
    assert after.wall_ns > 1_600_000_000 * 1_000_000_000
