"""Every limit and default of ganger has its name here; settings are read once, frozen and passed on.

Precedence: flag (an explicit argument), environment (``GANGER_<SECTION>_<NAME>``), TOML file
(``[section]`` in ``ganger.toml``, found by ``GANGER_CONFIG`` or in the user's configuration
folder), default.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from ganger.errors import ConfigurationError

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
MS_NS = 1_000_000
S_NS = 1_000_000_000
FRAME_LENGTH_MAX = (1 << 32) - 1
SEGMENT_BYTES_MIN = 32 * KIB
SECTOR_BYTES = 512


class MasterSettings(Struct, frozen=True, kw_only=True):
    """Section ``[master]``.

    Attributes:
        queued_tasks_max: Unfinished tasks in the whole cluster; beyond it no credit is given.
        queued_bytes_max: Payload and result bytes held; beyond it no credit is given.
        session_credit_tasks: How far a client may be ahead of what is recorded.
        session_credit_bytes: The same in bytes.
        result_window_bytes: Results sent to a client and not yet released by it.
        session_timeout_s: Silence after which a client's session closes.
        worker_lease_s: Silence after which a worker's attempts are given to others.
        worker_reconnect_s: How long a worker whose TCP connection broke may take to come back.
        prefetch_ns: Work that a worker may hold per slot beyond what it runs.
        prefetch_tasks_max: Attempts that a worker may hold per slot, however short they are.
        assigned_bytes_max: Payload bytes that a worker may hold.
        share_ns: Work below which a share is not split further between workers.
        batch_events_max: Events that one turn of the pump handles.
        cascade_tasks_max: Dependents that one turn fails or cancels.
        frame_bytes_max: The longest message.
        payload_bytes_max: The longest pickled argument list or result.
        connections_max: Connections at a time.
        handshake_s: How long a peer may take to say who it is.
    """

    queued_tasks_max: int = 5_000_000
    queued_bytes_max: int = 8 * GIB
    session_credit_tasks: int = 100_000
    session_credit_bytes: int = 256 * MIB
    result_window_bytes: int = 256 * MIB
    session_timeout_s: float = 60.0
    worker_lease_s: float = 5.0
    worker_reconnect_s: float = 1.0
    prefetch_ns: int = 1 * MS_NS
    prefetch_tasks_max: int = 256
    assigned_bytes_max: int = 64 * MIB
    share_ns: int = 200_000
    batch_events_max: int = 256
    cascade_tasks_max: int = 10_000
    frame_bytes_max: int = 256 * MIB
    payload_bytes_max: int = 64 * MIB
    connections_max: int = 10_000
    handshake_s: float = 5.0


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """Section ``[worker]``.

    Attributes:
        beat_s: Time between heartbeats; a third of the master's lease or less.
        tick_s: How often the results of busy executors are collected.
        executor_budget_ns: Work that an executor may be sent at once.
        executor_tasks_max: Tasks after which an executor is replaced; 0 for never.
        stall_ns: A call that runs longer than this holds up what stands behind it, which goes elsewhere.
        announce_ns: A call that runs longer than this is reported as running.
        ring_bytes: The shared-memory ring of an executor.
        report_bytes_max: Results in one report to the master, unless one alone is larger.
        ring_result_bytes_max: Results longer than this travel over the executor's socket.
        memory_fraction_pause: Machine memory in use beyond which the worker takes no more.
        memory_fraction_kill: Machine memory in use beyond which its largest executor is ended.
        memory_check_s: Time between two looks at memory.
        cancel_grace_s: What a cancelled coroutine may take to end before its executor is killed.
        drain_grace_s: What a draining worker may take on SIGTERM before it gives up what it runs.
        reconnect_delay_max_s: The longest pause between two attempts to reach the master.
        executor_start_s: How long a new executor may take to say that it is ready.
    """

    beat_s: float = 1.0
    tick_s: float = 0.001
    executor_budget_ns: int = 1 * MS_NS
    executor_tasks_max: int = 0
    stall_ns: int = 2 * MS_NS
    announce_ns: int = 10 * MS_NS
    ring_bytes: int = 1 * MIB
    report_bytes_max: int = 32 * MIB
    ring_result_bytes_max: int = 64 * KIB
    memory_fraction_pause: float = 0.90
    memory_fraction_kill: float = 0.97
    memory_check_s: float = 0.1
    cancel_grace_s: float = 1.0
    drain_grace_s: float = 30.0
    reconnect_delay_max_s: float = 2.0
    executor_start_s: float = 60.0


class ClientSettings(Struct, frozen=True, kw_only=True):
    """Section ``[client]``.

    Attributes:
        connect_timeout_s: How long `connect` tries to reach a master.
        map_window: Calls in flight of a `map` over an iterable.
        buffered_tasks_max: Calls that wait in this process for credit; beyond it `submit` blocks.
        buffered_bytes_max: The same in bytes.
        message_tasks_max: Tasks in one message.
        message_bytes_max: Payload bytes in one message, unless one task alone is larger.
        ping_s: Time between two signs of life.
        reconnect_delay_max_s: The longest pause between two attempts to reach the master.
        reconnect_timeout_s: How long a lost master is waited for before futures fail; 0 for ever.
    """

    connect_timeout_s: float = 10.0
    map_window: int = 10_000
    buffered_tasks_max: int = 100_000
    buffered_bytes_max: int = 256 * MIB
    message_tasks_max: int = 1_000
    message_bytes_max: int = 4 * MIB
    ping_s: float = 5.0
    reconnect_delay_max_s: float = 2.0
    reconnect_timeout_s: float = 0.0


class JournalSettings(Struct, frozen=True, kw_only=True):
    """Section ``[journal]``; all in bytes.

    Attributes:
        segment_bytes: Size of a segment file once the journal has grown.
        frame_bytes_max: The longest batch; one that is longer than a segment gets a segment of its own.
        journal_bytes_max: What all files together may take, the reserve aside; 0 for no limit.
        reserve_bytes: Disk kept for finishing accepted work, beyond `journal_bytes_max`; 0 for none.
        disk_free_bytes_min: Free disk that new work leaves to others.
        snapshot_bytes: Growth since the last snapshot beyond which the next is folded.

    Raises:
        ConfigurationError: A limit that cannot be meant.
    """

    segment_bytes: int = 64 * MIB
    frame_bytes_max: int = 256 * MIB
    journal_bytes_max: int = 0
    reserve_bytes: int = 64 * MIB
    disk_free_bytes_min: int = 64 * MIB
    snapshot_bytes: int = 512 * MIB

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value < 0:
                raise ConfigurationError(f"the journal's {name} must not be negative, it is {value}")
        if self.segment_bytes < SEGMENT_BYTES_MIN:
            raise ConfigurationError(
                f"the journal's segment_bytes must be {SEGMENT_BYTES_MIN} or more, it is {self.segment_bytes}"
            )
        if not 0 < self.frame_bytes_max <= FRAME_LENGTH_MAX:
            raise ConfigurationError(
                f"the journal's frame_bytes_max must be 1 to {FRAME_LENGTH_MAX}, it is {self.frame_bytes_max}"
            )

    @property
    def first_segment_bytes(self) -> int:
        """Size of the first segment after an opening, quick to make; each next one is twice as large."""
        return self.segment_bytes // 16 // SECTOR_BYTES * SECTOR_BYTES

    @property
    def accept_bytes_min(self) -> int:
        """Room below which no new work is accepted, well before it has to be refused."""
        return self.segment_bytes // 4


SettingsT = TypeVar("SettingsT", MasterSettings, WorkerSettings, ClientSettings, JournalSettings)


SECTIONS = ("client", "worker", "master", "journal")


def check_sections(settings: Mapping[str, Mapping[str, object]] | None) -> dict[str, Mapping[str, object]]:
    """Settings by section, as a caller gave them.

    Raises:
        ConfigurationError: A section that does not exist.
    """
    sections = dict(settings or {})
    if unknown := sorted(set(sections) - set(SECTIONS)):
        raise ConfigurationError(
            f"there is no section {unknown[0]!r} of settings", hint=f"known: {', '.join(SECTIONS)}"
        )
    return sections


def config_folder() -> Path:
    """Where this user's configuration lives (``$XDG_CONFIG_HOME/ganger``)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "ganger"


