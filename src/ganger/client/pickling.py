"""The C pickler first; cloudpickle where it fails, or where something would not be found elsewhere.

Objects of ``__main__`` pickle by reference and then fail to load in another process, so their
mention in the output sends the object to cloudpickle, which takes them by value. The same holds for
modules that the workers cannot import (`LocalModules`).
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from ganger.client.local_modules import MAIN_ONLY, LocalModules
from ganger.errors import NotSerializable

PROTOCOL = 5


def dumps(value: object, local: LocalModules = MAIN_ONLY) -> bytes:
    """Pickles an object so that another process can load it.

    Args:
        value: The object.
        local: The modules that must travel by value.

    Raises:
        Exception: Whatever pickling raised.
    """
    try:
        body = pickle.dumps(value, PROTOCOL)
    except Exception:
        return dumps_by_value(value, local)
    for needle in local.needles:
        if needle in body:
            return dumps_by_value(value, local)
    return body


def dumps_by_value(value: object, local: LocalModules = MAIN_ONLY) -> bytes:
    """Pickles with cloudpickle: functions and classes that cannot be imported travel whole."""
    import cloudpickle

    buffer = io.BytesIO()
    with local.registered():
        cloudpickle.Pickler(buffer, PROTOCOL).dump(value)
    return buffer.getvalue()


def explain_failure(label: str, parts: dict[str, Any], error: BaseException) -> NotSerializable:
    """Says which part cannot be pickled, and where in it.

    Args:
        label: What the parts are, such as ``argument``.
        parts: Each part by its name.
        error: What pickling all of them raised.
    """
    for name, part in parts.items():
        try:
            dumps(part)
        except Exception as found:
            path, culprit = _find(part, "", found, depth=4)
            kind = type(culprit).__qualname__
            where = f"{name}, at {path}," if path else name
            return NotSerializable(
                f"{label} {where} cannot be pickled: {kind} object ({found})",
                hint="pass what it is made of (a path, an address, plain data) and make it inside the task",
            )
    return NotSerializable(f"{label}s cannot be pickled: {error}")


def _find(value: object, path: str, error: BaseException, depth: int) -> tuple[str, object]:
    """Descends to the innermost part that fails."""
    if depth:
        for label, part in _parts(value):
            try:
                dumps(part)
            except Exception as found:
                return _find(part, path + label, found, depth - 1)
    return path, value


def _parts(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [(f"[{position}]", part) for position, part in enumerate(value)]
    if isinstance(getattr(value, "__dict__", None), dict):
        return [(f".{name}", part) for name, part in vars(value).items()]
    return []
