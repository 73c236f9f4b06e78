"""What passes a decoder fits the schema; here it is checked that it can be meant, before anything changes.

Each check raises `MalformedFrame`, which closes the peer's connection and harms nobody else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ganger.core.tasks import Session
from ganger.errors import MalformedFrame
from ganger.protocol.ids import SEQUENCE_MAX, SPEC_BITS
from ganger.protocol.messages import Beat, Define, Held, Release, Report, Submit, WorkerOffer
from ganger.protocol.options import TaskOptions

NAME_LENGTH_MAX = 256


def check_offer(offer: WorkerOffer) -> None:
    """A worker's offer."""
    if not 0 < len(offer.name) <= NAME_LENGTH_MAX:
        raise MalformedFrame("a worker without a proper name")
    if offer.slots < 1:
        raise MalformedFrame(f"worker {offer.name} offers {offer.slots} slots")
    _check_amounts(offer.resources.values(), f"the resources of worker {offer.name}")


def check_define(define: Define, session: Session, known_functions: Iterable[bytes]) -> None:
    """Specs of a session: numbers of its own, functions that are there, options that can be meant."""
    brought = {function.digest for function in define.functions}
    for spec in define.specs:
        if not 0 <= spec.id < 1 << SPEC_BITS:
            raise MalformedFrame(f"spec number {spec.id} is out of range")
        if spec.function not in brought and spec.function not in known_functions:
            raise MalformedFrame(f"spec {spec.id} names a function that nobody has sent")
        _check_options(spec.options)


def _check_options(options: TaskOptions) -> None:
    if options.concurrency < 1:
        raise MalformedFrame(f"concurrency {options.concurrency}")
    counts = (options.retries, options.losses_max)
    durations = (options.retry_delay_s, options.retry_delay_max_s, options.timeout_s)
    _check_amounts([*counts, *durations, *options.resources.values()], "an option")


def _check_amounts(amounts: Iterable[float], label: str) -> None:
    for amount in amounts:
        if not math.isfinite(amount) or amount < 0:
            raise MalformedFrame(f"{label}: {amount} is no amount")


def check_submit(submit: Submit) -> None:
    """Groups in ascending order of their sequence numbers, none of them empty."""
    last = -1
    for group in submit.groups:
        if not group.payloads or group.first <= last:
            raise MalformedFrame("groups of tasks out of order")
        last = group.first + len(group.payloads) - 1
        if last > SEQUENCE_MAX:
            raise MalformedFrame(f"sequence number {last} is out of range")
        if group.inputs is not None and len(group.inputs) != len(group.payloads):
            raise MalformedFrame("a group whose inputs and payloads differ in number")


def check_sequences(sequences: Iterable[int]) -> None:
    """Sequence numbers of the client's own session, which no other session's tasks have."""
    for sequence in sequences:
        if not 0 <= sequence <= SEQUENCE_MAX:
            raise MalformedFrame(f"sequence number {sequence} is out of range")


def check_release(release: Release, session: Session) -> list[tuple[int, int]]:
    """The parts of the intervals that were accepted and not released before."""
    fresh: list[tuple[int, int]] = []
    for first, last in release.intervals:
        if not 0 <= first <= last <= SEQUENCE_MAX:
            raise MalformedFrame(f"a release of {first} to {last}")
        for low, high in session.accepted.present(first, last):
            fresh += session.released.missing(low, high)
    return fresh


def check_report(report: Report) -> None:
    """Columns of equal length, no task twice in a group."""
    if len(set(report.returned)) != len(report.returned):
        raise MalformedFrame("an attempt that is returned twice")
    for group in report.done:
        if len(group.tasks) != len(group.payloads) or len(set(group.tasks)) != len(group.tasks):
            raise MalformedFrame("a group of results whose columns do not fit")
        if group.elapsed_ns < 0:
            raise MalformedFrame(f"an elapsed time of {group.elapsed_ns} ns")


def check_held(held: Held) -> None:
    """Columns of equal length."""
    if len(held.tasks) != len(held.attempts):
        raise MalformedFrame("held attempts whose columns do not fit")


def check_beat(beat: Beat) -> None:
    """Measures that can be compared."""
    _check_amounts([beat.load, beat.memory_free_bytes, beat.round_trip_ns, beat.stalled], "a heartbeat")
