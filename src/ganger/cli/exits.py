"""Every error ends in one line, a hint and an exit code by its branch of the tree; only a defect is traced.

The documentation's table is made from `EXITS`.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import NamedTuple

import click

from ganger import errors

INTERRUPTED = 130
PIPE_CLOSED = 141


class DefectOfAnother(errors.InvariantViolated):
    """A defect in a process that this one has started, which has printed the traceback itself."""


class Exit(NamedTuple):
    """An exit code, and the errors that end in it."""

    code: int
    errors: tuple[type[BaseException], ...]
    meaning: str


SUCCESS = Exit(
    0, (), "It did what it was asked; for `up`, `master` and `worker`: it was asked to end, and has."
)
EXITS = (
    Exit(1, (errors.TaskError,), "A task failed."),
    Exit(
        2,
        (click.UsageError, errors.CallerError),
        "The call cannot be meant: an option, an argument, an address, an unknown id or name.",
    ),
    Exit(3, (errors.MasterUnreachable,), "No master answers at the address."),
    Exit(
        4,
        (errors.Refused, errors.SubmissionRefused),
        "Refused: the secret, the version, or an address that is not loopback without `--insecure`.",
    ),
    Exit(5, (errors.JournalError,), "The journal is locked, damaged, full, or of another format."),
    Exit(
        6,
        (errors.OperatorError,),
        "Anything else about the set-up: a setting, a port that is taken, a preload function that raised, "
        "a master that was killed.",
    ),
    Exit(
        70,
        (errors.InvariantViolated, Exception),
        "A defect of ganger itself; a traceback is printed. Please report it.",
    ),
    Exit(76, (errors.ProtocolError,), "The other side sent bytes that break the protocol."),
    Exit(INTERRUPTED, (click.Abort, KeyboardInterrupt), "Ctrl-C."),
    Exit(PIPE_CLOSED, (BrokenPipeError,), "Whatever read the output has closed it."),
)
"""Ordered by code. The entry that names an error's nearest class counts."""

_CODES = {kind: each.code for each in EXITS for kind in each.errors}


def code_for(error: BaseException) -> int:
    """The exit code of an error: that of the nearest of its classes that has one."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), 70)


def end_for(error: BaseException, *, verbose: bool) -> int:
    """Says on stderr what went wrong and what to do about it. Returns the exit code.

    Args:
        error: What ended the command.
        verbose: Show its traceback, whoever must act.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    code = code_for(error)
    if code == PIPE_CLOSED:
        _let_go_of_stdout()
        return code
    message, hint = _words(error)
    if verbose or (code == 70 and not isinstance(error, DefectOfAnother)):
        traceback.print_exception(error)
    click.echo(f"error: {message}" if message else "interrupted", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    return code


def _words(error: BaseException) -> tuple[str, str]:
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return "", ""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx is not None else "ganger"
        first, _, rest = error.format_message().partition("\n")
        if first.startswith("Usage:"):
            return f"{path} needs a command", f"see: {path} --help"
        text = f"{first} {rest.strip()}".strip().removesuffix(".")
        return text[:1].lower() + text[1:], f"see: {path} --help"
    if isinstance(error, errors.GangerError):
        first, _, rest = error.message.partition("\n")
        return first, error.hint or ("-v shows the rest of the message" if rest else "")
    return (
        f"{type(error).__name__}: {error}",
        "this is a defect of ganger; please report it with the traceback above",
    )


def _let_go_of_stdout() -> None:
    """The interpreter flushes stdout at its end; there is nobody to take it."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
