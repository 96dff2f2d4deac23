"""ReconciliationService: gRPC for compared days, differences and repairs."""

from datetime import datetime

import grpc

from gateway.api.region.v1 import reconciliation_service_pb2 as api
from gateway.api.region.v1.reconciliation_pb2 import Difference, Repair
from gateway.api.region.v1.reconciliation_service_pb2_grpc import ReconciliationServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import invalid
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp
from region_node.business.reconciliation import days, repairs
from region_node.business.reconciliation.nightly import compare_soon
from region_node.business.reconciliation.port import Reconciliation
from region_node.business.reconciliation.repair_rows import list_repairs, require_repair
from region_node.business.reconciliation.rows import day_key, difference_key, list_days, list_differences
from region_node.requests.auditing import audited_call
from region_node.requests.caller import Caller
from region_node.requests.checks import require_length
from region_node.requests.deciding import StaffDecisions

_DAYS, _DIFFERENCES, _REPAIRS = "reconciled days", "differences", "repairs"


class ReconciliationService(ReconciliationServiceServicer):
    """See the contract."""

    def __init__(self, context: Reconciliation, store: Store, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._clock = clock
        self._decisions = StaffDecisions(store, clock)

    async def ListReconciledDays(
        self,
        request: api.ListReconciledDaysRequest,
        context: grpc.aio.ServicerContext[api.ListReconciledDaysRequest, api.ListReconciledDaysResponse],
    ) -> api.ListReconciledDaysResponse:
        """See the contract."""
        size, before = page_size(request.page_size), decode_token(_DAYS, request.page_token)
        found = await self._store.read(lambda tx: list_days(tx, request.region, request.from_day, before, size + 1))
        page, token = first_page(_DAYS, found, size, day_key)
        return api.ListReconciledDaysResponse(days=page, next_page_token=token)

    async def ListDifferences(
        self,
        request: api.ListDifferencesRequest,
        context: grpc.aio.ServicerContext[api.ListDifferencesRequest, api.ListDifferencesResponse],
    ) -> api.ListDifferencesResponse:
        """See the contract. The read is audited, since amounts tell of customers."""
        size, before = page_size(request.page_size), decode_token(_DIFFERENCES, request.page_token)
        reading, kinds = audited_call(Requester(), self._clock), self._context.kinds

        def read(tx: Transaction) -> list[Difference]:
            found = list_differences(tx, kinds, request.region, before, size + 1, closed=request.closed)
            reading.record(tx, "ListDifferences", request.region or "-", f"{min(len(found), size)} read")
            return found

        page, token = first_page(_DIFFERENCES, await self._store.write(read), size, difference_key)
        return api.ListDifferencesResponse(differences=page, next_page_token=token)

    async def CompareDay(
        self,
        request: api.CompareDayRequest,
        context: grpc.aio.ServicerContext[api.CompareDayRequest, api.CompareDayResponse],
    ) -> api.CompareDayResponse:
        """See the contract. A day that has not ended is compared as well."""
        calling, node = audited_call(Requester(), self._clock), self._context.node
        day = days.parsed_day(request.day)
        if request.region == node.region:
            raise invalid("region", "it is this region", "为本地区")
        node.federation.region(request.region)

        def compare(tx: Transaction) -> None:
            compare_soon(tx, request.region, day, calling.now)
            calling.record(tx, "CompareDay", f"{request.region}/{day}")

        await self._store.write(compare)
        return api.CompareDayResponse()

    async def ProposeRepair(
        self,
        request: api.ProposeRepairRequest,
        context: grpc.aio.ServicerContext[api.ProposeRepairRequest, api.ProposeRepairResponse],
    ) -> api.ProposeRepairResponse:
        """See the contract."""
        require_length("note", request.note, repairs.NOTE_LIMIT, required=True)
        certificates = current_call().staff_certificates

        def propose(tx: Transaction, caller: Caller, now: datetime) -> Repair:
            repair_id, staff_id = caller.subject(self._context.node.region), caller.identity.name
            return repairs.propose(tx, self._context, repair_id, staff_id, certificates, request, now)

        repair = await self._decisions.once(request.request_id, request, "ProposeRepair", propose, self._known)
        return api.ProposeRepairResponse(repair=repair)

    async def DecideRepair(
        self,
        request: api.DecideRepairRequest,
        context: grpc.aio.ServicerContext[api.DecideRepairRequest, api.DecideRepairResponse],
    ) -> api.DecideRepairResponse:
        """See the contract."""

        def decide(tx: Transaction, caller: Caller, now: datetime) -> Repair:
            staff_id = caller.identity.name
            return repairs.decide(tx, self._context, request.repair_id, staff_id, now, confirmed=request.confirmed)

        repair = await self._decisions.once(request.request_id, request, "DecideRepair", decide, self._known)
        return api.DecideRepairResponse(repair=repair)

    async def ListRepairs(
        self,
        request: api.ListRepairsRequest,
        context: grpc.aio.ServicerContext[api.ListRepairsRequest, api.ListRepairsResponse],
    ) -> api.ListRepairsResponse:
        """See the contract. The read is audited, since amounts tell of customers."""
        size, before = page_size(request.page_size), dated_place(decode_token(_REPAIRS, request.page_token))
        reading, kinds = audited_call(Requester(), self._clock), self._context.kinds

        def read(tx: Transaction) -> list[Repair]:
            found = list_repairs(tx, kinds, before, size + 1, undecided=request.undecided)
            for each in found:
                each.state = repairs.told_state(tx, self._context, each, reading.now)
            reading.record(tx, "ListRepairs", "-", f"{min(len(found), size)} read")
            return found

        found = await self._store.write(read)
        page, token = first_page(_REPAIRS, found, size, _key)
        return api.ListRepairsResponse(repairs=page, next_page_token=token)

    def _known(self, tx: Transaction, repair_id: str) -> Repair:
        return require_repair(tx, self._context.kinds, repair_id)


def _key(repair: Repair) -> str:
    return dated_key(from_timestamp(repair.create_time), repair.id)
