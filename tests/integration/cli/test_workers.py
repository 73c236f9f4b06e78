"""`ganger master` and `ganger worker`: they find each other by the secret, and part in peace."""

import os
import signal

import pytest

import ganger
from ganger.cli.documents import DrainDocument, WorkerDocument, WorkersDocument
from ganger.protocol.views import WorkerView
from tests.integration.cli.commands import ANYWHERE, Commands, free_port, pause
from tests.processes import PATIENCE_S, eventually, family, wait_gone


def test_a_worker_joins_and_works_until_ctrl_c(user: Commands) -> None:
    master, address = user.master()
    worker, name = user.worker(address)
    with ganger.connect(address) as client:
        assert client.submit(pow, 3, 4).result(PATIENCE_S) == 81
        assert [each.name for each in client.workers()] == [name]
        assert worker.stop().code == 0
        eventually("the worker is gone", lambda: not client.workers())
    assert master.stop().code == 0
    user.check_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_master_ends_in_order_at_every_signal_that_asks_it_to(
    user: Commands, number: signal.Signals
) -> None:
    running, _ = user.master("--listen", f"unix:{user.sockets / 'master'}", "--listen", ANYWHERE)
    running.process.send_signal(number)
    assert running.wait().code == 0
    user.check_nothing_left()


def test_a_master_says_how_to_join_and_to_connect(user: Commands) -> None:
    running = user.start("master", "--listen", ANYWHERE, "--journal", "memory")
    lines = [running.read_line() for _ in range(5)]
    address = lines[0].removeprefix("a master listens on ")
    assert lines[1].split() == ["journal", "memory"]
    assert lines[2].endswith(f"ganger worker --join {address}")
    assert lines[3].endswith(f'ganger.connect("{address}")')
    assert running.stop().code == 0


def test_a_worker_waits_for_a_master_that_comes_later(user: Commands) -> None:
    address = f"127.0.0.1:{free_port()}"
    master, _ = user.master("--listen", address, "--journal", "memory")  # makes the secret
    master.stop()
    worker = user.start("worker", "--join", address, "--slots", "1", "-o", "quiet")
    worker.wait_log(f"nothing answers at {address}")
    user.master("--listen", address, "--journal", "memory")
    worker.read_line()


def test_a_worker_offers_what_it_is_told_to(user: Commands) -> None:
    _, address = user.master("--journal", "memory")
    given = ("--name", "big-one", "--resource", "gpu=2", "--resource", "memory=8G", "--resource", "licence=1")
    worker = user.start("worker", "--join", address, "--slots", "3", "-o", "json", *given)
    worker.wait_log("joined the master")
    (seen,) = eventually("it is there", lambda: _workers(user, address))
    assert (seen.name, seen.slots) == ("big-one", 3)
    assert seen.resources == {"gpu": 2.0, "memory": float(8 << 30), "licence": 1.0}
    document = worker.stop().document(WorkerDocument)
    assert (document.name, document.slots, document.resources) == ("big-one", 3, seen.resources)


def _workers(user: Commands, address: str) -> list[WorkerView]:
    return user.run("worker", "list", "--address", address, "-o", "json").document(WorkersDocument).workers


def test_a_table_of_workers_has_a_line_for_each(user: Commands) -> None:
    user.up("--slots", "1", "--workers", "2")
    with ganger.connect() as client:
        eventually("both are there", lambda: len(client.workers()) == 2)
        names = sorted(worker.name for worker in client.workers())
    assert user.run("worker", "list", "-o", "quiet").lines == names
    table = user.run("worker", "list").lines
    assert table[0].split()[:3] == ["NAME", "HOST", "STATE"]
    assert [line.split()[0] for line in table[1:]] == names
    assert all(line.split()[2] == "active" for line in table[1:])


def test_without_workers_the_table_says_how_to_start_one(user: Commands) -> None:
    _, address = user.master("--journal", "memory")
    ended = user.run("worker", "list", "--address", address)
    assert (ended.code, ended.out) == (0, "")
    assert "ganger worker --join" in ended.err


