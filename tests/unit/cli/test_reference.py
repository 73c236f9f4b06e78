"""The reference is what the commands and the settings say of themselves, today."""

import msgspec
import pytest

from docs.generate import cli_reference, configuration_reference
from ganger.cli.exits import EXITS
from ganger.config import MasterSettings

REWRITE = "it is out of date: run docs/generate/cli_reference.py and docs/generate/configuration_reference.py"


def test_the_page_of_the_commands_is_current() -> None:
    assert cli_reference.PAGE.read_text(encoding="utf-8") == cli_reference.make_page(), REWRITE


def test_the_schema_of_the_output_is_current() -> None:
    assert cli_reference.SCHEMA.read_text(encoding="utf-8") == cli_reference.make_schema(), REWRITE


def test_the_page_of_the_settings_is_current() -> None:
    page = configuration_reference.make_page()
    assert configuration_reference.PAGE.read_text(encoding="utf-8") == page, REWRITE


def test_every_exit_code_stands_on_the_page() -> None:
    page = cli_reference.make_page()
    assert all(f"| {each.code} | {each.meaning} |" in page for each in EXITS)


def test_every_command_stands_on_the_page() -> None:
    titles = [line.lstrip("# ") for line in cli_reference.make_page().splitlines() if line.startswith("##")]
    commands = [title for title in titles if title.startswith("ganger")]
    assert commands == [
        "ganger up",
        "ganger master",
        "ganger worker",
        "ganger worker drain",
        "ganger worker list",
        "ganger run",
        "ganger task",
        "ganger task cancel",
        "ganger task explain",
        "ganger task list",
        "ganger task show",
        "ganger status",
        "ganger bench",
    ]


def test_a_setting_without_a_word_of_explanation_is_refused() -> None:
    bare = msgspec.defstruct(
        "BareSettings", [("limit", int, 1)], namespace={"__doc__": MasterSettings.__doc__}
    )
    with pytest.raises(LookupError, match=r"BareSettings\.limit"):
        configuration_reference.section_of(bare, "It has none.")
