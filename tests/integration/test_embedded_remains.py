"""However an embedded cluster ends, nothing of it remains: no process, socket, folder or shared memory."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import Program, eventually, kill, process, short_folder, wait_gone

PRELUDE = """
import os, signal, sys, time
import ganger
from tests.misbehaviour import start_a_process_and_stay, sleep_for_ever, notes

NOTES = sys.argv[1]

def start(cluster):
    running = cluster.submit(start_a_process_and_stay, NOTES)
    cluster.submit(pow, 2, 5).result(30)
    while not notes(NOTES):
        time.sleep(0.01)
    print("running", flush=True)
    sys.stdin.readline()
    return running
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.fixture
def start(folder: Path, request: pytest.FixtureRequest) -> Callable[[str], Program]:
    """Starts a program whose cluster runs a task that has started a process of its own."""

    def begin(source: str) -> Program:
        path = folder / "notes"
        program = Program(PRELUDE + source, folder, str(path))
        request.addfinalizer(program.close)
        program.wait_line("running")
        shared = [each for each in program.family if each.pid != program.process.pid]
        assert len(shared) >= 6, (
            "a host, a master, an agent, a zygote, two executors, and what a task started"
        )
        assert any(program.temporary.iterdir()), "its folder is where this test looks"
        return program

    return begin


IN_ORDER = {
    "close": """
cluster = ganger.Cluster(slots=2)
start(cluster)
cluster.close()
cluster.close()
""",
    "the end of the with block": """
with ganger.Cluster(slots=2) as cluster:
    start(cluster)
""",
    "an exception in the with block": """
with ganger.Cluster(slots=2) as cluster:
    start(cluster)
    raise LookupError("on purpose")
""",
    "sys.exit": """
cluster = ganger.Cluster(slots=2)
start(cluster)
sys.exit(5)
""",
    "the end of the program": """
cluster = ganger.Cluster(slots=2)
future = start(cluster)
""",
    "an exit without goodbye": """
cluster = ganger.Cluster(slots=2)
start(cluster)
os._exit(6)
""",
    "a keyboard interrupt": """
with ganger.Cluster(slots=2) as cluster:
    running = start(cluster)
    signal.raise_signal(signal.SIGINT)
    running.result()
""",
    "two clusters at a time": """
with ganger.Cluster(slots=1) as other, ganger.Cluster(slots=2) as cluster:
    assert other.submit(pow, 2, 5).result(30) == 32
    start(cluster)
""",
    "a child of a fork that goes on": """
cluster = ganger.Cluster(slots=2)
start(cluster)
if not os.fork():
    os.close(1)
    os.close(2)
    time.sleep(3)
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
""",
}
CODES = {
    "an exception in the with block": 1,
    "sys.exit": 5,
    "an exit without goodbye": 6,
    "a keyboard interrupt": -signal.SIGINT,
    "a child of a fork that goes on": -signal.SIGKILL,
}


@pytest.mark.parametrize("ending", IN_ORDER)
def test_nothing_remains_after(start: Callable[[str], Program], folder: Path, ending: str) -> None:
    program = start(IN_ORDER[ending])
    program.go_on()
    code, out, err = program.end()
    assert code == CODES.get(ending, 0), err
    assert out == ""
    program.check_nothing_left()
    if ending not in CODES:
        assert err == ""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_nothing_remains_after_the_program_is_killed(start: Callable[[str], Program], number: int) -> None:
    program = start("cluster = ganger.Cluster(slots=2)\nstart(cluster)")
    kill(program.process.pid, number)
    program.end()
    program.check_nothing_left()


LOSES_A_PART = """
cluster = ganger.Cluster(slots=2)
running = start(cluster)
waiting = [cluster.submit(sleep_for_ever, NOTES + "-more") for _ in range(3)]
for future in [running, *waiting]:
    print(type(future.exception(20)).__name__, flush=True)
try:
    cluster.submit(pow, 2, 5).result(20)
except ganger.errors.ClusterClosed as error:
    print(error, flush=True)
cluster.close()
"""


@pytest.mark.parametrize("part", ["host", "master"])
def test_pending_futures_fail_and_nothing_remains_when_the_cluster_is_killed(
    start: Callable[[str], Program], part: str
) -> None:
    program = start(LOSES_A_PART)
    (program.host if part == "host" else program.master).send_signal(signal.SIGKILL)
    program.go_on()
    code, out, err = program.end()
    assert code == 0, err
    *kinds, last = out.splitlines()[:5]
    assert kinds == ["ClusterClosed"] * 4
    assert "the embedded cluster has ended" in last
    program.check_nothing_left()


def test_the_processes_go_at_once_when_the_host_is_killed_though_the_program_goes_on(
    start: Callable[[str], Program],
) -> None:
    program = start("cluster = ganger.Cluster(slots=2)\nstart(cluster)")
    below = program.family[1:]
    program.host.send_signal(signal.SIGKILL)
    wait_gone(below)
    assert program.process.poll() is None
    kill(program.process.pid)
    program.end()


def test_shared_memory_has_no_name_that_could_remain(start: Callable[[str], Program]) -> None:
    before = set(Path("/dev/shm").iterdir()) if Path("/dev/shm").is_dir() else set()
    program = start("cluster = ganger.Cluster(slots=2)\nstart(cluster)")
    if before:
        assert set(Path("/dev/shm").iterdir()) <= before
    kill(program.process.pid)
    program.end()
    program.check_nothing_left()


def test_a_cluster_that_cannot_start_leaves_nothing(folder: Path, request: pytest.FixtureRequest) -> None:
    source = "import ganger\nganger.Cluster(slots=2, preload='there_is_no:such_module')"
    program = Program(source, folder)
    request.addfinalizer(program.close)
    code, _, err = program.end()
    assert code == 1
    assert "PreloadFailed" in err
    eventually("an empty folder", lambda: not any(program.temporary.iterdir()))
    assert process(program.process.pid) is None
