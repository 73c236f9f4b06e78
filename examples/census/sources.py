"""The same machine and the same limits always give the same files, in the same order."""

import os
import site
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

PRUNED_FOLDERS = frozenset({"__pycache__", "site-packages", "dist-packages"})
"""Folders below a root that are not walked: caches, and package folders, which are roots of their own or
belong to another environment."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to count.

    Attributes:
        path: its absolute path.
        key: its path relative to the root it was found under, the same on machines with the same packages.
        size_bytes: its size when it was found.
    """

    path: str
    key: str
    size_bytes: int


def installed_roots() -> list[str]:
    """Return the folders of this interpreter's standard library and of its site-packages."""
    names = [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    names += site.getsitepackages()
    return list(dict.fromkeys(os.path.realpath(name) for name in names if os.path.isdir(name)))


def find_sources(roots: Iterable[str]) -> list[Source]:
    """Find every regular ``.py`` file below the roots.

    Args:
        roots: folders; one inside another is counted once.

    Returns:
        The files sorted by path. Symbolic links are left out, so that no file counts twice; so are files that
        this user may not read.
    """
    found: dict[str, Source] = {}
    for root in roots:
        for folder, subfolders, names in os.walk(root):
            subfolders[:] = [name for name in subfolders if name not in PRUNED_FOLDERS]
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith(".py") and _is_readable_file(path):
                    found.setdefault(path, Source(path, os.path.relpath(path, root), os.path.getsize(path)))
    return sorted(found.values(), key=lambda source: source.path)


def sample(sources: Sequence[Source], files_max: int | None, size_bytes_max: int) -> list[Source]:
    """Choose the files to count, and the order in which to hand them out.

    The files are taken in the order of a hash of their keys, which mixes packages evenly and is the same in
    each run, until a limit is met. What was taken is then put in order of size, the largest first: a large
    file that came last would keep one slot busy while the others wait.

    Args:
        sources: the files found.
        files_max: how many files to take; None takes all that fit into ``size_bytes_max``.
        size_bytes_max: the size of all files together at most, where ``files_max`` is None.

    Returns:
        The chosen files, the largest first.
    """
    drawn = sorted(sources, key=_draw)
    if files_max is not None:
        chosen = drawn[:files_max]
    else:
        chosen = _within_size(drawn, size_bytes_max)
    return sorted(chosen, key=lambda source: (-source.size_bytes, source.path))


def read_once(sources: Iterable[Source]) -> None:
    """Read every file and keep nothing, so that each later measurement finds them in the page cache.

    Raises:
        OSError: a file cannot be read.
    """
    for source in sources:
        with open(source.path, "rb") as file:
            file.read()


def _is_readable_file(path: str) -> bool:
    return os.path.isfile(path) and not os.path.islink(path) and os.access(path, os.R_OK)


def _draw(source: Source) -> tuple[bytes, str]:
    return (blake2b(source.key.encode("utf-8", "surrogateescape"), digest_size=8).digest(), source.path)


def _within_size(sources: Iterable[Source], size_bytes_max: int) -> list[Source]:
    chosen: list[Source] = []
    size_bytes = 0
    for source in sources:
        size_bytes += source.size_bytes
        if size_bytes > size_bytes_max:
            break
        chosen.append(source)
    return chosen
