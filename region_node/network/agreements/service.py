"""AgreementService: gRPC for agreements, outages and statements."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import grpc

from gateway.api.region.v1 import agreement_service_pb2 as api
from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement, ServiceOutage
from gateway.api.region.v1.agreement_service_pb2_grpc import AgreementServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize
from gateway.rpc.calls import current_call
from gateway.rpc.pages import decode_token, first_page, key_number, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from gateway.time.months import require_month
from region_node.customers.rows import find_line
from region_node.customers.status import require_readable
from region_node.network.agreements import operations
from region_node.network.agreements.rows import Numbered, find_statement, list_agreements, require_agreement
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.caller import done_before, note
from region_node.requests.calling import caller_of
from region_node.requests.checks import require_request_id
from region_node.requests.rows import insert_request

_PAGE = "agreements"
T = TypeVar("T", Agreement, ServiceOutage)


class AgreementService(AgreementServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock

    async def CreateAgreement(
        self,
        request: api.CreateAgreementRequest,
        context: grpc.aio.ServicerContext[api.CreateAgreementRequest, api.CreateAgreementResponse],
    ) -> api.CreateAgreementResponse:
        """See the contract."""
        asked = api.CreateAgreementRequest()
        asked.CopyFrom(request)
        asked.number = normalize(request.number)

        def create(tx: Transaction, staff_id: str, now: datetime) -> tuple[str, Agreement]:
            made = operations.create(tx, self._context, staff_id, asked, now)
            return made.id, made

        content = asked.SerializeToString(deterministic=True)
        made = await self._once(request.request_id, content, "CreateAgreement", create, require_agreement)
        return api.CreateAgreementResponse(agreement=made)

    async def EndAgreement(
        self,
        request: api.EndAgreementRequest,
        context: grpc.aio.ServicerContext[api.EndAgreementRequest, api.EndAgreementResponse],
    ) -> api.EndAgreementResponse:
        """See the contract."""

        def end(tx: Transaction, staff_id: str, now: datetime) -> tuple[str, Agreement]:
            ended = operations.end(tx, self._context, request, now)
            return ended.id, ended

        content = request.SerializeToString(deterministic=True)
        ended = await self._once(request.request_id, content, "EndAgreement", end, require_agreement)
        return api.EndAgreementResponse(agreement=ended)

    async def NoteOutage(
        self,
        request: api.NoteOutageRequest,
        context: grpc.aio.ServicerContext[api.NoteOutageRequest, api.NoteOutageResponse],
    ) -> api.NoteOutageResponse:
        """See the contract."""
        staff_id = current_call().identity.name

        def write(tx: Transaction, staff_id: str, now: datetime) -> tuple[str, ServiceOutage]:
            outage = operations.note(tx, self._context, staff_id, request, now)
            return outage.source, outage

        def read(tx: Transaction, source: str) -> ServiceOutage:
            return operations.noted(self._context, staff_id, request)

        content = request.SerializeToString(deterministic=True)
        outage = await self._once(request.request_id, content, "NoteOutage", write, read)
        return api.NoteOutageResponse(outage=outage)

    async def GetAgreement(
        self,
        request: api.GetAgreementRequest,
        context: grpc.aio.ServicerContext[api.GetAgreementRequest, api.GetAgreementResponse],
    ) -> api.GetAgreementResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)

        def read(tx: Transaction) -> Agreement:
            found = _readable(tx, request.agreement_id)
            asked.record(tx, "GetAgreement", found.customer_id, found.id)
            return found

        return api.GetAgreementResponse(agreement=await self._store.write(read))

    async def ListAgreements(
        self,
        request: api.ListAgreementsRequest,
        context: grpc.aio.ServicerContext[api.ListAgreementsRequest, api.ListAgreementsResponse],
    ) -> api.ListAgreementsResponse:
        """See the contract."""
        asked, size = audited_call(request.requester, self._clock), page_size(request.page_size)
        number = normalize(request.number) if request.number else ""
        key = decode_token(_PAGE, request.page_token)
        before = key_number(key) if key else None

        def read(tx: Transaction) -> list[Numbered]:
            line = find_line(tx, number) if number else None
            product_id = None if not number else line.product_id if line is not None else ""
            found = list_agreements(tx, product_id, request.service, before, size + 1)
            subject = line.customer_id if line is not None else "-"
            asked.record(tx, "ListAgreements", subject, f"{min(len(found), size)} read")
            return found

        found = await self._store.write(read)
        page, token = first_page(_PAGE, found, size, lambda each: str(each.number))
        told = [each.agreement for each in page if each.agreement is not None]
        return api.ListAgreementsResponse(agreements=told, next_page_token=token)

    async def GetStatement(
        self,
        request: api.GetStatementRequest,
        context: grpc.aio.ServicerContext[api.GetStatementRequest, api.GetStatementResponse],
    ) -> api.GetStatementResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        require_month("month", request.month)
        if request.revision < 0:
            raise invalid("revision", "negative", "不能为负数")

        def read(tx: Transaction) -> AgreementStatement:
            agreement = _readable(tx, request.agreement_id)
            found = find_statement(tx, agreement, request.month, request.revision)
            if found is None:
                parameters = {"agreement": agreement.id, "month": request.month}
                raise Refused(Reason.REASON_STATEMENT_NOT_FOUND, **parameters)
            asked.record(tx, "GetStatement", agreement.customer_id, f"{agreement.id} {request.month}")
            return found

        return api.GetStatementResponse(statement=await self._store.write(read))

    async def _once(
        self,
        request_id: str,
        content: bytes,
        action: str,
        write: Callable[[Transaction, str, datetime], tuple[str, T]],
        read: Callable[[Transaction, str], T],
    ) -> T:
        """Executes a staff member's request once; a repeated request returns the current state of its result.

        `write` also returns an id, by which `read` finds the result.
        """
        require_request_id(request_id)
        caller = caller_of(request_id)
        now = self._clock.now()
        key = caller.key(hashlib.sha256(action.encode()).digest() + content)

        def once(tx: Transaction) -> T:
            known = done_before(tx, key)
            if known is not None:
                return read(tx, known)
            done_id, done = write(tx, caller.identity.name, now)
            insert_request(tx, key, done_id, settled=True, now=now)
            note(tx, caller, action, done_id, now)
            return done

        return await self._store.write(once)


def _readable(tx: Transaction, agreement_id: str) -> Agreement:
    """An agreement whose customer's data may be read. Raises Refused."""
    found = require_agreement(tx, agreement_id)
    require_readable(tx, found.customer_id)
    return found
