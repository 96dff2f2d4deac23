"""Complaints and their events, as stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway import vault
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, Escalation
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_timestamp, to_microseconds
from gateway.errors import Refused
from gateway.masking import masked_number, prints_masked
from gateway.pages import sequence_after
from gateway.store.port import Transaction, Value
from region_node.care.complaints import remedy, rules
from region_node.care.complaints.deadlines import due_of, find, is_met
from region_node.care.complaints.ended import look_at_ended
from region_node.care.complaints.figure_rows import keep_figures
from region_node.care.complaints.telling_rows import note_to_tell
from region_node.customers.told_standings import erased_by
from region_node.network.problems.rows import note_complaint
from region_node.node.subjects import number_index
from region_node.records.listing import Page, Selection, Stored

COMPLAINT_SUBJECTS = "complaint/"
_PLACE = "complaints"
_COLUMNS = "docket, creation_date, traceparent, body"
INSERT = (
    "INSERT INTO complaints (docket, docket_number, handling_region, owner_region, operator, category,"
    " number_index, severity, state, level, version, creation_date, due, traceparent, parent,"
    " external_index, group_id, body)"
    " VALUES (:docket, :docket_number, :handling_region, :owner_region, :operator, :category,"
    " :number_index, :severity, :state, :level, :version, :creation_date, :due, :traceparent, :parent,"
    " :external_index, :group_id, :body)"
)
"""Adds a complaint with `inserted_values`."""
_ABOUT = "docket, state, handling_region, owner_region, due, traceparent, parent"


def complaint_subject(docket: str) -> str:
    """Under whose key a complaint is sealed, and what is told of it to other processes."""
    return COMPLAINT_SUBJECTS + docket


@dataclass(frozen=True)
class ComplaintRow:
    """A complaint and the trace to which all its envelopes belong."""

    complaint: Complaint = field(repr=False)
    traceparent: str


@dataclass(frozen=True)
class ComplaintChanged:
    """Published when a complaint was stored."""

    docket: str

    @property
    def about(self) -> str:
        """What other processes on the same database are told."""
        return complaint_subject(self.docket)


@dataclass(frozen=True)
class Event:
    """One change of a complaint."""

    sequence: int
    docket: str


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class ComplaintFilter:
    """Which complaints are listed; empty values restrict nothing. `operator` sees its own, and those that are owned."""

    region: str
    operator: str = ""
    states: Sequence[ComplaintState.ValueType] = ()
    category: str = ""
    number: str = ""
    due_before: datetime | None = None
    unclassified: bool = False


@dataclass(frozen=True)
class AboutNumber:
    """A complaint about a number."""

    docket: str
    state: ComplaintState.ValueType
    handling_region: str
    owner_region: str
    due: int | None
    traceparent: str
    parent: str

    @property
    def is_open(self) -> bool:
        """Whether something is still to happen: also to one that is closed, while its money is due."""
        return self.state not in rules.FINAL or self.due is not None


def complaints_about(tx: Transaction, number: str) -> list[AboutNumber]:
    """The complaints about a number that this region has."""
    return tx.all(
        AboutNumber,
        f"SELECT {_ABOUT} FROM complaints"  # noqa: S608 - no values
        " WHERE number_index = :number AND number_index <> '' ORDER BY docket",
        number=number_index(tx, number),
    )


def case_of(tx: Transaction, docket: str) -> list[AboutNumber]:
    """A complaint and, where it is a case that this region leads, or an item of one, all that belongs to the case."""
    return tx.all(
        AboutNumber,
        f"SELECT {_ABOUT} FROM complaints WHERE :docket IN (docket, parent) ORDER BY docket",  # noqa: S608 - no values
        docket=docket,
    )


def next_docket_number(tx: Transaction) -> int:
    """The number of the next complaint that this region takes in."""
    known = tx.first(
        int,
        "SELECT COALESCE(MAX(docket_number), 0) FROM (SELECT MAX(docket_number) AS docket_number FROM complaints"
        " UNION ALL SELECT docket_number FROM purged_dockets) AS numbers",
    )
    return (known or 0) + 1


def find_complaint(tx: Transaction, docket: str) -> ComplaintRow | None:
    """The complaint as this region has it; None also where it was made unreadable."""
    stored = tx.first(
        Stored,
        f"SELECT {_COLUMNS} FROM complaints WHERE docket = :docket",  # noqa: S608 - no values
        docket=docket,
    )
    return None if stored is None else _opened(tx, stored)


def require_complaint(tx: Transaction, docket: str) -> ComplaintRow:
    """The complaint as this region has it. Raises Refused with COMPLAINT_NOT_FOUND."""
    row = find_complaint(tx, docket)
    if row is None:
        raise Refused(Reason.REASON_COMPLAINT_NOT_FOUND, complaint=docket)
    return row


def insert_complaint(tx: Transaction, row: ComplaintRow, docket_number: int, now: datetime) -> None:
    """Adds a complaint and its first event."""
    complaint = row.complaint
    index = number_index(tx, complaint.request.number)
    tx.execute(INSERT, **inserted_values(row, docket_number, index, None, _body(tx, complaint)))
    _note_change(tx, complaint, now)


def inserted_values(
    row: ComplaintRow, docket_number: int, number: str, reference: str | None, body: bytes
) -> Mapping[str, Value]:
    """What INSERT stores of a complaint: `number` and `reference` are indexes, `body` is sealed."""
    complaint = row.complaint
    return {
        "docket_number": docket_number,
        "handling_region": complaint.handling_region,
        "operator": complaint.operator,
        "number_index": number,
        "creation_date": to_microseconds(from_timestamp(complaint.creation_date)),
        "traceparent": row.traceparent,
        "parent": complaint.parent,
        "external_index": reference,
        **_changeable(complaint, body),
    }


def update_complaint(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """Stores a changed complaint and notes the event."""
    tx.execute(
        "UPDATE complaints SET owner_region = :owner_region, category = :category, severity = :severity,"
        " state = :state, level = :level, version = :version, due = :due, group_id = :group_id, body = :body"
        " WHERE docket = :docket",
        **_changeable(complaint, _body(tx, complaint)),
    )
    _note_change(tx, complaint, now)


def note_escalations(tx: Transaction, docket: str, reached: Sequence[Escalation]) -> None:
    """Keeps the levels that this region has raised a complaint to. A level reached twice is a defect, and fails."""
    insert_escalations(tx, escalation_values(docket, reached))


def remove_escalations(tx: Transaction, docket: str, levels: Iterable[int]) -> None:
    """Forgets that this region has raised a complaint to some levels: another one has."""
    tx.execute_many(
        "DELETE FROM complaint_escalations WHERE docket = :docket AND level = :level",
        [{"docket": docket, "level": each} for each in levels],
    )


def escalation_values(docket: str, reached: Iterable[Escalation]) -> Sequence[Mapping[str, Value]]:
    """What `insert_escalations` stores of the levels of one complaint."""
    return [
        {
            "docket": docket,
            "level": each.level,
            "trigger_code": each.trigger,
            "due": to_microseconds(from_timestamp(each.due)),
            "time": to_microseconds(from_timestamp(each.time)),
        }
        for each in reached
    ]


def insert_escalations(tx: Transaction, rows: Sequence[Mapping[str, Value]]) -> None:
    """Keeps levels, of whatever complaints. A level reached twice is a defect, and fails."""
    tx.execute_many(
        "INSERT INTO complaint_escalations (docket, level, trigger_code, due, time)"
        " VALUES (:docket, :level, :trigger_code, :due, :time)",
        rows,
    )


def list_complaints(
    tx: Transaction, wanted: ComplaintFilter, before: tuple[int, str] | None, limit: int
) -> Page[Complaint]:
    """At most `limit` complaints, newest first, older than `before` (creation date in microseconds, docket).

    Those of restricted customers are left out.
    """
    listed = Selection("complaints", "docket")
    if wanted.operator:
        listed.only(
            "(owner_region = :region OR (operator = :operator AND parent = ''))",
            region=wanted.region,
            operator=wanted.operator,
        )
    listed.in_states(wanted.states)
    listed.of_number(tx, wanted.number)
    if wanted.category:
        listed.by("category = :category", category=wanted.category)
    if wanted.unclassified:
        listed.only("docket IN (SELECT docket FROM complaint_figures WHERE category = '')")
    listed.due_before(wanted.due_before)
    return listed.page(tx, lambda rows: [_complaint(tx, each) for each in rows], before, limit)


def last_event(tx: Transaction) -> int:
    """The sequence number of the last event; 0 before the first."""
    return tx.first(int, "SELECT COALESCE(MAX(sequence), 0) FROM complaint_events") or 0


def resumed_after(tx: Transaction, key: str) -> int:
    """The sequence number in the key of a token. Raises Refused with TOKEN_INVALID for what no stream has told."""
    return sequence_after(key, last_event(tx))


def events_after(tx: Transaction, sequence: int, docket: str, limit: int) -> list[Event]:
    """At most `limit` events after a sequence number, in order: of one complaint, or of all for an empty docket."""
    only = " AND docket = :docket" if docket else ""
    return tx.all(
        Event,
        f"SELECT sequence, docket FROM complaint_events WHERE sequence > :after{only}"  # noqa: S608 - no values
        " ORDER BY sequence LIMIT :limit",
        after=sequence,
        limit=limit,
        **({"docket": docket} if docket else {}),
    )


def _note_change(tx: Transaction, complaint: Complaint, now: datetime) -> None:
    """The event, what counts, and of a case that coordinators are to be told: only who leads one knows its items."""
    keep_figures(tx, complaint)
    note_complaint(tx, number_index(tx, complaint.request.number))
    if complaint.items:
        note_to_tell(tx, complaint.docket, complaint.version)
    tx.execute(
        "INSERT INTO complaint_events (sequence, docket, version, state, level, time)"
        " SELECT COALESCE(MAX(sequence), 0) + 1, :docket, :version, :state, :level, :time FROM complaint_events",
        docket=complaint.docket,
        version=complaint.version,
        state=complaint.state,
        level=complaint.level,
        time=to_microseconds(now),
    )
    if rules.is_final(complaint) and erased_by(tx, complaint.request.number):
        look_at_ended(tx, complaint.docket, now)
    changed = ComplaintChanged(complaint.docket)
    tx.publish(changed, about=changed.about)


def complaint_sealing(docket: str, content: bytes) -> vault.Sealing:
    """The content of a complaint, sealed or to be sealed."""
    return vault.Sealing(complaint_subject(docket), _PLACE, content)


def _body(tx: Transaction, complaint: Complaint) -> bytes:
    return vault.seal(tx, complaint_subject(complaint.docket), _PLACE, complaint.SerializeToString())


def _changeable(complaint: Complaint, body: bytes) -> Mapping[str, Value]:
    return {
        "docket": complaint.docket,
        "owner_region": complaint.owner_region,
        "category": complaint.request.category,
        "severity": complaint.severity,
        "state": complaint.state,
        "level": complaint.level,
        "version": complaint.version,
        "due": _due(complaint),
        "group_id": complaint.group_id,
        "body": body,
    }


def _due(complaint: Complaint) -> int | None:
    if complaint.HasField("remedy"):
        money_due = remedy.due(complaint)
        return None if money_due is None else to_microseconds(money_due)
    each = find(complaint, rules.RESOLVE)
    if each is None or is_met(each) or rules.is_final(complaint) or complaint.HasField("returned"):
        return None
    return to_microseconds(due_of(each))


def _opened(tx: Transaction, stored: Stored) -> ComplaintRow | None:
    try:
        content = vault.open_sealed(tx, complaint_subject(stored.name), _PLACE, stored.body)
    except vault.KeyDestroyed:
        return None
    return ComplaintRow(Complaint.FromString(content), stored.traceparent)


def _complaint(tx: Transaction, stored: Stored) -> Complaint | None:
    row = _opened(tx, stored)
    return None if row is None else row.complaint
