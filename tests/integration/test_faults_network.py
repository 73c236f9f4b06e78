"""Whatever arrives at the master's port costs that connection and one clear line, and the master goes on."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import ganger
from ganger.config import KIB, MasterSettings
from ganger.errors import MasterUnreachable, Refused
from ganger.host.plan import HostPlan
from ganger.master.server import MasterPlan
from ganger.protocol.codec import decode_to_client, encode
from ganger.protocol.framing import HEADER, FrameParser, frame
from ganger.protocol.messages import (
    PROTOCOL_VERSION,
    Cancel,
    Challenge,
    Define,
    Fetch,
    Hello,
    Refusal,
    Release,
    Report,
    Submit,
    TaskGroup,
    Welcome,
    WorkerOffer,
)
from ganger.runtime.environment import runtime_of_this_process
from ganger.security.handshake import Greeting
from ganger.security.secret import read_secret, secret_file
from ganger.worker.agent import WorkerPlan
from tests.hosts import Host, free_port
from tests.processes import PATIENCE_S, eventually, short_folder

FRAME_MAX = 256 * KIB
CONNECTIONS_MAX = 40


class Served(NamedTuple):
    """A master with a worker, and where its words go."""

    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def lines(self) -> list[str]:
        """What it has said so far."""
        return self.log.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with short_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        made = Served(free_port(), folder / "log")
        settings = MasterSettings(handshake_s=0.3, frame_bytes_max=FRAME_MAX, connections_max=CONNECTIONS_MAX)
        worker = WorkerPlan(f"unix:{folder}/master", "worker", 1)
        plan = MasterPlan([made.address, f"unix:{folder}/master"], settings=settings)
        with made.log.open("w", encoding="utf-8") as log:
            host = Host(HostPlan(plan, [worker]), folder, log)
        try:
            host.wait_ready("master", "worker")
            yield made
        finally:
            host.close()


@pytest.fixture(autouse=True)
def _master_goes_on(served: Served) -> Iterator[None]:
    """During each of these tests another client works, and afterwards a new one does."""
    with ganger.connect(served.address) as other:
        yield
        assert other.submit(pow, 2, 5).result(PATIENCE_S) == 32
    with ganger.connect(served.address) as fresh:
        assert fresh.submit(pow, 2, 6).result(PATIENCE_S) == 64
    assert not [line for line in served.lines() if "Traceback" in line or "CRITICAL" in line]


class Stranger:
    """A peer of the master made by hand."""

    def __init__(self, served: Served) -> None:
        self.sock = socket.create_connection(("127.0.0.1", served.port), PATIENCE_S)
        self._parser = FrameParser(1 << 24)
        self._bodies: list[bytes] = []

    def send(self, *messages: object) -> None:
        """Sends messages, each in its frame."""
        self.sock.sendall(b"".join(frame(encode(message)) for message in messages))

    def receive(self) -> object | None:
        """The next message, or None when the master has closed the connection."""
        while not self._bodies:
            try:
                data = self.sock.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._bodies += [bytes(body) for body in self._parser.feed(data)]
        return decode_to_client(self._bodies.pop(0))

    def greet(self, kind: str = "client", **changes: object) -> object | None:
        """Answers the challenge properly, but for some fields. Returns the master's next word."""
        challenge = self.receive()
        assert isinstance(challenge, Challenge)
        greeting = Greeting(kind, runtime_of_this_process(), read_secret())
        offer = WorkerOffer("by-hand", 1, {}, ["python"]) if kind == "worker" else None
        hello = greeting.answer(challenge, 0, session=os.urandom(16), offer=offer)
        fields = {name: getattr(hello, name) for name in Hello.__struct_fields__} | changes
        self.send(Hello(**fields))
        return self.receive()

    def wait_closed(self) -> None:
        """Waits until the master has closed the connection."""
        while self.receive() is not None:
            pass
        self.sock.close()


@pytest.fixture
def stranger(served: Served) -> Iterator[Stranger]:
    made = Stranger(served)
    yield made
    made.sock.close()


# ------------------------------------------------------------------------------------------------- strangers

