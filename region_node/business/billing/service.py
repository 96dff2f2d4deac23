"""BillingService: bills of own and foreign customers, by the same call."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from gateway.api.region.v1 import billing_service_pb2 as api
from gateway.api.region.v1.billing_service_pb2_grpc import BillingServiceServicer
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize
from gateway.relay.border import Moved
from gateway.rpc.calls import current_call
from gateway.rpc.element_counts import parsed
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.business.billing.bulk import answer_bills
from region_node.business.billing.operations import QRY_BILL, former_question, read_bill, settlements
from region_node.business.billing.rules import asked_month
from region_node.business.billing.usage import BATCH_LIMIT, read_usage, record_usage
from region_node.customers.own_readings import OwnReadings
from region_node.customers.verification.rules import Shown
from region_node.customers.verified import require_code_of_staff
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.checks import name_requester
from region_node.requests.dealings import Dealer
from region_node.requests.questions import Questions

_WITHOUT_FORMER = frozenset({Reason.REASON_REGION_UNREACHABLE, Reason.REASON_MOVE_NOT_FOUND})


class BillingService(BillingServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, questions: Questions, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._readings = OwnReadings(context, store)
        self._questions = questions
        self._clock = clock

    async def QueryBill(
        self,
        request: api.QueryBillRequest,
        context: grpc.aio.ServicerContext[api.QueryBillRequest, api.QueryBillResponse],
    ) -> api.QueryBillResponse:
        """See the contract."""
        return await self._query(request)

    async def _query(self, request: api.QueryBillRequest) -> api.QueryBillResponse:
        asked = api.QueryBillRequest()
        asked.CopyFrom(request)
        name_requester(current_call().identity, asked.requester)
        asked.number = normalize(request.number)
        owner = self._questions.owner_of(asked.number)
        asked.role = self._questions.questioner.role
        if owner != self._context.region:
            # A home region of an earlier version takes staff for an operator system, which needs no code.
            require_code_of_staff(self._questions.questioner, asked.documents)
            return api.QueryBillResponse(bill=await self._ask(owner, asked))
        questioner, now = self._questions.questioner, self._clock.now()
        asked.month = asked_month(asked.month, now, self._context.time_zone)
        dealer = Dealer(questioner.region, questioner.caller, asked.requester.staff_id)
        shown = Shown(questioner.subject(asked.request_id), asked.number, asked.documents)
        try:
            bill = await self._readings.write(
                dealer, shown, now, lambda tx: read_bill(tx, self._context, asked, questioner, now)
            )
        except Moved as moved:
            raise Refused(Reason.REASON_NOT_HOME, region=moved.region) from None
        if bill.former_region and not questioner.is_staff:
            await self._add_former(bill, asked)
        return api.QueryBillResponse(bill=bill)

    async def _add_former(self, bill: api.Bill, asked: api.QueryBillRequest) -> None:
        """Adds the bill of the former home, unless that is out of reach, or keeps nothing of the move any more.

        Raises Refused as the former home does.
        """
        now, kind = self._clock.now(), EnvelopeKind.ENVELOPE_KIND_FORMER_BILL
        question = await self._store.read(lambda tx: former_question(tx, self._context, asked, now))
        if question is None:
            return
        try:
            answer = await self._questions.ask(bill.former_region, kind, QRY_BILL, question, alone=asked.itemised)
        except Refused as refused:
            if refused.reason not in _WITHOUT_FORMER:
                raise
            return
        bill.former.CopyFrom(parsed(api.Bill, answer))

    async def QueryBills(
        self,
        request_iterator: AsyncIterator[api.QueryBillsRequest],
        context: grpc.aio.ServicerContext[api.QueryBillsRequest, api.QueryBillsResponse],
    ) -> AsyncIterator[api.QueryBillsResponse]:
        """See the contract."""
        async with aclosing(answer_bills(self._query, request_iterator)) as responses:
            async for response in responses:
                yield response

    async def RecordUsage(
        self,
        request: api.RecordUsageRequest,
        context: grpc.aio.ServicerContext[api.RecordUsageRequest, api.RecordUsageResponse],
    ) -> api.RecordUsageResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        if len(request.usage) > BATCH_LIMIT:
            raise invalid("usage", f"more than {BATCH_LIMIT}", f"超过{BATCH_LIMIT}项")
        batch = [read_usage(usage, index) for index, usage in enumerate(request.usage)]
        recorded = await self._store.write(lambda tx: record_usage(tx, self._context, batch, asked))
        return api.RecordUsageResponse(recorded=recorded, existing=len(batch) - recorded)

    async def ListSettlements(
        self,
        request: api.ListSettlementsRequest,
        context: grpc.aio.ServicerContext[api.ListSettlementsRequest, api.ListSettlementsResponse],
    ) -> api.ListSettlementsResponse:
        """See the contract."""
        reading = audited_call(request.requester, self._clock)
        rows = await self._store.write(lambda tx: settlements(tx, self._context, reading))
        return api.ListSettlementsResponse(settlements=rows)

    async def _ask(self, owner: str, asked: api.QueryBillRequest) -> api.Bill:
        lifetime = self._context.federation.business(QRY_BILL).executable_within.ToTimedelta()
        kind = EnvelopeKind.ENVELOPE_KIND_BILL_QUERY
        # An itemised bill may be near the limit of one message: it leaves no room for neighbours.
        alone = asked.itemised
        answer = await self._questions.ask(owner, kind, QRY_BILL, asked, lifetime=lifetime, alone=alone)
        return parsed(api.Bill, answer)
