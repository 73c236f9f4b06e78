"""Options that several commands take, written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ganger.cli.invocation import Invocation
from ganger.cli.values import read_preload, read_resource

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
TABLE, JSON, QUIET = "table", "json", "quiet"
SECTIONS = ("master", "worker", "client", "journal")
GRAMMAR = "host:port[,host:port…], unix:/path, or file:PATH of a file that holds one"


def _keep(name: str) -> Callable[[click.Context, click.Parameter, object], None]:
    """Keeps an option's value in the invocation, if it was given."""

    def keep(ctx: click.Context, _: click.Parameter, value: object) -> None:
        if value is not None and value is not False:
            setattr(ctx.ensure_object(Invocation), name, value)

    return keep


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
        callback=_keep("verbose"),
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


def insecure_option(function: FunctionT) -> FunctionT:
    """``--insecure``, for those who go to a master."""
    return click.option(
        "--insecure",
        is_flag=True,
        expose_value=False,
        callback=_keep("insecure"),
        help="Go to another machine's master, without proof that it is yours.",
    )(function)


def client_options(function: FunctionT) -> FunctionT:
    """What every command takes that asks a cluster: where it is, and how long to try."""
    for option in (
        verbose_option,
        set_option,
        insecure_option,
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            expose_value=False,
            callback=_keep("timeout_s"),
            help="How long to try to reach the master.  [default: the setting client.connect_timeout_s]",
        ),
        click.option(
            "--address",
            metavar="ADDRESS",
            expose_value=False,
            callback=_keep("address"),
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
            type=read_preload,
            metavar="MODULE:FUNCTION",
            default="",
            help="A function that each executor calls once before its first task.",
        ),
        click.option(
            "--resource",
            "resources",
            type=read_resource,
            metavar="NAME=AMOUNT",
            multiple=True,
            help="What a worker offers besides slots, such as gpu=1 or memory=8G. May be repeated.",
        ),
        click.option(
            "--slots",
            type=click.IntRange(min=1),
            metavar="N",
            help="Tasks that a worker runs at a time.  [default: this machine's cores, shared out]",
        ),
    ):
        function = option(function)
    return function
