"""The worlds of the scenarios, for properties of the pure cores."""

from tests.environment.fixtures import environment, make_environment

__all__ = ["environment", "make_environment"]
