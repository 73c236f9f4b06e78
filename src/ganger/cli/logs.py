"""Logs go to stderr, data to stdout; a line that repeats the one before it is not shown again."""

from __future__ import annotations

import logging
import sys

FOREGROUND = "%(asctime)s %(levelname)-7s %(name)s[%(process)d]: %(message)s"
BRIEF = "%(levelname)s: %(message)s"


class Repeats(logging.Filter):
    """Lets a record pass unless it says what its logger's last one said."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show it."""
        text = record.getMessage()
        repeated = self._last.get(record.name) == text
        self._last[record.name] = text
        return not repeated


class Lines(logging.Formatter):
    """Level names in small letters, as in every other line on the screen."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        record.levelname = record.levelname.lower()
        return super().format(record)


def configure(*, verbose: bool, foreground: bool) -> None:
    """Sets up logging for this process and those that are forked from it.

    Args:
        verbose: From DEBUG on.
        foreground: A cluster's processes, told apart by time and process; else warnings alone.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats())
    handler.setFormatter(Lines(FOREGROUND if foreground else BRIEF, "%H:%M:%S"))
    logger = logging.getLogger("ganger")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO if foreground else logging.WARNING)
