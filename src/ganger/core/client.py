"""The client's core: numbers calls, keeps what is not acknowledged, resends it, hands out results.

It knows futures only as handles. Calls are numbered when they are sent, in order, so a group of
them is one column; what was sent and is not recorded yet is kept and sent again after a reconnect.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol, TypeAlias

from msgspec import Struct

from ganger.config import ClientSettings
from ganger.core.intervals import intervals_of
from ganger.protocol.ids import SEQUENCE_BITS, SEQUENCE_MAX
from ganger.protocol.messages import (
    Accepted,
    Cancelled,
    Define,
    Failures,
    Kept,
    Rejected,
    Release,
    Results,
    Running,
    Submit,
    TaskGroup,
    Welcome,
)
from ganger.protocol.options import FunctionBody, SpecBody

TELL_BYTES = 1 << 20
"""Result bytes taken in that the master is told of even where nothing is released."""


class Handle(Protocol):
    """What the core needs of a future: its task's id (-1 before it is sent), and who needs its result."""

    task: int
    pins: int
    released: bool


class ClientSpec:
    """A function with its options, as the client numbers it."""

    __slots__ = ("body", "function", "name", "number")

    def __init__(self, number: int, function: FunctionBody, body: SpecBody) -> None:
        self.number = number
        self.function = function
        self.body = body
        self.name = body.name


Entry: TypeAlias = tuple[ClientSpec, bytes, Handle, list[Handle] | None]
"""A buffered call: its spec, its payload, its future, and the futures that its arguments hold."""


class Succeeded(Struct, gc=False):
    """These futures have their results."""

    handles: list[Handle]
    payloads: list[bytes]


class Failed(Struct, gc=False):
    """This future has failed; `origin` is the id of the task whose failure it was."""

    handle: Handle
    error: bytes
    origin: int


class Turned(Struct, gc=False):
    """These futures have come to this state: ``kept``, ``cancelled`` or ``running``."""

    handles: list[Handle]
    state: str


class Refusal(Struct, gc=False):
    """These futures' calls were not accepted."""

    handles: list[Handle]
    reason: str
    hint: str


Outcome: TypeAlias = Succeeded | Failed | Turned | Refusal


