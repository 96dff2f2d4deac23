"""The changes of faults, for watchers and listeners."""

from collections.abc import Sequence

from gateway.api.region.v1.fault_pb2 import Fault
from gateway.store.port import Transaction
from region_node.customers.known_statuses import is_restricted
from region_node.network.faults.rows import EVENTS, find_fault
from region_node.records.watches import Change, Feed, changes_after


def _changes_after(tx: Transaction, sequence: int, name: str) -> Sequence[Change[Fault]]:
    """The changes after a sequence number: each fault in its current state; None for a restricted customer."""

    def now(found: str) -> Fault | None:
        row = find_fault(tx, found)
        return None if row is None or is_restricted(tx, row.fault.report.number) else row.fault

    return changes_after(tx, EVENTS, sequence, name, now)


FAULT_FEED = Feed(_changes_after, EVENTS.last)
