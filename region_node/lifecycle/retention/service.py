"""RetentionService: the results of the purge, legal holds, and impact records, for the region's own staff."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

import grpc

from gateway.api.region.v1 import retention_service_pb2 as api
from gateway.api.region.v1.retention_service_pb2_grpc import RetentionServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.rpc.calls import current_call
from gateway.rpc.pages import decode_token, first_page, key_number, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, to_timestamp
from region_node.approvals.operations import Awaited
from region_node.lifecycle.holds import operations as holds
from region_node.lifecycle.holds.operations import Hold
from region_node.lifecycle.holds.sending import send_hold
from region_node.lifecycle.registry import Registry
from region_node.lifecycle.retention import impact
from region_node.records.purging import reports
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import instant, require_length, require_name

_PURGES, _HOLDS, _RECORDS = "purges", "legal-holds", "impact-records"
_REFERENCE = re.compile(r"[A-Za-z0-9._/-]{1,64}", re.ASCII)
_CUSTOMER_LENGTH = 128
_TEXT_LENGTH = 2000
_MOST_RECIPIENTS = 100
_SEPARATOR = "\0"


class RetentionService(RetentionServiceServicer):
    """See the contract."""

    def __init__(self, registry: Registry, store: Store, clock: Clock) -> None:
        self._registry = registry
        self._store = store
        self._clock = clock

    async def ListPurges(
        self,
        request: api.ListPurgesRequest,
        context: grpc.aio.ServicerContext[api.ListPurgesRequest, api.ListPurgesResponse],
    ) -> api.ListPurgesResponse:
        """See the contract."""
        size = page_size(request.page_size)
        night, _, number = decode_token(_PURGES, request.page_token).partition(" ")
        data_class = key_number(number) if number else 0
        found = await self._store.read(lambda tx: reports.purges_before(tx, night, data_class, size + 1))
        purges, token = first_page(_PURGES, found, size, lambda each: f"{each.night_date} {each.data_class}")
        return api.ListPurgesResponse(purges=purges, next_page_token=token)

    async def HoldCustomer(
        self,
        request: api.HoldCustomerRequest,
        context: grpc.aio.ServicerContext[api.HoldCustomerRequest, api.HoldCustomerResponse],
    ) -> api.HoldCustomerResponse:
        """See the contract."""
        call = _audited(request.requester, self._clock)
        _require_hold(request.customer_id, request.reference)
        until = instant("end_time", request.end_time) if request.HasField("end_time") else None
        if until is not None and until <= call.now:
            raise invalid("end_time", "is over already", "已经结束")
        changed = partial(
            holds.hold,
            customer_id=request.customer_id,
            reference=request.reference,
            until=until,
            call=call,
            revocations=self._registry.context.border.keys.revocations,
        )
        return api.HoldCustomerResponse(hold=await self._changed_hold(request.customer_id, call.now, changed))

    async def ReleaseHold(
        self,
        request: api.ReleaseHoldRequest,
        context: grpc.aio.ServicerContext[api.ReleaseHoldRequest, api.ReleaseHoldResponse],
    ) -> api.ReleaseHoldResponse:
        """See the contract."""
        call = _audited(request.requester, self._clock)
        _require_hold(request.customer_id, request.reference)
        changed = partial(
            holds.release,
            customer_id=request.customer_id,
            reference=request.reference,
            call=call,
            revocations=self._registry.context.border.keys.revocations,
        )
        return api.ReleaseHoldResponse(hold=await self._changed_hold(request.customer_id, call.now, changed))

    async def _changed_hold(
        self, customer_id: str, now: datetime, change: Callable[[Transaction], Hold | Awaited]
    ) -> api.LegalHold:
        """A hold after its change, which other regions are told of. Raises Refused with APPROVAL_AWAITED."""

        def changed(tx: Transaction) -> Hold | Awaited:
            kept = change(tx)
            if isinstance(kept, Hold):
                send_hold(tx, self._registry, customer_id, now)
            return kept

        kept = await self._store.write(changed)
        if isinstance(kept, Awaited):
            raise kept.refused(self._registry.context)
        return _hold_message(kept)

    async def ListHolds(
        self,
        request: api.ListHoldsRequest,
        context: grpc.aio.ServicerContext[api.ListHoldsRequest, api.ListHoldsResponse],
    ) -> api.ListHoldsResponse:
        """See the contract."""
        require_length("customer_id", request.customer_id, _CUSTOMER_LENGTH)
        if request.customer_id:
            of_one = await self._store.read(lambda tx: holds.holds_of(tx, request.customer_id))
            return api.ListHoldsResponse(holds=[_hold_message(each) for each in of_one])
        size = page_size(request.page_size)
        customer_id, _, reference = decode_token(_HOLDS, request.page_token).partition(_SEPARATOR)
        found = await self._store.read(lambda tx: holds.holds_after(tx, customer_id, reference, size + 1))
        page, token = first_page(_HOLDS, found, size, lambda each: f"{each.customer_id}{_SEPARATOR}{each.reference}")
        return api.ListHoldsResponse(holds=[_hold_message(each) for each in page], next_page_token=token)

    async def RecordImpact(
        self,
        request: api.RecordImpactRequest,
        context: grpc.aio.ServicerContext[api.RecordImpactRequest, api.RecordImpactResponse],
    ) -> api.RecordImpactResponse:
        """See the contract."""
        call = _audited(request.requester, self._clock)
        _require_record(request.record, call.now)
        kept = await self._store.write(lambda tx: impact.record(tx, request.record, call))
        return api.RecordImpactResponse(record=kept)

    async def ListImpactRecords(
        self,
        request: api.ListImpactRecordsRequest,
        context: grpc.aio.ServicerContext[api.ListImpactRecordsRequest, api.ListImpactRecordsResponse],
    ) -> api.ListImpactRecordsResponse:
        """See the contract."""
        size, after = page_size(request.page_size), decode_token(_RECORDS, request.page_token)
        found = await self._store.read(lambda tx: impact.records_after(tx, after, size + 1))
        records, token = first_page(_RECORDS, found, size, lambda each: each.id)
        return api.ListImpactRecordsResponse(records=records, next_page_token=token)


def _audited(requester: Requester, clock: Clock) -> AuditedCall:
    """The call being served, by the staff member of the certificate, or the person in the request."""
    serving = current_call()
    identity = serving.identity
    if requester.staff_id:
        require_name("requester.staff_id", requester.staff_id)
    staff_id = requester.staff_id or identity.name
    return AuditedCall(identity.path, staff_id, clock.now(), certificates=serving.staff_certificates)


def _require_hold(customer_id: str, reference: str) -> None:
    require_length("customer_id", customer_id, _CUSTOMER_LENGTH, required=True)
    if not _REFERENCE.fullmatch(reference):
        raise invalid(
            "reference", "1 to 64 characters of A-Z a-z 0-9 . _ / -", "须为1至64个字符，限A-Z、a-z、0-9、.、_、/、-"
        )


def _require_record(record: api.ImpactRecord, now: datetime) -> None:
    require_name("record.id", record.id)
    require_name("record.assessor", record.assessor)
    for field in ("purpose", "necessity", "effect", "protection"):
        require_length(f"record.{field}", str(getattr(record, field)), _TEXT_LENGTH, required=True)
    if len(record.recipients) > _MOST_RECIPIENTS:
        raise invalid("record.recipients", f"more than {_MOST_RECIPIENTS}", f"超过{_MOST_RECIPIENTS}个")
    for recipient in record.recipients:
        require_name("record.recipients", recipient)
    if not record.HasField("assess_time") or instant("record.assess_time", record.assess_time) > now:
        raise invalid("record.assess_time", "not set, or still to come", "未填写，或时间在未来")


def _hold_message(hold: Hold) -> api.LegalHold:
    return api.LegalHold(
        customer_id=hold.customer_id,
        reference=hold.reference,
        start_time=to_timestamp(hold.since),
        end_time=to_timestamp(hold.until) if hold.until is not None else None,
        actor=hold.actor,
    )
