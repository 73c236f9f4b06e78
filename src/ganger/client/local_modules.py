"""Which modules the workers cannot import: those travel by value, whoever mentions them.

Where workers share this process's path (an embedded cluster) that is ``__main__`` only; elsewhere it is
every imported module that belongs neither to the standard library nor to an installed package.
"""

from __future__ import annotations

import site
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

_NEVER = frozenset({"__main__", "__mp_main__", "ganger"})
_registry_lock = threading.Lock()


class LocalModules:
    """The modules of one client that travel by value.

    Args:
        by_value: Whether any but ``__main__`` do.

    Attributes:
        needles: Names that must not appear in a pickle by reference.
    """

    def __init__(self, *, by_value: bool) -> None:
        self.by_value = by_value
        self.needles: list[bytes] = [b"__main__"]
        self._modules: list[ModuleType] = []
        self._seen: set[str] = set()
        self._count = 0

    def look(self) -> None:
        """Takes in what was imported since the last look; costs next to nothing where nothing was."""
        if not self.by_value or len(sys.modules) == self._count:
            return
        self._count = len(sys.modules)
        modules: dict[str, object] = dict(sys.modules)  # programs put other things than modules there, too
        for name, module in modules.items():
            if name in self._seen:
                continue
            self._seen.add(name)
            top = name.partition(".")[0]
            if top in _NEVER or not isinstance(module, ModuleType) or is_installed(module):
                continue
            self._modules.append(module)
            if top.encode() not in self.needles:
                self.needles.append(top.encode())

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Has cloudpickle take these modules by value, and only within: its registry is the process's."""
        import cloudpickle

        with _registry_lock:
            before = cloudpickle.list_registry_pickle_by_value()
            added = [module for module in self._modules if module.__name__ not in before]
            for module in added:
                if sys.modules.get(module.__name__) is module:
                    cloudpickle.register_pickle_by_value(module)
            try:
                yield
            finally:
                for module in added:
                    if module.__name__ in cloudpickle.list_registry_pickle_by_value():
                        cloudpickle.unregister_pickle_by_value(module)


def is_installed(module: ModuleType) -> bool:
    """Whether a module belongs to the standard library or an installed package (not an editable one)."""
    file = getattr(module, "__file__", None)
    if file is None:
        return True
    path = Path(file).resolve()
    return any(path.is_relative_to(folder) for folder in _folders())


@cache
def _folders() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [sysconfig.get_path(name) for name in names]
    folders += [site.getusersitepackages(), *site.getsitepackages()]
    return tuple(Path(folder).resolve() for folder in folders if folder)


MAIN_ONLY = LocalModules(by_value=False)
"""For whoever shares everything but ``__main__`` with the reader."""