def state_folder() -> Path:
    """Where this user's journals, secrets and runtime files live (``$XDG_STATE_HOME/ganger``)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ganger"


def load(
    schema: type[SettingsT],
    flags: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> SettingsT:
    """The settings of one section, by precedence.

    Args:
        schema: Which section.
        flags: Explicit values; those that are None are ignored.
        environment: Instead of the process's environment.
        file: Instead of the user's ``ganger.toml``.

    Raises:
        ConfigurationError: A name that does not exist, or a value that does not fit; says where it stood.
    """
    environment = os.environ if environment is None else environment
    section = schema.__name__.removesuffix("Settings").lower()
    values: dict[str, object] = _from_file(section, environment, file)
    names = schema.__struct_fields__
    prefix = f"GANGER_{section.upper()}_"
    values |= {
        name: environment[prefix + name.upper()] for name in names if prefix + name.upper() in environment
    }
    values |= {name: value for name, value in (flags or {}).items() if value is not None}
    if unknown := sorted(set(values) - set(names)):
        raise ConfigurationError(
            f"there is no setting {unknown[0]!r} in section [{section}]",
            hint=f"known: {', '.join(sorted(names))}",
        )
    try:
        settings = msgspec.convert(values, schema, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"section [{section}]: {error}") from error
    _check_ranges(section, settings)
    return settings


def _from_file(section: str, environment: Mapping[str, str], file: Path | None) -> dict[str, object]:
    path = file or Path(environment.get("GANGER_CONFIG") or config_folder() / "ganger.toml")
    try:
        document = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    table = document.get(section, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: [{section}] is not a table")
    return dict(table)


def _check_ranges(section: str, settings: Struct) -> None:
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, int | float) and value < 0:
            raise ConfigurationError(
                f"setting {name!r} in section [{section}] must not be negative, it is {value}"
            )
