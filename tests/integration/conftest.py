"""Clusters that tests share: starting one costs more than most tests."""

from collections.abc import Iterator

import pytest

import ganger


@pytest.fixture(scope="session")
def cluster() -> Iterator[ganger.Cluster]:
    """Two slots on one worker. Tests leave nothing running on it."""
    with ganger.Cluster(slots=2) as shared:
        yield shared


@pytest.fixture(scope="session")
def single() -> Iterator[ganger.Cluster]:
    """One slot: what one task holds up, all others wait for."""
    with ganger.Cluster(slots=1) as shared:
        yield shared
