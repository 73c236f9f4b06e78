"""Each branch of the error tree has one exit code, and each error on the screen is a line and a hint."""

import re

import click
import pytest

from ganger import errors
from ganger.cli.exits import EXITS, SUCCESS, DefectOfAnother, code_for, end_for
from ganger.cli.main import main

BRANCHES = [
    (errors.TaskTimeout, 1),
    (errors.OutOfMemory, 1),
    (errors.InvalidOption, 2),
    (errors.AddressError, 2),
    (errors.TaskCancelled, 2),
    (errors.MasterUnreachable, 3),
    (errors.Refused, 4),
    (errors.SubmissionRefused, 4),
    (errors.JournalLocked, 5),
    (errors.JournalCorrupt, 5),
    (errors.ConfigurationError, 6),
    (errors.AddressInUse, 6),
    (errors.PreloadFailed, 6),
    (errors.InvariantViolated, 70),
    (errors.FrameTooLarge, 76),
]


def every_error() -> list[type[errors.GangerError]]:
    found, left = [], [errors.GangerError]
    while left:
        kind = left.pop()
        found.append(kind)
        left.extend(kind.__subclasses__())
    return found


@pytest.mark.parametrize(("kind", "code"), BRANCHES)
def test_an_error_ends_in_the_code_of_its_branch(kind: type[errors.GangerError], code: int) -> None:
    assert code_for(kind("a message")) == code


def test_an_error_that_the_table_does_not_name_is_a_defect_of_ours() -> None:
    assert code_for(ZeroDivisionError()) == 70
    strangers = {kind for kind in every_error() if code_for(kind("a message")) == 70}
    assert strangers == {errors.GangerError, errors.InvariantViolated, DefectOfAnother}


def test_every_code_has_its_own_line_in_the_documentation() -> None:
    codes = [each.code for each in (SUCCESS, *EXITS)]
    assert codes == sorted(set(codes))
    assert all(each.meaning.endswith(".") for each in (SUCCESS, *EXITS))


def test_an_error_is_one_line_and_a_hint_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.AddressInUse("127.0.0.1:1 is taken", hint="choose another")
    assert end_for(error, verbose=False) == 6
    assert capsys.readouterr() == ("", "error: 127.0.0.1:1 is taken\nhint: choose another\n")


def test_an_error_of_many_lines_shows_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    end_for(errors.PreloadFailed("it failed\nand\nhow"), verbose=False)
    assert capsys.readouterr().err == "error: it failed\nhint: -v shows the rest of the message\n"


def test_an_error_of_a_user_is_traced_only_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    end_for(errors.InvalidOption("no such thing"), verbose=False)
    assert "Traceback" not in capsys.readouterr().err
    end_for(raised(errors.InvalidOption("no such thing")), verbose=True)
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("error: no such thing\n")


@pytest.mark.parametrize("error", [errors.InvariantViolated("impossible"), KeyError("x")])
def test_a_defect_is_always_traced(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert end_for(raised(error), verbose=False) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_defect_of_a_child_is_traced_by_the_child(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_for(raised(DefectOfAnother("the master has failed")), verbose=False) == 70
    assert capsys.readouterr().err == "error: the master has failed\n"


def test_an_interrupt_has_its_own_code_and_no_error_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_for(click.Abort(), verbose=False) == 130
    assert end_for(KeyboardInterrupt(), verbose=False) == 130
    assert capsys.readouterr().err == "interrupted\n" * 2


USAGE = [
    (["bogus"], "no such command 'bogus'", "ganger --help"),
    (["statuss"], "did you mean 'status'?", "ganger --help"),
    (["task"], "ganger task needs a command", "ganger task --help"),
    (["worker"], "missing option --join, or the command list or drain", "ganger worker --help"),
    (["worker", "--slots", "2", "list"], "--slots does not go with list", "ganger worker --help"),
    (["worker", "--resource", "gpu=1", "list"], "--resource does not go with list", "ganger worker --help"),
    (["worker", "--slots", "0"], "0 is not in the range x>=1", "ganger worker --help"),
    (["worker", "drain"], "missing argument 'NAME...'", "ganger worker drain --help"),
    (["task", "show", "x"], "'x' is not a task id", "ganger task show --help"),
    (["task", "list", "--state", "asleep"], "'asleep' is not one of", "ganger task list --help"),
    (["status", "--set", "foo"], "'foo' is not of the form section.name=value", "ganger status --help"),
    (["status", "--set", "food.a=1"], "there is no section 'food'", "ganger status --help"),
    (["run", "/no/such/script.py"], "does not exist", "ganger run --help"),
    (["up", "--preload", "module"], "'module' is not of the form module:function", "ganger up --help"),
]


@pytest.mark.parametrize(("arguments", "words", "place"), USAGE)
def test_a_call_that_cannot_be_meant_says_so_and_where_help_is(
    arguments: list[str], words: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    error, hint = shown.err.splitlines()
    assert error.startswith("error: ")
    assert words.lower() in error.lower()
    assert hint == f"hint: see: {place}"


def test_help_is_data_and_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["task", "list", "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Usage: ganger task list")
    assert shown.err == ""


def test_the_version_is_a_word_and_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"ganger \d+\.\d+\S*\n", capsys.readouterr().out)


def raised(error: Exception) -> Exception:
    """The error, with a traceback."""
    try:
        raise error
    except Exception as caught:
        return caught
