"""Erasing and restricting customers, and keeping erased what was erased. One transaction each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway import audit, vault
from gateway.api.region.v1 import erasure_service_pb2 as api
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel
from gateway.clock import to_microseconds
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from region_node.business.billing import ledger
from region_node.business.orders.erasing import AboutCustomer, orders_about
from region_node.care.complaints.index_rows import indexed_about
from region_node.care.complaints.rows import AboutNumber, complaint_subject, complaints_about
from region_node.customers.documents.rows import Kept, document_subject, kept_of
from region_node.customers.rows import Line, customer_numbered, lines_of_customer
from region_node.customers.standing import ACTIVE, ERASED, RESTRICTED, keep_standing, standing_of
from region_node.lifecycle.erasure.destroying import destroy
from region_node.lifecycle.erasure.elsewhere import Elsewhere, kept_elsewhere
from region_node.lifecycle.erasure.relayed import tell_region
from region_node.lifecycle.erasure.rows import (
    ErasedKey,
    ErasureRow,
    erased_after,
    erasure_asked,
    erasure_of,
    insert_erasure,
    mark_erased,
    note_erased_keys,
    subjects_of_keys,
)
from region_node.lifecycle.erasure.rules import require_erasable
from region_node.lifecycle.erasure.standing_told import customer_key, tell_standing
from region_node.lifecycle.retention.holds import holds_of
from region_node.network.faults.rows import FaultOfNumber, fault_subject, faults_about
from region_node.network.support.rows import SupportOfNumber, support_requests_about, support_subject
from region_node.node.auditing import AuditedCall
from region_node.node.context import RegionContext
from region_node.node.subjects import customer_subject, number_subject, order_subject

_TIMER = "timer"  # who erases whom nobody named


@dataclass(frozen=True)
class Named:
    """A customer, by the number of a line in E.164 or by the region's id; one of them is empty."""

    number: str = field(default="", repr=False)
    customer_id: str = ""


@dataclass(frozen=True)
class Request:
    """A request to erase a customer: the operator system, its id, and the digest of its content."""

    caller: str
    request_id: str
    digest: bytes
    customer: Named
    reason: api.ErasureReason.ValueType
    channel: Channel.ValueType


def erase(tx: Transaction, context: RegionContext, asked: Request, call: AuditedCall) -> ErasureRow:
    """Destroys the keys of a customer; the same request gives what it has erased the first time.

    Raises Refused with REQUEST_ID_REUSED, CUSTOMER_NOT_FOUND, CUSTOMER_ERASED, with what stands against it
    (`rules.require_erasable`), and with STORE_UNAVAILABLE where the ids of the keys cannot be kept.
    """
    known = erasure_asked(tx, asked.caller, asked.request_id)
    if known is not None:
        if known.digest != asked.digest:
            raise Refused(Reason.REASON_REQUEST_ID_REUSED)
        return known
    customer_id = _require_there(tx, asked.customer)
    kept = _kept_of(tx, customer_id)
    _require_erasable(tx, context, kept, call.now)
    keys_destroyed = _erase_all(tx, context, kept, call.now)
    row = ErasureRow(
        caller=asked.caller,
        request_id=asked.request_id,
        digest=asked.digest,
        customer_id=customer_id,
        reason=asked.reason,
        staff_id=call.staff_id,
        channel=asked.channel,
        time=to_microseconds(call.now),
        keys_destroyed=keys_destroyed,
        orders_erased=len(kept.orders),
    )
    insert_erasure(tx, row)
    call.record(tx, "EraseCustomer", customer_id, f"{_name(asked.reason)}, {keys_destroyed} keys destroyed")
    return row


