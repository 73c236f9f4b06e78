"""Random graphs of tasks with a value for each that a plain loop can compute as well."""

from __future__ import annotations

import time
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ganger import Client, Future

DIGEST_BYTES = 16
REACH = 200
"""How far back a node's inputs may lie."""
Inputs = list[bytes] | dict[str, bytes] | tuple[bytes, ...]


class Node(NamedTuple):
    """One task of a graph.

    Attributes:
        inputs: The numbers of the nodes whose values it takes.
        shape: How they stand in its argument: ``list``, ``dict`` or ``tuple``.
        size_bytes: How long its value is.
        seconds: How long it sleeps.
        fails: Whether it raises.
    """

    number: int
    inputs: tuple[int, ...]
    shape: str
    size_bytes: int
    seconds: float
    fails: bool


def make_graph(random: Random, count: int) -> list[Node]:
    """A graph in an order in which each node comes after its inputs."""
    return [_make_node(random, number) for number in range(count)]


def _make_node(random: Random, number: int) -> Node:
    near = range(max(0, number - REACH), number)
    inputs = tuple(random.sample(near, min(len(near), random.choice((0, 1, 1, 2, 2, 3, 8)))))
    return Node(
        number,
        inputs,
        random.choice(("list", "dict", "tuple")),
        DIGEST_BYTES * random.choice((1, 1, 1, 1, 64, 8192)),
        random.choice((0.0,) * 12 + (0.001, 0.003, 0.005, 0.02)),
        random.random() < 0.002,
    )


def compute(number: int, size_bytes: int, seconds: float, fails: bool, inputs: Inputs) -> bytes:
    """The value of a node: a digest of its number and its inputs, repeated."""
    if seconds:
        time.sleep(seconds)
    if fails:
        raise ValueError(f"node {number}")
    values = inputs.values() if isinstance(inputs, dict) else inputs
    digest = blake2b(str(number).encode(), digest_size=DIGEST_BYTES)
    for value in values:
        digest.update(value)
    return digest.digest() * (size_bytes // DIGEST_BYTES)


def submit_graph(client: Client, graph: list[Node]) -> list[Future[bytes]]:
    """One task per node, in order."""
    futures: list[Future[bytes]] = []
    for node in graph:
        parts = [futures[number] for number in node.inputs]
        if node.shape == "dict":
            inputs: object = {str(number): part for number, part in enumerate(parts)}
        else:
            inputs = parts if node.shape == "list" else tuple(parts)
        arguments = (node.number, node.size_bytes, node.seconds, node.fails, inputs)
        futures.append(client.submit(compute, *arguments))
    return futures


class Expected(NamedTuple):
    """What becomes of a node: its value, or the failing nodes one of which is to blame."""

    value: bytes
    blame: frozenset[int]


def evaluate(graph: list[Node]) -> list[Expected]:
    """The same in a plain loop, without the sleeping."""
    found: list[Expected] = []
    for node in graph:
        blame = frozenset({node.number} if node.fails else ()).union(
            *(found[number].blame for number in node.inputs)
        )
        values = [found[number].value for number in node.inputs]
        value = b"" if blame else compute(node.number, node.size_bytes, 0.0, False, values)
        found.append(Expected(value, blame))
    return found
