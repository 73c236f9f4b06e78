"""Peers that answer by themselves what a random story does not: they obey, and forget what they need not know."""

from __future__ import annotations

from ganger.protocol import messages as m
from tests.environment.peers import FakeClient, FakeWorker


class ObedientWorker(FakeWorker):
    """Stops what it is told to stop, gives back what it has not begun when it drains.

    Attributes:
        begun: Attempts that it has really begun, whether the master knows or not.
        zombies: Begun attempts that it was told to stop, and that may end all the same.
        draining: It takes no more.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.begun: set[int] = set()
        self.zombies: dict[int, int] = {}
        self.draining = False

    def on_stop(self, stop: m.Stop) -> None:
        for task in stop.tasks:
            number = self.holds.pop(task, None)
            if number is not None and task in self.begun:
                self.zombies[task] = number
            self.begun.discard(task)

    def on_drain(self, _: m.Drain) -> None:
        self.draining = True

    def give_back_waiting(self) -> None:
        """What it has not begun goes back."""
        waiting = [task for task in self.holds if task not in self.begun]
        if waiting:
            self.give_back(*waiting)

    def rejoin(self, *, local: bool = False) -> None:
        """Comes back with what it has begun."""
        self.join(local=local, started=[task for task in self.holds if task in self.begun])
        if self.draining:
            self.say(m.Draining())

    def die(self) -> None:
        """Its process is gone, and what it had begun with it."""
        self.restart()
        self.begun.clear()
        self.zombies.clear()
        self.draining = False

    def end(self, task: int) -> None:
        """An attempt is over, however."""
        self.begun.discard(task)
        self.zombies.pop(task, None)


class ObedientClient(FakeClient):
    """Forgets what it was refused and what it was warned of.

    Attributes:
        calls: Task ids that were submitted, whether they were accepted or not.
        refused: Task ids that were not accepted.
        released: Task ids whose results it let go of.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.calls: list[int] = []
        self.refused: set[int] = set()
        self.released: set[int] = set()
        self.unsent: list[m.TaskGroup] = []

    def on_notice(self, _: m.Notice) -> None:
        """Nothing to do."""

    def on_answer(self, _: m.Answer) -> None:
        """Nothing to do."""

    def on_rejected(self, rejected: m.Rejected) -> None:
        self.refused.update(map(self.task, range(rejected.first, rejected.last + 1)))

    def on_accepted(self, accepted: m.Accepted) -> None:
        super().on_accepted(accepted)
        self.unsent = [group for group in self.unsent if group.first + len(group.payloads) - 1 > accepted.through]

    def call(self, spec: int, count: int, inputs: list[list[int]] | None) -> None:
        """Submits calls, and remembers them until they are recorded."""
        group = self.group(spec, count, inputs=inputs)
        self.calls += self.ids_of(group)
        self.unsent.append(group)
        if self.connected:
            self.say(m.Submit([group]))

    def rejoin(self) -> None:
        """Comes back and says again what is not recorded."""
        self.connect()
        self.environment.run()
        for group in list(self.unsent):
            self.say(m.Submit([group]))
        if self.released:
            self.release(*self.released)
        self.environment.run()
