"""`ganger --help` loads click and nothing else, and says of each command what the command says of itself."""

import subprocess
import sys

import click
import pytest

from ganger.cli.main import COMMANDS, main, root

HEAVY = ("asyncio", "msgspec", "psutil", "rich", "uvloop", "cloudpickle", "ganger.client", "ganger.host")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    said = " ".join((command.help or "").split("\n\n")[0].split())
    verb, _, rest = COMMANDS[name].removesuffix(".").partition(" ")
    assert said.startswith(verb), f"{said!r} and {COMMANDS[name]!r} begin with different words"
    assert rest


def test_help_loads_nothing_that_takes_time() -> None:
    program = f"""
import sys
from ganger.cli.main import main
code = main(["--help"])
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"
    assert ended.stdout.startswith("Usage: ganger")


def test_no_arguments_at_all_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "ganger", "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("ganger ")
