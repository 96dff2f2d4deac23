"""Faults and their events, as stored.

The region that reports a fault is its origin, the region in which it is owns it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.fault_pb2 import Fault, FaultState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.batched_lookup import among
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_timestamp, microseconds_or_none, to_microseconds
from gateway.wording.masking import masked_number, prints_masked
from region_node.customers.contact_indexes import CONTACT_INDEX, ContactIndexes
from region_node.customers.erased_numbers import look_if_erased
from region_node.customers.known_statuses import NOT_RESTRICTED
from region_node.network.faults import outages, rules
from region_node.node.open_work import OpenRows
from region_node.node.subjects import number_index
from region_node.records.listing import BY_TOKEN, Page, Position
from region_node.records.numbers import Numbers
from region_node.records.stored import FIRST, Events, Records
from region_node.tickets.followed import Facts, Followed

FAULT_SUBJECTS = "fault/"
KIND = "fault"


def fault_subject(fault_id: str) -> str:
    """The subject whose key seals a fault, also of notifications to other processes."""
    return FAULT_SUBJECTS + fault_id


@dataclass(frozen=True)
class FaultRow:
    """A fault and the trace of all its envelopes."""

    fault: Fault = field(repr=False)
    traceparent: str


@dataclass(frozen=True)
class FaultChanged:
    """Published when a fault was stored."""

    fault_id: str

    @property
    def about(self) -> str:
        """The subject of notifications to other processes on the same database."""
        return fault_subject(self.fault_id)


FAULT_RECORDS = Records(
    table="faults",
    key="fault_id",
    dated="create_time",
    fixed=(
        "fault_id",
        "fault_number",
        "origin_region",
        "home_region",
        "operator",
        "number_index",
        "create_time",
        CONTACT_INDEX,
    ),
    changing=("owner_region", "severity", "state", "version", "due_time", "problem_id", "is_beyond_network"),
    message=Fault,
    row=FaultRow,
    subject=fault_subject,
    not_found=lambda fault_id: Refused(Reason.REASON_FAULT_NOT_FOUND, fault=fault_id),
)
CONTACTS = ContactIndexes(FAULT_RECORDS, lambda fault: fault.report.contact_number)
"""The indexes of the numbers of contacts."""
EVENTS = Events("fault_events", "fault_id")
"""The change events of faults."""
NUMBERS = Numbers("faults", "fault_number", purged="purged_faults")


@prints_masked(number=masked_number, contact_number=masked_number)
@dataclass(frozen=True)
class FaultFilter:
    """A filter of faults; empty values restrict nothing.

    `operator` limits the list to faults that it reported, that this region owns, or that concern its numbers.
    """

    region: str
    operator: str = ""
    states: Sequence[FaultState.ValueType] = ()
    number: str = ""
    due_before: datetime | None = None
    in_reverse: bool = False
    contact_number: str = ""


def next_fault_number(tx: Transaction) -> int:
    """The number of the next fault that is reported here."""
    return NUMBERS.next(tx)


def find_fault(tx: Transaction, fault_id: str) -> FaultRow | None:
    """This region's version of a fault; None also for an unreadable one."""
    return FAULT_RECORDS.find(tx, fault_id)


def require_fault(tx: Transaction, fault_id: str) -> FaultRow:
    """The fault as this region has it. Raises Refused with FAULT_NOT_FOUND."""
    return FAULT_RECORDS.require(tx, fault_id)


def is_reported_again(tx: Transaction, fault: Fault) -> bool:
    """Whether this region has another, earlier unrepaired fault of the same line."""
    states = ", ".join(str(int(state)) for state in sorted(rules.UNREPAIRED))
    before = (
        f"SELECT 1 FROM faults WHERE number_index = :number AND owner_region = :owner AND state IN ({states})"  # noqa: S608
        " AND fault_id <> :id AND create_time < :reported LIMIT 1"
    )
    if not fault.report.number:
        return False
    found = tx.first(
        int,
        before,
        number=number_index(tx, fault.report.number),
        owner=fault.owner_region,
        id=fault.id,
        reported=to_microseconds(from_timestamp(fault.create_time)),
    )
    return found is not None


def insert_fault(tx: Transaction, row: FaultRow, fault_number: int, now: datetime) -> None:
    """Adds a fault and its first event."""
    fault = row.fault
    columns: dict[str, Value] = {
        **_changing(fault),
        **CONTACTS.column(tx, fault),
        "fault_number": fault_number,
        "origin_region": fault.origin_region,
        "home_region": fault.home_region,
        "operator": fault.operator,
        "number_index": number_index(tx, fault.report.number),
        "create_time": to_microseconds(from_timestamp(fault.create_time)),
        "traceparent": row.traceparent,
    }
    FAULT_RECORDS.insert(tx, fault.id, fault, columns)
    NUMBERS.note(tx, fault_number)
    _note_change(tx, fault, FIRST, now)


