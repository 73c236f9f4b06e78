"""ganger: one master distributes work to workers by their availability and workload.

```python
import ganger

with ganger.Cluster() as cluster:
    print(cluster.submit(pow, 2, 10).result())
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganger.client.aio import AsyncClient as AsyncClient
    from ganger.client.client import Client as Client
    from ganger.client.cluster import Cluster as Cluster
    from ganger.client.connecting import aconnect as aconnect
    from ganger.client.connecting import connect as connect
    from ganger.client.decorator import task as task
    from ganger.client.future import Future as Future
    from ganger.client.waiting import as_completed as as_completed
    from ganger.client.waiting import wait as wait

_HOMES = {
    "AsyncClient": "ganger.client.aio",
    "Client": "ganger.client.client",
    "Cluster": "ganger.client.cluster",
    "Future": "ganger.client.future",
    "aconnect": "ganger.client.connecting",
    "as_completed": "ganger.client.waiting",
    "connect": "ganger.client.connecting",
    "task": "ganger.client.decorator",
    "wait": "ganger.client.waiting",
}
__all__ = [*_HOMES, "errors"]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    """Names are imported when they are first used, so that `import ganger` costs next to nothing."""
    from importlib import import_module

    if name == "errors":
        return import_module("ganger.errors")
    if name == "__version__":
        from ganger.runtime.environment import ganger_version

        return ganger_version()
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ganger' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
