"""One result, printed for people, for programs, or as nothing but its ids. Colour carries no meaning."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

import click
import msgspec

from ganger.cli.documents import Document
from ganger.cli.options import JSON, QUIET

PIPE_COLUMNS = 4096
"""How wide a table may be where it goes to a file or another program: nothing is cut."""


def show(document: Document, output: str, table: Callable[[], None], ids: Iterable[str] = ()) -> None:
    """Prints a result to stdout.

    Args:
        document: For ``json``.
        output: Which of the three.
        table: Prints it for people.
        ids: For ``quiet``, one a line.
    """
    if output == JSON:
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
    elif output == QUIET:
        for each in ids:
            click.echo(each)
    else:
        table()


def print_rows(names: Sequence[str], rows: Iterable[Sequence[object]], nothing: str) -> None:
    """A table with a line for each row; numbers stand on the right, and ids (the first column) in one piece.

    Args:
        names: The columns.
        rows: A cell for each column.
        nothing: What to say instead, on stderr, if there are none.
    """
    from rich.table import Table
    from rich.text import Text

    lines = [list(row) for row in rows]
    if not lines:
        click.echo(nothing, err=True)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for position, name in enumerate(names):
        numeric = all(isinstance(line[position], int | float) for line in lines)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=not position)
    for line in lines:
        table.add_row(*(Text(_words(cell)) for cell in line))
    _print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """A table with a line for each field."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(Text(name), Text(_words(value)))
    _print(table)


def _print(table: object) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _words(cell: object) -> str:
    """A cell as text. What others named cannot steer the terminal: nothing unprintable passes."""
    text = f"{cell:,}" if isinstance(cell, int) else str(cell)
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
