"""What a foreground cluster leaves on the disk while it runs, and that nothing of it remains."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from ganger.cli.meeting_place import LOCK_NAME, PREFIX, meeting_place
from ganger.cli.runtime_file import left_address, published
from ganger.errors import ConfigurationError
from ganger.net.address import runtime_file


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of this test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_the_runtime_file_is_private_from_its_first_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    open_file = os.open

    def noting_open(path: str, flags: int, mode: int = 0o777) -> int:
        made.append(mode)
        return open_file(path, flags, mode)

    mask = os.umask(0)
    monkeypatch.setattr(os, "open", noting_open)
    try:
        with published() as publish:
            publish("127.0.0.1:7777")
            assert stat.S_IMODE(runtime_file().stat().st_mode) == 0o600
    finally:
        os.umask(mask)
    assert made == [0o600]


def test_the_runtime_file_goes_at_the_end() -> None:
    with published() as publish:
        assert left_address() == ""
        publish("127.0.0.1:7777")
        assert left_address() == "127.0.0.1:7777"
    assert not runtime_file().exists()
    assert list(runtime_file().parent.iterdir()) == []


def test_the_runtime_file_of_another_cluster_stays() -> None:
    with published() as publish:
        publish("127.0.0.1:1")
        with published() as publish_other:
            publish_other("127.0.0.1:2")
            assert left_address() == "127.0.0.1:2"
        publish("127.0.0.1:1")
        runtime_file().write_text("127.0.0.1:3\n")
    assert left_address() == "127.0.0.1:3"


def test_a_cluster_that_never_came_up_leaves_the_file_of_another_alone() -> None:
    with published() as publish:
        publish("127.0.0.1:1")
        with pytest.raises(RuntimeError), published():
            raise RuntimeError("the port is taken")
        assert left_address() == "127.0.0.1:1"


def test_a_state_folder_that_others_may_write_to_is_refused() -> None:
    runtime_file().parent.mkdir(parents=True)
    runtime_file().parent.chmod(0o777)
    with published() as publish, pytest.raises(ConfigurationError, match="other users may write"):
        publish("127.0.0.1:1")


def test_the_meeting_place_is_private_and_goes_at_the_end(home: Path) -> None:
    with meeting_place() as path:
        folder = Path(path).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not Path(path).exists()
        Path(path).touch()
    assert list(home.iterdir()) == []


def test_the_meeting_place_of_a_killed_cluster_is_swept_and_that_of_a_living_one_is_not(home: Path) -> None:
    for name in ("dead", "unlocked"):
        (home / f"{PREFIX}{name}").mkdir()
    (home / f"{PREFIX}dead" / LOCK_NAME).touch()
    with meeting_place() as living, meeting_place():
        assert Path(living).parent.exists()
        assert not (home / f"{PREFIX}dead").exists()
        assert (home / f"{PREFIX}unlocked").exists(), "it may be about to be locked"


def test_the_lock_is_held_before_anybody_can_see_it() -> None:
    with meeting_place() as path:
        lock = os.open(Path(path).with_name(LOCK_NAME), os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(lock)
