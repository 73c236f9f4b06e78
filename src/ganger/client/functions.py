"""Functions travel once per worker, by content hash: by reference where the worker can import them.

By reference: from installed packages, and from any module where the workers share this process's
path (the embedded cluster). By value: ``__main__``, nested functions and lambdas, and other modules.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ganger.client.local_modules import LocalModules
from ganger.client.pickling import dumps, dumps_by_value
from ganger.errors import InvalidOption, NotSerializable
from ganger.protocol.options import FunctionBody

DIGEST_BYTES = 16


def function_name(function: Any) -> str:
    """How the task is called where none was given."""
    inner = getattr(function, "func", function)
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return name.replace("<locals>.", "")


def pack_function(function: Any, local: LocalModules) -> FunctionBody:
    """A function as it travels.

    Args:
        function: Anything that can be called.
        local: The modules that must travel by value.

    Raises:
        InvalidOption: It cannot be called.
        NotSerializable: It cannot be pickled; says why.
    """
    if not callable(function):
        raise InvalidOption(
            f"{function!r} cannot be called",
            hint="pass the function itself: submit(fn, x), not submit(fn(x))",
        )
    local.look()
    try:
        body = dumps(function, local)
    except Exception as error:
        raise NotSerializable(
            f"the function {function_name(function)} cannot be pickled: {error}{_culprit(function)}",
            hint="what it takes from around it travels along; pass such things as arguments instead",
        ) from error
    return FunctionBody(hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest(), body)


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
