"""A master that is killed and started again on its journal loses nothing that it has acknowledged."""

import os
import signal
import time

import ganger
from tests.integration.cli.commands import Commands, pause
from tests.processes import PATIENCE_S, eventually, wait_gone

TASKS = 400
SOON = ("--set", "master.worker_lease_s=1", "--set", "worker.beat_s=0.2")
"""What the killed cluster's worker held is given to others soon."""


def square(number: int) -> int:
    """A task of a few milliseconds."""
    time.sleep(0.005)
    return number * number


def master_of(running_log: str) -> int:
    """The master's process, by its own log."""
    (line,) = [line for line in running_log.splitlines() if " joined with " in line][:1]
    return int(line.split("ganger.master[")[1].split("]")[0])


def test_a_client_that_stays_gets_every_acknowledged_result_after_the_masters_death(user: Commands) -> None:
    first, address = user.up("--slots", "2", *SOON)
    with ganger.connect() as client:
        futures = [client.submit(square, number) for number in range(TASKS)]
        eventually("all are acknowledged", lambda: client.status().submitted == TASKS)
        eventually("some are done", lambda: sum(future.done() for future in futures) >= 20)
        os.kill(master_of(first.err), signal.SIGKILL)
        ended = first.wait()
        ended.check_error(6, "the master has ended")
        assert "start it again on the same journal" in ended.err
        wait_gone(first.family)
        user.check_nothing_left()
        assert not all(future.done() for future in futures), "else there was nothing to recover"

        again, _ = user.up("--slots", "2", "--listen", address, *SOON)
        assert client.gather(futures, PATIENCE_S) == [number * number for number in range(TASKS)]
        assert client.status().epoch == 2
    assert again.stop().code == 0


def test_a_master_alone_goes_on_with_its_workers_after_its_death(user: Commands) -> None:
    first, address = user.master()
    worker, name = user.worker(address)
    with ganger.connect(address) as client:
        running = client.submit(pause, 2.0)
        waiting = client.submit(pow, 2, 9)
        eventually("the task runs", running.running)
        eventually("both are acknowledged", lambda: client.status().submitted == 2)
        first.process.kill()
        first.wait()
        user.master("--listen", address)
        assert running.result(PATIENCE_S) == 2.0
        assert waiting.result(PATIENCE_S) == 512
        assert [seen.name for seen in client.workers()] == [name]
    assert worker.stop().code == 0
