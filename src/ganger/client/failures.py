"""Errors of tasks as exceptions of the client: the original where it can be rebuilt, with its traceback."""

from __future__ import annotations

import pickle

from ganger import errors
from ganger.protocol.ids import TaskId, show_task
from ganger.protocol.outcome import ErrorInfo, decode_error


class RemoteTraceback(Exception):
    """The traceback in the executor, as the cause of the exception that is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


_CLASSES: dict[str, type[errors.TaskError]] = {
    "timeout": errors.TaskTimeout,
    "crash": errors.ExecutorCrashed,
    "memory": errors.OutOfMemory,
    "lost": errors.AttemptLost,
    "result": errors.ResultNotSerializable,
}


def rebuild_error(body: bytes | BaseException, name: str, origin: int | None) -> BaseException:
    """The exception to raise for a failed task.

    Args:
        body: The encoded `ErrorInfo`, or an exception made in this process.
        name: The task's function.
        origin: The id of the task on which it depends and whose failure it was, if another's.
    """
    if isinstance(body, BaseException):
        return body
    try:
        info = decode_error(body)
    except errors.MalformedFrame as malformed:
        return errors.RemoteError(f"{name} failed with an error that cannot be read: {malformed.message}")
    error = _exception(info)
    if info.traceback:
        error.__cause__ = RemoteTraceback(info.traceback)
    if origin is not None:
        cause = show_task(TaskId(origin))
        error.add_note(f"{name} was not run: task {cause}, on which it depends, failed with this error")
    return error


def _exception(info: ErrorInfo) -> BaseException:
    known = _CLASSES.get(info.kind)
    if known is errors.OutOfMemory:
        return errors.OutOfMemory(
            info.text,
            peak_bytes=info.numbers.get("peak_bytes", 0),
            limit_bytes=info.numbers.get("limit_bytes", 0),
            hint="ask for more with resources={'memory': ...}, or use less at a time",
        )
    if known is not None:
        return known(info.text)
    if info.pickled:
        try:
            error = pickle.loads(info.pickled)  # noqa: S301
        except Exception as reason:
            return _remote(info, f"it could not be rebuilt here: {reason}")
        if isinstance(error, BaseException):
            return error
    return _remote(info, "it could not be pickled")


def _remote(info: ErrorInfo, why: str) -> errors.RemoteError:
    return errors.RemoteError(
        f"{info.type_name}: {info.text}", hint=f"{why}; the remote traceback is the cause"
    )
