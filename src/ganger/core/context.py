"""What the parts of the master share: ledger, roster, the time of the step, and the effects so far."""

from __future__ import annotations

from ganger.config import MasterSettings
from ganger.core.effects import Append, Close, Effect, Log, Send
from ganger.core.ledger import Ledger
from ganger.core.roster import NO_CONNECTION, Roster, Worker
from ganger.ports import Now
from ganger.protocol.ids import ConnectionId
from ganger.protocol.records import Record

WARNING = 30
INFO = 20


class Context:
    """The state of a master and the effects of the step under way.

    Attributes:
        gained: Workers whose room may have grown since the last placement.
        accepting: Whether the journal has room for new work.
    """

    def __init__(self, settings: MasterSettings) -> None:
        self.settings = settings
        self.ledger = Ledger()
        self.roster = Roster()
        self.now = Now(0, 0)
        self.started_ns = 0
        self.accepting = True
        self.gained: dict[Worker, None] = {}
        self._effects: list[Effect] = []

    def record(self, record: Record, *, lazy: bool = False) -> None:
        """Applies a record and has it journaled."""
        self.ledger.apply(record)
        self._effects.append(Append(record, lazy))

    def journal_only(self, record: Record) -> None:
        """Has a record journaled that was applied already."""
        self._effects.append(Append(record))

    def send(self, connection: ConnectionId, message: object) -> None:
        """Sends a message, if the connection still stands."""
        if connection != NO_CONNECTION:
            self._effects.append(Send(connection, message))

    def close(self, connection: ConnectionId) -> None:
        """Closes a connection."""
        self._effects.append(Close(connection))

    def log(self, level: int, text: str) -> None:
        """Tells the operator."""
        self._effects.append(Log(level, text))

    def drain_effects(self) -> list[Effect]:
        """The effects since the last call."""
        effects, self._effects = self._effects, []
        return effects
