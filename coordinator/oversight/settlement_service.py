"""The settlement between regions, for administrators: queried from the nodes at each call, never stored."""

import grpc

from coordinator.oversight.region_queries import Regions, readable_answer
from coordinator.oversight.settlement_rules import pair_settlements, positions, recorded, sums
from gateway.api.coordinator.v1 import settlement_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.settlement_oversight_service_pb2_grpc import SettlementOversightServiceServicer
from gateway.api.region.v1 import settlement_service_pb2 as region_contract
from gateway.api.region.v1.settlement_service_pb2_grpc import SettlementServiceStub
from gateway.rpc.pages import LARGEST_PAGE_SIZE
from gateway.time.months import require_month


class SettlementOversightService(SettlementOversightServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def ReportSettlement(  # noqa: N802 - named by the contract
        self,
        request: contract.ReportSettlementRequest,
        context: grpc.aio.ServicerContext[contract.ReportSettlementRequest, contract.ReportSettlementResponse],
    ) -> contract.ReportSettlementResponse:
        """See the contract."""
        require_month("month", request.month)

        async def ask(channel: grpc.aio.Channel, seconds: float) -> region_contract.ListSettlementStatementsResponse:
            # One page is enough: a month has one statement with each other region.
            question = region_contract.ListSettlementStatementsRequest(month=request.month, page_size=LARGEST_PAGE_SIZE)
            return await readable_answer(SettlementServiceStub(channel).ListSettlementStatements, question, seconds)

        answers = await self._regions.ask(self._regions.joined(), ask)
        statements = {region: each.statements for region, each in answers.by_region.items()}
        paid = {region: recorded(each.payments) for region, each in answers.by_region.items()}
        pairs = pair_settlements(statements, paid)
        found = positions(pairs)
        return contract.ReportSettlementResponse(
            pairs=pairs, unanswered=answers.unanswered(), positions=found, sums=sums(found)
        )