GARBAGE = {
    "a web request": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a TLS greeting": bytes.fromhex("16030100a5010000a10303") + b"\0" * 160,
    "noise": bytes(range(256)) * 20,
    "a frame that announces too much": HEADER.pack(FRAME_MAX + 1),
    "a greeting that is too long": frame(b"\xc4" + b"\0" * (100 * KIB)),
    "an empty frame": frame(b""),
    "a frame that is no message": frame(b"\x93\x01\x02\x03"),
    "deep nesting": frame(b"\x91" * 20_000 + b"\x01"),
    "a message of another direction": frame(encode(Submit([]))),
    "half a frame and an end": HEADER.pack(100) + b"half",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_costs_its_connection_and_at_most_one_line(
    served: Served, stranger: Stranger, what: str
) -> None:
    before = served.lines()
    stranger.sock.sendall(GARBAGE[what])
    stranger.sock.shutdown(socket.SHUT_WR)
    stranger.wait_closed()
    eventually("whatever it says", lambda: served.lines() != before or "half" in what)
    said = served.lines()[len(before) :]
    assert len(said) <= 1, said
    assert all("stranger" in line for line in said)


def test_a_peer_that_says_nothing_is_let_go(stranger: Stranger) -> None:
    assert isinstance(stranger.receive(), Challenge)
    stranger.wait_closed()


REFUSALS: list[tuple[str, dict[str, object], str]] = [
    ("client", {"proof": b"\0" * 32}, "secret"),
    ("client", {"proof": b""}, "secret"),
    ("client", {"protocol": PROTOCOL_VERSION + 1}, f"protocol {PROTOCOL_VERSION}"),
    ("client", {"role": "emperor"}, "role"),
    ("client", {"role": "worker"}, "role"),
    ("client", {"session": b"short"}, "session"),
    ("worker", {"proof": b"\0" * 32}, "secret"),
]


@pytest.mark.parametrize(("kind", "changes", "word"), REFUSALS)
def test_a_peer_that_may_not_enter_is_told_why(
    stranger: Stranger, kind: str, changes: dict[str, object], word: str
) -> None:
    answer = stranger.greet(kind, **changes)
    assert isinstance(answer, Refusal)
    assert word in answer.reason
    stranger.wait_closed()


def test_a_proof_of_one_connection_opens_no_other(served: Served, stranger: Stranger) -> None:
    other = Stranger(served)
    challenge = other.receive()
    assert isinstance(challenge, Challenge)
    greeting = Greeting("client", runtime_of_this_process(), read_secret())
    stranger.receive()
    stranger.send(greeting.answer(challenge, 0, session=os.urandom(16)))
    assert isinstance(stranger.receive(), Refusal)
    other.sock.close()


def test_more_connections_than_allowed_are_turned_away_and_those_inside_stay(served: Served) -> None:
    crowd = [Stranger(served) for _ in range(CONNECTIONS_MAX + 10)]
    turned_away = [stranger for stranger in crowd if stranger.receive() is None]
    assert 10 <= len(turned_away) <= 20
    for stranger in crowd:
        stranger.sock.close()
    eventually("room again", lambda: _can_greet(served))


def _can_greet(served: Served) -> bool:
    stranger = Stranger(served)
    try:
        return isinstance(stranger.receive(), Challenge) and True
    finally:
        stranger.sock.close()


# ------------------------------------------------------------------------------------ admitted, and mistaken

MISTAKES: dict[str, Callable[[], object]] = {
    "a spec that was never defined": lambda: Submit([TaskGroup(7, 0, [b""])]),
    "an input that nobody knows": lambda: Submit([TaskGroup(7, 0, [b""], [[1 << 60]])]),
    "fewer inputs than calls": lambda: Submit([TaskGroup(7, 0, [b"", b""], [[]])]),
    "a number far ahead": lambda: Submit([TaskGroup(7, (1 << 40) - 1, [b"", b""])]),
    "a negative number": lambda: Submit([TaskGroup(7, -5, [b""])]),
    "an empty group": lambda: Submit([TaskGroup(7, 0, [])]),
    "releases of what never was": lambda: Release([(0, 1 << 39)], 0),
    "a release backwards": lambda: Release([(5, 1), (-3, -1)], -7),
    "cancelling what never was": lambda: Cancel([0, -1, 1 << 50]),
    "fetching what never was": lambda: Fetch([0, -1, 1 << 50]),
    "an empty definition": lambda: Define([], []),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_client_that_errs_is_answered_or_let_go(stranger: Stranger, what: str) -> None:
    assert isinstance(stranger.greet(), Welcome)
    stranger.send(MISTAKES[what]())


def test_a_client_that_sends_garbage_after_its_welcome_is_let_go(stranger: Stranger) -> None:
    assert isinstance(stranger.greet(), Welcome)
    stranger.sock.sendall(frame(b"\x93\x01\x02\x03"))
    stranger.wait_closed()


def test_a_worker_that_reports_what_it_never_had_does_no_harm(stranger: Stranger) -> None:
    assert isinstance(stranger.greet("worker"), Welcome)
    stranger.send(Report(1, [], [], [1 << 50, -1, 0], 0))
    stranger.sock.close()


# ------------------------------------------------------------------------------------------------ both ends


def test_a_client_without_the_right_secret_is_told_what_to_do(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "secret"
    wrong.write_text("00" * 32)
    wrong.chmod(0o600)
    monkeypatch.setenv("GANGER_SECRET_FILE", str(wrong))
    with pytest.raises(Refused, match="secret") as caught:
        ganger.connect(served.address)
    assert "secret" in caught.value.hint
    monkeypatch.delenv("GANGER_SECRET_FILE")
    assert secret_file().exists()


def test_nobody_at_an_address_is_one_clear_error() -> None:
    with pytest.raises(MasterUnreachable, match="no master answered") as caught:
        ganger.connect(f"127.0.0.1:{free_port()}", timeout_s=0.2)
    assert caught.value.hint


def test_something_else_at_an_address_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises((MasterUnreachable, Refused)):
        ganger.connect(f"127.0.0.1:{other.getsockname()[1]}", timeout_s=0.2)


def test_a_port_in_use_is_one_clear_error(served: Served, tmp_path: Path) -> None:
    host = Host(HostPlan(MasterPlan([served.address]), []), tmp_path)
    try:
        failure = host.failure()
    finally:
        host.close()
    assert failure.error == "AddressInUse"
    assert served.address in failure.message
    assert failure.hint


def test_a_journal_in_use_is_one_clear_error(tmp_path: Path) -> None:
    def plan() -> HostPlan:
        return HostPlan(MasterPlan([f"127.0.0.1:{free_port()}"], str(tmp_path / "journal")), [])

    first = Host(plan(), tmp_path)
    first.wait_ready("master")
    second = Host(plan(), tmp_path)
    try:
        failure = second.failure()
    finally:
        second.close()
        first.close()
    assert failure.error == "JournalLocked"
    assert failure.hint
