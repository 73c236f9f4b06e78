"""What has ended and is not recorded yet: reported in batches, kept until the master says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ganger.core.slots import AgentSpec, Attempt
from ganger.protocol.messages import DoneGroup, Failure, Report


class Reports:
    """Collects ends into numbered reports.

    Args:
        report_bytes_max: Result bytes after which a report is closed.
    """

    def __init__(self, report_bytes_max: int) -> None:
        self.report_bytes_max = report_bytes_max
        self._number = 0
        self._bytes = 0
        self._done: list[DoneGroup] = []
        self._failed: list[Failure] = []
        self._returned: list[int] = []
        self._unrecorded: deque[Report] = deque()

    def done(self, spec: AgentSpec, tasks: list[int], payloads: list[bytes], elapsed_ns: int) -> None:
        """These attempts of one spec succeeded and took so long together."""
        spec.cost.observe(len(tasks), elapsed_ns)
        self._bytes += sum(map(len, payloads))
        self._done.append(DoneGroup(spec.id, tasks, payloads, elapsed_ns))

    def failed(self, attempt: Attempt, kind: str, retryable: bool, error: bytes) -> None:
        """An attempt failed by its own doing."""
        self._failed.append(Failure(attempt.task, attempt.number, kind, retryable, error))

    def failure(self, failure: Failure) -> None:
        """An attempt failed with its executor."""
        self._failed.append(failure)

    def returned(self, attempt: Attempt) -> None:
        """An attempt that never started goes back to the master."""
        self._returned.append(attempt.task)

    @property
    def full(self) -> bool:
        """Whether the report should leave now, before more comes to it."""
        return self._bytes >= self.report_bytes_max

    def close(self, stalled: int) -> Report | None:
        """The report of everything since the last one, or None if there is nothing."""
        if not (self._done or self._failed or self._returned):
            return None
        self._number += 1
        report = Report(self._number, self._done, self._failed, self._returned, stalled)
        self._done, self._failed, self._returned = [], [], []
        self._bytes = 0
        self._unrecorded.append(report)
        return report

    def unrecorded(self) -> Iterable[Report]:
        """Reports that the master has not acknowledged, oldest first."""
        return tuple(self._unrecorded)

    def recorded(self, number: int) -> None:
        """Everything up to this report is recorded."""
        while self._unrecorded and self._unrecorded[0].number <= number:
            self._unrecorded.popleft()

    @property
    def all_recorded(self) -> bool:
        """Whether nothing is left to say."""
        return not (self._unrecorded or self._done or self._failed or self._returned)
