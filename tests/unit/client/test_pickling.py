"""What travels by reference, what by value, and what cannot travel at all."""

import functools
import json
import pickle
import pickletools
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganger.client.functions import function_name, pack_function
from ganger.client.local_modules import LocalModules, is_installed
from ganger.client.pickling import dumps, explain_failure
from ganger.errors import InvalidOption, NotSerializable


def at_home(number: int) -> int:
    return number


class Thing:
    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def act(self) -> Any:
        return self.inside


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A module of a user's own folder, which workers elsewhere do not have."""
    (tmp_path / "stranger_module.py").write_text("BASE = 5\n\ndef add(x):\n    return x + BASE\n")
    monkeypatch.syspath_prepend(tmp_path)
    import stranger_module

    yield stranger_module
    del sys.modules["stranger_module"]


def names_in(body: bytes) -> set[str]:
    return {argument for _, argument, _ in pickletools.genops(body) if isinstance(argument, str)}


# --- values --------------------------------------------------------------------------------------


def test_what_can_be_imported_travels_by_reference() -> None:
    assert dumps(at_home) == pickle.dumps(at_home, 5)
    assert len(dumps(json.dumps)) < 60


def test_what_has_no_name_travels_by_value() -> None:
    assert pickle.loads(dumps(lambda x: x + 1))(1) == 2
    inner = functools.partial(lambda x, y: x * y, 3)
    assert pickle.loads(dumps([inner]))[0](4) == 12


def test_what_belongs_to_main_travels_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    main = types.ModuleType("__main__")
    exec("class Point:\n    x = 1\n\ndef area(n):\n    return n * n", main.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    bodies = dumps(main.area), dumps(main.Point())
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    assert pickle.loads(bodies[0])(3) == 9
    assert pickle.loads(bodies[1]).x == 1


# --- functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (at_home, "at_home"),
        (len, "len"),
        (Thing, "Thing"),
        (Thing(1).act, "Thing.act"),
        (functools.partial(at_home, 1), "at_home"),
        (functools.partial(functools.partial(at_home, 1)), "at_home"),
        (lambda: 0, "<lambda>"),
    ],
)
def test_a_task_is_named_after_its_function(function: Any, name: str) -> None:
    assert function_name(function) == name


def test_the_same_function_has_the_same_digest_and_another_has_another() -> None:
    first, again = (
        pack_function(at_home, LocalModules(by_value=False)),
        pack_function(at_home, LocalModules(by_value=False)),
    )
    assert first == again
    assert first.digest != pack_function(len, LocalModules(by_value=False)).digest


def test_the_standard_library_and_installed_packages_count_as_installed() -> None:
    for module in (json, sys, pytest, threading):
        assert is_installed(module)
    assert not is_installed(sys.modules[__name__])


def test_a_users_module_travels_by_reference_where_workers_share_the_path(stranger: Any) -> None:
    assert "stranger_module" in names_in(pack_function(stranger.add, LocalModules(by_value=False)).body)
    assert len(pack_function(stranger.add, LocalModules(by_value=False)).body) < 60


def test_a_users_module_travels_by_value_where_workers_do_not_share_the_path(
    stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = pack_function(stranger.add, LocalModules(by_value=True)).body
    monkeypatch.delitem(sys.modules, "stranger_module")
    monkeypatch.setattr(sys, "path", [])
    assert pickle.loads(body)(1) == 6
    monkeypatch.setitem(sys.modules, "stranger_module", stranger)


def test_what_cannot_be_called_is_refused_with_a_hint() -> None:
    with pytest.raises(InvalidOption, match="5 cannot be called") as caught:
        pack_function(5, LocalModules(by_value=False))
    assert "submit(fn, x)" in caught.value.hint


def test_a_function_that_drags_a_lock_along_names_it() -> None:
    lock = threading.Lock()
    with pytest.raises(NotSerializable, match=r"<lambda>.*'lock' is a lock"):
        pack_function(lambda: lock, LocalModules(by_value=False))


# --- what cannot travel --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (threading.Lock(), ""),
        ([1, [2, threading.Lock()]], "[1][1]"),
        ({"a": (threading.Lock(),)}, "['a'][0]"),
        (Thing({"b": threading.Lock()}), ".inside['b']"),
    ],
)
def test_the_part_that_cannot_be_pickled_is_named_with_its_path(value: Any, path: str) -> None:
    error = explain_failure("argument", {"0 of f": 1, "1 of f": value}, TypeError("no"))
    assert path in error.message
    assert "argument 1" in error.message
    assert "lock object" in error.message
    assert error.hint


def test_what_fails_only_as_a_whole_is_still_told() -> None:
    error = explain_failure("argument", {"0 of f": 1}, TypeError("only together"))
    assert "only together" in error.message