def retire(tx: Transaction, context: RegionContext, customer_id: str, now: datetime) -> bool:
    """Erases a customer whose time of retention is over; False, with nothing done, where something stands against it.

    Raises Refused with STORE_UNAVAILABLE where the ids of the keys cannot be kept.
    """
    kept = _kept_of(tx, customer_id)
    try:
        _require_erasable(tx, context, kept, now)
    except Refused:
        return False
    reason, time = api.ErasureReason.ERASURE_REASON_RETENTION_OVER, to_microseconds(now)
    row = ErasureRow(
        caller=_TIMER,
        request_id=f"retention/{customer_id}/{time}",
        digest=b"",
        customer_id=customer_id,
        reason=reason,
        staff_id=_TIMER,
        channel=Channel.CHANNEL_UNSPECIFIED,
        time=time,
        keys_destroyed=_erase_all(tx, context, kept, now),
        orders_erased=len(kept.orders),
    )
    insert_erasure(tx, row)
    detail = f"{_name(reason)}, {row.keys_destroyed} keys destroyed"
    audit.append(tx, now=now, actor=_TIMER, action="EraseCustomer", subject=customer_id, detail=detail)
    return True


@dataclass(frozen=True)
class _KeptOf:
    """What is kept of a customer here."""

    customer_id: str
    lines: Sequence[Line]
    orders: Sequence[AboutCustomer]
    complaints: Sequence[AboutNumber]
    faults: Sequence[FaultOfNumber]
    support: Sequence[SupportOfNumber]


def _kept_of(tx: Transaction, customer_id: str) -> _KeptOf:
    lines = lines_of_customer(tx, customer_id)
    orders = orders_about(tx, [line.number for line in lines], [line.product_id for line in lines])
    complaints = [each for line in lines for each in complaints_about(tx, line.number)]
    faults = [each for line in lines for each in faults_about(tx, line.number)]
    support = [each for line in lines for each in support_requests_about(tx, line.number)]
    return _KeptOf(customer_id, lines, orders, complaints, faults, support)


def _require_erasable(tx: Transaction, context: RegionContext, kept: _KeptOf, now: datetime) -> None:
    require_erasable(
        [line.status for line in kept.lines],
        [order.order_id for order in kept.orders if order.is_open],
        [each.docket for each in kept.complaints if each.is_open],
        [ledger.balance(tx, account) for account in sorted({line.account_id for line in kept.lines})],
        [each.reference for each in holds_of(tx, kept.customer_id) if each.is_in_force(now)],
        context.currency,
    )


def _erase_all(tx: Transaction, context: RegionContext, kept: _KeptOf, now: datetime) -> int:
    """Destroys what is kept of a customer, here and elsewhere; how many keys that were."""
    documents = kept_of(tx, kept.customer_id)
    subjects = _subjects(tx, kept.customer_id, kept.lines, kept.orders, kept.complaints)
    subjects += [subject for each in kept.faults if each.is_ended for subject in _of_fault(each)]
    subjects += [subject for each in kept.support if each.is_ended for subject in _of_support(each)]
    subjects += [envelope_subject(document_subject(each.register_id)) for each in documents]
    subjects += [envelope_subject(each.docket) for line in kept.lines for each in indexed_about(tx, line.number)]
    complained = kept_elsewhere(tx, kept.complaints)
    key_id, numbers = customer_key(tx, kept.customer_id), [line.number for line in kept.lines]
    keys_destroyed = destroy(tx, context, subjects, now)
    _tell_others(tx, context, kept.orders, complained, documents, now)
    tell_standing(tx, context, key_id, numbers, ERASED, now)
    return keys_destroyed


def _tell_others(
    tx: Transaction,
    context: RegionContext,
    orders: Sequence[AboutCustomer],
    complaints: Sequence[Elsewhere],
    documents: Sequence[Kept],
    now: datetime,
) -> None:
    """Has every region that keeps something of the customer destroy it."""
    for order in orders:
        tell_region(tx, context, order.handling_region, order.order_id, order.traceparent, now)
    for complaint in complaints:
        tell_region(tx, context, complaint.region, complaint.docket, complaint.traceparent, now)
    for document in documents:
        tell_region(tx, context, document.region, document_subject(document.register_id), "", now)


def read_erasure(tx: Transaction, caller: str, request_id: str, customer_id: str, call: AuditedCall) -> ErasureRow:
    """What a request has erased, or how a customer was; the reading is audited.

    Raises Refused with CUSTOMER_NOT_FOUND where there was no such erasure.
    """
    row = erasure_asked(tx, caller, request_id) if request_id else erasure_of(tx, customer_id)
    if row is None:
        raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)
    call.record(tx, "GetErasure", row.customer_id)
    return row


