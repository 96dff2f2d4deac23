"""Bulletins between regions, for administrators: queried from the nodes at each call, and never stored."""

import grpc

from coordinator.oversight.listings import NEWEST_BULLETINS
from coordinator.oversight.region_pages import page_of_regions
from coordinator.oversight.region_queries import Regions, readable_answer
from gateway.api.coordinator.v1 import bulletin_service_pb2 as contract
from gateway.api.coordinator.v1.bulletin_service_pb2_grpc import BulletinServiceServicer
from gateway.api.region.v1 import bulletin_oversight_service_pb2 as region_contract
from gateway.api.region.v1.bulletin_oversight_service_pb2 import BulletinHeader
from gateway.api.region.v1.bulletin_oversight_service_pb2_grpc import BulletinOversightServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.calls import current_call
from gateway.rpc.merged_pages import Part
from gateway.rpc.pages import page_size


class BulletinService(BulletinServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def PublishBulletin(  # noqa: N802 - named by the contract
        self,
        request: contract.PublishBulletinRequest,
        context: grpc.aio.ServicerContext[contract.PublishBulletinRequest, contract.PublishBulletinResponse],
    ) -> contract.PublishBulletinResponse:
        """See the contract."""
        self._regions.require_configured(request.region)
        asked = region_contract.PublishForAdministratorRequest(
            request_id=request.request_id,
            content=request.content,
            administrator=current_call().identity.path,
            signed=request.signed if request.HasField("signed") else None,
        )
        answer = await self._regions.require(
            request.region,
            lambda channel, seconds: readable_answer(
                BulletinOversightServiceStub(channel).PublishForAdministrator, asked, seconds
            ),
        )
        return contract.PublishBulletinResponse(bulletin=answer.bulletin)

    async def ListBulletinHeaders(  # noqa: N802 - named by the contract
        self,
        request: contract.ListBulletinHeadersRequest,
        context: grpc.aio.ServicerContext[contract.ListBulletinHeadersRequest, contract.ListBulletinHeadersResponse],
    ) -> contract.ListBulletinHeadersResponse:
        """See the contract."""
        size = page_size(request.page_size)

        async def ask(channel: grpc.aio.Channel, seconds: float, told: Part[BulletinHeader]) -> Part[BulletinHeader]:
            question = region_contract.ListBulletinHeadersRequest(page_size=size, page_token=told.following)
            answer = await readable_answer(BulletinOversightServiceStub(channel).ListBulletinHeaders, question, seconds)
            return told.more(answer.bulletins, answer.next_page_token)

        page = await page_of_regions(self._regions, NEWEST_BULLETINS, ask, size, request.page_token)
        return contract.ListBulletinHeadersResponse(
            bulletins=page.items, unanswered=page.unanswered, next_page_token=page.following
        )

    async def ListBulletinReaders(  # noqa: N802 - named by the contract
        self,
        request: contract.ListBulletinReadersRequest,
        context: grpc.aio.ServicerContext[contract.ListBulletinReadersRequest, contract.ListBulletinReadersResponse],
    ) -> contract.ListBulletinReadersResponse:
        """See the contract. The region that published the bulletin knows all of its readers."""
        region = request.bulletin_id.partition("/")[0]
        if not self._regions.is_configured(region):
            raise Refused(Reason.REASON_BULLETIN_NOT_FOUND, bulletin=request.bulletin_id)
        question = region_contract.ListReadersOfBulletinRequest(
            bulletin_id=request.bulletin_id, page_size=request.page_size, page_token=request.page_token
        )
        answer = await self._regions.require(
            region,
            lambda channel, seconds: readable_answer(
                BulletinOversightServiceStub(channel).ListReadersOfBulletin, question, seconds
            ),
        )
        return contract.ListBulletinReadersResponse(readers=answer.readers, next_page_token=answer.next_page_token)
