"""How the end of an executor is put into words for the task that it took along."""

from __future__ import annotations

from ganger.core.slots import Attempt, Ending
from ganger.protocol.messages import Failure
from ganger.protocol.outcome import ErrorInfo, encode_error

SIGNALS = {
    4: "SIGILL, illegal instruction",
    6: "SIGABRT, abort",
    7: "SIGBUS, bus error",
    8: "SIGFPE, arithmetic error",
    9: "SIGKILL",
    11: "SIGSEGV, segmentation fault",
    15: "SIGTERM",
}
_CLASSES = {"timeout": "TaskTimeout", "memory": "OutOfMemory", "crash": "ExecutorCrashed"}


def crash_failure(attempt: Attempt, code: int, peak_bytes: int) -> Failure:
    """The executor ended by itself, or somebody else ended it, while the attempt ran."""
    name = attempt.spec.name
    limit = attempt.spec.memory_bytes
    if limit and peak_bytes > limit:
        text, numbers = memory_verdict(attempt, peak_bytes, limit, "it had asked for")
        return _failure(attempt, "memory", text, numbers)
    if code < 0:
        text = f"{name} ended its process by signal {SIGNALS.get(-code, str(-code))}"
        if code == -9:
            text += f" (from outside, perhaps for want of memory; it had used {peak_bytes / 2**20:,.0f} MiB)"
    else:
        text = f"{name} ended its process with exit code {code}"
    return _failure(attempt, "crash", text, {"exit_code": code, "peak_bytes": peak_bytes})


def memory_verdict(
    attempt: Attempt, peak_bytes: int, limit_bytes: int, whose: str
) -> tuple[str, dict[str, int]]:
    """The words and the numbers for an attempt that used too much memory."""
    used, allowed = peak_bytes / 2**20, limit_bytes / 2**20
    text = f"{attempt.spec.name} used {used:,.0f} MiB, more than the {allowed:,.0f} MiB {whose}"
    return text, {"peak_bytes": peak_bytes, "limit_bytes": limit_bytes}


def ending_failure(attempt: Attempt, ending: Ending) -> Failure:
    """The executor was ended on account of the attempt."""
    return _failure(attempt, ending.kind, ending.text, ending.numbers)


def _failure(attempt: Attempt, kind: str, text: str, numbers: dict[str, int]) -> Failure:
    info = ErrorInfo(kind, f"ganger.errors.{_CLASSES.get(kind, 'ExecutorCrashed')}", text, "", b"", numbers)
    return Failure(attempt.task, attempt.number, kind, kind == "timeout", encode_error(info))
