"""The rule for addresses that other machines can reach."""

import pytest

from ganger.errors import Refused
from ganger.net.address import parse
from ganger.net.reach import check_reach

BEYOND = ["192.168.1.5:80", "0.0.0.0:80", "[::]:80", "somewhere.example:80", "127.0.0.1:80,10.0.0.1:80"]
NEAR = ["127.0.0.1:80", "127.9.9.9:80", "localhost:80", "[::1]:80", "unix:/run/x", "local"]


@pytest.mark.parametrize("address", BEYOND)
def test_an_address_beyond_this_machine_is_refused_with_the_reason_and_the_callers_hint(address: str) -> None:
    with pytest.raises(Refused, match="can be reached from other machines") as caught:
        check_reach(parse(address), insecure=False, hint="do this instead")
    assert caught.value.hint == "do this instead"


@pytest.mark.parametrize("address", NEAR)
def test_an_address_on_this_machine_is_allowed(address: str) -> None:
    check_reach(parse(address), insecure=False, hint="")


@pytest.mark.parametrize("address", BEYOND)
def test_whoever_says_insecure_may_go_anywhere(address: str) -> None:
    check_reach(parse(address), insecure=True, hint="")
