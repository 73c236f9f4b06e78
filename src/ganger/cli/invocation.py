"""What one call of the command line carries from its options to its end."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Invocation:
    """The object of click's context.

    Attributes:
        verbose: Debugging logs, and tracebacks of errors that are the user's to mend.
        sections: Settings given as flags, by section.
        address: Where the cluster is; None to look for it.
        timeout_s: How long to try to reach it; None for the setting.
        insecure: Go on without proof that the master is this user's, and beyond this machine.
    """

    verbose: bool = False
    sections: dict[str, dict[str, object]] = field(default_factory=dict)
    address: str | None = None
    timeout_s: float | None = None
    insecure: bool = False
