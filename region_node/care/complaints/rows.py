"""Complaints and their events, as stored.

The region that takes a complaint in is its origin; the owner region decides on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, Escalation
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction, Value
from gateway.store.tables import Table
from gateway.time.clock import from_timestamp, microseconds_or_none, to_microseconds
from gateway.wording.masking import masked_number, prints_masked
from region_node.care.complaints import remedy, rules
from region_node.care.complaints.deadlines import due_of, find, is_met
from region_node.customers.contact_indexes import CONTACT_INDEX, ContactIndexes
from region_node.customers.known_statuses import NOT_RESTRICTED
from region_node.node.open_work import OpenRows
from region_node.node.subjects import number_index
from region_node.records.listing import BY_TOKEN, NEVER, Page, Position
from region_node.records.numbers import Numbers
from region_node.records.stored import FIRST, Events, Records
from region_node.tickets.followed import Facts, Followed

KIND = "complaint"
COMPLAINT_SUBJECTS = "complaint/"
_AT_WORK = ", ".join(map(str, sorted(rules.AT_WORK)))
# Of the resolution; a row that is older than the column has the time of its clock.
_DUE = f"COALESCE(awaited_until, due_time, {NEVER})"
_REFERENCE = "complaint reference"  # the kind of index
_MOST_KNOWN = 200  # complaints with one request id: every operator system of each region may give it once
_ABOUT = "ticket_id, state, origin_region, owner_region, due_time, traceparent, case_id"


def complaint_subject(ticket_id: str) -> str:
    """The subject whose key seals a complaint, also of notifications to other processes."""
    return COMPLAINT_SUBJECTS + ticket_id


@dataclass(frozen=True)
class ComplaintRow:
    """A complaint and the trace of all its envelopes."""

    complaint: Complaint = field(repr=False)
    traceparent: str


@dataclass(frozen=True)
class ComplaintChanged:
    """Published when a complaint was stored."""

    ticket_id: str

    @property
    def about(self) -> str:
        """The subject of notifications to other processes on the same database."""
        return complaint_subject(self.ticket_id)


@prints_masked(number=masked_number, contact_number=masked_number)
@dataclass(frozen=True)
class ComplaintFilter:
    """A filter of complaints; empty values restrict nothing.

    `operator` sees its own, and those of the owner region.
    """

    region: str
    operator: str = ""
    states: Sequence[ComplaintState.ValueType] = ()
    category: str = ""
    number: str = ""
    due_before: datetime | None = None
    unclassified: bool = False
    for_staff: bool = False
    """Only those that the staff of the region have at work. Such a list has the nearest due time first."""
    in_reverse: bool = False
    contact_number: str = ""
    known_as: str = field(default="", repr=False)
    """The request id or the external id."""


@dataclass(frozen=True)
class AboutNumber:
    """A complaint about a number."""

    ticket_id: str
    state: ComplaintState.ValueType
    origin_region: str
    owner_region: str
    due_time: int | None
    traceparent: str
    parent: str

    @property
    def is_open(self) -> bool:
        """Whether the complaint is open; a closed one is open while its money is due."""
        return self.state not in rules.FINAL or self.due_time is not None


COMPLAINT_RECORDS = Records(
    table="complaints",
    key="ticket_id",
    dated="create_time",
    fixed=(
        "ticket_id",
        "ticket_number",
        "origin_region",
        "operator",
        "number_index",
        "create_time",
        "case_id",
        "external_index",
        "imported_digest",
        "request_id",
        CONTACT_INDEX,
    ),
    changing=(
        "owner_region",
        "category",
        "severity",
        "state",
        "level",
        "version",
        "due_time",
        "awaited_until",
        "group_id",
    ),
    message=Complaint,
    row=ComplaintRow,
    subject=complaint_subject,
    not_found=lambda ticket_id: Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=ticket_id),
)
CONTACTS = ContactIndexes(COMPLAINT_RECORDS, lambda complaint: complaint.request.contact_number)
"""The indexes of the numbers of contacts."""
EVENTS = Events("complaint_events", "ticket_id")
"""The change events of complaints."""
NUMBERS = Numbers("complaints", "ticket_number", purged="purged_tickets")


def complaints_about(tx: Transaction, number: str) -> list[AboutNumber]:
    """The complaints about a number that this region has."""
    return tx.all(
        AboutNumber,
        f"SELECT {_ABOUT} FROM complaints"  # noqa: S608 - no values
        " WHERE number_index = :number AND number_index <> '' ORDER BY ticket_id",
        number=number_index(tx, number),
    )


def case_of(tx: Transaction, ticket_id: str) -> list[AboutNumber]:
    """A complaint, with all of its case if it is a case led here, or an item of one."""
    return tx.all(
        AboutNumber,
        f"SELECT {_ABOUT} FROM complaints"  # noqa: S608 - no values
        " WHERE ticket_id = :ticket_id OR (case_id = :ticket_id AND case_id <> '') ORDER BY ticket_id",
        ticket_id=ticket_id,
    )


def reference_index(tx: Transaction, reference: str) -> str:
    """The index of another system's ticket id, which the database holds in its place."""
    return vault.index_of(tx, _REFERENCE, reference)


