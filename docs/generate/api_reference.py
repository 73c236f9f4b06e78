"""Writes docs/reference/api.md from the docstrings of what `import ganger` offers, and the state diagram."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import ganger
from ganger import errors
from ganger.core.lifecycle import mermaid

PAGE = Path(__file__).parents[1] / "reference" / "api.md"
CONCEPTS = Path(__file__).parents[1] / "concepts.md"
DIAGRAM = re.compile(r"<!-- state-diagram -->.*?<!-- /state-diagram -->", re.DOTALL)
ORDER = (
    "Cluster",
    "connect",
    "aconnect",
    "Client",
    "AsyncClient",
    "Future",
    "task",
    "as_completed",
    "wait",
)
MADE_BY_OTHERS = frozenset({"Client", "AsyncClient", "Future"})
"""Classes that nobody makes by calling them."""
INTRODUCTION = """# Python API

*This page is made from the docstrings by `docs/generate/api_reference.py`.*

Everything here is imported from `ganger`; errors are in `ganger.errors`.
"""


def make_page() -> str:
    """The page, in Markdown."""
    parts = [INTRODUCTION]
    parts += [describe(name, getattr(ganger, name)) for name in ORDER]
    tree = (inspect.getdoc(errors) or "").split("::", 1)[1]
    parts.append(f"\n## Errors\n\nEach branch says who must act.\n\n```\n{inspect.cleandoc(tree)}\n```\n")
    return "".join(parts)


def describe(name: str, thing: object) -> str:
    """One name: its signature, its docstring, and its public methods."""
    if not inspect.isclass(thing):
        return f"\n## `{name}{signature(thing)}`\n\n{document(thing)}"
    call = "" if name in MADE_BY_OTHERS else signature(thing)
    text = f"\n## `{name}{call}`\n\n{document(thing)}"
    for member, value in vars(thing).items():
        function = value.fset if isinstance(value, property) else value
        if member.startswith("_") or not inspect.isfunction(function) or not inspect.getdoc(function):
            continue
        prefix = "async " if inspect.iscoroutinefunction(function) else ""
        text += f"\n### `{prefix}{name}.{member}{signature(function)}`\n\n{document(function)}"
    return text


def signature(thing: object) -> str:
    """The parameters, without types: those are in the docstring's words and in the code."""
    target = thing.__init__ if inspect.isclass(thing) else thing  # type: ignore[misc]
    try:
        found = inspect.signature(target)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    shown = []
    starred = False
    for parameter in found.parameters.values():
        if parameter.name == "self" or parameter.name.startswith("_"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        mark = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        starred = starred or mark == "*"
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        shown.append(f"{mark}{parameter.name}{default}")
    return f"({', '.join(shown)})"


def document(thing: object) -> str:
    """The docstring, its sections as lists."""
    lines = []
    for line in (inspect.getdoc(thing) or "").splitlines():
        head = re.fullmatch(r"(Args|Returns|Raises|Attributes|Yields):", line)
        entry = re.fullmatch(r"    (\*{0,2}\w+): (.*)", line)
        if head:
            lines.append(f"**{head[1]}**\n")
        elif entry:
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif line.startswith("        "):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line.removeprefix("    ") if line.startswith("    ") else line)
    return "\n".join(lines).strip() + "\n"


def make_concepts() -> str:
    """The page of concepts with the diagram of the table as it is."""
    diagram = f"<!-- state-diagram -->\n```mermaid\n{mermaid()}\n```\n<!-- /state-diagram -->"
    text = CONCEPTS.read_text(encoding="utf-8")
    if not DIAGRAM.search(text):
        raise LookupError(f"{CONCEPTS} has no place for the state diagram")
    return DIAGRAM.sub(lambda _: diagram, text)


if __name__ == "__main__":
    PAGE.write_text(make_page(), encoding="utf-8")
    CONCEPTS.write_text(make_concepts(), encoding="utf-8")
