"""What is not ganger, not this version, or not this user's gets one clear line; the master goes on."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import ganger
from ganger.protocol.codec import encode
from ganger.protocol.framing import HEADER, frame
from ganger.protocol.messages import PROTOCOL_VERSION, Challenge
from ganger.security.secret import read_or_make_secret
from tests.integration.cli.commands import Commands, free_port
from tests.processes import PATIENCE_S

OTHER_PROTOCOL = PROTOCOL_VERSION + 98


@contextmanager
def listener(answer: bytes) -> Iterator[str]:
    """Something that accepts, says this, and waits until the other side is gone. Yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(answer)
                    while _read(connection):
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE_S)


def _read(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1 << 16)
    except ConnectionResetError:
        return b""


def test_where_nobody_listens_no_master_is_reached(user: Commands) -> None:
    read_or_make_secret()
    address = f"127.0.0.1:{free_port()}"
    ended = user.run("status", "--address", address, "--timeout", "0.3")
    ended.check_error(3, f"no master answered at {address} within 0.3 s")
    assert "ganger up" in ended.err


def test_a_cluster_that_was_killed_is_named_as_such(user: Commands) -> None:
    running, address = user.up("--slots", "1")
    running.process.kill()
    running.wait()
    ended = user.run("status", "--timeout", "0.3")
    ended.check_error(3, f"no master answered at {address}")
    assert "seems to be gone; start it again" in ended.err


def test_without_any_cluster_the_error_says_how_to_start_one(user: Commands) -> None:
    ended = user.run("status")
    ended.check_error(2, "no cluster of yours runs on this machine")
    assert "ganger up" in ended.err


def test_the_embedded_cluster_cannot_be_asked(user: Commands) -> None:
    user.run("status", "--address", "local").check_error(2, "local is the embedded cluster of a program")


def test_another_secret_is_refused(user: Commands) -> None:
    user.up("--slots", "1")
    other = user.home / "other-secret"
    other.write_text("00" * 32 + "\n")
    other.chmod(0o600)
    ended = user.run("status", GANGER_SECRET_FILE=str(other))
    ended.check_error(4, "the secret does not match this master's")
    assert user.run("status", "-o", "quiet").code == 0


def test_a_secret_that_others_may_read_is_refused(user: Commands) -> None:
    user.up("--slots", "1")
    (user.state / "secret").chmod(0o644)
    user.run("status").check_error(6, "other users may read the secret")


@pytest.mark.parametrize(
    "arguments", [("status", "--address"), ("worker", "--slots", "1", "--join")], ids=["client", "worker"]
)
def test_a_master_of_another_version_is_refused_with_both_versions(
    user: Commands, arguments: tuple[str, ...]
) -> None:
    read_or_make_secret()
    with listener(frame(encode(Challenge(OTHER_PROTOCOL, b"0" * 16)))) as address:
        ended = user.run(*arguments, address)
    ended.check_error(4, f"the master speaks protocol {OTHER_PROTOCOL}")
    assert str(PROTOCOL_VERSION) in ended.err
    assert "install the same version" in ended.err


def test_what_is_not_a_master_is_not_taken_for_one(user: Commands) -> None:
    read_or_make_secret()
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        ended = user.run("status", "--address", address, "--timeout", "0.5")
    assert ended.code in (3, 76)
    assert ended.err.startswith("error: ")


GARBAGE = {
    "a request of the web": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a frame of no schema": frame(b"\xc1" * 40),
    "a message of another direction": frame(encode(Challenge(1, b"0" * 16))),
    "an oversized frame": HEADER.pack((1 << 32) - 1) + b"x" * 100,
    "a greeting that is too long": frame(b"x" * (1 << 17)),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_on_the_masters_port_costs_one_line_and_that_connection(
    user: Commands, garbage: bytes
) -> None:
    running, address = user.up("--slots", "1")
    host, port = address.split(":")
    before = running.err
    with ganger.connect() as client:
        with socket.create_connection((host, int(port)), PATIENCE_S) as stranger:
            stranger.sendall(garbage)
            while _read(stranger):
                continue
        running.wait_log("closed the connection of a stranger: ")
        assert client.submit(pow, 2, 6).result(PATIENCE_S) == 64
        (line,) = running.err.removeprefix(before).splitlines()
    assert "ganger.master" in line


def test_a_client_that_breaks_the_protocol_later_costs_its_connection_alone(user: Commands) -> None:
    running, _ = user.up("--slots", "1")
    with ganger.connect() as broken, ganger.connect() as other:
        link = broken._engine.connection.link
        broken._engine._loop.call_soon_threadsafe(
            link.transport.write, struct.pack("<I", 3) + b"\xc1\xc1\xc1"
        )
        assert other.submit(pow, 2, 7).result(PATIENCE_S) == 128
        running.wait_log("closed the connection of a peer: ")
        assert broken.submit(pow, 2, 8).result(PATIENCE_S) == 256, "it connects again"
    assert running.stop().code == 0