def restrict(
    tx: Transaction, context: RegionContext, customer: Named, reason: api.ErasureReason.ValueType, call: AuditedCall
) -> str:
    """Has a customer stored only, here and in other regions; returns the id. A repeat changes nothing.

    Raises Refused with CUSTOMER_NOT_FOUND or CUSTOMER_ERASED.
    """
    customer_id = _require_there(tx, customer)
    if standing_of(tx, customer_id) != RESTRICTED:
        _stand(tx, context, customer_id, RESTRICTED, call.now)
        call.record(tx, "RestrictCustomer", customer_id, _name(reason))
    return customer_id


def lift(tx: Transaction, context: RegionContext, customer: Named, call: AuditedCall) -> str:
    """Ends a restriction; returns the id of the customer. A repeat changes nothing. Raises Refused as `restrict`."""
    customer_id = _require_there(tx, customer)
    if standing_of(tx, customer_id) != ACTIVE:
        _stand(tx, context, customer_id, ACTIVE, call.now)
        call.record(tx, "LiftRestriction", customer_id)
    return customer_id


def _stand(
    tx: Transaction, context: RegionContext, customer_id: str, standing: api.CustomerStanding.ValueType, now: datetime
) -> None:
    numbers = [line.number for line in lines_of_customer(tx, customer_id)]
    keep_standing(tx, customer_id, standing)
    tell_standing(tx, context, customer_key(tx, customer_id), numbers, standing, now)


def apply_erased(tx: Transaction, key_ids: Sequence[str], now: datetime) -> int:
    """Destroys keys that were destroyed before, and have come back with an older database; returns how many had.

    All ids are remembered. Where a key had come back, that is a row of the audit chain.
    """
    subjects = subjects_of_keys(tx, key_ids)
    note_erased_keys(tx, key_ids, now)
    if not subjects:
        return 0
    destroyed = vault.destroy_by_id(tx, key_ids)
    mark_erased(tx, subjects)
    audit.append(
        tx,
        now=now,
        actor="node",
        action="ErasedAgain",
        subject="-",
        detail=f"{destroyed} keys had come back with an older database",
    )
    return destroyed


def erased_since(tx: Transaction, after: tuple[datetime, str], limit: int) -> Sequence[ErasedKey]:
    """At most so many keys that were destroyed after a time, and at it after an id, by time and id."""
    return erased_after(tx, after, limit)


def _subjects(
    tx: Transaction,
    customer_id: str,
    lines: Sequence[Line],
    orders: Sequence[AboutCustomer],
    complaints: Sequence[AboutNumber],
) -> list[str]:
    return [
        customer_subject(customer_id),
        *(number_subject(tx, line.number) for line in lines),
        *(order_subject(order.order_id) for order in orders),
        *(complaint_subject(each.docket) for each in complaints),
        *(envelope_subject(each.docket) for each in complaints),
    ]


def _of_fault(fault: FaultOfNumber) -> Sequence[str]:
    """What a fault that has ended is sealed under; an open one goes once it has ended.

    Other regions destroy what they have by the word of how the customer stands.
    """
    return fault_subject(fault.fault_id), envelope_subject(fault.fault_id)


def _of_support(request: SupportOfNumber) -> Sequence[str]:
    """What a support request that is closed is sealed under, as of faults."""
    return support_subject(request.support_id), envelope_subject(request.support_id)


def _require_there(tx: Transaction, customer: Named) -> str:
    """The id of a customer who is there and not erased."""
    customer_id = customer.customer_id or customer_numbered(tx, customer.number)
    standing = standing_of(tx, customer_id) if customer_id else None
    if customer_id is None or standing is None:
        raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)
    if standing == ERASED:
        raise Refused(Reason.REASON_CUSTOMER_ERASED)
    return customer_id


def _name(reason: api.ErasureReason.ValueType) -> str:
    return api.ErasureReason.Name(reason)
