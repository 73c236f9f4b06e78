"""Functions travel once per worker, by content hash: by reference where the worker can import them.

By reference: from installed packages, and from any module where the workers share this process's
path (the embedded cluster). By value: ``__main__``, nested functions and lambdas, and other modules.
"""

from __future__ import annotations

import hashlib
import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from ganger.client.pickling import add_by_value_module, dumps, dumps_by_value
from ganger.errors import InvalidOption, NotSerializable
from ganger.protocol.options import FunctionBody

DIGEST_BYTES = 16


def function_name(function: Any) -> str:
    """How the task is called where none was given."""
    inner = getattr(function, "func", function)
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return name.replace("<locals>.", "")


def pack_function(function: Any, *, shares_path: bool) -> FunctionBody:
    """A function as it travels.

    Args:
        function: Anything that can be called.
        shares_path: Whether the workers import from the same places as this process.

    Raises:
        InvalidOption: It cannot be called.
        NotSerializable: It cannot be pickled; says why.
    """
    if not callable(function):
        raise InvalidOption(
            f"{function!r} cannot be called",
            hint="pass the function itself: submit(fn, x), not submit(fn(x))",
        )
    if not shares_path:
        _mark_by_value(function)
    try:
        body = dumps(function)
    except Exception as error:
        raise NotSerializable(
            f"the function {function_name(function)} cannot be pickled: {error}{_culprit(function)}",
            hint="what it takes from around it travels along; pass such things as arguments instead",
        ) from error
    return FunctionBody(hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest(), body)


def _mark_by_value(function: Any) -> None:
    import cloudpickle

    name = getattr(function, "__module__", None) or type(function).__module__
    module = sys.modules.get(name)
    if module is not None and name != "__main__" and not is_installed(module):
        cloudpickle.register_pickle_by_value(module)
        add_by_value_module(name)


def is_installed(module: ModuleType) -> bool:
    """Whether a module belongs to the standard library or an installed package (not an editable one)."""
    file = getattr(module, "__file__", None)
    if file is None:
        return True
    path = Path(file).resolve()
    folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), sysconfig.get_path("purelib")]
    folders += [sysconfig.get_path("platlib"), site.getusersitepackages(), *site.getsitepackages()]
    return any(path.is_relative_to(Path(folder).resolve()) for folder in folders if folder)


def _culprit(function: Any) -> str:
    """Which variable of the function's surroundings is to blame."""
    code = getattr(function, "__code__", None)
    closure = getattr(function, "__closure__", None)
    if code is None:
        return ""
    around = {name: cell.cell_contents for name, cell in zip(code.co_freevars, closure or (), strict=False)}
    scope = getattr(function, "__globals__", {})
    around |= {name: scope[name] for name in code.co_names if name in scope}
    for name, value in around.items():
        try:
            dumps_by_value(value)
        except Exception:
            return f" (its variable {name!r} is a {type(value).__qualname__})"
    return ""
