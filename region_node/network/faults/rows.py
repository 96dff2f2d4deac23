"""Faults and their events, as stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway import vault
from gateway.api.region.v1.fault_pb2 import Fault, FaultState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.clock import from_timestamp, to_microseconds
from gateway.errors import Refused
from gateway.masking import masked_number, prints_masked
from gateway.pages import sequence_after
from gateway.store.port import Transaction, Value
from gateway.timers import set_timer
from region_node.customers.told_standings import erased_by
from region_node.network.faults import outages, rules
from region_node.node.subjects import number_index
from region_node.records.listing import Page, Selection, Stored

FAULT_SUBJECTS = "fault/"
ENDED_TIMER = "fault-ended"  # one about a customer who was erased has ended
_PLACE = "faults"
_COLUMNS = "fault_id, creation_date, traceparent, body"


def fault_subject(fault_id: str) -> str:
    """Under whose key a fault is sealed, and what is told of it to other processes."""
    return FAULT_SUBJECTS + fault_id


@dataclass(frozen=True)
class FaultRow:
    """A fault and the trace to which all its envelopes belong."""

    fault: Fault = field(repr=False)
    traceparent: str


@dataclass(frozen=True)
class FaultChanged:
    """Published when a fault was stored."""

    fault_id: str

    @property
    def about(self) -> str:
        """What other processes on the same database are told."""
        return fault_subject(self.fault_id)


@dataclass(frozen=True)
class FaultEvent:
    """One change of a fault."""

    sequence: int
    fault_id: str


@dataclass(frozen=True)
class FaultOfNumber:
    """A fault of a number."""

    fault_id: str
    state: FaultState.ValueType
    handling_region: str
    owner_region: str
    home_region: str
    traceparent: str

    @property
    def is_ended(self) -> bool:
        """Whether nobody works on it any more."""
        return self.state in rules.ENDED


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class FaultFilter:
    """Which faults are listed; empty values restrict nothing. `operator` sees those that it reported, those that are
    here, and those of this region's numbers."""

    region: str
    operator: str = ""
    states: Sequence[FaultState.ValueType] = ()
    number: str = ""
    due_before: datetime | None = None


def next_fault_number(tx: Transaction) -> int:
    """The number of the next fault that is reported here."""
    known = tx.first(
        int,
        "SELECT COALESCE(MAX(fault_number), 0) FROM (SELECT MAX(fault_number) AS fault_number FROM faults"
        " UNION ALL SELECT fault_number FROM purged_faults) AS numbers",
    )
    return (known or 0) + 1


def is_known(tx: Transaction, fault_id: str) -> bool:
    """Whether this region has a fault, also one that was made unreadable."""
    return tx.first(int, "SELECT 1 FROM faults WHERE fault_id = :id", id=fault_id) is not None


def find_fault(tx: Transaction, fault_id: str) -> FaultRow | None:
    """The fault as this region has it; None also where it was made unreadable."""
    stored = tx.first(
        Stored,
        f"SELECT {_COLUMNS} FROM faults WHERE fault_id = :id",  # noqa: S608 - no values
        id=fault_id,
    )
    return None if stored is None else _opened(tx, stored)


def require_fault(tx: Transaction, fault_id: str) -> FaultRow:
    """The fault as this region has it. Raises Refused with FAULT_NOT_FOUND."""
    row = find_fault(tx, fault_id)
    if row is None:
        raise Refused(Reason.REASON_FAULT_NOT_FOUND, fault=fault_id)
    return row


def faults_about(tx: Transaction, number: str) -> list[FaultOfNumber]:
    """The faults of a number that this region has."""
    if not number:
        return []
    return tx.all(
        FaultOfNumber,
        "SELECT fault_id, state, handling_region, owner_region, home_region, traceparent FROM faults"
        " WHERE number_index = :number AND number_index <> '' ORDER BY fault_id",
        number=number_index(tx, number),
    )


def is_reported_again(tx: Transaction, fault: Fault) -> bool:
    """Whether this region has another fault of the same line to repair that was reported before."""
    states = ", ".join(str(int(state)) for state in sorted(rules.UNREPAIRED))
    before = (
        f"SELECT 1 FROM faults WHERE number_index = :number AND owner_region = :owner AND state IN ({states})"  # noqa: S608
        " AND fault_id <> :id AND creation_date < :reported LIMIT 1"
    )
    if not fault.report.number:
        return False
    found = tx.first(
        int,
        before,
        number=number_index(tx, fault.report.number),
        owner=fault.owner_region,
        id=fault.id,
        reported=to_microseconds(from_timestamp(fault.creation_date)),
    )
    return found is not None


