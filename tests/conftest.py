"""Tests run from the fastest room to the slowest, so that the cheapest test that can fail says so first.

The rooms: `unit` mirrors src/ganger, one module at a time; `scenarios` tells a story to the pure cores, event
by event; `properties` lets hypothesis write them; `integration` starts real processes; `chaos` kills them.
"""

from collections.abc import Iterator
from pathlib import Path

import coverage
import hypothesis
import pytest

ROOMS = ("unit", "scenarios", "properties", "integration", "chaos")
ROOMS_WITH_PROCESSES = ("integration", "chaos")
TESTS = Path(__file__).parent

# The everyday profile draws the same examples each time, so that a green run stays green; `make test-long`
# explores. Neither has a deadline: no test of ours is timed.
hypothesis.settings.register_profile("everyday", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
hypothesis.settings.load_profile("everyday")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the tests by room, keeping the order within each."""
    strangers = sorted({str(item.path.relative_to(TESTS)) for item in items if room_of(item) not in ROOMS})
    if strangers:
        raise pytest.UsageError(
            f"these tests stand in none of the rooms {', '.join(ROOMS)}: {', '.join(strangers)}"
        )
    items.sort(key=lambda item: ROOMS.index(room_of(item)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Ends the measuring of coverage before the first test with real processes.

    What the floor counts is what the fast, precise tests cover; and processes are tested at their own speed.
    """
    measuring = coverage.Coverage.current()
    if measuring is not None and room_of(item) in ROOMS_WITH_PROCESSES:
        measuring.stop()
    return (yield)


def room_of(item: pytest.Item) -> str:
    """Returns the folder below tests/ in which a test stands."""
    return item.path.relative_to(TESTS).parts[0]
