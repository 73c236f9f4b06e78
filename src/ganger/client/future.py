"""A future of a task: a thin handle that the connection's thread completes and anyone may wait for.

Futures are left out of cyclic garbage collection and hold as little as possible, so that a million
of them cost a client neither time nor much memory. Values are unpickled when they are first asked
for, by whoever asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
import pickle
import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

from ganger.client.failures import rebuild_error
from ganger.client.inputs import take_input
from ganger.client.pickling import dumps
from ganger.errors import InvalidOption, TaskCancelled

if TYPE_CHECKING:
    from ganger.client.engine import Engine

T = TypeVar("T")
logger = logging.getLogger("ganger")

PENDING, RUNNING, FETCHING, KEPT, SUCCEEDED, VALUE, FAILED, ERROR, CANCELLED = range(9)
"""States in order: up to RUNNING the task has not ended, up to KEPT its value is not here."""
_NAMES = ("pending", "running", *("finished",) * 4, "failed", "failed", "cancelled")
_waiting_lock = threading.Lock()


def renew_lock() -> None:
    """In a forked child, where another thread may have held it."""
    global _waiting_lock  # noqa: PLW0603  (one lock for all futures, made anew once per fork)
    _waiting_lock = threading.Lock()


class Collector(threading.local):
    """The futures met while arguments are pickled, per thread; None outside of a submit.

    `engine` is the session that the call goes to.
    """

    found: list[Future[Any]] | None = None
    engine: Engine | None = None


collector = Collector()


class Hold:
    """Keeps a result at the master as long as it lives; tells the engine when it dies."""

    __slots__ = ("dropped", "task")

    def __init__(self, dropped: Callable[[int], None], task: int) -> None:
        self.dropped = dropped
        self.task = task

    def __del__(self) -> None:
        self.dropped(self.task)


class Future(Struct, Generic[T], gc=False, eq=False):
    """The result of a task that was submitted.

    Wait for it with `result`, `await` it, or hand it to another `submit` as (part of) an argument:
    that task then runs when this one has succeeded, with its value. Dropping a future releases its
    result and cancels nothing.
    """

    _engine: Engine
    _name: str
    _state: int = PENDING
    _content: Any = None
    _callbacks: list[Callable[[], None]] | None = None
    task: int = -1
    pins: int = 0
    released: bool = False
    _hold: Hold | None = None

    # --- for users -------------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> T:
        """The value of the task, waiting for it if need be.

        Args:
            timeout: Seconds to wait; None for ever.

        Raises:
            TimeoutError: It was not there in time; the task goes on.
            TaskCancelled: The task was cancelled.
            Exception: Whatever the task raised, with the remote traceback as its cause.
        """
        state = self._state
        if state != SUCCEEDED and state != VALUE:
            self._wait(timeout)
            if self._state >= FAILED:
                raise self._error()
        if self._state == SUCCEEDED:
            self._open()
        value: T = self._content
        return value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the task raised, or None if it succeeded, waiting for it if need be.

        Raises:
            TimeoutError: It was not there in time.
            TaskCancelled: The task was cancelled.
        """
        if FETCHING <= self._state <= VALUE:
            return None
        self._wait(timeout)
        if self._state == CANCELLED:
            raise self._error()
        return self._error() if self._state >= FAILED else None

    def done(self) -> bool:
        """Whether the task has ended, in any way."""
        return self._state > RUNNING

    def running(self) -> bool:
        """Whether the task is known to run. Tasks of a few milliseconds are never announced."""
        return self._state == RUNNING

    def cancelled(self) -> bool:
        """Whether the task was cancelled."""
        return self._state == CANCELLED

    def cancel(self) -> bool:
        """Cancels the task, ending it if it runs. Returns False if it had ended before."""
        if self._state > RUNNING:
            return self._state == CANCELLED
        return self._engine.cancel([self])

    def add_done_callback(self, callback: Callable[[Future[T]], object]) -> None:
        """Has `callback(future)` called once the task has ended, in a thread of the client's own."""
        self._engine.check_usable()
        self.when_done(lambda: self._engine.run_callback(callback, self))

    def __await__(self) -> Generator[Any, None, T]:
        while self._state <= KEPT:
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()
            self._ask()
            self._engine.check_usable()
            callback = partial(_wake, loop, waiter)
            self._when(FETCHING, callback)
            try:
                yield from waiter
            finally:
                self.forget(callback)
        return self.result()

    def __repr__(self) -> str:
        ending = ""
        if self._state == ERROR:
            ending = f", {type(self._content).__name__}: {self._content}"
        elif self._state == VALUE:
            text = repr(self._content)
            ending = f", {text if len(text) <= 60 else text[:57] + '...'}"
        return f"<ganger.Future {self._name} {_NAMES[self._state]}{ending}>"

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Within the arguments of a submit: the task's value, when that call runs. Nowhere else."""
        found = collector.found
        if found is None:
            raise InvalidOption(
                "a future can be pickled only as part of a task's arguments", hint="pass its result instead"
            )
        for position, future in enumerate(found):
            if future is self:
                return take_input, (position,)
        if self._engine is not collector.engine:
            return self._as_value()
        self.pin()
        if self.released and self._state in (SUCCEEDED, VALUE):
            self._engine.unpin(self)
            return self._as_value()
        found.append(self)
        return take_input, (len(found) - 1,)

    def _as_value(self) -> tuple[Any, ...]:
        """The value itself, which must be here already."""
        with _waiting_lock:
            state, content = self._state, self._content
        if state not in (SUCCEEDED, VALUE):
            raise InvalidOption(
                f"{self._name} is a future of another client, and not finished",
                hint="pass its result, or submit both through one client",
            )
        return pickle.loads, (content if state == SUCCEEDED else dumps(content),)

    # --- for the client --------------------------------------------------------------------------

    def pin(self) -> None:
        """A buffered call takes the result: it must not be released before that call is sent."""
        with _waiting_lock:
            self.pins += 1

    def unpin(self) -> None:
        """Takes one `pin` back."""
        with _waiting_lock:
            self.pins -= 1

    def when_done(self, callback: Callable[[], None]) -> None:
        """Calls back once the task has ended; at once if it has. The callback must be quick."""
        self._when(RUNNING, callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Takes a `when_done` back: nobody waits any more."""
        with _waiting_lock:
            if self._callbacks is not None and callback in self._callbacks:
                self._callbacks.remove(callback)

    def _when(self, past: int, callback: Callable[[], None]) -> None:
        """Calls back on the next change of state, or at once if the state is past `past` already."""
        with _waiting_lock:
            if self._state <= past:
                if self._callbacks is None:
                    self._callbacks = [callback]
                else:
                    self._callbacks.append(callback)
                if self._state <= past or callback not in (self._callbacks or ()):
                    return
                self._callbacks.remove(callback)  # it ended meanwhile, and nobody will call it back
        callback()

    def fetching(self) -> bool:
        """A kept result is asked for. Returns False if somebody has asked already."""
        with _waiting_lock:
            asked = self._state == KEPT
            if asked:
                self._state = FETCHING
        return asked

    def runs(self) -> None:
        """The task runs; called by the connection's thread only."""
        if self._state == PENDING:
            self._state = RUNNING

    def finish(self, state: int, content: object) -> None:
        """Completes it; called by the connection's thread only.

        The state is written before the callbacks are read, and `_when` does the reverse, so that one of
        the two always sees the other.
        """
        self._content = content
        self._state = state
        if self._callbacks is not None:
            self._notify()

    def hold(self, hold: Hold) -> None:
        """The result stays at the master as long as this future lives."""
        self._hold = hold

    def _notify(self) -> None:
        with _waiting_lock:
            callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            try:
                callback()
            except Exception:
                logger.exception("a waiter of %s could not be told", self._name)

    def _ask(self) -> None:
        """A kept result is fetched when it is asked for."""
        if self._state == KEPT and self.fetching():
            self._engine.fetch(self)

    def _wait(self, timeout: float | None) -> None:
        deadline_s = None if timeout is None else time.monotonic() + timeout
        while self._state <= KEPT:
            self._ask()
            self._engine.check_usable()
            lock = threading.Lock()
            lock.acquire()
            self._when(FETCHING, lock.release)
            left_s = -1.0 if deadline_s is None else max(0.0, deadline_s - time.monotonic())
            try:
                if not lock.acquire(timeout=left_s):
                    raise TimeoutError(f"{self._name} has not ended within {timeout:g} s")
            finally:
                self.forget(lock.release)

    def _open(self) -> None:
        """Unpickles the value. Where several threads ask at once, one of their values stays."""
        with _waiting_lock:
            if self._state != SUCCEEDED:
                return
            content = self._content
        try:
            value = pickle.loads(content)  # noqa: S301
        except Exception as error:
            error.add_note(f"while the result of {self._name} was unpickled in the client")
            raise
        with _waiting_lock:
            if self._state == SUCCEEDED:
                self._content, self._state = value, VALUE

    def _error(self) -> BaseException:
        if self._state == CANCELLED:
            return TaskCancelled(f"{self._name} was cancelled")
        with _waiting_lock:
            if self._state == FAILED:
                error, origin = self._content
                self._content = rebuild_error(error, self._name, origin if origin != self.task else None)
                self._state = ERROR
        found: BaseException = self._content
        return found


def _wake(loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None]) -> None:
    """Wakes a coroutine from the connection's thread."""
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(lambda: None if waiter.done() else waiter.set_result(None))
