"""One call: arguments in as bytes, outcome out as bytes; nothing that user code raises gets past it."""

from __future__ import annotations

import inspect
import pickle
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from ganger.client.inputs import set_inputs
from ganger.client.pickling import dumps
from ganger.protocol.calls import EXIT, FAILURE, RETRYABLE, SUCCESS
from ganger.protocol.options import SpecBody
from ganger.protocol.outcome import ErrorInfo, decode_error, encode_error

_loads = pickle.loads
_pickle = pickle.dumps
_MAIN = b"__main__"

TEXT_LENGTH_MAX = 1 << 16
"""How much of an exception's text, and of its traceback, is told; what is cut lies in the middle."""


class Call:
    """A function ready to be called, with its spec's rules.

    Attributes:
        function: The user's function.
        is_async: Whether calling it makes a coroutine for the executor's loop.
        retry_on: Exceptions that its retry rule covers.
        broken: The outcome of every call, where the function could not be loaded.
    """

    __slots__ = ("broken", "function", "is_async", "retry_on", "spec")

    def __init__(self, spec: SpecBody, body: bytes) -> None:
        self.spec = spec
        self.function: Callable[..., Any] | None = None
        self.retry_on: tuple[type[BaseException], ...] = (Exception,)
        self.is_async = False
        self.broken: tuple[int, bytes] | None = None
        try:
            self.function = _loads(body)
            self.is_async = inspect.iscoroutinefunction(inspect.unwrap(self.function))
            if spec.options.retry_on:
                self.retry_on = _loads(spec.options.retry_on)
        except BaseException as error:
            note = f"while loading the function {spec.name} in the executor"
            self.broken = FAILURE, describe(error, note)

    def arguments(
        self, payload: bytes, inputs: Sequence[bytes] | None
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments."""
        if inputs:
            set_inputs(inputs)
        args, kwargs = _loads(payload)
        return args, kwargs

    def outcome(self, payload: bytes, inputs: Sequence[bytes] | None) -> tuple[int, bytes]:
        """Calls the function. Returns the record's kind and its payload; never raises."""
        if self.broken is not None or self.function is None:
            return self.broken or (FAILURE, b"")
        try:
            if inputs:
                set_inputs(inputs)
            args, kwargs = _loads(payload)
            value = self.function(*args, **kwargs)
        except BaseException as error:
            return self.failure(error)
        return self.success(value)

    def success(self, value: object) -> tuple[int, bytes]:
        """The outcome of a value."""
        try:
            body = _pickle(value, 5)
            if _MAIN in body:
                body = dumps(value)
        except BaseException:
            return self._awkward(value)
        return SUCCESS, body

    def _awkward(self, value: object) -> tuple[int, bytes]:
        """A value that the C pickler refuses."""
        try:
            return SUCCESS, dumps(value)
        except BaseException as error:
            why = _text(error)
            text = f"{self.spec.name} returned a {type(value).__qualname__} that cannot be pickled: {why}"
            info = ErrorInfo("result", "ganger.errors.ResultNotSerializable", text, _trace(error))
            return FAILURE, encode_error(info)

    def failure(self, error: BaseException) -> tuple[int, bytes]:
        """The outcome of an exception."""
        if isinstance(error, SystemExit):
            text = f"{self.spec.name} called sys.exit({error.code!r})"
            return EXIT, encode_error(
                ErrorInfo("crash", "ganger.errors.ExecutorCrashed", text, _trace(error))
            )
        kind = RETRYABLE if isinstance(error, self.retry_on) else FAILURE
        return kind, describe(error)

    def too_long(self, kind: int, body: bytes, limit: int) -> tuple[int, bytes]:
        """The outcome in place of one that is longer than may travel."""
        if kind == SUCCESS:
            text = f"{self.spec.name} returned {len(body):,} bytes, more than payload_bytes_max ({limit:,})"
            return FAILURE, encode_error(ErrorInfo("result", "ganger.errors.ResultNotSerializable", text))
        return kind, encode_error(replace(decode_error(body), pickled=b""))


def describe(error: BaseException, note: str = "") -> bytes:
    """An exception as an encoded `ErrorInfo`: its text always, the object itself where it can be pickled."""
    kind = type(error)
    text = _text(error)
    if note:
        text = f"{text} ({note})"
    trace = _trace(error)
    try:
        pickled = dumps(error)
    except BaseException:
        pickled = b""
    return encode_error(
        ErrorInfo("exception", f"{kind.__module__}.{kind.__qualname__}", text, trace, pickled)
    )


def _trace(error: BaseException) -> str:
    """The traceback from the user's own frames on."""
    first = error.__traceback__
    if first is not None and first.tb_next is not None and first.tb_frame.f_code.co_filename == __file__:
        first = first.tb_next
    try:
        return _shorten("".join(traceback.format_exception(type(error), error, first)))
    except BaseException as failure:
        return f"<the traceback cannot be made: {type(failure).__qualname__}>"


def _text(error: BaseException) -> str:
    try:
        return _shorten(str(error))
    except BaseException as failure:
        return f"<its text cannot be made: {type(failure).__qualname__}>"


def _shorten(text: str) -> str:
    """The text as it can travel: of bounded length, and valid Unicode (file names may hold what is not)."""
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= TEXT_LENGTH_MAX:
        return text
    half = TEXT_LENGTH_MAX // 2
    return f"{text[:half]}\n[{len(text) - 2 * half:,} characters are left out here]\n{text[-half:]}"
