"""Plans follow flags before the environment before the file, and are refused before anything starts."""

import stat
from pathlib import Path

import pytest

from ganger import errors
from ganger.cli.foreground import as_error
from ganger.cli.plans import make_name, offer, plan_master, plan_worker, share_cores, show_journal
from ganger.cli.reach import check_way
from ganger.config import state_folder
from ganger.host.plan import Status
from ganger.security.secret import read_or_make_secret

LOOPBACK = ["127.0.0.1:0"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user that has nothing yet."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("GANGER_CONFIG", "GANGER_SECRET_FILE", "GANGER_MASTER_HANDSHAKE_S"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_flag_comes_before_the_environment_and_that_before_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handshake_s(**flags: object) -> float:
        return plan_master(LOOPBACK, "memory", {"master": flags}).settings.handshake_s

    assert handshake_s() == 5.0
    folder = home / "XDG_CONFIG_HOME" / "ganger"
    folder.mkdir(parents=True)
    (folder / "ganger.toml").write_text("[master]\nhandshake_s = 2.0\n")
    assert handshake_s() == 2.0
    monkeypatch.setenv("GANGER_MASTER_HANDSHAKE_S", "3")
    assert handshake_s() == 3.0
    assert handshake_s(handshake_s="4") == 4.0


def test_the_journal_is_by_default_in_a_private_state_folder() -> None:
    plan = plan_master(LOOPBACK, None, {})
    assert plan.journal == str(state_folder() / "journal")
    assert stat.S_IMODE(state_folder().stat().st_mode) == 0o700


def test_a_journal_in_memory_makes_no_folder() -> None:
    plan = plan_master(LOOPBACK, "memory", {})
    assert (plan.journal, show_journal(plan)) == ("", "memory")
    assert not state_folder().exists()


def test_a_journals_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert plan_master(LOOPBACK, "here", {}).journal == str(tmp_path / "here")


def test_a_master_beyond_loopback_needs_a_word() -> None:
    with pytest.raises(errors.Refused, match="other machines"):
        plan_master(["0.0.0.0:0"], "memory", {})
    assert plan_master(["0.0.0.0:0"], "memory", {}, insecure=True).insecure


def test_the_way_to_a_master_needs_a_secret_or_a_word() -> None:
    with pytest.raises(errors.Refused, match="there is no secret"):
        check_way("127.0.0.1:1", insecure=False)
    read_or_make_secret()
    assert check_way("127.0.0.1:1", insecure=False)[0].port == 1


def test_the_way_to_another_machine_needs_a_word() -> None:
    read_or_make_secret()
    with pytest.raises(errors.Refused, match="other machines") as caught:
        check_way("10.0.0.1:1", insecure=False)
    assert "--insecure" in caught.value.hint
    assert check_way("10.0.0.1:1", insecure=True)[0].host == "10.0.0.1"


def test_a_socket_of_this_machine_needs_no_secret() -> None:
    assert check_way("unix:/no/such/socket", insecure=False)[0].path == "/no/such/socket"


def worker(**changes: object) -> object:
    given: dict[str, object] = {
        "name": "w",
        "slots": 1,
        "resources": {},
        "preload": "",
        "insecure": False,
        "sections": {},
    }
    return plan_worker("127.0.0.1:1", **{**given, **changes})  # type: ignore[arg-type]


def test_a_worker_finds_the_secret_by_itself_unless_it_is_to_do_without() -> None:
    secret = read_or_make_secret()
    assert worker().secret == secret.hex()
    assert worker(insecure=True).secret == ""


def test_a_preload_function_may_stand_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert worker().paths == []
    assert worker(preload="models:load").paths[0] == str(tmp_path)


def test_workers_of_one_machine_share_its_cores_and_memory() -> None:
    assert share_cores(10_000) == 1
    alone, shared = offer([], 1)["memory"], offer([], 4)["memory"]
    assert 0 < shared <= alone / 4
    assert offer([("memory", 7.0), ("gpu", 1.0)], 4) == {"memory": 7.0, "gpu": 1.0}


def test_no_two_workers_have_one_name() -> None:
    assert len({make_name() for _ in range(50)}) > 40


def test_what_a_process_says_of_its_failure_is_the_error_that_it_was_there() -> None:
    error = as_error(Status("master", False, error="JournalLocked", message="held", hint="stop it"))
    assert type(error) is errors.JournalLocked
    assert (error.message, error.hint) == ("held", "stop it")


def test_a_master_that_was_killed_is_the_operators_matter() -> None:
    error = as_error(Status("host", False, error="MasterEnded", message="it has ended"))
    assert type(error) is errors.OperatorError
    assert "start it again on the same journal" in error.hint


@pytest.mark.parametrize("name", ["ValueError", "annotations", ""])
def test_a_failure_that_is_no_error_of_ours_is_a_defect(name: str) -> None:
    assert isinstance(as_error(Status("master", False, error=name, message="?")), errors.InvariantViolated)
