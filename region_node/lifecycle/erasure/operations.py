"""Erasure and restriction of customers, and repeated erasure after a restore. One transaction each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1 import erasure_service_pb2 as api
from gateway.api.region.v1.approval_service_pb2 import ApprovalAct
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.approvals.operations import Act, Awaited, approval_of, use
from region_node.customers.events import enter_status
from region_node.customers.rows import customer_numbered, lines_of_customer
from region_node.customers.status import ACTIVE, ERASED, RESTRICTED, require_at_home, status_of
from region_node.lifecycle.customers import customer_of
from region_node.lifecycle.erasure.destroying import destroy, mark_erased, passed_indexes, scrub_after
from region_node.lifecycle.erasure.of_numbers import forget_number
from region_node.lifecycle.erasure.relayed import tell_region
from region_node.lifecycle.erasure.rows import (
    ErasureRow,
    erasure_asked,
    erasure_of,
    has_status_envelopes,
    insert_erasure,
)
from region_node.lifecycle.erasure.scrub_rows import due_scrub, scrubbed_at
from region_node.lifecycle.erasure.status_envelopes import customer_key, send_status
from region_node.lifecycle.holds.operations import require_no_hold
from region_node.lifecycle.registry import Registry
from region_node.node.context import RegionContext
from region_node.node.erased_key_rows import note_erased_keys, subjects_of_keys
from region_node.node.subjects import customer_subject, number_index, number_subject
from region_node.records.kinds import Customer, Elsewhere
from region_node.requests.auditing import AuditedCall

_TIMER = "timer"  # the author of an erasure by a timer
_ORDER = "order"  # the kind whose erased records an Erasure counts


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


def erased_before(tx: Transaction, asked: Request) -> ErasureRow | None:
    """The erasure of a repeated request, else None. Raises Refused with REQUEST_ID_REUSED for other content."""
    known = erasure_asked(tx, asked.caller, asked.request_id)
    if known is not None and known.digest != asked.digest:
        raise Refused(Reason.REASON_REQUEST_ID_REUSED)
    return known


def erase(tx: Transaction, registry: Registry, asked: Request, call: AuditedCall) -> ErasureRow | Awaited:
    """Destroys the keys of a customer once a second person has confirmed it.

    `erased_before` knows no erasure of the request. Raises Refused with CUSTOMER_NOT_FOUND or CUSTOMER_ERASED, with an
    obstacle (`_require_erasable`), and with STORE_UNAVAILABLE where the ids of the keys cannot be stored.
    """
    customer_id = _require_there(tx, asked.customer)
    customer = customer_of(tx, registry.context, customer_id)
    _require_erasable(tx, registry, customer, call.now)
    act = Act(ApprovalAct.APPROVAL_ACT_ERASE_CUSTOMER, customer_id=customer_id, reason=asked.reason)
    approval = approval_of(tx, act, call, registry.context.border.keys.revocations)
    if isinstance(approval, Awaited):
        return approval
    erased = _erase_all(tx, registry, customer, call.now)  # the approval with it
    row = ErasureRow(
        caller=asked.caller,
        request_id=asked.request_id,
        digest=asked.digest,
        customer_id=customer_id,
        reason=asked.reason,
        staff_id=call.staff_id,
        channel=asked.channel,
        time=to_microseconds(call.now),
        keys_destroyed=erased.keys,
        orders_erased=erased.orders,
        scrub=erased.scrub,
        status_key=erased.status_key,
    )
    insert_erasure(tx, row)
    told = f"{_name(asked.reason)}, {erased.keys} keys destroyed, {approval.confirmation}"
    call.record(tx, "EraseCustomer", customer_id, told)
    return row


def retire(tx: Transaction, registry: Registry, customer_id: str, now: datetime) -> bool:
    """Erases a customer after the retention; returns False, without a change, for an obstacle.

    Raises Refused with STORE_UNAVAILABLE where the ids of the keys cannot be stored.
    """
    customer = customer_of(tx, registry.context, customer_id)
    try:
        _require_erasable(tx, registry, customer, now)
    except Refused:
        return False
    erased = _erase_all(tx, registry, customer, now)
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
        keys_destroyed=erased.keys,
        orders_erased=erased.orders,
        scrub=erased.scrub,
        status_key=erased.status_key,
    )
    insert_erasure(tx, row)
    detail = f"{_name(reason)}, {row.keys_destroyed} keys destroyed"
    audit.append(tx, now=now, actor=_TIMER, action="EraseCustomer", subject=customer_id, detail=detail)
    return True


@dataclass(frozen=True)
class _Erased:
    """How many keys, and orders, were erased with a customer, the first scrub that counts, and the `status_key`."""

    keys: int
    orders: int
    scrub: int
    status_key: str


def _require_erasable(tx: Transaction, registry: Registry, customer: Customer, now: datetime) -> None:
    """Raises Refused with the first obstacle to a customer's erasure.

    Source: Personal Information Protection Law, art. 47.
    """
    for kind in registry.kinds:
        kind.erasure.require_erasable(tx, registry.context, customer)
    require_no_hold(tx, customer.customer_id, now)


def _erase_all(tx: Transaction, registry: Registry, customer: Customer, now: datetime) -> _Erased:
    """Destroys all data of a customer, here and elsewhere."""
    by_kind = {kind.name: kind.erasure.kept_of(tx, customer) for kind in registry.kinds}
    kept = [each for records in by_kind.values() for each in records]
    subjects = [
        customer_subject(customer.customer_id),
        *(number_subject(tx, number) for number in customer.numbers if number not in customer.passed),
        *(subject for each in kept for subject in each.subjects),
    ]
    key_id = customer_key(tx, customer.customer_id)
    keys_destroyed = destroy(tx, registry, subjects, now)
    for number in customer.passed:
        keys_destroyed += forget_number(tx, registry, registry.context.region, number_index(tx, number), now)
    for each in kept:
        for region in each.regions if each.is_told else ():
            tell_region(tx, registry.context, Elsewhere(region, each.record_id, each.traceparent), now)
    send_status(tx, registry.context, key_id, customer.numbers, ERASED, now)
    return _Erased(keys_destroyed, len(by_kind.get(_ORDER, ())), due_scrub(tx), key_id)


def read_erasure(tx: Transaction, caller: str, request_id: str, customer_id: str, call: AuditedCall) -> api.Erasure:
    """The erasure of a request, or of a customer, with the end of its scrub; the read is audited.

    The scrub counts once no key of a status envelope exists: such an envelope contains the numbers.

    Raises Refused with CUSTOMER_NOT_FOUND where there was no such erasure.
    """
    row = erasure_asked(tx, caller, request_id) if request_id else erasure_of(tx, customer_id)
    if row is None:
        raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)
    call.record(tx, "GetErasure", row.customer_id)
    erasure, scrubbed = row.message(), scrubbed_at(tx, row.scrub)
    if scrubbed is not None and not has_status_envelopes(tx, row.status_key):
        erasure.unrecoverable_time.CopyFrom(to_timestamp(scrubbed))
    return erasure


def restrict(
    tx: Transaction, registry: Registry, customer: Named, reason: api.ErasureReason.ValueType, call: AuditedCall
) -> str | Awaited:
    """Has a customer stored only, here and in other regions, once a second person has confirmed it; returns the id.

    A repeat changes nothing.

    Raises Refused with CUSTOMER_NOT_FOUND or CUSTOMER_ERASED.
    """
    customer_id = _require_there(tx, customer)
    if status_of(tx, customer_id) == RESTRICTED:
        return customer_id
    act = Act(ApprovalAct.APPROVAL_ACT_RESTRICT_CUSTOMER, customer_id=customer_id, reason=reason)
    approval = approval_of(tx, act, call, registry.context.border.keys.revocations)
    if isinstance(approval, Awaited):
        return approval
    use(tx, approval)
    _stand(tx, registry.context, customer_id, RESTRICTED, call.now)
    call.record(tx, "RestrictCustomer", customer_id, f"{_name(reason)}, {approval.confirmation}")
    return customer_id


def lift(tx: Transaction, registry: Registry, customer: Named, call: AuditedCall) -> str:
    """Ends a restriction; returns the id of the customer. A repeat changes nothing. Raises Refused as `restrict`."""
    customer_id = _require_there(tx, customer)
    if status_of(tx, customer_id) != ACTIVE:
        _stand(tx, registry.context, customer_id, ACTIVE, call.now)
        call.record(tx, "LiftRestriction", customer_id)
    return customer_id


def _stand(
    tx: Transaction, context: RegionContext, customer_id: str, status: api.CustomerStatus.ValueType, now: datetime
) -> None:
    numbers = [line.number for line in lines_of_customer(tx, customer_id)]
    enter_status(tx, customer_id, status, now)
    send_status(tx, context, customer_key(tx, customer_id), numbers, status, now)


def apply_erased(tx: Transaction, registry: Registry, key_ids: Sequence[str], now: datetime) -> int:
    """Destroys keys that an older database has restored; returns their number.

    All ids are remembered. Restored keys leave a row of the audit chain.
    """
    subjects = subjects_of_keys(tx, key_ids)
    note_erased_keys(tx, key_ids, now)
    if not subjects:
        return 0
    passed = passed_indexes(tx, registry, subjects)
    destroyed = vault.destroy_by_id(tx, key_ids)
    mark_erased(tx, registry, subjects, now, passed)
    scrub_after(tx, subjects)
    audit.append(
        tx,
        now=now,
        actor="node",
        action="ErasedAgain",
        subject="-",
        detail=f"{destroyed} keys had come back with an older database",
    )
    return destroyed


def _require_there(tx: Transaction, customer: Named) -> str:
    """The id of an existing customer who is not erased."""
    customer_id = customer.customer_id or customer_numbered(tx, customer.number)
    status = status_of(tx, customer_id) if customer_id else None
    if customer_id is None or status is None:
        raise Refused(Reason.REASON_CUSTOMER_NOT_FOUND)
    if status == ERASED:
        raise Refused(Reason.REASON_CUSTOMER_ERASED)
    require_at_home(tx, customer_id)
    return customer_id


def _name(reason: api.ErasureReason.ValueType) -> str:
    return api.ErasureReason.Name(reason)
