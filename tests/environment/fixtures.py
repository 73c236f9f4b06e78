"""Worlds as fixtures; what must be true at the end of every test is checked when it is over."""

from collections.abc import Callable, Iterator

import pytest

from tests.environment.agent import AgentEnvironment
from tests.environment.cluster import Environment


@pytest.fixture
def make_environment() -> Iterator[Callable[..., Environment]]:
    """Makes masters with settings of their own."""
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


@pytest.fixture
def make_agent() -> Iterator[Callable[..., AgentEnvironment]]:
    """Makes agents with settings of their own."""
    made: list[AgentEnvironment] = []

    def make(slots: int = 1, gpus: int = 0, **limits: object) -> AgentEnvironment:
        made.append(AgentEnvironment(slots, gpus, **limits))
        return made[-1]

    yield make
    for agent in made:
        agent.finish()


@pytest.fixture
def agent(make_agent: Callable[..., AgentEnvironment]) -> AgentEnvironment:
    """An agent with one executor and the default settings, welcomed by its master."""
    return make_agent()
