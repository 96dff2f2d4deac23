"""Parts and rent given back of faults for reconciliation, between the owner region and each region that follows it.

The owner names the parts of a repair, and their prices. The home region gives the rent back, and keeps the amount to
itself: both regions have only that a credit was given. A third region may have taken the report in, and numbered it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from gateway.api.region.v1.fault_pb2 import Fault, QuoteState
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from gateway.values.names import snake_case
from region_node.business.reconciliation.port import SettledKind, Wanted
from region_node.business.reconciliation.rules import ENDED, OPEN, SETTLED, Record
from region_node.business.settlement.debts import settled_debts
from region_node.network.faults import outages, regional, rules
from region_node.network.faults.regional import fault_of, part_serial, rent_serial
from region_node.network.faults.restoring import FAULT_RESTORING
from region_node.network.faults.restoring_debts import PART_RESTORING, RENT_RESTORING
from region_node.network.faults.rows import FAULT_RECORDS, fault_subject

_PAIR = (
    "(owner_region = :here AND :there IN (origin_region, home_region))"
    " OR (owner_region = :there AND :here IN (origin_region, home_region))"
)


def _records(tx: Transaction, wanted: Wanted, of: Callable[[Fault], Iterator[Record]]) -> Sequence[Record]:
    start, end = to_microseconds(wanted.start), to_microseconds(wanted.end)
    found = FAULT_RECORDS.within(tx, start, end, _PAIR, here=wanted.here, there=wanted.there)
    return [record for fault in found for record in of(fault)]


def _parts(fault: Fault) -> Iterator[Record]:
    """The parts of a repair with their prices; settled are those that were put in, once the fault has ended."""
    has_ended = fault.state in rules.ENDED
    for part in fault.repair.parts:
        standing = OPEN if not has_ended else SETTLED if part.HasField("install_time") else ENDED
        state = "charged" if part.charged else snake_case(QuoteState.DESCRIPTOR, part.quote)
        amount, currency = part.price.minor_units, part.price.currency
        record = Record(part_serial(fault.id, part.number), standing, state)
        yield record._replace(amount=amount, currency=currency, postings=1) if amount else record


def _credits(fault: Fault) -> Iterator[Record]:
    """The outages for which rent is given back."""
    due = outages.to_waive(fault) if fault.home_region else ()
    for number, outage in enumerate(fault.outages):
        if outage.HasField("waiver"):
            yield Record(rent_serial(fault.id, number), SETTLED, "given")
        elif number in due:
            yield Record(rent_serial(fault.id, number), OPEN, "due")


def _settled(name: str, of: Callable[[Fault], Iterator[Record]]) -> SettledKind:
    return SettledKind(
        name,
        partial(_records, of=of),
        _subject,
        restoring=FAULT_RESTORING,
        is_erased=lambda tx, serial: FAULT_RECORDS.is_unreadable(tx, fault_of(serial)),
        of_any_origin=True,
    )


def _subject(serial: str) -> str:
    return fault_subject(fault_of(serial))


SETTLED_PARTS = _settled("part", _parts)
"""Parts that were put in."""
SETTLED_CREDITS = _settled("credit", _credits)
"""Rent that the home region has given back for an outage."""
SETTLED_RENT = settled_debts(regional.RENT, _subject, RENT_RESTORING, of_any_origin=True)
SETTLED_WARRANTY_PARTS = settled_debts(regional.PART, _subject, PART_RESTORING, of_any_origin=True)
