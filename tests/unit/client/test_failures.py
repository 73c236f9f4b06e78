"""Errors of tasks, as the client raises them."""

import pickle
from typing import Any

import pytest

from ganger import errors
from ganger.client.failures import RemoteTraceback, rebuild_error
from ganger.protocol.ids import task_id
from ganger.protocol.outcome import ErrorInfo, encode_error

TRACE = 'Traceback (most recent call last):\n  File "job.py", line 3, in work\nValueError: no'


class Awkward(Exception):
    """It can be pickled, and not rebuilt."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def rebuilt(kind: str = "exception", origin: int | None = None, **given: Any) -> BaseException:
    fields = {"type_name": "builtins.ValueError", "text": "no", "traceback": TRACE, **given}
    return rebuild_error(encode_error(ErrorInfo(kind, **fields)), "work", origin)


def test_an_exception_comes_back_as_itself_with_the_remote_traceback_as_its_cause() -> None:
    error = rebuilt(pickled=pickle.dumps(ValueError("no", 3)))
    assert type(error) is ValueError
    assert error.args == ("no", 3)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert 'File "job.py", line 3' in str(error.__cause__)


def test_an_exception_that_could_not_be_pickled_is_told_in_words() -> None:
    error = rebuilt(type_name="job.OddError", text="odd")
    assert isinstance(error, errors.RemoteError)
    assert error.message == "job.OddError: odd"
    assert "could not be pickled" in error.hint
    assert 'File "job.py"' in str(error.__cause__)


@pytest.mark.parametrize("pickled", [b"rubbish", pickle.dumps(Awkward("a", "b"))])
def test_an_exception_that_cannot_be_rebuilt_is_told_in_words(pickled: bytes) -> None:
    error = rebuilt(type_name="job.Awkward", text="ab", pickled=pickled)
    assert isinstance(error, errors.RemoteError)
    assert error.message == "job.Awkward: ab"
    assert "could not be rebuilt" in error.hint


def test_what_is_no_exception_is_not_raised() -> None:
    assert isinstance(rebuilt(pickled=pickle.dumps("text")), errors.RemoteError)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("timeout", errors.TaskTimeout),
        ("crash", errors.ExecutorCrashed),
        ("lost", errors.AttemptLost),
        ("result", errors.ResultNotSerializable),
    ],
)
def test_what_the_worker_saw_has_a_type_of_its_own(kind: str, expected: type[BaseException]) -> None:
    error = rebuilt(kind)
    assert type(error) is expected
    assert "no" in str(error)


def test_out_of_memory_says_how_much_there_was_and_how_much_it_took() -> None:
    error = rebuilt("memory", numbers={"peak_bytes": 20, "limit_bytes": 10})
    assert isinstance(error, errors.OutOfMemory)
    assert (error.peak_bytes, error.limit_bytes) == (20, 10)
    assert "resources" in error.hint


def test_a_dependent_carries_the_original_cause_and_says_so() -> None:
    error = rebuilt(origin=task_id(3, 17), pickled=pickle.dumps(ValueError("no")))
    assert type(error) is ValueError
    (note,) = error.__notes__
    assert note == "work was not run: task 3.17, on which it depends, failed with this error"


def test_an_error_of_this_process_is_raised_as_it_is() -> None:
    error = errors.ClusterClosed("closed")
    assert rebuild_error(error, "work", None) is error


def test_an_error_that_cannot_be_read_is_still_an_error() -> None:
    assert isinstance(rebuild_error(b"\xff\xff", "work", None), errors.RemoteError)
