"""`ganger status` and `ganger task`: what a cluster does, why, and how to stop it."""

import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import ganger
from ganger.cli.documents import (
    CancelDocument,
    ExplanationDocument,
    StatusDocument,
    TaskDocument,
    TasksDocument,
)
from ganger.errors import TaskCancelled
from tests.integration.cli.commands import Commands, pause
from tests.processes import PATIENCE_S, eventually


class Busy(NamedTuple):
    """A program that has one task running on the only slot, and two waiting for it."""

    client: ganger.Client
    futures: list[ganger.Future[float]]


@pytest.fixture
def busy(user: Commands) -> Iterator[Busy]:
    """It runs on a cluster of this user."""
    user.up("--slots", "1", "--journal", "memory")
    with ganger.connect() as client:
        futures = [client.submit(pause, 600.0) for _ in range(3)]
        eventually("the first runs", futures[0].running)
        eventually("all are there", lambda: len(client.tasks()) == 3)
        yield Busy(client, futures)


def states(user: Commands, *arguments: str) -> list[str]:
    return [
        task.state
        for task in user.run("task", "list", "-o", "json", *arguments).document(TasksDocument).tasks
    ]


def test_status_counts_what_there_is(user: Commands, busy: Busy) -> None:
    status = user.run("status", "-o", "json").document(StatusDocument).status
    assert (status.workers, status.slots, status.journal) == (1, 1, "memory")
    assert status.tasks == {"waiting": 0, "ready": 2, "assigned": 1}
    table = user.run("status").out
    assert "0 waiting, 2 ready, 1 assigned" in table
    assert "1 with 1 slot\n" in table


def test_quiet_status_is_its_exit_code(user: Commands, busy: Busy) -> None:
    ended = user.run("status", "-o", "quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_tasks_are_listed_by_state(user: Commands, busy: Busy) -> None:
    assert sorted(states(user)) == ["ready", "ready", "running"]
    assert states(user, "--state", "running") == ["running"]
    assert states(user, "--state", "waiting") == []
    table = user.run("task", "list", "--state", "running").lines
    assert table[0].split()[:3] == ["ID", "NAME", "STATE"]
    assert table[1].split()[1:3] == ["pause", "running"]


def test_a_list_that_was_cut_says_so(user: Commands, busy: Busy) -> None:
    ended = user.run("task", "list", "--limit", "2")
    assert len(ended.lines) == 3
    assert "there are more" in ended.err
    assert not user.run("task", "list", "--limit", "2", "-o", "json").document(TasksDocument).complete
    assert user.run("task", "list", "--limit", "3", "-o", "json").document(TasksDocument).complete


def test_a_task_is_shown_and_explained(user: Commands, busy: Busy) -> None:
    (running,) = user.run("task", "list", "--state", "running", "-o", "quiet").lines
    task = user.run("task", "show", running, "-o", "json").document(TaskDocument).task
    assert (task.id, task.name, task.state, task.attempt) == (running, "pause", "running", 1)
    assert task.worker in user.run("task", "show", running).out
    reasons = user.run("task", "explain", running, "-o", "json").document(ExplanationDocument).reasons
    assert reasons == [f"attempt 1 runs on worker {task.worker}"]


def test_a_task_that_waits_for_room_is_explained(user: Commands, busy: Busy) -> None:
    ready, _ = user.run("task", "list", "--state", "ready", "-o", "quiet").lines
    lines = user.run("task", "explain", ready).lines
    assert lines[0] == f"task {ready} (pause) is ready:"
    assert "is busy: 1 attempts on 1 slots" in lines[1]


def test_a_task_that_nobody_can_hold_is_explained(user: Commands, busy: Busy) -> None:
    busy.client.options(resources={"licence": 1}).submit(pow, 2, 2)
    eventually("it is there", lambda: len(busy.client.tasks()) == 4)
    (identifier,) = [task.id for task in busy.client.tasks() if task.name == "pow"]
    assert "no present worker can hold it" in user.run("task", "list").out
    assert "no present worker can hold it" in user.run("task", "show", identifier).out
    ended = user.run("task", "explain", identifier)
    assert "no present worker can ever hold it: it asks for licence 1" in ended.out


def test_a_running_and_a_ready_task_are_cancelled(user: Commands, busy: Busy) -> None:
    ids = user.run("task", "list", "-o", "quiet").lines
    ended = user.run("task", "cancel", *ids[:2])
    assert (ended.code, ended.lines) == (0, [f"task {each} is cancelled" for each in ids[:2]])
    for future in busy.futures[:2]:
        with pytest.raises(TaskCancelled):
            future.result(PATIENCE_S)
    eventually("the third has the slot", busy.futures[2].running)


def test_what_cannot_be_cancelled_is_named_and_the_rest_is_cancelled(user: Commands, busy: Busy) -> None:
    running, *_ = user.run("task", "list", "--state", "running", "-o", "quiet").lines
    ended = user.run("task", "cancel", running, "99.1", "-o", "json")
    assert ended.document(CancelDocument) == CancelDocument(cancelled=[running], missed=["99.1"])
    ended.check_error(2, "there was nothing to cancel of 99.1")


@pytest.mark.parametrize("verb", ["show", "explain"])
def test_an_unknown_task_is_told_with_a_hint(user: Commands, busy: Busy, verb: str) -> None:
    user.run("task", verb, "99.1").check_error(2, "there is no task 99.1")


def test_commands_take_any_address_of_the_grammar(user: Commands, busy: Busy) -> None:
    address = user.state.joinpath("address").read_text().strip()
    (user.home / "where").write_text(address)
    (user.state / "address").unlink()
    assert user.run("status", "-o", "quiet").code == 2
    assert user.run("status", "-o", "quiet", "--address", address).code == 0
    assert user.run("status", "-o", "quiet", "--address", f"file:{user.home / 'where'}").code == 0
    assert user.run("status", "-o", "quiet", "--address", f"127.0.0.1:1,{address}").code == 0
    assert user.run("status", "-o", "quiet", GANGER_ADDRESS=address).code == 0


def test_no_colour_reaches_a_pipe_or_who_does_not_want_it(user: Commands, busy: Busy) -> None:
    assert "\x1b" not in user.run("worker", "list", NO_COLOR="1").out
    assert "\x1b" not in user.run("task", "list").out


def test_a_reader_that_goes_away_is_no_error(user: Commands, busy: Busy) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ganger", "task", "list", "-o", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=user.environment,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (141, "")
