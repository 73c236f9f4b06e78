"""A client that dies leaves nothing running; one that was only away finds everything as it should be."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ganger
from ganger.config import MasterSettings
from tests.hosts import TwoHosts, two_hosts
from tests.misbehaviour import noted, notes
from tests.processes import PATIENCE_S, Program, eventually, kill, process, short_folder, wait_gone

SHORT_SESSION = MasterSettings(session_timeout_s=1.0)

SOURCE = """
import sys, time
import ganger
from tests.misbehaviour import noted, notes, start_a_process_and_stay

ADDRESS, NOTES, ENDING = sys.argv[1:]
client = ganger.connect(ADDRESS, settings={"client": {"ping_s": 0.1}})
running = [client.submit(start_a_process_and_stay, NOTES) for _ in range(4)]
waiting = [client.submit(noted, NOTES + "-waiting", number) for number in range(1000)]
while len(notes(NOTES)) < 4:
    time.sleep(0.01)
assert client.status().submitted >= 1004
print("running", flush=True)
sys.stdin.readline()
if ENDING == "close":
    client.close()
elif ENDING == "cancel":
    client.cancel(running)
    print(sum(client.gather(waiting, 30)), flush=True)
"""


@pytest.fixture
def hosts(request: pytest.FixtureRequest) -> Iterator[TwoHosts]:
    """One worker of four slots; the test gives the master's settings."""
    with two_hosts(workers=1, slots=4, master=request.param) as made:
        yield made


@pytest.fixture
def start(
    hosts: TwoHosts, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Program]]:
    """Starts a program that has four tasks running, each with a process of its own, and many waiting."""
    with short_folder() as folder:

        def begin(ending: str) -> Program:
            program = Program(SOURCE, folder, hosts.address, str(tmp_path / "notes"), ending)
            request.addfinalizer(program.close)
            program.wait_line("running")
            return program

        yield begin


@pytest.mark.parametrize("hosts", [SHORT_SESSION], indirect=True, ids=["short session"])
@pytest.mark.parametrize("ending", ["SIGKILL", "close", "exit"])
def test_what_a_client_leaves_is_ended_and_never_started(
    hosts: TwoHosts, start: Callable[[str], Program], tmp_path: Path, ending: str
) -> None:
    program = start(ending)
    grandchildren = [process(pid) for pid in notes(tmp_path / "notes")]
    if ending == "SIGKILL":
        kill(program.process.pid)
    else:
        program.go_on()
    program.end()
    with ganger.connect(hosts.address, settings={"client": {"ping_s": 0.1}}) as other:
        assert other.submit(pow, 2, 5).result(PATIENCE_S) == 32
        wait_gone(grandchildren)
        eventually("its tasks are gone", lambda: not any(other.status().tasks.values()))
        assert other.status().cancelled == 1004
        assert other.status().sessions == 1
    assert notes(tmp_path / "notes-waiting") == []


@pytest.mark.parametrize("hosts", [MasterSettings()], indirect=True, ids=["long session"])
def test_a_client_that_was_stopped_finds_its_results_when_it_goes_on(
    hosts: TwoHosts, start: Callable[[str], Program], tmp_path: Path
) -> None:
    program = start("cancel")
    kill(program.process.pid, signal.SIGSTOP)
    with hosts.connect() as other:
        path = str(tmp_path / "others")
        urgent = other.options(priority=1)
        futures = [urgent.submit(noted, path, number) for number in range(3)]
        assert not any(future.done() for future in futures), "every slot is taken"
        kill(program.process.pid, signal.SIGCONT)
        program.go_on()
        code, out, err = program.end()
        assert code == 0, err
        assert out.strip() == str(sum(range(1000)))
        assert other.gather(futures, PATIENCE_S) == [0, 1, 2]
