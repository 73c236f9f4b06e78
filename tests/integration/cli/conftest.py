"""A user for each test, with clients of this process among its programs."""

from collections.abc import Iterator

import pytest

from tests.integration.cli.commands import Commands


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """A user who has nothing yet; what this process connects to is that user's, too."""
    commands = Commands()
    for name, value in commands.variables.items():
        monkeypatch.setenv(name, value)
    for name in ("GANGER_ADDRESS", "GANGER_SECRET_FILE", "GANGER_CONFIG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    try:
        yield commands
    finally:
        commands.close()
