"""The client: submits calls, waits for futures, asks the cluster about itself. For synchronous code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from types import TracebackType
from typing import Any, Self, TypeVar

from ganger.client import questions, waiting
from ganger.client.calls import Calls
from ganger.client.engine import Engine
from ganger.client.future import Future
from ganger.client.options import Options, merge
from ganger.client.questions import Question
from ganger.client.window import Window
from ganger.core.client import Entry
from ganger.protocol.ids import TaskId, show_task
from ganger.protocol.views import Explanation, StatusView, TaskView, WorkerView

T = TypeVar("T")


class Client:
    """A session with a cluster. Any thread may use it; it is a context manager.

    Made by `ganger.connect` and `ganger.Cluster`, not by itself.
    """

    def __init__(self, engine: Engine, calls: Calls, options: Options = Options()) -> None:  # noqa: B008
        self._engine = engine
        self._calls = calls
        self._options = options

    # --- work ------------------------------------------------------------------------------------

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Has `fn(*args, **kwargs)` run on a worker. Every argument belongs to the function.

        Futures anywhere in the arguments stand for their values: the call runs when they are there.

        Args:
            fn: The function; a coroutine function runs on the executor's event loop.
            args: Positional arguments.
            kwargs: Keyword arguments.

        Returns:
            A future of the result. Blocks only while too many calls are buffered.

        Raises:
            NotSerializable: The function or an argument cannot be pickled.
            ClusterClosed: The client was closed.
        """
        entry = self._entry(fn, args, kwargs)
        self._engine.submit(entry)
        return entry[2]  # type: ignore[return-value]

    def submit_many(self, fn: Callable[..., T], /, *iterables: Iterable[Any]) -> list[Future[T]]:
        """One call for each set of arguments, as `map` would make them. Returns their futures, in order.

        Raises:
            NotSerializable: The function or an argument cannot be pickled.
        """
        submit = self.submit
        return [submit(fn, *args) for args in zip(*iterables, strict=False)]

    def map(
        self, fn: Callable[..., T], /, *iterables: Iterable[Any], timeout: float | None = None
    ) -> Iterator[T]:
        """Results in order, like the built-in `map`; the iterables are consumed as results are.

        At most `map_window` calls are in flight, so iterables may be endless.

        Args:
            fn: The function.
            iterables: Its arguments, side by side.
            timeout: Seconds until the last result is asked for; None for no limit.
        """
        window = self._window(iterables)
        return waiting.map_ordered(self.submit, window, fn, waiting.deadline_of(timeout))

    def map_unordered(self, fn: Callable[..., T], /, *iterables: Iterable[Any]) -> Iterator[T]:
        """Results as they come, otherwise like `map`."""
        return waiting.map_unordered(self.submit, self._window(iterables), fn)

    def gather(self, futures: Iterable[Future[T]], timeout: float | None = None) -> list[T]:
        """The values of all futures, in order.

        Raises:
            TimeoutError: They were not all there in time.
            Exception: The first error, in order.
        """
        return waiting.gather(list(futures), timeout)

    def cancel(self, futures: Iterable[Future[Any]]) -> None:
        """Cancels tasks, wherever they are."""
        chosen = [future for future in futures if not future.done()]
        if chosen:
            self._engine.cancel(chosen)

    def options(self, **options: Any) -> Client:
        """This client with other options for what is submitted through it; the session is shared.

        Args:
            options: ``retries``, ``retry_delay_s``, ``retry_delay_max_s``, ``retry_on``, ``losses_max``,
                ``repeatable``, ``timeout_s``, ``priority``, ``resources``, ``workers``, ``concurrency``,
                ``name``; see `ganger.protocol.options.TaskOptions`.

        Raises:
            InvalidOption: A name that does not exist, or a value that cannot be meant.
        """
        return Client(self._engine, self._calls, merge(self._options, options))

    def executor(self) -> Executor:
        """A `concurrent.futures.Executor` on this cluster, with this client's options."""
        from ganger.client.executor import ClusterExecutor

        return ClusterExecutor(self)

    def _entry(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        calls = self._calls
        return calls.entry(calls.spec(fn, self._options), args, kwargs)

    def _window(self, iterables: tuple[Iterable[Any], ...]) -> Window[Any]:
        return Window(iterables, self._engine.settings.map_window, self._engine.cancel_soon)

    # --- the cluster -----------------------------------------------------------------------------

    def status(self, timeout: float | None = 10.0) -> StatusView:
        """The cluster in numbers.

        Raises:
            MasterUnreachable: The master is away at present.
        """
        return self._ask(questions.status(), timeout)

    def workers(self, timeout: float | None = 10.0) -> list[WorkerView]:
        """The workers, as the master sees them.

        Raises:
            MasterUnreachable: The master is away at present.
        """
        return self._ask(questions.workers(), timeout)

    def tasks(self, state: str = "", limit: int = 1000, timeout: float | None = 10.0) -> list[TaskView]:
        """Tasks that have not ended, or whose results are still held.

        Args:
            state: Only those in this state; all if empty.
            limit: The most rows.
            timeout: Seconds to wait for the answer.

        Raises:
            MasterUnreachable: The master is away at present.
        """
        return self._ask(questions.tasks(state, limit), timeout)

    def explain(self, task: str | Future[Any], timeout: float | None = 10.0) -> Explanation:
        """Why a task is where it is.

        Args:
            task: Its id as in `tasks`, or its future.
            timeout: Seconds to wait for the answer.
        """
        return self._ask(questions.explain(lambda: self._id_of(task)), timeout)

    def cancel_tasks(self, ids: Sequence[str], timeout: float | None = 10.0) -> list[str]:
        """Cancels tasks of any session by id. Returns those that had not ended."""
        return self._ask(questions.cancel_tasks(ids), timeout)

    def drain_workers(self, names: Sequence[str], timeout: float | None = 10.0) -> None:
        """Lets workers finish what they run, take no more, and leave."""
        self._ask(questions.drain_workers(names), timeout)

    def _ask(self, question: Question[T], timeout: float | None) -> T:
        return question.read(self._engine.request(question.make).result(timeout))

    def _id_of(self, task: str | Future[Any]) -> str:
        return task if isinstance(task, str) else show_task(TaskId(task.task))

    # --- life ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the session: what is not finished is cancelled. Closing twice does nothing."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        places = ", ".join(map(str, self._engine.endpoints))
        return f"<ganger.{type(self).__name__} at {places}>"
