"""A census is a tree of tasks: one leaf per file, merges above them, and no result passes through the client.

A future that stands in the arguments of another call is a dependency: the merge starts once all its parts are
there, and gets their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from census.counting import Census, census_of_file, merge

if TYPE_CHECKING:
    from ganger import Client, Future

FAN_IN = 32
"""How many censuses one merge adds up: enough that merges are few beside the files, few enough that most of
them run while files are still being parsed."""


def plain_loop(paths: Sequence[str]) -> Census:
    """Count the files one after the other in this process, with the very functions that the tasks call."""
    return merge(*(census_of_file(path) for path in paths))


def submit_tree(client: Client, paths: Sequence[str]) -> tuple[list[Future[Census]], Future[Census]]:
    """Submit one task per file and the tree of merges above them; return at once.

    Args:
        client: what takes the submissions.
        paths: the files to count.

    Returns:
        The future of each file's census in the order of ``paths``, and the future of the total.
    """
    leaves = client.submit_many(census_of_file, paths)
    return leaves, _submit_merges(client, leaves)


def _submit_merges(client: Client, parts: Sequence[Future[Census]]) -> Future[Census]:
    if len(parts) <= FAN_IN:
        return client.submit(merge, *parts)
    rest = iter(parts)
    level: list[Future[Census]] = []
    while group := tuple(islice(rest, FAN_IN)):
        level.append(client.submit(merge, *group))
    return _submit_merges(client, level)
