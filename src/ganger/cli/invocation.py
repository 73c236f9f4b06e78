"""What one call of the command line carries from its options to its end."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Invocation:
    """The object of click's context.

    Attributes:
        verbose: Debugging logs, and tracebacks of errors that are the user's to mend.
        sections: Settings given as flags, by section.
    """

    verbose: bool = False
    sections: dict[str, dict[str, object]] = field(default_factory=dict)
