"""From a function and its arguments to a buffered entry: specs are made once, payloads pickled per call."""

from __future__ import annotations

import inspect
import itertools
import pickle
import threading
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeVar

from msgspec import structs

from ganger.client.engine import Engine
from ganger.client.functions import function_name, pack_function
from ganger.client.future import Future, collector
from ganger.client.local_modules import LocalModules
from ganger.client.options import Options, merge, overlay
from ganger.client.pickling import dumps, dumps_by_value, explain_failure
from ganger.core.client import ClientSpec, Entry, Handle
from ganger.errors import InvalidOption
from ganger.protocol.options import SpecBody

_dumps = pickle.dumps
SPECS_MAX = 4096
"""Functions that a client remembers; beyond it the oldest is packed anew when it comes again."""


_STABLE = (FunctionType, BuiltinFunctionType, type)
"""Callables that are remembered by identity; others carry state that may change between two submits."""
K = TypeVar("K")
V = TypeVar("V")


def _remember(cache: dict[K, V], key: K, value: V) -> None:
    if len(cache) >= SPECS_MAX:
        del cache[next(iter(cache))]
    cache[key] = value


class Calls:
    """Makes entries for one engine.

    Args:
        engine: Where they go.
        shares_path: Whether the workers import from the same places as this process.
    """

    def __init__(self, engine: Engine, shares_path: bool) -> None:
        self.engine = engine
        self.local = LocalModules(by_value=not shares_path)
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._by_identity: dict[tuple[int, int], tuple[Any, Options, ClientSpec]] = {}
        self._by_content: dict[tuple[bytes, str, bytes], ClientSpec] = {}

    def spec(self, function: Callable[..., Any], options: Options) -> ClientSpec:
        """The spec of a function under options, packed when it is first met.

        Raises:
            InvalidOption: Options that this function cannot have.
            NotSerializable: The function cannot be pickled.
        """
        found = self._by_identity.get((id(function), id(options)))
        if found is not None:
            return found[2]
        return self._make(function, options)

    def _make(self, function: Callable[..., Any], given: Options) -> ClientSpec:
        decorated = getattr(function, "ganger_options", None)
        options = overlay(merge(Options(), decorated), given) if isinstance(decorated, dict) else given
        body = pack_function(function, self.local)
        if options.task.concurrency > 1 and not inspect.iscoroutinefunction(inspect.unwrap(function)):
            raise InvalidOption(
                f"concurrency {options.task.concurrency} needs an async function; "
                f"{function_name(function)} is not one",
                hint="write it with async def, or leave concurrency out",
            )
        name = options.name or function_name(function)
        task = options.task
        if options.retry_on:
            task = structs.replace(task, retry_on=dumps(options.retry_on, self.local))
        with self._lock:
            content = (body.digest, name, _dumps(task))
            spec = self._by_content.get(content)
            if spec is None:
                number = next(self._numbers)
                spec = ClientSpec(number, body, SpecBody(number, body.digest, name, task))
                _remember(self._by_content, content, spec)
            if isinstance(function, _STABLE):
                _remember(self._by_identity, (id(function), id(given)), (function, given, spec))
        return spec

    def entry(self, spec: ClientSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        """One call.

        Raises:
            NotSerializable: An argument cannot be pickled; says which, and where in it.
            InvalidOption: The arguments are longer than a message may be.
        """
        if self.local.by_value:
            self.local.look()
        found: list[Future[Any]] = []
        collector.found, collector.engine = found, self.engine
        try:
            payload = _dumps((args, kwargs), 5)
            for needle in self.local.needles:
                if needle in payload:
                    raise _ByValue
        except Exception:
            self._let_go(found)
            found = []
            payload = self._slowly(spec, args, kwargs, found)
        finally:
            collector.found = None
        limit = self.engine.payload_bytes_max
        if limit and len(payload) > limit:
            self._let_go(found)
            raise InvalidOption(
                f"the arguments of {spec.name} take {len(payload):,} bytes, "
                f"more than payload_bytes_max ({limit:,})",
                hint="write them to a file or a store that the workers can read, and pass its name",
            )
        future: Future[Any] = Future(self.engine, spec.name)
        inputs: list[Handle] | None = list(found) if found else None
        return spec, payload, future, inputs

    def withdraw(self, entry: Entry) -> None:
        """The call is not made after all: the futures in its arguments are not needed by it."""
        self._let_go(entry[3] or [])

    def _let_go(self, inputs: Sequence[Handle]) -> None:
        for handle in inputs:
            self.engine.unpin(handle)

    def _slowly(
        self, spec: ClientSpec, args: tuple[Any, ...], kwargs: dict[str, Any], found: list[Future[Any]]
    ) -> bytes:
        """By value, where the C pickler failed or would pickle what cannot be found elsewhere."""
        collector.found = found
        try:
            return dumps_by_value((args, kwargs), self.local)
        except Exception as error:
            self._let_go(found)
            if isinstance(error, InvalidOption):
                raise
            names = {f"{position} of {spec.name}": value for position, value in enumerate(args)}
            names |= {f"{name!r} of {spec.name}": value for name, value in kwargs.items()}
            met: list[Future[Any]] = []
            collector.found = met
            try:
                raise explain_failure("argument", names, error) from error
            finally:
                self._let_go(met)


class _ByValue(Exception):
    """The payload mentions something that only travels by value."""
