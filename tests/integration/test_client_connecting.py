"""`ganger.connect` to a running cluster: found, proved, refused; and functions that its workers cannot import."""

import asyncio
import importlib.util
import os
import platform
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import ganger
from ganger import Client
from ganger.errors import MasterUnreachable, Refused
from ganger.protocol import messages
from ganger.protocol.codec import decode_from_client, encode
from ganger.protocol.framing import FrameParser, frame
from ganger.protocol.views import WorkerView
from tests.integration import jobs
from tests.processes import ROOT, eventually


class Place:
    """A user's state folder, in which `ganger up` has left what its clients need."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.home = state / "ganger"

    @property
    def address(self) -> str:
        return (self.home / "address").read_text().strip()

    @property
    def rows(self) -> list[WorkerView]:
        """Its workers."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(self.state))
            with ganger.connect(self.address) as client:
                return client.workers()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """`ganger up` in a folder of its own: its workers know ganger, and nothing of these tests."""
    place = Place(tmp_path_factory.mktemp("state"))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    environment = {**os.environ, "XDG_STATE_HOME": str(place.state), "PYTHONPATH": str(ROOT / "src")}
    start = "import sys; from ganger.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "up", "--slots", "2"]
    with (place.state / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", "--journal", "memory"],
            cwd=elsewhere,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        eventually("it left its address", (place.home / "address").exists)
        yield place
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def at_home(running: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """This process as a program of the user who runs it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(running.state))
    for name in ("GANGER_ADDRESS", "GANGER_SECRET_FILE"):
        monkeypatch.delenv(name, raising=False)
    return running


@pytest.fixture
def client(at_home: Place) -> Iterator[Client]:
    with ganger.connect() as made:
        yield made


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module that only this process can import."""
    source = """
    import helper_of_stranger

    BASE = 100

    class Thing:
        def __init__(self, x):
            self.x = x
        def act(self):
            return add(self.x)

    class Odd(Exception):
        pass

    def add(x):
        return x + BASE

    def make(x):
        return Thing(x)

    def odd(path):
        if path.exists():
            return "second"
        path.touch()
        raise Odd("first")

    def far(x):
        return helper_of_stranger.far(x)
    """
    (tmp_path / "stranger.py").write_text(textwrap.dedent(source))
    (tmp_path / "helper_of_stranger.py").write_text(
        "class Far:\n    x = 7\n\ndef far(x):\n    return x - 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    spec = importlib.util.find_spec("stranger")
    assert spec is not None
    yield importlib.import_module("stranger")
    for name in ("stranger", "helper_of_stranger"):
        del sys.modules[name]


# --- finding it ----------------------------------------------------------------------------------


def test_without_an_address_this_users_cluster_is_found(client: Client) -> None:
    assert client.submit(pow, 2, 5).result() == 32
    assert client.status().slots == 2


def test_every_form_of_address_leads_there(
    at_home: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text(at_home.address + "\n")
    for address in (at_home.address, f"file:{tmp_path / 'there'}", f"127.0.0.1:1,{at_home.address}"):
        with ganger.connect(address) as client:
            assert client.submit(pow, 2, 5).result() == 32
    monkeypatch.setenv("GANGER_ADDRESS", at_home.address)
    monkeypatch.setenv("GANGER_SECRET_FILE", str(at_home.home / "secret"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with ganger.connect() as client:
        assert client.submit(pow, 2, 5).result() == 32


def test_aconnect_gives_the_asynchronous_client(at_home: Place) -> None:
    async def main() -> int:
        async with await ganger.aconnect() as client:
            return await (await client.submit(pow, 2, 5))

    assert asyncio.run(main()) == 32


def test_settings_reach_the_client(at_home: Place) -> None:
    with ganger.connect(settings={"client": {"map_window": 3}}) as client:
        taken: list[int] = []
        results = client.map(abs, (taken.append(number) or number for number in range(100)))
        assert len(taken) == 3
        results.close()  # type: ignore[attr-defined]


# --- being refused -------------------------------------------------------------------------------


def test_where_nothing_answers_the_error_says_where_and_what_to_look_at(at_home: Place) -> None:
    with pytest.raises(MasterUnreachable, match=r"unix:/nowhere within 0\.2 s") as caught:
        ganger.connect("unix:/nowhere", timeout_s=0.2)
    assert caught.value.hint
    assert not [
        thread for thread in threading.enumerate() if thread.name == "ganger-client" and not thread.daemon
    ]


def test_a_wrong_secret_is_refused_with_a_hint(
    at_home: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("00" * 32)
    (tmp_path / "secret").chmod(0o600)
    monkeypatch.setenv("GANGER_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(Refused, match="secret") as caught:
        ganger.connect(at_home.address)
    assert "GANGER_SECRET_FILE" in caught.value.hint


def test_a_master_that_wants_a_secret_does_not_take_an_insecure_client(at_home: Place) -> None:
    with pytest.raises(Refused, match="secret"):
        ganger.connect(at_home.address, insecure=True)


def master_played_by(play: Callable[[socket.socket, Iterator[bytes]], None]) -> Iterator[str]:
    """A process on a port that is no master of ours: it says what the test lets it say."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            parser = FrameParser(1 << 20)

            def bodies() -> Iterator[bytes]:
                while data := connection.recv(65536):
                    yield from map(bytes, parser.feed(data))

            with connection:
                play(connection, bodies())

        player = threading.Thread(target=serve)
        player.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        player.join()


def say(connection: socket.socket, message: object) -> None:
    connection.sendall(frame(encode(message)))


CHALLENGE = messages.Challenge(messages.PROTOCOL_VERSION, b"n" * 16)


def test_what_does_not_know_the_secret_is_not_taken_for_the_master(at_home: Place) -> None:
    """Somebody else's process on the port: it welcomes everyone, to get their functions and arguments."""

    def welcome_everyone(connection: socket.socket, bodies: Iterator[bytes]) -> None:
        say(connection, CHALLENGE)
        next(bodies)
        say(connection, messages.Welcome(1, b"", messages.Runtime("3.11.0", "0", "here", 1), session=1))
        assert list(bodies) == []

    for address in master_played_by(welcome_everyone):
        with pytest.raises(Refused, match="secret"):
            ganger.connect(address, timeout_s=5)


def test_a_master_of_another_protocol_is_refused_with_both_versions(at_home: Place) -> None:
    def challenge(connection: socket.socket, bodies: Iterator[bytes]) -> None:
        say(connection, messages.Challenge(99, b"n" * 16))
        assert list(bodies) == []

    for address in master_played_by(challenge):
        with pytest.raises(Refused, match=f"protocol 99, this client {messages.PROTOCOL_VERSION}"):
            ganger.connect(address, timeout_s=5)


def test_another_python_on_the_other_side_is_warned_of(running: Place) -> None:
    worker = running.rows[0]
    ours = ".".join(platform.python_version().split(".")[:2])

    def serve(connection: socket.socket, bodies: Iterator[bytes]) -> None:
        say(connection, CHALLENGE)
        next(bodies)
        say(connection, messages.Welcome(1, b"", messages.Runtime("3.99.1", "0", "here", 1), session=1))
        for body in bodies:
            message = decode_from_client(body)
            if isinstance(message, messages.Query):
                rows = [msgspec.structs.replace(worker, python="3.98.0", name="w")]
                say(connection, messages.Answer(message.request, msgspec.msgpack.encode(rows)))

    for address in master_played_by(serve):
        with pytest.warns(
            RuntimeWarning, match=rf"runs Python {ours}, but the master 3\.99, w 3\.98: "
        ) as caught:
            ganger.connect(address, timeout_s=5, insecure=True).close()
        assert caught[0].filename == __file__


# --- functions that its workers cannot import ----------------------------------------------------


def test_functions_of_this_programs_own_modules_travel_by_value(client: Client, stranger: Any) -> None:
    assert client.submit(stranger.add, 1).result() == 101
    assert list(client.map(stranger.add, range(3))) == [100, 101, 102]
    assert client.submit(jobs.double, 4).result() == 8


def test_so_do_classes_as_arguments_and_results(client: Client, stranger: Any) -> None:
    thing = client.submit(stranger.make, 5).result()
    assert type(thing) is stranger.Thing
    assert client.submit(thing.act).result() == 105
    assert client.submit(stranger.Thing.act, stranger.Thing(1)).result() == 101


def test_so_does_what_a_module_that_was_not_named_yet_has_made(client: Client, stranger: Any) -> None:
    assert client.submit(type, stranger.helper_of_stranger.Far()).result() is stranger.helper_of_stranger.Far


def test_so_do_the_modules_that_it_imports_itself(client: Client, stranger: Any) -> None:
    assert client.submit(stranger.far, 5).result() == 4


def test_so_do_exceptions(client: Client, stranger: Any, tmp_path: Path) -> None:
    with pytest.raises(stranger.Odd, match="first"):
        client.submit(stranger.odd, tmp_path / "once").result()
    patient = client.options(retries=1, retry_delay_s=0.001, retry_on=stranger.Odd)
    assert patient.submit(stranger.odd, tmp_path / "twice").result() == "second"


def test_a_decorated_function_travels_by_value_with_all_that_it_names(client: Client) -> None:
    assert client.submit(jobs.factorial, 5).result() == 120


# --- leaving -------------------------------------------------------------------------------------


def test_closing_one_client_leaves_the_cluster_to_the_others(
    at_home: Place, client: Client, tmp_path: Path
) -> None:
    with ganger.connect() as other:
        held = other.submit(jobs.wait_at, tmp_path / "gate")
    assert held.done()
    eventually("its session is closed", lambda: client.status().sessions == 1)
    assert client.submit(pow, 2, 5).result() == 32