class ClientCore:
    """The state of one session.

    Args:
        settings: Limits and defaults.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.session = 0
        self.pending: dict[int, Handle] = {}
        self.next_sequence = 0
        self.sent_bytes = 0
        self.credit_tasks = -1
        self.credit_bytes = 0
        self._unrecorded: deque[tuple[int, Submit, list[ClientSpec]]] = deque()
        self._defined: set[int] = set()
        self._taught: set[bytes] = set()
        self._held: set[int] = set()
        self._pinned: set[int] = set()
        self._releases: list[int] = []
        self._received_bytes = 0
        self._told_bytes = 0

    # --- connection ------------------------------------------------------------------------------

    def welcome(self, welcome: Welcome) -> tuple[list[object], list[Handle]]:
        """A master has let us in.

        Returns:
            Messages to send now, and the futures that are lost because it does not know the session.
        """
        lost: list[Handle] = []
        if self.session and welcome.session != self.session:
            lost = list(self.pending.values())
            self.pending.clear()
            self._unrecorded.clear()
            self._releases.clear()
            self._held.clear()
            self._pinned.clear()
            self.next_sequence = 0
        self.session = welcome.session
        self._defined.clear()
        self._taught.clear()
        self._received_bytes = 0
        self._told_bytes = 0
        self.credit_tasks, self.credit_bytes = welcome.credit_tasks, welcome.credit_bytes
        first_gap = welcome.accepted[0][1] + 1 if welcome.accepted and welcome.accepted[0][0] == 0 else 0
        self._forget_through(first_gap - 1)
        messages: list[object] = []
        self.sent_bytes = 0
        for _, submit, specs in self._unrecorded:
            if define := self._define(specs):
                messages.append(define)
            messages.append(submit)
            self.sent_bytes += sum(len(payload) for group in submit.groups for payload in group.payloads)
        return messages, lost

    def _forget_through(self, sequence: int) -> None:
        while self._unrecorded and self._unrecorded[0][0] <= sequence:
            self._unrecorded.popleft()

    def _define(self, specs: list[ClientSpec]) -> Define | None:
        fresh = [spec for spec in specs if spec.number not in self._defined]
        if not fresh:
            return None
        functions = []
        for spec in fresh:
            self._defined.add(spec.number)
            if spec.function.digest not in self._taught:
                self._taught.add(spec.function.digest)
                functions.append(spec.function)
        return Define(functions, [spec.body for spec in fresh])

    # --- submission ------------------------------------------------------------------------------

    @property
    def may_send(self) -> bool:
        """Whether there is credit for another call."""
        return self.next_sequence <= self.credit_tasks and self.sent_bytes < self.credit_bytes

    def take(self, outbox: deque[Entry], orphans: list[Handle]) -> list[object]:
        """Messages for buffered calls, as far as the credit goes; takes them out of the outbox.

        Futures of calls whose arguments went down with an earlier session are put into `orphans`.
        """
        messages: list[object] = []
        while outbox and self.may_send:
            submit, specs = self._cut(outbox, orphans)
            if not submit.groups:
                continue
            if define := self._define(specs):
                messages.append(define)
            self._unrecorded.append((self.next_sequence - 1, submit, specs))
            messages.append(submit)
        return messages

    def _cut(self, outbox: deque[Entry], orphans: list[Handle]) -> tuple[Submit, list[ClientSpec]]:
        """One message: groups of consecutive calls of one spec."""
        pop = outbox.popleft
        pending = self.pending
        sequence = self.next_sequence
        base = self.session << SEQUENCE_BITS
        room = min(self.settings.message_tasks_max, self.credit_tasks - sequence + 1, len(outbox))
        limit_bytes = self.settings.message_bytes_max
        groups: list[TaskGroup] = []
        specs: list[ClientSpec] = []
        current: ClientSpec | None = None
        plain = True
        payloads: list[bytes] = []
        size = 0
        for _ in range(room):
            spec, payload, handle, inputs = pop()
            if inputs is not None and any(needed.task >> SEQUENCE_BITS != self.session for needed in inputs):
                orphans.append(handle)
                self._unpin(inputs)
                continue
            if spec is not current or plain is not (inputs is None):
                current, plain, payloads = spec, inputs is None, []
                groups.append(TaskGroup(spec.number, sequence, payloads, None if plain else []))
                specs.append(spec)
            payloads.append(payload)
            size += len(payload)
            handle.task = base | sequence
            pending[sequence] = handle
            sequence += 1
            if inputs is not None:
                self._add_inputs(groups[-1], inputs)
            if size >= limit_bytes:
                break
        self.next_sequence = sequence
        self.sent_bytes += size
        return Submit(groups), specs

    def _add_inputs(self, group: TaskGroup, inputs: list[Handle]) -> None:
        if group.inputs is not None:
            group.inputs.append([handle.task for handle in inputs])
        self._unpin(inputs)

    def _unpin(self, inputs: list[Handle]) -> None:
        """A call that takes these was sent, or never will be."""
        for handle in inputs:
            handle.pins -= 1
            sequence = handle.task & SEQUENCE_MAX
            mine = handle.task >> SEQUENCE_BITS == self.session
            if mine and not handle.pins and sequence in self._pinned:
                self._pinned.discard(sequence)
                self._releases.append(sequence)

    # --- what the master says --------------------------------------------------------------------

    def on_accepted(self, message: Accepted) -> None:
        """Recorded up to here, and credit."""
        self._forget_through(message.through)
        self.credit_tasks = max(self.credit_tasks, message.credit_tasks)
        self.credit_bytes = max(self.credit_bytes, message.credit_bytes)

    def on_results(self, message: Results) -> Succeeded:
        """Values. They are released at once, unless a call that takes one is still being buffered."""
        pop = self.pending.pop
        handles: list[Handle] = []
        payloads: list[bytes] = []
        release = self._releases.append
        for sequence, payload in zip(message.sequences, message.payloads, strict=True):
            handle = pop(sequence, None)
            if handle is None:
                if sequence not in self._held and sequence not in self._pinned:
                    release(sequence)
                continue
            handle.released = True
            if handle.pins:
                self._pinned.add(sequence)
            else:
                release(sequence)
            handles.append(handle)
            payloads.append(payload)
        self._received_bytes += sum(map(len, message.payloads))
        return Succeeded(handles, payloads)

    def on_failures(self, message: Failures) -> list[Failed]:
        """Errors. They are held until their futures are dropped, for dependents yet to come."""
        failed = []
        columns = zip(message.sequences, message.errors, message.origins, strict=True)
        for sequence, error, origin in columns:
            handle = self._take_held(sequence)
            if handle is not None:
                failed.append(Failed(handle, error, origin))
        return failed

    def _take_held(self, sequence: int) -> Handle | None:
        """The future of a task that has ended and whose end is held until the future is dropped.

        What nobody here waits for or holds any more is released (its release may have been lost).
        """
        handle = self.pending.pop(sequence, None)
        if handle is not None:
            self._held.add(sequence)
        elif sequence not in self._held:
            self._releases.append(sequence)
        return handle

    def cancelled(self, handle: Handle) -> None:
        """The client itself has cancelled this one; its end is held until the future is dropped."""
        sequence = handle.task & SEQUENCE_MAX
        if self.pending.pop(sequence, None) is not None:
            self._held.add(sequence)

    def on_turned(self, message: Kept | Cancelled) -> Turned:
        """Kept at the master, or cancelled."""
        found = [self._take_held(sequence) for sequence in message.sequences]
        state = "kept" if type(message) is Kept else "cancelled"
        return Turned([handle for handle in found if handle is not None], state)

    def on_running(self, message: Running) -> Turned:
        """Running for a while."""
        found = [self.pending.get(sequence) for sequence in message.sequences]
        return Turned([handle for handle in found if handle is not None], "running")

    def on_rejected(self, message: Rejected) -> Refusal:
        """Not accepted."""
        found = [self.pending.pop(sequence, None) for sequence in range(message.first, message.last + 1)]
        return Refusal([handle for handle in found if handle is not None], message.reason, message.hint)

    def refetch(self, handle: Handle) -> bool:
        """A kept result is asked for: it is pending again. False if it went down with an earlier session."""
        if handle.task >> SEQUENCE_BITS != self.session:
            return False
        sequence = handle.task & SEQUENCE_MAX
        self._held.discard(sequence)
        self.pending[sequence] = handle
        return True

    def drop(self, tasks: list[int]) -> None:
        """Futures whose results were held were dropped; those of an earlier session concern nobody."""
        for task in tasks:
            if task >> SEQUENCE_BITS == self.session:
                sequence = task & SEQUENCE_MAX
                self._held.discard(sequence)
                self._pinned.discard(sequence)
                self._releases.append(sequence)

    def take_releases(self) -> Release | None:
        """The results to release, as intervals."""
        if not self._releases and self._received_bytes - self._told_bytes < TELL_BYTES:
            return None
        intervals = intervals_of(set(self._releases))
        self._releases.clear()
        self._told_bytes = self._received_bytes
        return Release(intervals, self._received_bytes)
