"""The journal that keeps nothing."""

from ganger.ports import Journal
from ganger.storage.memory import MemoryJournal


def test_it_takes_everything_and_gives_nothing_back() -> None:
    journal: Journal = MemoryJournal()
    told: list[str] = []
    journal.start(1, b"first")
    journal.commit(b"batch", lambda: told.append("durable"))
    journal.idle()
    journal.close()
    assert told == ["durable"]
    assert list(journal.replay()) == []
    assert journal.accepting
    assert not journal.durable
