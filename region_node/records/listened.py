"""Changes for listeners alone: they are numbered while there is a listener, and kept up to a bound."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.listener_service_pb2 import ListenerResource
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted, rows_wanted
from gateway.store.tables import Table
from gateway.time.clock import to_microseconds
from region_node.records.stored import Events

ABOUT = "listeners"  # the subject of notifications to other processes
MOST = 1_000_000
"""The changes of one kind that are kept for a listener that is behind."""
_PAGE = 1_000  # numbers from one removal of the oldest changes to the next
_OF_AN_AUDIT_ROW = 500  # changes: one row may stand for a batch


@dataclass(frozen=True)
class ListenerChanged:
    """Published when changes may wait for a listener."""


class _Listener(NamedTuple):
    listener_id: str
    resource: int


_LISTENERS = Table("listeners", _Listener, key=("listener_id",))


class StateChange(NamedTuple):
    """A change of the record with an id, as in `StateEvent`."""

    name: str
    state: int
    former_state: int


@dataclass(frozen=True)
class ListenedEvents(Events):
    """The changes of one kind, which become events of these resources.

    Nothing is written while nobody listens: numbers go on without a gap at the next listener.
    """

    resources: tuple[ListenerResource.ValueType, ...] = ()

    def is_heard(self, tx: Transaction) -> bool:
        """Whether there is a listener. A stopped one counts until it is removed: it may go on after its last event."""
        return tx.once(
            _LISTENERS.name,
            self.resources,
            lambda: any(tx.find_all(_LISTENERS, resource=each) for each in self.resources),
        )

    def heard_wanted(self) -> Iterable[Wanted]:
        """The queries of `is_heard`, to be announced."""
        return [rows_wanted(_LISTENERS, {"resource": each}) for each in self.resources]

    def note_states(self, tx: Transaction, changes: Sequence[StateChange], now: datetime) -> None:
        """Adds changes if anybody listens."""
        if not changes or not self.is_heard(tx):
            return
        first, time = self.last(tx) + 1, to_microseconds(now)
        self.note_all(
            tx,
            [(each.name, {"state": each.state, "former_state": each.former_state, "time": time}) for each in changes],
        )
        if first // _PAGE < (self.last(tx) + 1) // _PAGE:
            # By rows: numbers that a loss of the database has left out count for none.
            surplus = f"SELECT sequence FROM {self.table} ORDER BY sequence DESC LIMIT 1 OFFSET :most"  # noqa: S608
            tx.execute(f"DELETE FROM {self.table} WHERE sequence <= ({surplus})", most=MOST)  # noqa: S608
        tx.publish(ListenerChanged(), about=ABOUT)

    def skip(self, tx: Transaction, count: int) -> None:
        """See `Counted`: `count` bounds the lost rows of the audit chain, each of which may stand for many changes."""
        super().skip(tx, count * _OF_AN_AUDIT_ROW)