def test_drain_waits_until_the_worker_has_finished_and_left(user: Commands) -> None:
    _, address = user.master("--journal", "memory")
    worker, name = user.worker(address)
    whole = family(worker.process.pid)
    with ganger.connect(address) as client:
        future = client.submit(pause, 1.0)
        eventually("the task runs", future.running)
        ended = user.run("worker", "drain", name, "--address", address)
        assert (ended.code, ended.lines) == (0, [f"worker {name} has left"])
        assert client.workers() == []
        assert future.result(PATIENCE_S) == 1.0
    assert worker.wait().code == 0
    wait_gone(whole)


def test_drain_does_not_wait_if_told_so(user: Commands) -> None:
    _, address = user.master("--journal", "memory")
    worker, name = user.worker(address)
    with ganger.connect(address) as client:
        future = client.submit(pause, 1.5)
        eventually("the task runs", future.running)
        ended = user.run("worker", "drain", name, "--no-wait", "--address", address, "-o", "json")
        assert ended.document(DrainDocument) == DrainDocument(drained=[name], left=False)
        assert [each.state for each in client.workers()] == ["draining"]
        assert future.result(PATIENCE_S) == 1.5
    assert worker.wait().code == 0


def test_an_unknown_worker_is_told_with_those_that_are_there(user: Commands) -> None:
    user.up("--slots", "1")
    (name,) = user.run("worker", "list", "-o", "quiet").lines
    ended = user.run("worker", "drain", "nobody")
    ended.check_error(2, "there is no worker nobody")
    assert name in ended.err
    assert user.run("worker", "list", "-o", "quiet").lines == [name]


def test_ctrl_c_lets_a_worker_finish_what_it_runs(user: Commands) -> None:
    _, address = user.master("--journal", "memory")
    worker, _ = user.worker(address)
    with ganger.connect(address) as client:
        future = client.submit(pause, 1.0)
        eventually("the task runs", future.running)
        worker.interrupt()
        assert future.result(PATIENCE_S) == 1.0
    assert worker.wait().code == 0


def test_a_worker_with_another_secret_is_refused(user: Commands) -> None:
    _, address = user.master("--journal", "memory")
    other = user.home / "other-secret"
    other.write_text("00" * 32 + "\n")
    other.chmod(0o600)
    ended = user.run("worker", "--join", address, "--slots", "1", GANGER_SECRET_FILE=str(other))
    ended.check_error(4, "the secret does not match this master's")


def test_a_worker_without_a_secret_is_refused_before_it_tries(user: Commands) -> None:
    ended = user.run("worker", "--join", "127.0.0.1:1")
    ended.check_error(4, "there is no secret in")
    assert "--insecure" in ended.err


@pytest.mark.parametrize(
    "arguments", [("master", "--listen", "0.0.0.0:0"), ("worker", "--join", "10.0.0.1:1")]
)
def test_an_address_beyond_this_machine_is_refused_with_the_reason(
    user: Commands, arguments: tuple[str, ...]
) -> None:
    ended = user.run(*arguments)
    ended.check_error(4, "can be reached from other machines, and this version has no identities")
    assert "--insecure" in ended.err
    user.check_nothing_left()


def test_insecure_needs_no_secret_on_either_side(user: Commands) -> None:
    _, address = user.master("--insecure", "--journal", "memory")
    user.worker(address, "--insecure")
    ended = user.run("worker", "list", "--address", address, "--insecure", "-o", "quiet")
    assert len(ended.lines) == 1
    assert not (user.state / "secret").exists()


def test_a_preload_function_that_raises_ends_the_worker_with_the_reason(user: Commands) -> None:
    _, address = user.master("--journal", "memory")
    (user.home / "models.py").write_text("def load():\n    raise OSError('no weights')\n")
    user.run("worker", "--join", address, "--preload", "models:load").check_error(6, "no weights")


def test_a_masters_port_in_use_is_told_with_a_hint(user: Commands) -> None:
    _, address = user.master("--journal", "memory")
    ended = user.run("master", "--listen", address, "--journal", "memory")
    ended.check_error(6, f"{address} is taken by another process")


def test_a_master_on_a_journal_that_is_held_is_told_by_whom(user: Commands) -> None:
    running, _ = user.master()
    ended = user.run("master", "--listen", ANYWHERE)
    ended.check_error(5, f"is held by process {running.process.pid} on {os.uname().nodename}")
