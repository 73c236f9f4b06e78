"""Writes docs/reference/cli.md and the schema of what the commands print, from the commands themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from ganger.cli.documents import DOCUMENTS, OUTPUT_VERSION
from ganger.cli.exits import EXITS, SUCCESS
from ganger.cli.main import COMMANDS, root

REFERENCE = Path(__file__).parents[1] / "reference"
PAGE = REFERENCE / "cli.md"
SCHEMA = REFERENCE / "cli-output.schema.json"
WIDE = 1_000
"""Usage lines are not wrapped; the page's reader does that."""

INTRODUCTION = f"""# Commands

*This page is made from the commands by `docs/generate/cli_reference.py`.*

`ganger NOUN VERB`, and a few bare verbs for the main jobs. `ganger COMMAND --help` shows what stands
here, too.

## What all of them share

**Finding the cluster.** Commands that ask a cluster take `--address`; without it the variable
`GANGER_ADDRESS` counts, then the cluster of this user's `ganger up`. An address is
`host:port[,host:port…]`, `unix:/path`, or `file:PATH` of a file that holds one. The secret is found by
itself: in `secret` in the state folder, or where `GANGER_SECRET_FILE` says.

**Output.** Data goes to stdout, logs and errors to stderr. `--output table` is for people. `--output json`
is for programs: one document with `"version": {OUTPUT_VERSION}`, by
[this schema](cli-output.schema.json); within a version fields are added, never removed or renamed.
`--output quiet` prints ids, names or addresses, one a line, and nothing else. Meaning never depends on
colour, and `NO_COLOR` turns it off.

**Settings.** `--set section.name=value` comes before the environment (`GANGER_SECTION_NAME`), which comes
before `ganger.toml`; the [configuration reference](configuration.md) has all of them.

**Errors** are one line, `error: …`, and mostly a second, `hint: …`, that says what to do. `-v` adds the
traceback.

"""
EXITS_TITLE = """
## Exit codes

| Code | Meaning |
|---|---|
"""
HELP = "--help"

Rows = dict[str, str]
"""Options as they are written, with their meanings."""


def make_page() -> str:
    """The page, in Markdown."""
    codes = "".join(f"| {each.code} | {each.meaning} |\n" for each in (SUCCESS, *EXITS))
    context = click.Context(root, info_name="ganger", terminal_width=WIDE, max_content_width=WIDE)
    shared = _rows(_command("status", context), context)  # it has nothing but what all have
    sections = "".join(_sections(context, shared))
    ending = "\n`ganger run` ends with the exit code of the script.\n"
    return "".join([INTRODUCTION, _table(shared), EXITS_TITLE, codes, ending, sections])


def make_schema() -> str:
    """The JSON schema of all documents, by name."""
    _, components = msgspec.json.schema_components(DOCUMENTS)
    for name, component in components.items():
        component.pop("description", None)
        component["required"] = list(component["properties"])  # what has a default is printed, too
        component["title"] = name
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What ganger's commands print with --output json, version {OUTPUT_VERSION}",
        "anyOf": [{"$ref": f"#/$defs/{document.__name__}"} for document in DOCUMENTS],
        "$defs": components,
    }
    return json.dumps(schema, indent=2) + "\n"


def _command(name: str, parent: click.Context) -> click.Command:
    command = root.get_command(parent, name)
    if command is None:
        raise LookupError(name)
    return command


def _sections(parent: click.Context, shared: Rows) -> Iterator[str]:
    for name in COMMANDS:
        yield from _section(_command(name, parent), name, parent, shared, 2)


def _section(
    command: click.Command, name: str, parent: click.Context, shared: Rows, level: int
) -> Iterator[str]:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=WIDE, max_content_width=WIDE
    )
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"\n{'#' * level} {context.command_path}\n\n```\n{usage}\n```\n"
    yield f"\n{_paragraphs(command.help or '')}\n"
    rows = _rows(command, context)
    if own := {names: text for names, text in rows.items() if shared.get(names) != text}:
        yield "\n" + _table(own)
    if common := [f"`{_long(names)}`" for names in rows if names not in own]:
        yield f"\nShared options: {', '.join(sorted(common))}.\n"
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            child = command.get_command(context, each)
            if child is not None:
                yield from _section(child, each, context, shared, level + 1)


def _rows(command: click.Command, context: click.Context) -> Rows:
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    return dict(
        filter(None, (option.get_help_record(context) for option in options if HELP not in option.opts))
    )


def _table(rows: Rows) -> str:
    lines = (f"| `{_cell(names)}` | {_cell(text)} |\n" for names, text in rows.items())
    return "".join(["| Option | Meaning |\n|---|---|\n", *lines])


def _long(names: str) -> str:
    return next(word for word in names.replace(",", " ").split() if word.startswith("--"))


def _paragraphs(text: str) -> str:
    """A docstring with each paragraph on one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Writes both files."""
    PAGE.write_text(make_page(), encoding="utf-8")
    SCHEMA.write_text(make_schema(), encoding="utf-8")


if __name__ == "__main__":
    main()