def update_fault(tx: Transaction, fault: Fault, now: datetime) -> None:
    """Stores a changed fault and notes the event."""
    before = FAULT_RECORDS.update(tx, fault.id, fault, _changing(fault))
    _note_change(tx, fault, before["state"], now)


def list_faults(
    tx: Transaction,
    wanted: FaultFilter,
    before: tuple[int, str] | None,
    limit: int,
    position: Position = BY_TOKEN,
) -> Page[Fault]:
    """At most `limit` faults, newest first, behind `before` in the list (creation date in microseconds, id).

    Those of restricted customers are left out.
    """
    listed = FAULT_RECORDS.listed(NOT_RESTRICTED, in_reverse=wanted.in_reverse)
    if wanted.operator:
        listed.only(
            "(:region IN (owner_region, home_region) OR operator = :operator)",
            region=wanted.region,
            operator=wanted.operator,
        )
    listed.of_number(tx, wanted.number)
    CONTACTS.select(tx, listed, wanted.contact_number)
    if wanted.due_before is not None:
        listed.by(OPEN.condition)
    listed.due_before(wanted.due_before)
    listed.in_states(wanted.states, f"state <> {rules.CLOSED}", frozenset({rules.CLOSED}))
    return FAULT_RECORDS.page(tx, listed, before, limit, position)


def repair_times(
    tx: Transaction, regions: Sequence[str], start: int, end: int, origin: str = ""
) -> Mapping[str, Sequence[int]]:
    """From report to the repair that stands, of repaired faults of owner regions reported in [start, end), by region.

    `origin` is the region that took them in; empty for any.

    All in microseconds; ascending. A fault with its cause beyond the network is left out (ETSI EG 202 057-1, 5.5).
    """
    unrepaired, repaired = (
        ", ".join(str(int(state)) for state in sorted(states)) for states in (rules.UNREPAIRED, rules.REPAIRED)
    )
    named, parameters = among(regions)
    times = tx.all(
        lambda region, time: (str(region), int(time)),
        "SELECT f.owner_region, MIN(e.time) - f.create_time FROM faults AS f"  # noqa: S608 - numbers and names
        " JOIN fault_events AS e ON e.fault_id = f.fault_id"
        f" WHERE f.owner_region IN ({named}) AND f.state IN ({repaired})"
        " AND (:origin = '' OR f.origin_region = :origin)"
        " AND f.is_beyond_network = 0"
        " AND f.create_time >= :start AND f.create_time < :end"
        " AND e.sequence > COALESCE((SELECT MAX(u.sequence) FROM fault_events AS u"
        f" WHERE u.fault_id = f.fault_id AND u.state IN ({unrepaired})), 0)"
        " GROUP BY f.fault_id, f.owner_region, f.create_time",
        origin=origin,
        start=start,
        end=end,
        **parameters,
    )
    found = defaultdict[str, list[int]](list)
    for region, time in sorted(times):
        found[region].append(time)
    return found


def forget_waivers(tx: Transaction, fault_id: str) -> None:
    """Removes the rows of a fault's rent waivers; the postings stay."""
    tx.execute("DELETE FROM fault_waivers WHERE fault_id = :id", id=fault_id)


def _note_change(tx: Transaction, fault: Fault, former_state: Value, now: datetime) -> None:
    columns: dict[str, Value] = {
        "version": fault.version,
        "state": fault.state,
        "former_state": former_state,
        "time": to_microseconds(now),
    }
    EVENTS.note(tx, fault.id, columns)
    if rules.is_ended(fault):
        look_if_erased(tx, KIND, fault.id, fault.report.number, now)
    changed = FaultChanged(fault.id)
    tx.publish(changed, about=changed.about)


def _changing(fault: Fault) -> Mapping[str, Value]:
    due = outages.due_of(fault)
    return {
        "owner_region": fault.owner_region,
        "severity": fault.severity,
        "state": fault.state,
        "version": fault.version,
        "due_time": microseconds_or_none(due),
        "problem_id": fault.problem_id,
        "is_beyond_network": int(fault.cause in rules.NOT_OF_THE_NETWORK),
    }


def facts(fault: Fault) -> Facts:
    """The regions with a part in a fault."""
    return Facts(
        name=fault.id,
        origin=fault.origin_region,
        owner=fault.owner_region,
        operator=fault.operator,
        version=fault.version,
        state=fault.state,
        created=fault.create_time,
        number=fault.report.number,
        home=fault.home_region,
    )


OPEN = OpenRows("faults", "fault_id", "due_time", "due_time IS NOT NULL")
"""The faults that are not repaired."""
FAULT = Followed(
    records=FAULT_RECORDS,
    facts=facts,
    prefix="F",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    require_plausible=outages.require_plausible,
    fixed=("id", "report", "create_time", "origin_region", "operator", "owner_region", "home_region"),
)
