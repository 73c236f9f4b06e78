"""The world of the scenarios: a master, or an agent, whose end is checked when the scenario is over."""

from tests.environment.fixtures import agent, environment, make_agent, make_environment

__all__ = ["agent", "environment", "make_agent", "make_environment"]
