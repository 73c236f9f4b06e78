"""Logs stand on stderr, one line each, and a line is not shown twice in a row."""

import logging
from collections.abc import Iterator

import pytest

from ganger.cli import logs

LOGGER = logging.getLogger("ganger")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leaves the process's logging as it was."""
    before = LOGGER.handlers[:], LOGGER.level, LOGGER.propagate
    yield
    LOGGER.handlers[:], LOGGER.level, LOGGER.propagate = before


def test_a_client_command_shows_warnings_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=False, foreground=False)
    LOGGER.info("all is well")
    LOGGER.warning("no worker can ever hold this")
    assert capsys.readouterr() == ("", "warning: no worker can ever hold this\n")


def test_a_cluster_in_the_foreground_says_when_and_which_process(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=False, foreground=True)
    logging.getLogger("ganger.master").info("worker %s joined", "w")
    logging.getLogger("ganger.master").debug("too much")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("worker w joined")
    assert "info    ganger.master[" in line


def test_verbose_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=True, foreground=False)
    LOGGER.debug("a detail")
    assert capsys.readouterr().err == "debug: a detail\n"


def test_what_repeats_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=False, foreground=False)
    for text in ("a", "a", "a", "b", "a"):
        LOGGER.warning(text)
    assert capsys.readouterr().err.splitlines() == ["warning: a", "warning: b", "warning: a"]
