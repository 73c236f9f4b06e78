"""The floor can fail: for each package alone, for branches alone, and when nothing was measured."""

from tests.coverage_floor import shortfalls


def _file(branches: tuple[int, int], statements: tuple[int, int]) -> dict:
    return {
        "summary": {
            "covered_branches": branches[0],
            "num_branches": branches[1],
            "covered_lines": statements[0],
            "num_statements": statements[1],
        }
    }


COVERED = _file((10, 10), (100, 100))


def test_full_coverage_of_both_packages_passes_in_silence():
    assert shortfalls({"files": {"src/ganger/core/a.py": COVERED, "src/ganger/protocol/a.py": COVERED}}) == []


def test_a_package_that_was_never_imported_is_named():
    found = shortfalls({"files": {"src/ganger/core/a.py": COVERED}})
    assert found == ["coverage: nothing of protocol/ was measured"]


def test_covered_statements_do_not_make_up_for_missed_branches():
    files = {"src/ganger/core/a.py": _file((9, 10), (1000, 1000)), "src/ganger/protocol/a.py": COVERED}
    (line,) = shortfalls({"files": files})
    assert line.startswith("coverage: core/ branches 90.0 % (9 of 10)")


def test_one_package_does_not_make_up_for_the_other():
    files = {"src/ganger/core/a.py": COVERED, "src/ganger/protocol/deep/a.py": _file((0, 0), (94, 100))}
    (line,) = shortfalls({"files": files})
    assert line.startswith("coverage: protocol/ statements 94.0 %")


def test_the_files_of_a_package_are_added_up():
    core = {
        "src/ganger/core/a.py": _file((9, 10), (9, 10)),
        "src/ganger/core/b/c.py": _file((90, 90), (90, 90)),
    }
    assert shortfalls({"files": {**core, "src/ganger/protocol/a.py": COVERED}}) == []
