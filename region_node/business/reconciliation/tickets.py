"""Tickets of two regions for their reconciliation: settled is what has ended in a state with effect."""

from collections.abc import Collection, Sequence

from google.protobuf.descriptor import EnumDescriptor

from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from gateway.values.names import camel_case
from region_node.business.reconciliation.port import Restoring, SettledKind, Wanted
from region_node.business.reconciliation.rules import ENDED, OPEN, SETTLED, Record
from region_node.tickets.followed import Followed, M, R


def settled_tickets(
    name: str,
    tickets: Followed[M, R],
    settled: Collection[int],
    states: EnumDescriptor,
    restoring: Restoring | None = None,
) -> SettledKind:
    """The reconciliation of a kind of ticket between its origin and its owner.

    `settled` are the states with effect, among `states`.
    """
    records, owner = tickets.records, tickets.owner_column
    sql = (
        f"SELECT {records.key}, state FROM {records.table} WHERE {records.dated} >= :start AND {records.dated} < :end"  # noqa: S608
        f" AND ((origin_region = :here AND {owner} = :there) OR (origin_region = :there AND {owner} = :here))"
    )

    def record(serial: str, state: int) -> Record:
        standing = SETTLED if state in settled else ENDED if state in tickets.final else OPEN
        return Record(serial, standing, camel_case(states, state))

    def found(tx: Transaction, wanted: Wanted) -> Sequence[Record]:
        return tx.all(
            record,
            sql,
            here=wanted.here,
            there=wanted.there,
            start=to_microseconds(wanted.start),
            end=to_microseconds(wanted.end),
        )

    return SettledKind(name, found, records.subject, restoring=restoring)
