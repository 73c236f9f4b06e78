"""A client does not survive fork(): the child is told so at once, and the parent goes on as if nothing was."""

import textwrap
from pathlib import Path

import pytest

from tests.integration.test_client_scripts import run

FORK = """
import os, sys, threading, time
import ganger
from ganger.errors import ForkedClient
from tests.integration import jobs

cluster = ganger.Cluster(slots=3)
gate = os.path.abspath("gate")
held = cluster.submit(jobs.wait_at, gate, "value")
done = cluster.submit(jobs.double, 2)
done.result()
executor = cluster.executor()
pending = executor.submit(jobs.wait_at, gate)
folder = os.path.dirname(str(cluster._engine.endpoints[0]).removeprefix("unix:"))

def tell(name, attempt):
    try:
        outcome = attempt()
    except ForkedClient as error:
        outcome = "forked"
        assert "parent process" in error.message and error.hint
    if isinstance(outcome, ForkedClient):
        outcome = "forked"
    print(name, outcome, flush=True)

def in_child():
    {child}

pid = os.fork()
if pid == 0:
    in_child()
    {end}
_, status = os.waitpid(pid, 0)
print("parent", status, os.path.isdir(folder), cluster.submit(jobs.double, 4).result())
open(gate, "w").close()
print(held.result(), pending.result())
cluster.close()
print(os.path.isdir(folder))
"""
ATTEMPTS = {
    "submit": "lambda: cluster.submit(jobs.double, 1)",
    "map": "lambda: list(cluster.map(jobs.double, [1]))",
    "status": "cluster.status",
    "result": "held.result",
    "exception": "held.exception",
    "as_completed": "lambda: [each.result() for each in ganger.as_completed([held])]",
    "wait": "lambda: [each.result() for each in ganger.wait([held]).done]",
    "gather": "lambda: cluster.gather([held])",
    "executor": "lambda: executor.submit(jobs.double, 1)",
}


def forked(tmp_path: Path, child: list[str], end: str) -> list[str]:
    lines = textwrap.indent("\n".join(child), "    ").strip()
    return run(FORK.replace("{child}", lines).replace("{end}", end), tmp_path).splitlines()


PARENT = ["parent 0 True 8", "value None", "False"]


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_whatever_the_child_asks_of_the_client_is_refused_and_the_parent_goes_on(
    tmp_path: Path, end: str
) -> None:
    child = [f"tell({name!r}, {attempt})" for name, attempt in ATTEMPTS.items()]
    *said, parent, values, left = forked(tmp_path, child, end)
    assert said == [f"{name} forked" for name in ATTEMPTS]
    assert [parent, values, left] == PARENT


def test_a_value_that_was_there_before_is_there_in_the_child(tmp_path: Path) -> None:
    assert forked(tmp_path, ["tell('done', done.result)"], "os._exit(0)") == ["done 4", *PARENT]


def test_closing_the_client_in_the_child_leaves_the_parents_cluster_alone(tmp_path: Path) -> None:
    child = ["cluster.close()", "executor.shutdown(wait=True)", "print('closed', flush=True)"]
    assert forked(tmp_path, child, "sys.exit(0)") == ["closed", *PARENT]


def test_a_child_makes_a_cluster_of_its_own(tmp_path: Path) -> None:
    child = ["with ganger.Cluster(slots=1) as own: print(own.submit(jobs.double, 3).result(), flush=True)"]
    assert forked(tmp_path, child, "sys.exit(0)") == ["6", *PARENT]


def test_many_threads_submitting_do_not_make_the_child_hang(tmp_path: Path) -> None:
    child = [f"tell({name!r}, {ATTEMPTS[name]})" for name in ("submit", "result", "as_completed")]
    program = FORK.replace(
        "pid = os.fork()\n",
        "stop = threading.Event()\n"
        "def busy():\n"
        "    while not stop.is_set(): executor.submit(jobs.double, 1).result()\n"
        "threads = [threading.Thread(target=busy) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "time.sleep(0.1)\n"
        "pid = os.fork()\n",
    ).replace("_, status", "stop.set()\nfor thread in threads: thread.join()\n_, status")
    lines = textwrap.indent("\n".join(child), "    ").strip()
    done = run(program.replace("{child}", lines).replace("{end}", "os._exit(0)"), tmp_path).splitlines()
    assert done == ["submit forked", "result forked", "as_completed forked", *PARENT]


def test_after_a_cluster_was_closed_a_fork_is_quiet(tmp_path: Path) -> None:
    program = """
    import os, ganger
    cluster = ganger.Cluster(slots=1)
    cluster.close()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    print(os.waitpid(pid, 0)[1])
    """
    assert run(program, tmp_path) == "0\n"


def test_multiprocessing_beside_a_cluster_works(tmp_path: Path) -> None:
    program = """
    import multiprocessing, ganger
    def double(x):
        return 2 * x
    with ganger.Cluster(slots=1) as cluster:
        print(cluster.submit(double, 1).result())
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(double, range(3)))
        print(cluster.submit(double, 2).result())
    """
    assert run(program, tmp_path) == "2\n[0, 2, 4]\n4\n"