def _known_as(tx: Transaction, name: str) -> Sequence[str]:
    """The ids of the complaints with a request id or an external id: few, since a caller gives each id once."""
    return tx.all(
        str,
        "SELECT ticket_id FROM complaints WHERE request_id = :name"
        " UNION SELECT ticket_id FROM complaints WHERE external_index = :reference LIMIT :most",
        name=name,
        reference=reference_index(tx, name),
        most=_MOST_KNOWN,
    )


def next_ticket_number(tx: Transaction) -> int:
    """The number of the next complaint with this origin region."""
    return NUMBERS.next(tx)


def find_complaint(tx: Transaction, ticket_id: str) -> ComplaintRow | None:
    """This region's version of a complaint; None also for an unreadable one."""
    return COMPLAINT_RECORDS.find(tx, ticket_id)


def require_complaint(tx: Transaction, ticket_id: str) -> ComplaintRow:
    """The complaint as this region has it. Raises Refused with COMPLAINT_NOT_FOUND."""
    return COMPLAINT_RECORDS.require(tx, ticket_id)


def insert_complaint(tx: Transaction, row: ComplaintRow, ticket_number: int, now: datetime) -> None:
    """Adds a complaint and its first event."""
    complaint = row.complaint
    index = number_index(tx, complaint.request.number)
    insert_all(tx, [(row, inserted_columns(row, ticket_number, index, None))])
    NUMBERS.note(tx, ticket_number)
    _note_change(tx, complaint, FIRST, now)


def insert_all(tx: Transaction, new: Sequence[tuple[ComplaintRow, Mapping[str, Value]]]) -> None:
    """Adds complaints with their `inserted_columns`, and no events."""
    rows = [(each.complaint, {**columns, **CONTACTS.column(tx, each.complaint)}) for each, columns in new]
    COMPLAINT_RECORDS.insert_all(tx, [(each.ticket_id, each, columns) for each, columns in rows])


def inserted_columns(row: ComplaintRow, ticket_number: int, number: str, reference: str | None) -> Mapping[str, Value]:
    """The columns of a complaint besides that of its contact: `number` and `reference` are indexes."""
    complaint = row.complaint
    return {
        "ticket_number": ticket_number,
        "origin_region": complaint.origin_region,
        "operator": complaint.operator,
        "number_index": number,
        "create_time": to_microseconds(from_timestamp(complaint.create_time)),
        "traceparent": row.traceparent,
        "case_id": complaint.case_id,
        "external_index": reference,
        "imported_digest": None,
        "request_id": complaint.request_id or None,
        **_changing(complaint),
    }