def insert_fault(tx: Transaction, row: FaultRow, fault_number: int, now: datetime) -> None:
    """Adds a fault and its first event."""
    fault = row.fault
    tx.execute(
        "INSERT INTO faults (fault_id, fault_number, handling_region, owner_region, home_region, operator,"
        " number_index, severity, state, version, creation_date, due, problem, traceparent, body)"
        " VALUES (:fault_id, :fault_number, :handling_region, :owner_region, :home_region, :operator,"
        " :number_index, :severity, :state, :version, :creation_date, :due, :problem, :traceparent, :body)",
        fault_number=fault_number,
        handling_region=fault.handling_region,
        home_region=fault.home_region,
        operator=fault.operator,
        number_index=number_index(tx, fault.report.number),
        creation_date=to_microseconds(from_timestamp(fault.creation_date)),
        traceparent=row.traceparent,
        **_changeable(tx, fault),
    )
    _note_change(tx, fault, now)


def update_fault(tx: Transaction, fault: Fault, now: datetime) -> None:
    """Stores a changed fault and notes the event."""
    tx.execute(
        "UPDATE faults SET owner_region = :owner_region, severity = :severity, state = :state, version = :version,"
        " due = :due, problem = :problem, body = :body WHERE fault_id = :fault_id",
        **_changeable(tx, fault),
    )
    _note_change(tx, fault, now)


def list_faults(tx: Transaction, wanted: FaultFilter, before: tuple[int, str] | None, limit: int) -> Page[Fault]:
    """At most `limit` faults, newest first, older than `before` (creation date in microseconds, id).

    Those of restricted customers are left out.
    """
    listed = Selection("faults", "fault_id")
    if wanted.operator:
        listed.only(
            "(:region IN (owner_region, home_region) OR operator = :operator)",
            region=wanted.region,
            operator=wanted.operator,
        )
    listed.in_states(wanted.states)
    listed.of_number(tx, wanted.number)
    listed.due_before(wanted.due_before)
    return listed.page(tx, lambda rows: [_fault(tx, each) for each in rows], before, limit)


def last_event(tx: Transaction) -> int:
    """The sequence number of the last event; 0 before the first."""
    return tx.first(int, "SELECT COALESCE(MAX(sequence), 0) FROM fault_events") or 0


def resumed_after(tx: Transaction, key: str) -> int:
    """The sequence number in the key of a token. Raises Refused with TOKEN_INVALID for what no stream has told."""
    return sequence_after(key, last_event(tx))


def events_after(tx: Transaction, sequence: int, fault_id: str, limit: int) -> list[FaultEvent]:
    """At most `limit` events after a sequence number, in order: of one fault, or of all for an empty id."""
    only = " AND fault_id = :fault_id" if fault_id else ""
    return tx.all(
        FaultEvent,
        f"SELECT sequence, fault_id FROM fault_events WHERE sequence > :after{only}"  # noqa: S608 - no values
        " ORDER BY sequence LIMIT :limit",
        after=sequence,
        limit=limit,
        **({"fault_id": fault_id} if fault_id else {}),
    )


def look_at_ended(tx: Transaction, fault_id: str, now: datetime) -> None:
    """Has a fault of a customer who was erased made unreadable, once it has ended."""
    set_timer(tx, f"{ENDED_TIMER}/{fault_id}", kind=ENDED_TIMER, subject=fault_id, due=now)


def forget_waivers(tx: Transaction, fault_id: str) -> None:
    """Removes the rows of what was given back for a fault; the postings stay."""
    tx.execute("DELETE FROM fault_waivers WHERE fault_id = :id", id=fault_id)


def _note_change(tx: Transaction, fault: Fault, now: datetime) -> None:
    tx.execute(
        "INSERT INTO fault_events (sequence, fault_id, version, state, time)"
        " SELECT COALESCE(MAX(sequence), 0) + 1, :fault_id, :version, :state, :time FROM fault_events",
        fault_id=fault.id,
        version=fault.version,
        state=fault.state,
        time=to_microseconds(now),
    )
    if rules.is_ended(fault) and erased_by(tx, fault.report.number):
        look_at_ended(tx, fault.id, now)
    changed = FaultChanged(fault.id)
    tx.publish(changed, about=changed.about)


def _changeable(tx: Transaction, fault: Fault) -> Mapping[str, Value]:
    due = outages.due_of(fault)
    return {
        "fault_id": fault.id,
        "owner_region": fault.owner_region,
        "severity": fault.severity,
        "state": fault.state,
        "version": fault.version,
        "due": None if due is None else to_microseconds(due),
        "problem": fault.problem,
        "body": vault.seal(tx, fault_subject(fault.id), _PLACE, fault.SerializeToString()),
    }


def _opened(tx: Transaction, stored: Stored) -> FaultRow | None:
    try:
        content = vault.open_sealed(tx, fault_subject(stored.name), _PLACE, stored.body)
    except vault.KeyDestroyed:
        return None
    return FaultRow(Fault.FromString(content), stored.traceparent)


def _fault(tx: Transaction, stored: Stored) -> Fault | None:
    row = _opened(tx, stored)
    return None if row is None else row.fault
