"""The comparison of records between regions, for administrators: queried from the nodes at each call, never stored."""

from collections.abc import Sequence

import grpc

from coordinator.oversight.reconciliation_rules import pair_days
from coordinator.oversight.region_queries import Regions, readable_answer
from gateway.api.coordinator.v1 import reconciliation_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.reconciliation_oversight_service_pb2_grpc import ReconciliationOversightServiceServicer
from gateway.api.region.v1 import reconciliation_service_pb2 as region_contract
from gateway.api.region.v1.reconciliation_pb2 import ReconciledDay
from gateway.api.region.v1.reconciliation_service_pb2_grpc import ReconciliationServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.pages import LARGEST_PAGE_SIZE

_MOST_PAGES = 256  # of one region: the days of years with all others


class ReconciliationOversightService(ReconciliationOversightServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def ReportReconciliation(  # noqa: N802 - named by the contract
        self,
        request: contract.ReportReconciliationRequest,
        context: grpc.aio.ServicerContext[contract.ReportReconciliationRequest, contract.ReportReconciliationResponse],
    ) -> contract.ReportReconciliationResponse:
        """See the contract."""
        if not request.from_day:
            raise invalid("from_day", "not set", "未填写")

        async def ask(channel: grpc.aio.Channel, seconds: float) -> Sequence[ReconciledDay]:
            return await reconciled_days(channel, request.from_day, seconds)

        answers = await self._regions.ask(self._regions.joined(), ask)
        return contract.ReportReconciliationResponse(days=pair_days(answers.by_region), unanswered=answers.unanswered())


async def reconciled_days(channel: grpc.aio.Channel, from_day: str, seconds: float) -> Sequence[ReconciledDay]:
    """All compared days of a region from a day on."""
    found: list[ReconciledDay] = []
    question = region_contract.ListReconciledDaysRequest(from_day=from_day, page_size=LARGEST_PAGE_SIZE)
    for _ in range(_MOST_PAGES):
        answer = await readable_answer(ReconciliationServiceStub(channel).ListReconciledDays, question, seconds)
        found += answer.days
        if not answer.next_page_token:
            return found
        question.page_token = answer.next_page_token
    raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the list is told without an end")
