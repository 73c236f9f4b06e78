"""Programs without a ``__main__`` guard: scripts, standard input, ``-c``, a REPL; and how they end."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.processes import ROOT

PATIENCE_S = 40


def run(program: str, folder: Path, how: str = "file", *, given: str = "") -> str:
    """Runs a program to its end and returns what it printed; fails with what it wrote to stderr."""
    program = textwrap.dedent(program)
    command = [sys.executable]
    if how == "file":
        (folder / "script.py").write_text(program)
        command.append("script.py")
    elif how == "command":
        command += ["-c", program]
    else:
        command += ["-i", "-q"] if how == "repl" else ["-"]
        given = program
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PYTHONSTARTUP": ""}
    done = subprocess.run(
        command, cwd=folder, env=environment, input=given, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert how == "repl" or done.stderr == ""
    return done.stdout


WORK = """
import ganger

class Point:
    def __init__(self, x):
        self.x = x
    def moved(self, by):
        return Point(self.x + by)

SHIFT = 10

def shift(point):
    return point.moved(SHIFT)

@ganger.task(retries=1)
def area(point):
    return point.x ** 2

cluster = ganger.Cluster(slots=2)
moved = cluster.submit(shift, Point(1)).result()
print(type(moved) is Point, moved.x, cluster.submit(area, moved).result())
print([point.x for point in cluster.map(shift, map(Point, range(3)))])
print(cluster.submit(lambda: SHIFT).result())
cluster.close()
"""


@pytest.mark.parametrize("how", ["file", "stdin", "command"])
def test_functions_and_classes_of_main_work_without_a_guard(tmp_path: Path, how: str) -> None:
    assert run(WORK, tmp_path, how) == "True 11 121\n[10, 11, 12]\n10\n"


def test_a_repl_works_line_by_line(tmp_path: Path) -> None:
    program = """
    import ganger
    cluster = ganger.Cluster(slots=1)
    def double(x):
        return 2 * x

    cluster.submit(double, 4).result()
    def double(x):
        return 20 * x

    cluster.submit(double, 4).result()
    cluster.close()
    """
    assert run(program, tmp_path, "repl").split() == ["8", "80"]


def test_an_exception_class_of_main_comes_back_as_the_clients_own(tmp_path: Path) -> None:
    program = """
    import ganger
    class Odd(Exception):
        pass
    def raise_it():
        raise Odd("even")
    with ganger.Cluster(slots=1) as cluster:
        try:
            cluster.submit(raise_it).result()
        except Odd as error:
            print(type(error) is Odd, error)
    """
    assert run(program, tmp_path) == "True even\n"


def test_a_module_beside_the_script_is_found_by_the_workers(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def triple(x):\n    return 3 * x\n")
    program = """
    import ganger, beside
    with ganger.Cluster(slots=1) as cluster:
        print(cluster.submit(beside.triple, 4).result())
    """
    assert run(program, tmp_path) == "12\n"


def test_connect_local_makes_the_embedded_cluster(tmp_path: Path) -> None:
    program = """
    import ganger
    with ganger.connect("local", settings={"client": {"map_window": 5}}) as cluster:
        print(type(cluster).__name__, cluster.submit(pow, 2, 5).result())
    """
    assert run(program, tmp_path) == "Cluster 32\n"


def test_a_program_that_forgets_to_close_ends_by_itself_and_leaves_nothing(tmp_path: Path) -> None:
    program = """
    import ganger, os
    cluster = ganger.Cluster(slots=1)
    held = cluster.submit(__import__("time").sleep, 1000)
    print(cluster.workers()[0].pid, *os.listdir(os.environ["XDG_RUNTIME_DIR"]))
    """
    runtime = tmp_path / "run"
    runtime.mkdir()
    os.environ["XDG_RUNTIME_DIR"], before = str(runtime), os.environ.get("XDG_RUNTIME_DIR")
    try:
        pid, folder = run(program, tmp_path).split()
    finally:
        del os.environ["XDG_RUNTIME_DIR"]
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
    assert folder.startswith("ganger-")
    assert list(runtime.iterdir()) == []
    assert not Path(f"/proc/{pid}/cmdline").exists()


def test_an_executor_is_waited_for_at_the_end_of_the_program(tmp_path: Path) -> None:
    program = """
    import ganger, time
    def slow(x):
        time.sleep(0.2)
        return x
    executor = ganger.Cluster(slots=1).executor()
    for number in range(3):
        executor.submit(slow, number).add_done_callback(lambda future: print(future.result(), flush=True))
    """
    assert run(program, tmp_path) == "0\n1\n2\n"


def test_after_the_end_of_the_program_an_executor_takes_nothing_more(tmp_path: Path) -> None:
    program = """
    import atexit, ganger
    cluster = ganger.Cluster(slots=1)
    executor = cluster.executor()
    def late():
        try:
            executor.submit(pow, 2, 5)
        except RuntimeError as error:
            print(error)
    atexit.register(late)
    """
    assert run(program, tmp_path) == "cannot schedule new futures after interpreter shutdown\n"


def test_importing_ganger_imports_next_to_nothing(tmp_path: Path) -> None:
    program = """
    import sys, ganger
    print([name for name in ("asyncio", "uvloop", "cloudpickle", "msgspec", "psutil") if name in sys.modules])
    """
    assert run(program, tmp_path) == "[]\n"
