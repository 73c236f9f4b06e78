"""A client's core with futures that are bare handles, and the outbox of its shell."""

from __future__ import annotations

from collections import deque

from ganger.config import ClientSettings
from ganger.core.client import ClientCore, ClientSpec, Entry, Failed, Refusal, Succeeded, Turned
from ganger.protocol import messages as m
from ganger.protocol.codec import decode_from_client, decode_to_client, encode
from ganger.protocol.ids import SEQUENCE_MAX
from ganger.protocol.options import FunctionBody, SpecBody, TaskOptions

RUNTIME = m.Runtime("3.11.7", "0.1.0", "host-of-the-master", 1)
FAR = 1 << 30


class FakeFuture:
    """All that the core needs of a future.

    Attributes:
        state: What its shell was told last.
        content: Its value, its error, or why it was refused.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.task = -1
        self.pins = 0
        self.released = False
        self.state = "pending"
        self.content: object = None

    def __repr__(self) -> str:
        return f"<{self.name}: {self.state}>"

    @property
    def sequence(self) -> int:
        """The number under which its call was sent."""
        assert self.task >= 0, f"{self.name} was not sent"
        return self.task & SEQUENCE_MAX


class ClientEnvironment:
    """A client's core, between a shell that buffers calls and a master that a test plays.

    Attributes:
        sent: Messages to the master; a test takes them.
    """

    def __init__(self, *, connected: bool = True, **limits: object) -> None:
        self.core = ClientCore(ClientSettings(**limits))  # type: ignore[arg-type]
        self.outbox: deque[Entry] = deque()
        self.sent: list[object] = []
        self.specs = 0
        self.futures = 0
        if connected:
            self.welcome()

    def spec(self, name: str = "work", function: bytes = b"") -> ClientSpec:
        """A function with its options."""
        self.specs += 1
        body = SpecBody(self.specs, function or name.encode(), name, TaskOptions())
        return ClientSpec(self.specs, FunctionBody(function or name.encode(), b"code"), body)

    def call(self, spec: ClientSpec, *inputs: FakeFuture, payload: bytes = b"arguments") -> FakeFuture:
        """Buffers a call; futures among its arguments are pinned, as the pickling does."""
        self.futures += 1
        future = FakeFuture(f"future {self.futures}")
        for needed in inputs:
            needed.pins += 1
        self.outbox.append((spec, payload, future, list(inputs) if inputs else None))
        return future

    def flush(self) -> list[object]:
        """Sends what the credit allows; returns the messages."""
        orphans: list[FakeFuture] = []
        self._send(self.core.take(self.outbox, orphans))  # type: ignore[arg-type]
        for future in orphans:
            future.state = "orphaned"
        release = self.core.take_releases()
        if release is not None:
            self._send([release])
        return self.take_sent()

    def _send(self, messages: list[object]) -> None:
        self.sent += [decode_from_client(encode(message)) for message in messages]

    def take_sent(self) -> list[object]:
        """What was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent

    # --- the master ------------------------------------------------------------------------------

    def welcome(
        self,
        session: int = 1,
        accepted: list[tuple[int, int]] | None = None,
        credit_tasks: int = FAR,
        credit_bytes: int = FAR,
    ) -> list[FakeFuture]:
        """A master lets it in; returns the futures that are lost."""
        welcome = m.Welcome(1, b"", RUNTIME, session, accepted or [], credit_tasks, credit_bytes)
        messages, lost = self.core.welcome(decode_to_client(encode(welcome)))  # type: ignore[arg-type]
        self._send(messages)
        for future in lost:
            future.state = "lost"  # type: ignore[attr-defined]
        return lost  # type: ignore[return-value]

    def accept(self, through: int, credit_tasks: int = FAR, credit_bytes: int = FAR) -> None:
        """Everything so far is recorded."""
        self.core.on_accepted(m.Accepted(through, credit_tasks, credit_bytes))

    def results(self, values: dict[int, bytes]) -> None:
        """Values by sequence number."""
        outcome = self.core.on_results(m.Results(list(values), list(values.values())))
        assert isinstance(outcome, Succeeded)
        for handle, payload in zip(outcome.handles, outcome.payloads, strict=True):
            _tell(handle, "succeeded", payload)

    def failures(self, errors: dict[int, bytes], origin: int = 0) -> None:
        """Errors by sequence number."""
        message = m.Failures(list(errors), list(errors.values()), [origin] * len(errors))
        for each in self.core.on_failures(message):
            assert isinstance(each, Failed)
            _tell(each.handle, "failed", (each.error, each.origin))

    def turn(self, message: m.Kept | m.Cancelled | m.Running) -> None:
        """Futures come to another state."""
        outcome = (
            self.core.on_running(message) if isinstance(message, m.Running) else self.core.on_turned(message)
        )
        assert isinstance(outcome, Turned)
        for handle in outcome.handles:
            _tell(handle, outcome.state, None)

    def reject(self, first: int, last: int) -> None:
        """Calls were not accepted."""
        outcome = self.core.on_rejected(m.Rejected(first, last, "refused", "no room", "wait"))
        assert isinstance(outcome, Refusal)
        for handle in outcome.handles:
            _tell(handle, "refused", (outcome.reason, outcome.hint))


def _tell(handle: object, state: str, content: object) -> None:
    assert isinstance(handle, FakeFuture)
    assert handle.state in ("pending", "running", "kept"), f"{handle} was told that it {state}"
    handle.state, handle.content = state, content
