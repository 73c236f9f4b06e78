"""The table of transitions says what it means, and refuses the rest."""

import pytest

from ganger.core import lifecycle
from ganger.core.lifecycle import SUCCEEDED, TABLE, Cause, State, mermaid
from ganger.errors import InvariantViolated


@pytest.mark.parametrize("cause", TABLE, ids=lambda cause: cause.name)
@pytest.mark.parametrize("state", State)
def test_a_cause_leads_where_the_table_says_or_is_refused(cause: Cause, state: State) -> None:
    if state in cause:
        assert cause[state] in State
    else:
        with pytest.raises(
            InvariantViolated, match=f"a task that is {state.name.lower()} cannot {cause.name}"
        ):
            cause[state]


def test_nothing_leads_out_of_an_end() -> None:
    assert not [state for cause in TABLE for state in cause if state >= SUCCEEDED]


def test_every_state_but_the_first_two_can_be_reached_from_another() -> None:
    reached = {after for cause in TABLE for before, after in cause.items() if before is not after}
    assert reached == set(State)


def test_every_unfinished_state_can_end() -> None:
    for state in State:
        if state < SUCCEEDED:
            assert lifecycle.CANCEL[state] is State.CANCELLED
            assert lifecycle.FAIL[state] is State.FAILED
            assert lifecycle.SUCCEED[state] is State.SUCCEEDED


def test_the_diagram_shows_every_arrow_once() -> None:
    lines = mermaid().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert len(lines) == len(set(lines))
    for cause in TABLE:
        for before, after in cause.items():
            arrow = f"    {before.name.lower()} --> {after.name.lower()}: {cause.name}"
            assert (arrow in lines) == (before is not after)
    assert "    failed --> [*]" in lines
