"""From the agent's queue to its executors, and back: how much goes where, and what is taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganger.core.slots import AgentSpec, Attempt, Ending, Slot
from ganger.core.worker_effects import Revoke, ToExecutor
from ganger.protocol.executor_messages import Learn, Run
from ganger.protocol.options import FunctionBody

if TYPE_CHECKING:
    from ganger.core.worker import WorkerCore

TAKEN_BACK_MAX = 4096
"""Revoked calls per executor that are remembered, in case one ran all the same."""


class Dispatch:
    """Sends calls to executors within their budget.

    Args:
        core: The agent's core.
        gpus: How many devices there are to hand out.
    """

    def __init__(self, core: WorkerCore, gpus: int) -> None:
        self.core = core
        self.free_gpus = list(range(gpus))

    def feed(self) -> None:
        """Sends what the executors have room for; the queue keeps its order."""
        core = self.core
        queue = core.queue
        while queue:
            head = queue[0]
            if head.ended or head.cancelled:
                queue.popleft()
                continue
            slot, room = self._choose(head)
            if slot is None:
                return
            self._send(slot, head.spec, room)

    def _choose(self, head: Attempt) -> tuple[Slot | None, int]:
        """The executor for the head of the queue, and how many calls of its spec it may get."""
        spec = head.spec
        usable = [slot for slot in self.core.slots if slot.usable and not slot.stalled]
        if spec.concurrency > 1 and not head.alone:
            return self._choose_for_coroutine(spec, usable)
        empty = [slot for slot in usable if not slot.out]
        if head.alone or not spec.together or not spec.cost.mean_ns:
            if spec.gpus:
                return self._choose_for_gpus(spec, empty)
            plain = [slot for slot in empty if not slot.devices]
            return ((plain or empty)[0], 1) if empty else (None, 0)
        budget_ns = self.core.settings.executor_budget_ns
        best, best_ns = None, float(budget_ns)
        for slot in usable:
            out_ns = slot.out_ns
            if out_ns < best_ns and _shares(slot):
                best, best_ns = slot, out_ns
        if best is None:
            return None, 0
        room = int((budget_ns - best_ns) / spec.cost.mean_ns)
        if not room:
            return (best, 1) if not best.out else (None, 0)
        even = -(-len(self.core.queue) // max(1, len(empty)))
        return best, min(room, even)

    def _choose_for_coroutine(self, spec: AgentSpec, usable: list[Slot]) -> tuple[Slot | None, int]:
        for slot in usable:
            if slot.out and len(slot.out) < spec.concurrency:
                attempts = slot.out.values()
                if all(attempt.spec is spec and not attempt.alone for attempt in attempts):
                    return slot, spec.concurrency - len(slot.out)
        for slot in usable:
            if not slot.out:
                return slot, spec.concurrency
        return None, 0

    def _choose_for_gpus(self, spec: AgentSpec, empty: list[Slot]) -> tuple[Slot | None, int]:
        """An executor that has seen as many devices already, or a fresh one that gets them now."""
        for slot in empty:
            if len(slot.devices) == spec.gpus:
                return slot, 1
        for slot in empty:
            if not slot.devices and len(self.free_gpus) >= spec.gpus:
                slot.devices = tuple(self.free_gpus[: spec.gpus])
                del self.free_gpus[: spec.gpus]
                return slot, 1
        for slot in empty:
            if slot.devices:
                self.core.end_executor(slot, Ending("retired", None, "its devices are needed otherwise"))
                break
        return None, 0

    def release_devices(self, slot: Slot) -> None:
        """The executor is gone; its devices are free."""
        self.free_gpus = sorted([*self.free_gpus, *slot.devices])
        slot.devices = ()

    def _send(self, slot: Slot, spec: AgentSpec, room: int) -> None:
        queue = self.core.queue
        out = slot.out
        first = index = slot.sent + 1
        payloads: list[bytes] = []
        inputs: list[list[bytes]] | None = None
        shared = spec.concurrency > 1
        while queue and room:
            attempt = queue[0]
            if attempt.spec is not spec or (attempt.alone and payloads):
                break
            queue.popleft()
            if attempt.ended or attempt.cancelled:
                continue
            room -= 1
            if attempt.inputs is not None and inputs is None:
                inputs = [[] for _ in payloads]
            if inputs is not None:
                inputs.append(attempt.inputs or [])
            payloads.append(attempt.payload)
            if shared:
                attempt.sent_ns = self.core.now_ns
            out[index] = attempt
            index += 1
            if attempt.alone:
                break
        if not payloads:
            return
        slot.sent = index - 1
        slot.count(spec, len(payloads))
        self._teach(slot, spec)
        devices = ",".join(map(str, slot.devices)) if spec.gpus else None
        self.core.effects.append(ToExecutor(slot.number, Run(spec.id, first, payloads, inputs, devices)))

    def _teach(self, slot: Slot, spec: AgentSpec) -> None:
        if spec.id in slot.specs:
            return
        slot.specs.add(spec.id)
        functions = []
        digest = spec.body.function
        if digest not in slot.functions:
            slot.functions.add(digest)
            functions.append(FunctionBody(digest, self.core.functions[digest]))
        self.core.effects.append(ToExecutor(slot.number, Learn(functions, [spec.body])))

    def return_stuck(self) -> None:
        """Where every executor sits in a long call, what waits goes back to the master, to run elsewhere."""
        if self.core.queue and all(slot.stalled and slot.ending is None for slot in self.core.slots):
            self.core.return_queue()

    def revoke(self, slot: Slot) -> None:
        """Has the executor skip what it has not started; the shell's next word is what it had (`Revoked`)."""
        if slot.ending is None and slot.unstarted():
            self.core.effects.append(Revoke(slot.number, slot.started + 1, slot.sent))

    def take_back(self, slot: Slot, last: int) -> None:
        """What had not started, up to this index, goes to the front of the queue, in order."""
        for index, attempt in reversed(slot.unstarted()):
            if index > last:
                continue
            del slot.out[index]
            slot.count(attempt.spec, -1)
            slot.taken_back[index] = attempt
            if not attempt.cancelled:
                self.core.queue.appendleft(attempt)
        while len(slot.taken_back) > TAKEN_BACK_MAX:
            del slot.taken_back[next(iter(slot.taken_back))]

    def skipped(self, slot: Slot, index: int) -> None:
        """The executor has passed over a revoked call that it had just announced."""
        slot.taken_back.pop(index, None)
        attempt = slot.out.pop(index, None)
        if attempt is not None:
            slot.count(attempt.spec, -1)
            if not attempt.cancelled:
                self.core.queue.appendleft(attempt)


def _shares(slot: Slot) -> bool:
    """Whether calls may stand behind what the executor has."""
    first = next(iter(slot.out.values()), None)
    return first is None or (first.spec.together and not first.alone)
