"""Ids can be composed, taken apart, shown and read."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ganger.protocol.ids import (
    SEQUENCE_MAX,
    SPEC_BITS,
    SessionNo,
    read_task,
    sequence_of,
    session_of,
    show_task,
    spec_id,
    task_id,
)

SESSIONS = st.integers(0, 1 << 20).map(SessionNo)
SEQUENCES = st.integers(0, SEQUENCE_MAX)


@given(SESSIONS, SEQUENCES)
def test_a_task_id_gives_back_what_it_was_made_of(session: SessionNo, sequence: int) -> None:
    task = task_id(session, sequence)
    assert (session_of(task), sequence_of(task)) == (session, sequence)
    assert read_task(show_task(task)) == task


@given(st.sets(st.tuples(SESSIONS, st.integers(0, (1 << SPEC_BITS) - 1))))
def test_spec_ids_of_different_sessions_differ(pairs: set[tuple[SessionNo, int]]) -> None:
    assert len({spec_id(session, number) for session, number in pairs}) == len(pairs)


@pytest.mark.parametrize(
    "text", ["", "3", "3.", ".3", "a.b", "3.-1", f"3.{SEQUENCE_MAX + 1}", "-1.2", "1.2.3"]
)
def test_what_is_no_task_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        read_task(text)
