"""Watches the calls that run: what is slow moves what stands behind it, what is too slow is ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganger.core.slots import Attempt, Ending, Slot
from ganger.core.verdicts import memory_verdict
from ganger.core.worker_effects import ToExecutor, ToMaster
from ganger.protocol.executor_messages import CancelCall
from ganger.protocol.messages import Started

if TYPE_CHECKING:
    from ganger.core.worker import MemorySampled, WorkerCore

TIMEOUT_CHECKS = 20
"""How often within its timeout a call is looked at, at least."""


class Watch:
    """Looks at executors when time has passed."""

    def __init__(self, core: WorkerCore) -> None:
        self.core = core

    def next_look_ns(self) -> int | None:
        """How long the shell may wait before the next look, in nanoseconds; None while nothing is out."""
        wait_ns: int | None = None
        settings = self.core.settings
        for slot in self.core.slots:
            if not slot.out:
                continue
            if len(slot.out) > 1 and not slot.stalled and not slot.is_shared:
                return int(settings.tick_s * 1e9)
            pause_ns = self._pause_ns(slot)
            if pause_ns is None:
                continue
            wait_ns = pause_ns if wait_ns is None else min(wait_ns, pause_ns)
        return wait_ns

    def _pause_ns(self, slot: Slot) -> int | None:
        """How long this executor may be left alone; None until it says something itself."""
        settings = self.core.settings
        oldest = next(iter(slot.out.values()))
        if oldest.spec.timeout_ns:
            return min(settings.announce_ns, max(settings.stall_ns, oldest.spec.timeout_ns // TIMEOUT_CHECKS))
        if any(attempt.ending is not None for attempt in slot.out.values()):
            return max(settings.stall_ns, int(settings.cancel_grace_s * 1e9) // TIMEOUT_CHECKS)
        if slot.is_shared:
            told = all(attempt.announced for attempt in slot.out.values())
            return None if told else settings.announce_ns
        if oldest.announced and slot.stalled:
            return None
        return settings.announce_ns if slot.stalled else settings.stall_ns

    def look(self) -> None:
        """One look at every busy executor."""
        settings = self.core.settings
        announced: list[int] = []
        for slot in self.core.slots:
            if not slot.out or slot.ending is not None:
                continue
            for attempt in slot.running():
                age_ns = self.core.now_ns - (attempt.sent_ns or slot.started_ns)
                if attempt.ending is not None:
                    self._insist(slot, attempt)
                elif attempt.spec.timeout_ns and age_ns >= attempt.spec.timeout_ns:
                    self._time_out(slot, attempt)
                elif age_ns >= settings.stall_ns and not slot.stalled and attempt.spec.concurrency == 1:
                    slot.stalled = True
                    attempt.spec.cost.exceeded(age_ns)
                    self.core.dispatch.revoke(slot)
                if (age_ns >= settings.announce_ns or attempt.alone) and not attempt.announced:
                    attempt.announced = True
                    announced.append(attempt.task)
        self.core.dispatch.return_stuck()
        if announced and self.core.connected:
            self.core.effects.append(ToMaster(Started(announced, self.core.stalled)))

    def _time_out(self, slot: Slot, attempt: Attempt) -> None:
        text = f"{attempt.spec.name} ran longer than its timeout_s of {attempt.spec.timeout_ns / 1e9:g}"
        ending = Ending("timeout", attempt, text)
        if attempt.spec.concurrency == 1:
            self.core.end_executor(slot, ending)
        else:
            self.cancel_call(slot, attempt, ending)

    def _insist(self, slot: Slot, attempt: Attempt) -> None:
        """A coroutine that does not heed its cancellation takes its executor along."""
        grace_ns = int(self.core.settings.cancel_grace_s * 1e9)
        if attempt.ending is not None and self.core.now_ns - attempt.ending_ns >= grace_ns:
            self.core.end_executor(slot, attempt.ending)

    def cancel_call(self, slot: Slot, attempt: Attempt, ending: Ending) -> None:
        """Cancels a coroutine; if it does not heed, a later look ends its executor."""
        if attempt.ending is not None:
            return
        attempt.ending = ending
        attempt.ending_ns = self.core.now_ns
        for index, other in slot.out.items():
            if other is attempt:
                self.core.effects.append(ToExecutor(slot.number, CancelCall(index)))

    def look_at_memory(self, event: MemorySampled) -> None:
        """Ends what uses more memory than it asked for, or the largest when the machine runs out."""
        for slot in self.core.slots:
            resident = event.resident_bytes.get(slot.number, 0)
            for attempt in slot.running():
                limit = attempt.spec.memory_bytes
                if limit and resident > limit:
                    self._out_of_memory(slot, attempt, resident, limit, "it had asked for")
        if event.machine_fraction >= self.core.settings.memory_fraction_kill:
            busy = [slot for slot in self.core.slots if slot.running() and slot.ending is None]
            if busy:
                largest = max(busy, key=lambda slot: event.resident_bytes.get(slot.number, 0))
                resident = event.resident_bytes.get(largest.number, 0)
                self._out_of_memory(largest, largest.running()[0], resident, resident, "the machine had left")

    def _out_of_memory(self, slot: Slot, attempt: Attempt, peak: int, limit: int, whose: str) -> None:
        text, numbers = memory_verdict(attempt, peak, limit, whose)
        self.core.end_executor(slot, Ending("memory", attempt, text, numbers))
