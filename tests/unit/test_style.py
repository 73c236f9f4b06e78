"""The house style, held against every file; and each rule held against a file that breaks it."""

from pathlib import Path

import pytest

from tests import style_rules as style
from tests.style_rules import Rule, Source

PACKAGE = style.sources_below("src/ganger")
WRITTEN_BY_US = [*PACKAGE, *style.sources_below("bench", "examples", "docs")]
TESTS = style.sources_below("tests")

RULES: dict[Rule, list[Source]] = {
    style.module_without_docstring: [*WRITTEN_BY_US, *TESTS],
    style.file_too_long: [*WRITTEN_BY_US, *TESTS],
    style.function_too_long: [*WRITTEN_BY_US, *TESTS],
    style.name_of_no_concept: [*WRITTEN_BY_US, *TESTS],
    style.unfinished_work: WRITTEN_BY_US,
    style.swallowed_exception: [*WRITTEN_BY_US, *TESTS],
    style.public_name_without_docstring: PACKAGE,
    style.any_in_a_pure_room: PACKAGE,
    style.io_in_a_pure_room: PACKAGE,
    style.skipped_test: TESTS,
}

IN_CORE = "src/ganger/core/ledger.py"
IN_CLIENT = "src/ganger/client/future.py"
IN_TESTS = "tests/unit/test_it.py"
LONG_BODY = "    x = 1\n" * style.FUNCTION_LINES_MAX
LONG_FILE = "x = 1\n" * style.FILE_LINES_MAX

# rule, the file's path, its text, the line that the rule must name
BROKEN: list[tuple[Rule, str, str, int]] = [
    (style.module_without_docstring, IN_CORE, "x = 1\n", 1),
    (style.module_without_docstring, IN_CORE, "", 1),
    (style.file_too_long, IN_CORE, '"""Short words."""\n' + LONG_FILE, 1),
    (style.function_too_long, IN_CORE, "y = 2\ndef f():\n" + LONG_BODY, 2),
    (style.function_too_long, IN_CORE, "class C:\n  async def f(self):\n" + LONG_BODY, 2),
    (style.name_of_no_concept, "src/ganger/core/utils.py", "", 1),
    (style.unfinished_work, IN_CORE, "x = 1\n# TODO: more\n", 2),
    (style.unfinished_work, IN_CORE, '"""A stub of a thing."""\n', 1),
    (style.unfinished_work, IN_CORE, "def f():\n    raise NotImplementedError\n", 2),
    (style.swallowed_exception, IN_CLIENT, "try:\n    f()\nexcept:\n    g()\n", 3),
    (style.swallowed_exception, IN_CLIENT, "try:\n    f()\nexcept Exception:\n    pass\n", 3),
    (style.swallowed_exception, IN_CLIENT, "try:\n    f()\nexcept (OSError, Exception):\n    ...\n", 3),
    (style.swallowed_exception, IN_CLIENT, "while g():\n try: f()\n except Exception: continue\n", 3),
    (style.public_name_without_docstring, IN_CLIENT, "def submit():\n    return 1\n", 1),
    (style.public_name_without_docstring, IN_CLIENT, "class F:\n    'It is.'\n    def g(self): ...\n", 3),
    (style.any_in_a_pure_room, IN_CORE, "from typing import NewType, Any\n", 1),
    (style.any_in_a_pure_room, IN_CORE, "import typing\nx: typing.Any = 1\n", 2),
    (style.io_in_a_pure_room, IN_CORE, "open('file')\n", 1),
    (style.skipped_test, IN_TESTS, "@pytest.mark.skip(reason='later')\ndef test(): ...\n", 1),
    (style.skipped_test, IN_TESTS, "docker = pytest.importorskip('docker')\n", 1),
    (style.skipped_test, IN_TESTS, "@pytest.mark.skipif(not DOCKER, reason='')\ndef test(): ...\n", 1),
]
KEPT: list[tuple[Rule, str, str]] = [
    (style.file_too_long, IN_CORE, '"""One table, longer than most."""\n' + LONG_FILE),
    (style.function_too_long, IN_CORE, "def f():\n" + LONG_BODY.removesuffix("    x = 1\n")),
    (style.swallowed_exception, IN_CLIENT, "try:\n    f()\nexcept OSError:\n    pass\n"),
    (style.swallowed_exception, IN_CLIENT, "try:\n    f()\nexcept Exception as e:\n    report(e)\n"),
    (style.public_name_without_docstring, IN_CORE, "def choose():\n    return 1\n"),
    (style.public_name_without_docstring, IN_CLIENT, "def _inner():\n    return 1\n"),
    (style.public_name_without_docstring, IN_CLIENT, "@typing.overload\ndef submit(): ...\n"),
    (style.any_in_a_pure_room, IN_CLIENT, "from typing import Any\n"),
    (style.io_in_a_pure_room, IN_CLIENT, "print('words')\n"),
    (
        style.skipped_test,
        IN_TESTS,
        "@pytest.mark.skipif(sys.platform != 'linux')\ndef test(): 1\n",
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_file_of_the_project_breaks_the_rule(rule: Rule) -> None:
    found = style.offences(rule, RULES[rule])
    assert not found, "\n" + "\n".join([rule.__doc__ or "", *found])


def test_every_rule_is_shown_a_file_that_breaks_it() -> None:
    assert {rule for rule, *_ in BROKEN} == set(RULES)


@pytest.mark.parametrize(("rule", "path", "text", "line"), BROKEN)
def test_a_rule_names_the_line_that_breaks_it(rule: Rule, path: str, text: str, line: int) -> None:
    (found,) = style.offences(rule, [Source.of(Path(path), text)])
    assert found.startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_a_rule_lets_pass_what_only_looks_like_an_offence(rule: Rule, path: str, text: str) -> None:
    assert style.offences(rule, [Source.of(Path(path), text)]) == []


def test_the_project_itself_was_read() -> None:
    assert Path("src/ganger/__init__.py") in {source.path for source in PACKAGE}
    assert Path("tests/unit/test_style.py") in {source.path for source in TESTS}
