"""Peers that answer by themselves what a random story does not: they obey, and forget what they need not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganger.protocol import messages as m
from ganger.protocol.options import TaskOptions
from tests.environment.peers import FakeClient, FakeWorker

if TYPE_CHECKING:
    from tests.environment.cluster import Environment


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
        self.options: dict[int, TaskOptions] = {}

    def on_assign(self, assign: m.Assign) -> None:
        super().on_assign(assign)
        for group in assign.groups:
            self.options.update(dict.fromkeys(group.tasks, self.specs[group.spec].options))

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
    """Says nothing before it is welcome, says again what may not be recorded, and begins anew with a new session.

    Attributes:
        catalogue: The options of its functions; their numbers are 1, 2, ….
        calls: Task ids of its session that were submitted, whether they were accepted or not.
        refused: Task ids that were not accepted.
        released: Task ids whose results it let go of.
        unsent: Groups that are not known to be recorded.
    """

    def __init__(self, environment: Environment, name: str, catalogue: list[dict[str, object]]) -> None:
        super().__init__(environment, name)
        self.catalogue = catalogue
        self.welcomed = False
        self.calls: list[int] = []
        self.refused: set[int] = set()
        self.released: set[int] = set()
        self.unsent: list[m.TaskGroup] = []

    @property
    def ready(self) -> bool:
        """Whether a master listens to it."""
        return self.connected and self.welcomed

    def connect(self, *, local: bool = False) -> None:
        self.welcomed = False
        super().connect(local=local)

    def on_welcome(self, welcome: m.Welcome) -> None:
        if self.session != welcome.session:
            self.forget()
        super().on_welcome(welcome)
        if not self.connected:
            return
        self.welcomed = True
        self.next_spec = 0
        for options in self.catalogue:
            self.define(**options)  # type: ignore[arg-type]
        for group in self.unsent:
            self.say(m.Submit([group]))
        if self.released:
            self.say(self.release_of(*self.released))

    def on_notice(self, _: m.Notice) -> None:
        """Nothing to do."""

    def on_answer(self, _: m.Answer) -> None:
        """Nothing to do."""

    def on_rejected(self, rejected: m.Rejected) -> None:
        self.refused.update(map(self.task, range(rejected.first, rejected.last + 1)))

    def on_accepted(self, accepted: m.Accepted) -> None:
        super().on_accepted(accepted)
        self.unsent = [
            group for group in self.unsent if group.first + len(group.payloads) - 1 > accepted.through
        ]

    def call(self, spec: int, count: int, inputs: list[list[int]] | None) -> None:
        """Submits calls, and remembers them until they are recorded."""
        group = self.group(spec, count, inputs=inputs)
        self.calls += self.ids_of(group)
        self.unsent.append(group)
        if self.ready:
            self.say(m.Submit([group]))

    def forget(self) -> None:
        """Its session is gone, and with it everything that it had submitted."""
        for known in (self.calls, self.unsent):
            known.clear()
        for ended in (self.refused, self.released, self.cancelled, self.kept, self.running):
            ended.clear()
        for told in (self.results, self.errors, self.origins):
            told.clear()
        self.next_sequence = 0
        self.through = -1

    @property
    def untold(self) -> set[int]:
        """Calls of whose end it was not told, and in which it is still interested."""
        return set(self.calls) - self.ended - self.refused - self.released
