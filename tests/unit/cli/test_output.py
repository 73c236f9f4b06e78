"""One result in three forms: a table that nothing can spoil, a document with a version, ids alone."""

import re

import msgspec
import pytest

from ganger.cli.amounts import show_bytes, show_count, show_resources, show_seconds
from ganger.cli.documents import DOCUMENTS, OUTPUT_VERSION, DrainDocument
from ganger.cli.output import print_fields, print_rows, show

DOCUMENT = DrainDocument(drained=["a", "b"], left=True)


def table() -> None:
    print_rows(("NAME", "COUNT"), [("a", 1), ("bb", 1000)], "nothing")


def test_json_is_one_document_with_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    show(DOCUMENT, "json", table, ["a", "b"])
    assert msgspec.json.decode(capsys.readouterr().out) == {
        "version": OUTPUT_VERSION,
        "drained": ["a", "b"],
        "left": True,
    }


def test_quiet_is_ids_alone(capsys: pytest.CaptureFixture[str]) -> None:
    show(DOCUMENT, "quiet", table, ["a", "b"])
    assert capsys.readouterr() == ("a\nb\n", "")


def test_a_table_aligns_words_left_and_numbers_right(capsys: pytest.CaptureFixture[str]) -> None:
    show(DOCUMENT, "table", table, ["a", "b"])
    assert capsys.readouterr().out.splitlines() == ["NAME  COUNT", "a         1", "bb    1,000"]


def test_an_empty_table_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("NAME",), [], "there is nobody")
    assert capsys.readouterr() == ("", "there is nobody\n")


def test_a_table_that_goes_to_a_file_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("NAME", "STATE"), [("n" * 500, "s" * 500)], "nothing")
    assert "n" * 500 + "  " + "s" * 500 in capsys.readouterr().out


def test_no_name_can_steer_the_terminal_or_the_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("name", "\x1b[31mred\r\x07 [bold]not bold[/bold]")])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert r"\x1b[31mred\x0d\x07 [bold]not bold[/bold]" in shown


def test_every_document_carries_its_version() -> None:
    for document in DOCUMENTS:
        names = [field.name for field in msgspec.structs.fields(document)]
        assert names[0] == "version"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (8 << 30, "8.0 GiB"), (2e12, "1.8 TiB")],
)
def test_sizes_are_shown_in_the_largest_unit_that_fits(count: float, text: str) -> None:
    assert show_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.00027, "270 µs"),
        (0.0125, "12.5 ms"),
        (1.25, "1.2 s"),
        (245, "4 min 5 s"),
        (7384, "2 h 3 min"),
        (190000, "2 d 4 h"),
    ],
)
def test_times_are_shown_in_units_that_fit(seconds: float, text: str) -> None:
    assert show_seconds(seconds) == text


def test_resources_and_counts_are_words() -> None:
    assert show_resources({"memory": 8 << 30, "gpu": 2.0}) == "gpu 2, memory 8.0 GiB"
    assert show_resources({}) == ""
    assert [show_count(number, "slot") for number in (1, 2, 2000)] == ["1 slot", "2 slots", "2,000 slots"]


def test_numbers_that_are_names_are_not_grouped(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("session", "12345"), ("submitted", 12345)])
    assert re.findall(r"\S+$", capsys.readouterr().out, re.MULTILINE) == ["12345", "12,345"]
