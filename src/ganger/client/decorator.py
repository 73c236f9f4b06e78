"""`@ganger.task(...)`: a function that carries options, and is otherwise the function that it was.

The decorated function is a twin of the original: the same code, defaults, closure and module, so it
costs no extra call, is a coroutine function if the original is one, binds as a method, and is found
under its own name when it is pickled by reference.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, overload

from ganger.client.functions import function_name
from ganger.client.options import Options, merge
from ganger.errors import InvalidOption

P = ParamSpec("P")
T = TypeVar("T")


@overload
def task(function: Callable[P, T], /) -> Callable[P, T]: ...


@overload
def task(**options: Any) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def task(function: Callable[..., Any] | None = None, /, **options: Any) -> Callable[..., Any]:
    """Gives a function options of its own, for whenever it is submitted. Calling it calls it here, as ever.

    ```python
    @ganger.task(retries=3, timeout_s=30)
    def fetch(url: str) -> bytes: ...
    ```

    What `client.options(...)` says explicitly wins over what is said here. The options stand in the
    attribute ``ganger_options``, the undecorated function in ``__wrapped__``.

    Args:
        function: The function, where the decorator is used bare.
        options: As for `Client.options`.

    Raises:
        InvalidOption: An option that does not exist, cannot be meant, or cannot be had by this function.
    """
    if function is None:
        merge(Options(), options)
        return functools.partial(_decorate, options=options)
    return _decorate(function, options=options)


def _decorate(function: Callable[P, T], *, options: dict[str, Any]) -> Callable[P, T]:
    _check_kind(function)
    options = {**getattr(function, "ganger_options", {}), **options}
    check_concurrency(function, merge(Options(), options).task.concurrency)
    twin = _twin(function)
    functools.update_wrapper(twin, function)
    twin.ganger_options = options  # type: ignore[attr-defined]
    return twin


def check_concurrency(function: Callable[..., Any], concurrency: int) -> None:
    """Only calls of an async function can share an executor.

    Raises:
        InvalidOption: It is not one.
    """
    if concurrency > 1 and not inspect.iscoroutinefunction(inspect.unwrap(function)):
        raise InvalidOption(
            f"concurrency {concurrency} needs an async function; {function_name(function)} is not one",
            hint="write it with async def, or leave concurrency out",
        )


def _check_kind(function: object) -> None:
    if isinstance(function, staticmethod | classmethod):
        kind = type(function).__name__
        raise InvalidOption(
            f"ganger.task decorates a function, not a {kind}", hint=f"put @ganger.task below @{kind}"
        )
    if isinstance(function, type):
        raise InvalidOption(
            f"ganger.task decorates a function, not the class {function.__qualname__}",
            hint="give its options where it is submitted: client.options(...).submit(...)",
        )
    if not callable(function):
        raise InvalidOption(
            f"ganger.task takes its options by name; {function!r} is not a function",
            hint="write @ganger.task(retries=3)",
        )


def _twin(function: Callable[P, T]) -> Callable[P, T]:
    if not isinstance(function, FunctionType):

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return function(*args, **kwargs)

        return call
    twin = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin
