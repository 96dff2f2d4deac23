"""Legal holds: customers whose data is kept for an authority or a court."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.api.region.v1.approval_service_pb2 import ApprovalAct
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, listed
from gateway.security.revocations import Revocations
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, instant_or_none, microseconds_or_none, to_microseconds
from region_node.approvals.operations import Act, Awaited, approval_of, use
from region_node.approvals.rows import ApprovalRow
from region_node.customers.rows import find_customer, lines_of_customer
from region_node.node.subjects import number_index
from region_node.records.kinds import RecordKind
from region_node.records.purging.port import Held
from region_node.requests.auditing import AuditedCall

_COLUMNS = "customer_id, reference, since, until, actor"


@dataclass(frozen=True)
class Hold:
    """A legal hold; `until` is None for one without an end."""

    customer_id: str
    reference: str
    since: datetime
    until: datetime | None
    actor: str

    def is_in_force(self, now: datetime) -> bool:
        """Whether the hold is in force."""
        return self.until is None or now < self.until

    def is_shortened(self, until: datetime | None, now: datetime) -> bool:
        """Whether another end is an earlier one of a hold in force."""
        return self.is_in_force(now) and until is not None and (self.until is None or until < self.until)


def hold(
    tx: Transaction,
    customer_id: str,
    reference: str,
    until: datetime | None,
    call: AuditedCall,
    revocations: Revocations,
) -> Hold | Awaited:
    """Sets a hold, or moves the end of the one with that reference.

    An earlier end waits until a second person has confirmed it. Raises Refused with CUSTOMER_NOT_FOUND.
    """
    known = _find(tx, customer_id, reference)
    if known is None and find_customer(tx, customer_id) is None:
        raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)
    kept = Hold(customer_id, reference, call.now, until, call.actor)
    if known is not None:
        kept = replace(known, until=until)
    if kept == known:
        return kept
    told = f"{reference}, until {until.isoformat() if until is not None else 'released'}"
    confirmed = ""
    if known is not None and known.is_shortened(until, call.now):
        approval = _approval(tx, customer_id, told, call, revocations)
        if isinstance(approval, Awaited):
            return approval
        confirmed = f", {approval.confirmation}"
    _keep(tx, kept)
    call.record(tx, "HoldCustomer", customer_id, f"reference {told}{confirmed}")
    return kept


def release(
    tx: Transaction, customer_id: str, reference: str, call: AuditedCall, revocations: Revocations
) -> Hold | Awaited:
    """Ends a hold once a second person has confirmed it. An ended one stays unchanged.

    Raises Refused with LEGAL_HOLD_NOT_FOUND.
    """
    known = _find(tx, customer_id, reference)
    if known is None:
        raise Refused(Reason.REASON_LEGAL_HOLD_NOT_FOUND, customer=customer_id, reference=reference)
    if not known.is_in_force(call.now):
        return known
    approval = _approval(tx, customer_id, reference, call, revocations)
    if isinstance(approval, Awaited):
        return approval
    released = replace(known, until=call.now)
    _keep(tx, released)
    call.record(tx, "ReleaseHold", customer_id, f"reference {reference}, {approval.confirmation}")
    return released


def holds_of(tx: Transaction, customer_id: str) -> list[Hold]:
    """All holds of a customer, also the ended ones."""
    return tx.all(
        _row,
        f"SELECT {_COLUMNS} FROM legal_holds WHERE customer_id = :customer_id ORDER BY reference",  # noqa: S608
        customer_id=customer_id,
    )


def require_no_hold(tx: Transaction, customer_id: str, now: datetime) -> None:
    """Raises Refused with CUSTOMER_ON_HOLD, which names the holds of a customer that are in force."""
    if found := [each.reference for each in holds_of(tx, customer_id) if each.is_in_force(now)]:
        raise Refused(Reason.REASON_CUSTOMER_ON_HOLD, **listed(hold=found))


def holds_after(tx: Transaction, customer_id: str, reference: str, limit: int) -> list[Hold]:
    """At most `limit` holds after one, by customer and reference."""
    return tx.all(
        _row,
        f"SELECT {_COLUMNS} FROM legal_holds WHERE (customer_id, reference) > (:customer_id, :reference)"  # noqa: S608
        " ORDER BY customer_id, reference LIMIT :limit",
        customer_id=customer_id,
        reference=reference,
        limit=limit,
    )


def held_customers(tx: Transaction, now: datetime) -> frozenset[str]:
    """The ids of this region's customers under a hold."""
    return frozenset(
        tx.all(
            str,
            "SELECT DISTINCT customer_id FROM legal_holds WHERE until IS NULL OR until > :now",
            now=to_microseconds(now),
        )
    )


def held_now(tx: Transaction, kinds: Sequence[RecordKind], now: datetime) -> Held:
    """The data under holds, of this region's customers and of other regions' holds."""
    customers = held_customers(tx, now)
    lines = [line for customer in customers for line in lines_of_customer(tx, customer)]
    told = _held_for_others(tx, kinds, now)
    return Held(
        customers,
        frozenset(line.product_id for line in lines),
        frozenset(line.account_id for line in lines),
        (frozenset(number_index(tx, line.number) for line in lines) | {each.index for each in told}) - {""},
        frozenset(each.subject for each in told),
    )


@dataclass(frozen=True)
class _HeldForAnother:
    """A record under another region's hold, and its number."""

    subject: str
    index: str


def _held_for_others(tx: Transaction, kinds: Sequence[RecordKind], now: datetime) -> list[_HeldForAnother]:
    """The data here under other regions' holds: all data of the record's number here is kept.

    A hold may have arrived before its record, when its number was unknown.
    """
    parts = [kind.holds.held for kind in kinds if kind.holds.held]
    if not parts:
        return []
    return tx.all(
        _HeldForAnother,
        "WITH held AS (SELECT subject, origin FROM holds_of_others WHERE until IS NULL OR until > :now) "  # noqa: S608
        + " UNION ".join(parts),
        now=to_microseconds(now),
    )


def _approval(
    tx: Transaction, customer_id: str, told: str, call: AuditedCall, revocations: Revocations
) -> ApprovalRow | Awaited:
    """The confirmed approval of an early end, which is used up by it."""
    act = Act(ApprovalAct.APPROVAL_ACT_RELEASE_HOLD, customer_id=customer_id, reference=told)
    approval = approval_of(tx, act, call, revocations)
    if not isinstance(approval, Awaited):
        use(tx, approval)
    return approval


def _find(tx: Transaction, customer_id: str, reference: str) -> Hold | None:
    return next((each for each in holds_of(tx, customer_id) if each.reference == reference), None)


def _keep(tx: Transaction, kept: Hold) -> None:
    tx.execute(
        "INSERT INTO legal_holds (customer_id, reference, since, until, actor)"
        " VALUES (:customer_id, :reference, :since, :until, :actor)"
        " ON CONFLICT (customer_id, reference) DO UPDATE SET until = excluded.until",
        customer_id=kept.customer_id,
        reference=kept.reference,
        since=to_microseconds(kept.since),
        until=microseconds_or_none(kept.until),
        actor=kept.actor,
    )


def _row(customer_id: str, reference: str, since: int, until: int | None, actor: str) -> Hold:
    end = instant_or_none(until)
    return Hold(customer_id, reference, from_microseconds(since), end, actor)
