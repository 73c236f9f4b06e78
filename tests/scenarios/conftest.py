"""The world of the scenarios, and what must be true at the end of each of them."""

from collections.abc import Callable, Iterator

import pytest

from tests.environment.cluster import Environment


@pytest.fixture
def make_environment() -> Iterator[Callable[..., Environment]]:
    """Makes masters with settings of their own; each is checked when the test is over."""
    made: list[Environment] = []

    def make(batches: list[bytes] | None = None, **limits: object) -> Environment:
        made.append(Environment(batches, **limits))
        return made[-1]

    yield make
    for environment in made:
        environment.finish()


@pytest.fixture
def environment(make_environment: Callable[..., Environment]) -> Environment:
    """A master with the default settings."""
    return make_environment()
