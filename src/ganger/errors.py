"""Every error that ganger raises stands in this one tree, and its branch says who must act.

::

    GangerError
    ├── CallerError              the caller of the API: fix the call
    │   ├── InvalidOption            an option, limit or argument that cannot be meant
    │   ├── NotSerializable          a function, argument or option that cannot be pickled
    │   ├── AddressError             no cluster found, or an address that cannot be read
    │   ├── ClusterClosed            a client that was closed, or whose embedded cluster has ended
    │   ├── ForkedClient             a client inherited through fork()
    │   └── TaskCancelled            the result of a cancelled task was asked for
    ├── TaskError                the task's author: fix the function
    │   ├── TaskTimeout              ran longer than its timeout_s
    │   ├── ExecutorCrashed          ended its process (exit, signal, segmentation fault)
    │   ├── OutOfMemory              used more memory than it asked for, or than there was
    │   ├── AttemptLost              lost with its worker, and not repeatable or out of its losses_max
    │   ├── ResultNotSerializable    returned something that cannot be pickled
    │   └── RemoteError              raised an exception that cannot be rebuilt here
    ├── OperatorError            who runs the cluster: fix the set-up
    │   ├── ConfigurationError       a setting that cannot be read or meant
    │   ├── MasterUnreachable        no master answers at the address
    │   ├── AddressInUse             the port or socket is taken
    │   ├── Refused                  the master turned the connection away (secret, version, role)
    │   ├── PreloadFailed            the executors' preload function raised
    │   ├── WorkerEnded              a worker lost a process that it cannot do without
    │   ├── SubmissionRefused        the master takes no more work at present (full queue, full disk)
    │   └── JournalError             the journal
    │       ├── JournalCorrupt           a frame that must be good is not
    │       ├── JournalLocked            another process holds the directory
    │       ├── JournalFull              no room beyond the reserve
    │       ├── JournalFailed            an input/output error; nothing after it is trusted
    │       └── JournalVersion           written by a format that this version cannot read
    ├── ProtocolError            the peer: bytes that break the protocol
    │   ├── FrameTooLarge
    │   └── MalformedFrame
    └── InvariantViolated        us: a state that cannot be; please report it
"""

from __future__ import annotations

from concurrent.futures import CancelledError


class GangerError(Exception):
    """Root of the tree.

    Args:
        message: One sentence that says what is wrong.
        hint: One sentence that says what to do about it, or nothing.
    """

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.hint, dict(self.__dict__))


def _rebuild(cls: type[GangerError], message: str, hint: str, state: dict[str, object]) -> GangerError:
    error = cls.__new__(cls)
    GangerError.__init__(error, message, hint=hint)
    error.__dict__.update(state)
    return error


class CallerError(GangerError):
    """The caller of the API must act."""


class InvalidOption(CallerError, ValueError):
    """An option, limit or argument that cannot be meant."""


class NotSerializable(CallerError, TypeError):
    """A function, an argument or an option cannot be pickled; the message names where it stands."""


class AddressError(CallerError, ValueError):
    """No cluster was found, or the address cannot be read."""


class ClusterClosed(CallerError, RuntimeError):
    """The client was closed, or its embedded cluster has ended."""


class ForkedClient(CallerError, RuntimeError):
    """A client does not survive fork(): the child must make its own."""


class TaskCancelled(CallerError, CancelledError):
    """The task was cancelled, so it has no result."""


class TaskError(GangerError):
    """The author of the task must act."""


class TaskTimeout(TaskError):
    """The task ran longer than its ``timeout_s`` and was ended."""


class ExecutorCrashed(TaskError):
    """The task ended the process that ran it: exit, signal or segmentation fault."""


class OutOfMemory(TaskError, MemoryError):
    """The task used more memory than it had asked for, or than the machine had.

    Attributes:
        peak_bytes: The most that its executor was seen to use.
        limit_bytes: What it was allowed.
    """

    def __init__(
        self, message: str = "", *, hint: str = "", peak_bytes: int = 0, limit_bytes: int = 0
    ) -> None:
        super().__init__(message, hint=hint)
        self.peak_bytes = peak_bytes
        self.limit_bytes = limit_bytes


class AttemptLost(TaskError):
    """The task was lost with its worker and may not, or no longer, be started again."""


class ResultNotSerializable(TaskError, TypeError):
    """The task returned something that cannot be pickled."""


class RemoteError(TaskError):
    """The task raised an exception that cannot be rebuilt here; the message holds its text."""


class OperatorError(GangerError):
    """Who runs the cluster must act."""


class ConfigurationError(OperatorError, ValueError):
    """A setting cannot be read, or cannot be meant."""


class MasterUnreachable(OperatorError, ConnectionError):
    """No master answers at the address."""


class AddressInUse(OperatorError, OSError):
    """The port or the socket path is taken by another process."""


class Refused(OperatorError, ConnectionError):
    """The master turned the connection away: secret, version or role."""


class PreloadFailed(OperatorError):
    """The function that prepares each executor raised."""


class WorkerEnded(OperatorError):
    """A worker lost a process that it cannot do without; its host starts another."""


class SubmissionRefused(OperatorError):
    """The master takes no more work at present: its queue or its disk is full."""


class JournalError(OperatorError):
    """Something about the journal."""


class JournalCorrupt(JournalError):
    """A frame that must be good is not.

    Args:
        message: What is wrong.
        path: The file.
        offset: Where in the file, in bytes.
    """

    def __init__(self, message: str = "", *, path: str = "", offset: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.offset = offset


class JournalLocked(JournalError):
    """Another process holds the journal's directory."""


class JournalFull(JournalError):
    """There is no room beyond the reserve; nothing was written."""


class JournalFailed(JournalError):
    """An input/output error; nothing past the last synced offset is trusted."""


class JournalVersion(JournalError):
    """The journal was written in a format that this version cannot read."""


class ProtocolError(GangerError):
    """The peer sent bytes that break the protocol; its connection is closed."""


class FrameTooLarge(ProtocolError):
    """A frame announces more bytes than the limit."""


class MalformedFrame(ProtocolError):
    """A frame does not hold a message of the schema."""


class InvariantViolated(GangerError):
    """A state that cannot be: a defect of ganger itself."""
