"""Options that several commands take, and the types of what they take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ganger.cli.invocation import Invocation
from ganger.errors import GangerError

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
TABLE, JSON, QUIET = "table", "json", "quiet"
SECTIONS = ("master", "worker", "client", "journal")
GRAMMAR = "host:port[,host:port…], unix:/path, or file:PATH of a file that holds one"


class TaskIdType(click.ParamType):
    """A task's id as `task list` shows it."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id, as it is."""
        from ganger.protocol.ids import read_task

        try:
            read_task(value)
        except ValueError:
            self.fail(f"{value!r} is not a task id; ids look like 3.17", param, ctx)
        return value


class ResourceType(click.ParamType):
    """What a worker offers besides its slots: ``gpu=1``, ``memory=8G``, ``licence=2``."""

    name = "name=amount"

    def convert(
        self, value: str | tuple[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """The name and the amount; memory in bytes."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not of the form name=amount", param, ctx)
        return name, self._amount(name, text, param, ctx)

    def _amount(
        self, name: str, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from ganger.client.options import parse_bytes

        try:
            amount = parse_bytes(text, f"resource {name}") if name == "memory" else float(text)
        except (GangerError, ValueError):
            shape = "a size such as 512M or 8G" if name == "memory" else "a number"
            self.fail(f"the amount of {name} must be {shape}, it is {text!r}", param, ctx)
        if amount < 0 or not math.isfinite(amount):
            self.fail(f"the amount of {name} must not be negative, it is {text!r}", param, ctx)
        if name == "gpu" and amount != int(amount):
            self.fail(f"gpu must be a whole number of devices, it is {text!r}", param, ctx)
        return amount


class PreloadType(click.ParamType):
    """A function by its module and name."""

    name = "module:function"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, as it is."""
        module, colon, function = value.partition(":")
        if value and not (module and colon and function):
            self.fail(f"{value!r} is not of the form module:function", param, ctx)
        return value


def _set_verbose(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.ensure_object(Invocation).verbose = True


def _set_settings(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> None:
    sections = ctx.ensure_object(Invocation).sections
    for text in texts:
        path, equals, value = text.partition("=")
        section, dot, name = path.partition(".")
        if not (equals and dot and name):
            raise click.BadParameter(f"{text!r} is not of the form section.name=value", ctx, param)
        if section not in SECTIONS:
            raise click.BadParameter(
                f"there is no section {section!r}; known: {', '.join(SECTIONS)}", ctx, param
            )
        sections.setdefault(section, {})[name] = value


def verbose_option(function: FunctionT) -> FunctionT:
    """``-v``, on the root and on every command."""
    return click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_set_verbose,
        help="Log more, and show the traceback of an error.",
    )(function)


def set_option(function: FunctionT) -> FunctionT:
    """``--set``, where settings are read."""
    return click.option(
        "--set",
        multiple=True,
        expose_value=False,
        callback=_set_settings,
        metavar="SECTION.NAME=VALUE",
        help="A setting, before the environment and ganger.toml. May be repeated.",
    )(function)


def output_option(function: FunctionT) -> FunctionT:
    """``--output``, on whatever shows something."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([TABLE, JSON, QUIET]),
        default=TABLE,
        show_default=True,
        help="How to print: for people, for programs, or nothing but ids.",
    )(function)


def client_options(function: FunctionT) -> FunctionT:
    """What every command takes that asks a cluster: where it is, and how long to try."""
    for option in (
        verbose_option,
        set_option,
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="How long to try to reach the master.  [default: the setting client.connect_timeout_s]",
        ),
        click.option(
            "--address",
            metavar="ADDRESS",
            help=f"The cluster: {GRAMMAR}.  [default: GANGER_ADDRESS, else this user's `ganger up`]",
        ),
    ):
        function = option(function)
    return function


def place_options(function: FunctionT) -> FunctionT:
    """What a worker offers, for commands that run one."""
    for option in (
        click.option(
            "--preload",
            type=PreloadType(),
            default="",
            help="A function that each executor calls once before its first task.",
        ),
        click.option(
            "--resource",
            "resources",
            type=ResourceType(),
            multiple=True,
            help="What a worker offers besides slots, such as gpu=1 or memory=8G. May be repeated.",
        ),
        click.option(
            "--slots",
            type=click.IntRange(min=1),
            help="Tasks that a worker runs at a time.  [default: this machine's cores, shared out]",
        ),
    ):
        function = option(function)
    return function
