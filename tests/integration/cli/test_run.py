"""`ganger run`: the script finds a cluster, or gets its own, and its exit code is the one of the command."""

from pathlib import Path

import pytest

from tests.integration.cli.commands import Commands

SCRIPT = """
import sys, os, json
import ganger

with ganger.connect() as client:
    print(json.dumps({
        "class": type(client).__name__,
        "result": client.submit(pow, 2, 5).result(30),
        "arguments": sys.argv[1:],
        "address": os.environ["GANGER_ADDRESS"],
    }))
sys.exit(7)
"""


@pytest.fixture
def script(user: Commands) -> str:
    """A script that works, says what it saw, and fails."""
    path: Path = user.home / "script.py"
    path.write_text(SCRIPT)
    return str(path)


def test_without_a_cluster_the_script_gets_its_own(user: Commands, script: str) -> None:
    ended = user.run("run", script, "--output", "x", "-v")
    assert ended.code == 7, ended.err
    assert '"class": "Cluster", "result": 32, "arguments": ["--output", "x", "-v"]' in ended.out
    assert '"address": "local"' in ended.out
    user.check_nothing_left()


def test_the_cluster_of_this_user_is_found(user: Commands, script: str) -> None:
    _, address = user.up("--slots", "1")
    ended = user.run("run", script)
    assert ended.code == 7, ended.err
    assert f'"class": "Client", "result": 32, "arguments": [], "address": "{address}"' in ended.out


def test_an_address_comes_before_the_cluster_of_this_user(user: Commands, script: str) -> None:
    user.up("--slots", "1")
    assert '"address": "local"' in user.run("run", "--address", "local", script).out
    assert '"address": "local"' in user.run("run", script, GANGER_ADDRESS="local").out


def test_a_cluster_that_was_killed_is_not_waited_for(user: Commands, script: str) -> None:
    running, address = user.up("--slots", "1")
    running.process.kill()
    running.wait()
    ended = user.run("run", script)
    assert '"address": "local"' in ended.out
    assert f"nothing answers at {address} any more" in ended.err


def test_an_address_that_cannot_be_read_is_refused_before_the_script_runs(
    user: Commands, script: str
) -> None:
    ended = user.run("run", "--address", "nonsense", script)
    ended.check_error(2, "'nonsense' is not an address")
    assert ended.out == ""
