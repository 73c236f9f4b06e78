"""Options as users write them, checked at once and turned into what travels.

Everything that is not an argument of the function goes through here, so a wrong name or value is
refused where it was written, not minutes later on some worker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from msgspec import Struct, structs

from ganger.errors import InvalidOption
from ganger.protocol.options import TaskOptions

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


class Options(Struct, frozen=True):
    """The options of a client or a decorated function.

    Attributes:
        task: As they travel.
        name: A name for the task, or empty for the function's own.
        given: The options that somebody wrote, as opposed to defaults.
        retry_on: The exceptions to retry; pickled for each client, which knows what its workers can import.
    """

    task: TaskOptions = TaskOptions()
    name: str = ""
    given: frozenset[str] = frozenset()
    retry_on: tuple[type[BaseException], ...] = ()


def parse_bytes(value: object, label: str) -> float:
    """A size in bytes: a number, or text such as ``2G`` or ``512 MiB`` (powers of 1,024).

    Raises:
        InvalidOption: It is neither.
    """
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is None:
            raise InvalidOption(
                f"{label} {value!r} is not a size", hint="write bytes as a number, or 512M, 2G, 1.5T"
            )
        return float(match[1]) * _UNITS[match[2].upper()]
    return _number(value, label)


def merge(base: Options, changes: Mapping[str, Any]) -> Options:
    """Options with some replaced.

    Raises:
        InvalidOption: A name that does not exist, or a value that cannot be meant.
    """
    unknown = [name for name in changes if name not in _PARSERS]
    if unknown:
        close = get_close_matches(unknown[0], _PARSERS, 1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(_PARSERS))}"
        raise InvalidOption(f"there is no option {unknown[0]!r}", hint=hint)
    parsed = {name: _PARSERS[name](value, name) for name, value in changes.items()}
    name = parsed.pop("name", base.name)
    retry_on = parsed.pop("retry_on", base.retry_on)
    return Options(structs.replace(base.task, **parsed), name, base.given | frozenset(changes), retry_on)


def overlay(base: Options, top: Options) -> Options:
    """`base` with what was written in `top`: of two places the one nearer to the call wins."""
    written = {name: getattr(top.task, name) for name in top.given - {"name", "retry_on"}}
    retry_on = top.retry_on if "retry_on" in top.given else base.retry_on
    name = top.name if "name" in top.given else base.name
    return Options(structs.replace(base.task, **written), name, base.given | top.given, retry_on)


def _number(value: object, label: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidOption(f"{label} must be a number, it is {value!r}")
    if value < 0:
        raise InvalidOption(f"{label} must not be negative, it is {value!r}")
    return float(value)


def _seconds_or_none(value: object, label: str) -> float:
    if value is None:
        return 0.0
    seconds = _number(value, label)
    if not seconds:
        raise InvalidOption(f"{label} must be positive, or None for no limit")
    return seconds


def _count(value: object, label: str) -> int:
    number = _number(value, label)
    if number != int(number):
        raise InvalidOption(f"{label} must be a whole number, it is {value!r}")
    return int(number)


def _positive(value: object, label: str) -> int:
    number = _count(value, label)
    if not number:
        raise InvalidOption(f"{label} must be at least 1")
    return number


def _whole(value: object, label: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOption(f"{label} must be a whole number, it is {value!r}")
    return value


def _flag(value: object, label: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption(f"{label} must be True or False, it is {value!r}")
    return value


def _text(value: object, label: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidOption(f"{label} must be a text, it is {value!r}")
    return value


def _resources(value: object, label: str) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise InvalidOption(f"{label} must be a dict such as {{'cpu': 2, 'memory': '2G'}}, it is {value!r}")
    found = {}
    for name, amount in value.items():
        if not isinstance(name, str) or not name:
            raise InvalidOption(f"a resource's name must be a text, it is {name!r}")
        found[name] = (
            parse_bytes(amount, f"resource {name}")
            if name == "memory"
            else _number(amount, f"resource {name}")
        )
    gpu = found.get("gpu", 0.0)
    if gpu != int(gpu):
        raise InvalidOption(f"resource gpu must be a whole number of devices, it is {gpu}")
    return found


def _workers(value: object, label: str) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Iterable):
        names = list(value)
        if all(isinstance(name, str) and name for name in names):
            return names
    raise InvalidOption(f"{label} must be a worker's name or a list of names, it is {value!r}")


def _exceptions(value: object, label: str) -> tuple[type[BaseException], ...]:
    classes = value if isinstance(value, tuple) else tuple(value) if isinstance(value, list) else (value,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise InvalidOption(f"{label} must be an exception class or a tuple of them, it holds {each!r}")
    return classes


_PARSERS: dict[str, Callable[[Any, str], Any]] = {
    "retries": _count,
    "retry_delay_s": _number,
    "retry_delay_max_s": _number,
    "retry_on": _exceptions,
    "losses_max": _count,
    "repeatable": _flag,
    "timeout_s": _seconds_or_none,
    "priority": _whole,
    "resources": _resources,
    "workers": _workers,
    "concurrency": _positive,
    "name": _text,
}
