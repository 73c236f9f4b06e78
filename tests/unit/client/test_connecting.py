"""What `connect` decides before it connects, and what it says afterwards."""

from pathlib import Path

import pytest

import ganger
from ganger.client.connecting import python_difference
from ganger.errors import AddressError, ConfigurationError, InvalidOption, Refused


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user who has no cluster, no secret and no configuration."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("GANGER_ADDRESS", "GANGER_SECRET_FILE", "GANGER_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_without_an_address_and_a_cluster_the_error_says_how_to_get_one() -> None:
    with pytest.raises(AddressError) as caught:
        ganger.connect()
    assert "ganger up" in caught.value.hint
    assert '"local"' in caught.value.hint


def test_an_address_that_cannot_be_read_is_refused_with_the_grammar() -> None:
    with pytest.raises(AddressError, match="nonsense") as caught:
        ganger.connect("nonsense")
    assert "host:port" in caught.value.hint


def test_another_machine_is_refused_unless_the_caller_says_insecure() -> None:
    with pytest.raises(Refused, match="can be reached from other machines") as caught:
        ganger.connect("192.0.2.1:7777")
    assert "insecure=True" in caught.value.hint


def test_a_port_without_a_secret_is_refused_for_nobody_could_tell_whose_master_it_is() -> None:
    with pytest.raises(Refused, match="no secret in .*secret") as caught:
        ganger.connect("127.0.0.1:7777")
    assert "GANGER_SECRET_FILE" in caught.value.hint


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan"), True, "5"])
def test_a_timeout_that_cannot_be_meant_is_refused(timeout_s: float) -> None:
    with pytest.raises(InvalidOption, match="timeout_s"):
        ganger.connect("unix:/nowhere", timeout_s=timeout_s)


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no section 'clients'"):
        ganger.connect("unix:/nowhere", settings={"clients": {}})
    with pytest.raises(ConfigurationError, match="no setting 'window'"):
        ganger.connect("unix:/nowhere", settings={"client": {"window": 5}})


@pytest.mark.parametrize("address", ["local", "unix:/nowhere"])
def test_settings_are_checked_alike_for_both_kinds_of_cluster(address: str) -> None:
    with pytest.raises(ConfigurationError, match="no section 'clients'"):
        ganger.connect(address, settings={"clients": {}})


# --- another Python ------------------------------------------------------------------------------


def test_the_same_minor_version_everywhere_is_no_difference() -> None:
    assert python_difference("3.11.7", "3.11.2", {"a": "3.11.0"}) == ""
    assert python_difference("3.11.7", "", {}) == ""


def test_workers_of_another_minor_version_are_named() -> None:
    text = python_difference("3.11.7", "3.11.7", {"b": "3.12.1", "a": "3.12.0", "c": "3.11.1"})
    assert text.startswith("this client runs Python 3.11, but a, b 3.12: ")
    assert "\nhint: " in text


def test_a_master_of_another_minor_version_is_named_first() -> None:
    assert "but the master 3.13, w 3.10: " in python_difference("3.11.7", "3.13.0", {"w": "3.10.9"})


def test_many_workers_are_counted_not_listed() -> None:
    text = python_difference("3.11.7", "", {f"w{number:02}": "3.12.1" for number in range(50)})
    assert "w00, w01, w02 and 47 more 3.12" in text
