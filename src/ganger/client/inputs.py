"""Where a call's inputs stand while its arguments are unpickled.

In pickled arguments a future is only its position in the list of inputs that travels beside them;
the executor puts that list here before it unpickles. Light on purpose: executors import it.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence


class _Inputs:
    __slots__ = ("payloads", "values")

    def __init__(self) -> None:
        self.payloads: Sequence[bytes] = ()
        self.values: dict[int, object] = {}


_current = _Inputs()


def set_inputs(payloads: Sequence[bytes]) -> None:
    """The inputs of the call whose arguments are unpickled next."""
    _current.payloads = payloads
    _current.values = {}


def take_input(position: int) -> object:
    """The value of an input; the same object each time it is asked for within one call."""
    values = _current.values
    if position not in values:
        values[position] = pickle.loads(_current.payloads[position])  # noqa: S301
    return values[position]
