"""`ganger up`: this user's programs find it, Ctrl-C ends it in order, and nothing of it remains."""

import os
import signal
import socket
import stat

import pytest

import ganger
from ganger.cli.documents import ClusterDocument
from tests.integration.cli.commands import ANYWHERE, Commands, pause
from tests.processes import PATIENCE_S, eventually, family, wait_gone


def test_programs_of_the_user_find_it(user: Commands) -> None:
    user.up("--slots", "1")
    with ganger.connect() as client:
        assert client.submit(pow, 2, 10).result(PATIENCE_S) == 1024


def test_it_says_where_it_is_where_its_journal_is_and_how_to_connect(user: Commands) -> None:
    running = user.start("up", "--slots", "2", "--listen", ANYWHERE)
    lines = [running.read_line() for _ in range(4)]
    address = user.state.joinpath("address").read_text().strip()
    assert lines[0] == f"a cluster runs at {address} (1 worker, 2 slots each)"
    assert lines[1].split() == ["journal", str(user.state / "journal")]
    assert "ganger.connect()" in lines[2]
    assert "Ctrl-C" in lines[3]
    assert running.stop().out == ""


def test_for_programs_it_says_the_same_as_a_document(user: Commands) -> None:
    running = user.start("up", "-o", "json", "--slots", "1", "--journal", "memory", "--listen", ANYWHERE)
    running.wait_log("is ready")
    ended = running.stop()
    assert ended.code == 0
    document = ended.document(ClusterDocument)
    assert (document.journal, document.pid) == ("memory", running.process.pid)
    assert document.address.startswith("127.0.0.1:")
    assert not user.state.joinpath("journal").exists()


def test_its_files_are_the_users_alone(user: Commands) -> None:
    user.up("--slots", "1")
    for name, mode in (("address", 0o600), ("secret", 0o600), (".", 0o700)):
        assert stat.S_IMODE(user.state.joinpath(name).stat().st_mode) == mode


def test_ctrl_c_ends_it_with_success_and_leaves_nothing(user: Commands) -> None:
    running, _ = user.up("--slots", "2", "--workers", "2")
    whole = "up and a master; two workers, each with a zygote and two executors"
    eventually(whole, lambda: len(family(running.process.pid)) == 10)
    ended = running.stop()
    assert (ended.code, ended.out) == (0, "")
    user.check_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_a_closed_terminal_end_it_as_ctrl_c_does(user: Commands, number: signal.Signals) -> None:
    running, _ = user.up("--slots", "1")
    whole = family(running.process.pid)
    running.process.send_signal(number)
    assert running.wait().code == 0
    wait_gone(whole)
    user.check_nothing_left()


def test_ctrl_c_lets_the_running_task_finish_and_deliver_first(user: Commands) -> None:
    running, _ = user.up("--slots", "1")
    with ganger.connect() as client:
        future = client.submit(pause, 1.0)
        eventually("the task runs", future.running)
        running.interrupt()
        assert future.result(PATIENCE_S) == 1.0
        assert running.wait().code == 0


def test_a_second_ctrl_c_hurries(user: Commands) -> None:
    running, _ = user.up("--slots", "1", "--set", "worker.drain_grace_s=600")
    with ganger.connect() as client:
        eventually("the task runs", client.submit(pause, 600.0).running)
        whole = family(running.process.pid)
        running.interrupt()
        eventually("the worker drains", lambda: [each.state for each in client.workers()] == ["draining"])
        running.interrupt()
        assert running.wait().code == 0
    wait_gone(whole)


def test_after_sigkill_no_process_remains_and_the_next_one_sweeps(user: Commands) -> None:
    running, address = user.up("--slots", "1")
    whole = family(running.process.pid)
    running.process.kill()
    running.wait()
    wait_gone(whole)
    again, _ = user.up("--slots", "1", "--listen", address)
    assert len(list(user.sockets.iterdir())) == 1
    assert again.stop().code == 0
    user.check_nothing_left()


def test_a_port_in_use_is_told_with_a_hint(user: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = user.run("up", "--listen", f"127.0.0.1:{port}")
    ended.check_error(6, f"127.0.0.1:{port} is taken by another process")
    assert "hint: choose another port" in ended.err
    user.check_nothing_left()


def test_a_second_one_on_the_same_journal_is_told_who_holds_it(user: Commands) -> None:
    user.up("--slots", "1")
    user.run("up", "--listen", ANYWHERE).check_error(5, "is held by process")
    with ganger.connect() as client:
        assert client.submit(pow, 2, 3).result(PATIENCE_S) == 8


def test_of_two_clusters_the_later_is_found_and_keeps_the_file(user: Commands) -> None:
    first, _ = user.up("--slots", "1")
    _, later = user.up("--slots", "1", "--journal", "memory")
    assert first.stop().code == 0
    assert user.state.joinpath("address").read_text().strip() == later
    assert user.run("status", "-o", "quiet").code == 0


def test_an_address_beyond_this_machine_is_refused_with_the_reason(user: Commands) -> None:
    ended = user.run("up", "--listen", "0.0.0.0:0")
    ended.check_error(4, "0.0.0.0:0 can be reached from other machines")
    assert "no identities" in ended.err
    user.check_nothing_left()


def test_a_preload_function_in_the_current_folder_prepares_the_executors(user: Commands) -> None:
    (user.home / "models.py").write_text("import os\ndef load():\n    os.environ['LOADED'] = 'yes'\n")
    user.up("--slots", "1", "--preload", "models:load")
    with ganger.connect() as client:
        assert client.submit(os.getenv, "LOADED").result(PATIENCE_S) == "yes"


def test_a_preload_function_that_raises_ends_it_with_the_reason(user: Commands) -> None:
    (user.home / "models.py").write_text("def load():\n    raise OSError('no weights')\n")
    ended = user.run("up", "--listen", ANYWHERE, "--slots", "1", "--preload", "models:load")
    ended.check_error(6, "no weights")
    user.check_nothing_left()


def test_an_unknown_setting_names_those_that_exist(user: Commands) -> None:
    ended = user.run("up", "--set", "worker.slots=2")
    ended.check_error(6, "there is no setting 'slots' in section [worker]")
    assert "drain_grace_s" in ended.err


def test_a_journals_folder_that_cannot_be_made_is_told(user: Commands) -> None:
    (user.home / "file").write_text("")
    ended = user.run("up", "--listen", ANYWHERE, "--journal", str(user.home / "file" / "journal"))
    ended.check_error(5, "journal")


def test_a_worker_that_is_killed_is_replaced(user: Commands) -> None:
    user.up("--slots", "1")
    with ganger.connect() as client:
        (before,) = client.workers()
        os.kill(before.pid, signal.SIGKILL)
        assert client.submit(pow, 2, 4).result(PATIENCE_S) == 16
        (after,) = client.workers()
        assert after.name.startswith(f"{before.name}~")
