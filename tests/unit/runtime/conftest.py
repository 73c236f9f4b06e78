"""The worlds of the scenarios, for tests of the pump."""

from tests.environment.fixtures import agent, environment, make_agent, make_environment

__all__ = ["agent", "environment", "make_agent", "make_environment"]
