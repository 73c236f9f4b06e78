"""`ganger bench`: a quick look that leaves nothing."""

from ganger.cli.documents import BenchDocument
from tests.integration.cli.commands import Commands

FEW = ("bench", "--tasks", "500", "--slots", "1")


def test_it_measures_what_it_says(user: Commands) -> None:
    ended = user.run(*FEW, "-o", "json")
    document = ended.document(BenchDocument)
    assert ended.code == 0
    assert (document.slots, document.tasks) == (1, 500)
    assert document.tasks_per_s > 0
    assert 0 < document.round_trip_p50_s <= document.round_trip_p99_s
    assert document.cold_start_s > 0
    user.check_nothing_left()


def test_its_table_says_that_it_is_a_quick_look(user: Commands) -> None:
    lines = user.run(*FEW).lines
    assert [line.split("  ")[0] for line in lines[:4]] == [
        "cold start to first result",
        "500 tasks that do nothing",
        "round trip, median",
        "round trip, 99th percentile",
    ]
    assert "quick look" in lines[-1]
    assert "make bench" in lines[-1]
