"""Writes docs/reference/configuration.md from the settings' own structs and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ganger.config import GIB, KIB, MIB, ClientSettings, JournalSettings, MasterSettings, WorkerSettings

PAGE = Path(__file__).parents[1] / "reference" / "configuration.md"
SECTIONS = {
    MasterSettings: "What the master allows and how it hands work out.",
    WorkerSettings: "How a worker keeps its executors.",
    ClientSettings: "How a program talks to its cluster.",
    JournalSettings: "How the file journal uses its disk.",
}
INTRODUCTION = """# Configuration

*This page is made from the settings by `docs/generate/configuration_reference.py`.*

Every limit and default of ganger has a name. A setting is looked for in this order, and the first place
that has it counts:

1. **The call or the flag**: `settings={"worker": {"executor_tasks_max": 100}}` of `ganger.Cluster` and
   `ganger.connect`, `--set worker.executor_tasks_max=100` of the [commands](cli.md).
2. **The environment**: `GANGER_WORKER_EXECUTOR_TASKS_MAX=100`.
3. **The file** `ganger.toml` in `$XDG_CONFIG_HOME/ganger` (`~/.config/ganger`), or the one that
   `GANGER_CONFIG` names:

   ```toml
   [worker]
   executor_tasks_max = 100
   ```

4. **The default**, below.

Settings are read once, when the process starts. A name that does not exist, or a value that cannot be
meant, is refused with the place where it stood.

## Variables of their own

| Variable | Meaning |
|---|---|
| `GANGER_ADDRESS` | The cluster to use where no address is given. |
| `GANGER_CONFIG` | The file to read instead of the user's `ganger.toml`. |
| `GANGER_SECRET_FILE` | The file that holds the cluster's secret, of mode 0600. |
| `XDG_STATE_HOME` | Its folder `ganger` holds the journal, the secret and the address of `ganger up`. |
| `XDG_RUNTIME_DIR` | Private sockets live here, or in the folder for temporary files. |
| `NO_COLOR` | The commands print without colour. |
"""
_UNITS = ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
_TIMES = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))


def make_page() -> str:
    """The page, in Markdown."""
    return INTRODUCTION + "".join(section_of(schema, purpose) for schema, purpose in SECTIONS.items())


def section_of(schema: type[msgspec.Struct], purpose: str) -> str:
    """One section: a table of its settings.

    Raises:
        LookupError: A setting has no line in the docstring.
    """
    name = schema.__name__.removesuffix("Settings").lower()
    meanings = dict(_attributes(schema))
    rows = []
    for field in msgspec.structs.fields(schema):
        if field.name not in meanings:
            raise LookupError(f"{schema.__name__}.{field.name} has no line under Attributes")
        rows.append(f"| `{field.name}` | {_show(field.name, field.default)} | {meanings[field.name]} |\n")
    return f"\n## [{name}]\n\n{purpose}\n\n| Setting | Default | Meaning |\n|---|---|---|\n{''.join(rows)}"


def _attributes(schema: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """Names and meanings under ``Attributes:`` of a docstring, continuation lines joined."""
    _, _, listed = inspect.getdoc(schema).partition("Attributes:\n")  # type: ignore[union-attr]
    for entry in re.split(r"\n(?=    \S)", listed.rstrip()):
        name, _, meaning = entry.partition(":")
        yield name.strip(), " ".join(meaning.split()).replace("|", "\\|")


def _show(name: str, default: object) -> str:
    """The default as it is written, and in larger units where that is easier to read."""
    if isinstance(default, int) and "bytes" in name:
        return _in_units(default, _UNITS)
    if isinstance(default, int) and name.endswith("_ns"):
        return _in_units(default, _TIMES)
    return f"{default:,}" if isinstance(default, int) else f"{default:g}"


def _in_units(value: int, units: tuple[tuple[int, str], ...]) -> str:
    for size, unit in units:
        if value and value % size == 0:
            return f"{value:,} ({value // size} {unit})"
    return f"{value:,}"


def main() -> None:
    """Writes the page."""
    PAGE.write_text(make_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
