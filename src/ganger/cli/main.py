"""The command ``ganger``: finds the noun's file, runs it, and ends with an exit code that is documented.

A command is imported when it is called, so `ganger --help` loads nothing but click.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from ganger.cli.exits import end_for
from ganger.cli.invocation import Invocation
from ganger.cli.options import verbose_option

COMMANDS = {
    "up": "Run a master and a worker on this machine, until Ctrl-C.",
    "master": "Run a master, until Ctrl-C.",
    "worker": "Run a worker, or see and drain the workers of a cluster.",
    "run": "Run a Python script with a cluster.",
    "task": "See, explain and cancel tasks.",
    "status": "Show the cluster in numbers.",
    "bench": "Measure this machine for a few seconds.",
}
"""Each noun has its file in this folder, which names its command `command`."""

COMPLETION = "_GANGER_COMPLETE"
"""The variable with which a shell asks what may come next."""


class Commands(click.Group):
    """The root, which knows its commands by name and opens their files one at a time."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"ganger.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from ganger import __version__

        click.echo(f"ganger {__version__}")
        ctx.exit()


@click.group(cls=Commands, commands={name: click.Command(name) for name in COMMANDS})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@verbose_option
def root() -> None:
    """One master distributes work to workers by their availability and workload.

    `ganger up` starts a cluster on this machine; programs of yours find it with `ganger.connect()`.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line. Returns the exit code; errors are on stderr, data is on stdout."""
    invocation = Invocation()
    chosen = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if COMPLETION in os.environ:
        root.main(prog_name="ganger")  # a shell asks; click answers and exits
    try:
        with root.make_context("ganger", chosen, obj=invocation) as context:
            root.invoke(context)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        return end_for(error, verbose=invocation.verbose)
    return 0