def update_complaint(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """Stores a changed complaint and notes the event."""
    before = COMPLAINT_RECORDS.update(tx, complaint.ticket_id, complaint, _changing(complaint))
    _note_change(tx, complaint, before["state"], now)


class _EscalationAtRest(NamedTuple):
    ticket_id: str
    level: int
    trigger_code: int
    due_time: int
    time: int


_ESCALATIONS = Table("complaint_escalations", _EscalationAtRest, key=("ticket_id", "level"))


def note_escalations(tx: Transaction, ticket_id: str, reached: Iterable[Escalation]) -> None:
    """Keeps the levels that this region has raised a complaint to. A level reached twice is a defect, and fails."""
    for each in reached:
        due, time = to_microseconds(from_timestamp(each.due_time)), to_microseconds(from_timestamp(each.time))
        tx.insert(_ESCALATIONS, _EscalationAtRest(ticket_id, each.level, each.trigger, due, time))


def remove_escalations(tx: Transaction, ticket_id: str, levels: Iterable[int]) -> None:
    """Forgets that this region has raised a complaint to some levels: another one has."""
    for each in levels:
        tx.remove(_ESCALATIONS, ticket_id, each)


def list_complaints(
    tx: Transaction,
    wanted: ComplaintFilter,
    before: tuple[int, str] | None,
    limit: int,
    position: Position = BY_TOKEN,
) -> Page[Complaint]:
    """At most `limit` complaints, newest first, behind `before` in the list (date in microseconds, ticket id).

    Those of restricted customers are left out.
    """
    if wanted.for_staff:
        listed = COMPLAINT_RECORDS.listed_by_due_time(_DUE, NOT_RESTRICTED, in_reverse=wanted.in_reverse)
        listed.by(f"state IN ({_AT_WORK}) AND owner_region = :staff_of", staff_of=wanted.region)
        listed.until(wanted.due_before)
    else:
        listed = COMPLAINT_RECORDS.listed(NOT_RESTRICTED, in_reverse=wanted.in_reverse)
        listed.due_before(wanted.due_before)
    if wanted.operator:
        listed.only(
            "(owner_region = :region OR (operator = :operator AND case_id = ''))",
            region=wanted.region,
            operator=wanted.operator,
        )
    if wanted.known_as:
        names = {f"known{place}": each for place, each in enumerate(_known_as(tx, wanted.known_as))}
        listed.by(f"ticket_id IN ({', '.join(f':{each}' for each in names) or 'NULL'})", **names)
    listed.of_number(tx, wanted.number)
    CONTACTS.select(tx, listed, wanted.contact_number)
    listed.in_states(wanted.states, OPEN.condition, rules.FINAL)
    if wanted.category:
        listed.by("category = :category", category=wanted.category)
    if wanted.unclassified:
        listed.only("ticket_id IN (SELECT ticket_id FROM complaint_figures WHERE category = '')")
    return COMPLAINT_RECORDS.page(tx, listed, before, limit, position)


def _note_change(tx: Transaction, complaint: Complaint, former_state: Value, now: datetime) -> None:
    EVENTS.note(tx, complaint.ticket_id, event_columns(complaint, former_state, now))
    changed = ComplaintChanged(complaint.ticket_id)
    tx.publish(changed, about=changed.about)


def event_columns(complaint: Complaint, former_state: Value, time: datetime) -> Mapping[str, Value]:
    """The columns of a complaint's change event."""
    return {
        "version": complaint.version,
        "state": complaint.state,
        "former_state": former_state,
        "level": complaint.level,
        "time": to_microseconds(time),
    }


def _changing(complaint: Complaint) -> Mapping[str, Value]:
    return {
        "owner_region": complaint.owner_region,
        "category": complaint.request.category,
        "severity": complaint.severity,
        "state": complaint.state,
        "level": complaint.level,
        "version": complaint.version,
        "due_time": _due(complaint),
        "awaited_until": _awaited_until(complaint),
        "group_id": complaint.group_id,
    }


def _due(complaint: Complaint) -> int | None:
    if complaint.HasField("remedy"):
        money_due = remedy.due(complaint)
        return microseconds_or_none(money_due)
    each = find(complaint, rules.RESOLVE)
    if each is None or is_met(each) or rules.is_final(complaint) or complaint.HasField("returned"):
        return None
    return to_microseconds(due_of(each))


def _awaited_until(complaint: Complaint) -> int | None:
    """The promised time of what staff have at work. Without one, or with the coordinator, it comes last.

    The clock of the limit may end later: it stops for the customer, and the legal limit does not.
    """
    if complaint.state not in rules.AT_WORK:
        return None
    if rules.is_with_nobody(complaint) or not complaint.HasField("expected_resolution_time"):
        return NEVER
    return to_microseconds(from_timestamp(complaint.expected_resolution_time))


def facts(complaint: Complaint) -> Facts:
    """The regions with a part in a complaint."""
    return Facts(
        name=complaint.ticket_id,
        origin=complaint.origin_region,
        owner=complaint.owner_region,
        operator=complaint.operator,
        version=complaint.version,
        state=complaint.state,
        created=complaint.create_time,
        number=complaint.request.number,
        home=complaint.home_region,
    )


OPEN = OpenRows(
    "complaints", "ticket_id", "create_time", f"state NOT IN ({', '.join(str(each) for each in sorted(rules.FINAL))})"
)
"""The complaints in no final state."""
COMPLAINT = Followed(
    records=COMPLAINT_RECORDS,
    facts=facts,
    prefix="",
    first=rules.ACKNOWLEDGED,
    final=rules.FINAL,
    require_plausible=rules.require_possible,
    fixed=(
        "ticket_id",
        "request",
        "classification",
        "create_time",
        "origin_region",
        "operator",
        "owner_region",
        "home_region",
        "case_id",
        "request_id",
    ),
)
