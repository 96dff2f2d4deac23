"""BulletinOversightService: coordinators' view of this region's bulletins, and the bulletins of administrators."""

import grpc

from gateway.api.region.v1 import bulletin_oversight_service_pb2 as api
from gateway.api.region.v1.bulletin_oversight_service_pb2 import BulletinHeader
from gateway.api.region.v1.bulletin_oversight_service_pb2_grpc import BulletinOversightServiceServicer
from gateway.process.tracing import current_traceparent
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.care.bulletins.application import BulletinApplication
from region_node.care.bulletins.rows import BulletinFilter, header_of, list_bulletins
from region_node.node.context import RegionContext
from region_node.records.listing import Page
from region_node.requests.administrators import acting
from region_node.requests.caller import Administrator
from region_node.requests.checks import require_request_id

_PAGE = "bulletin headers"


class BulletinOversightService(BulletinOversightServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, application: BulletinApplication, store: Store, clock: Clock) -> None:
        self._context = context
        self._region = context.region
        self._clock = clock
        self._application = application
        self._store = store

    async def PublishForAdministrator(  # noqa: N802 - named by the contract
        self,
        request: api.PublishForAdministratorRequest,
        context: grpc.aio.ServicerContext[api.PublishForAdministratorRequest, api.PublishForAdministratorResponse],
    ) -> api.PublishForAdministratorResponse:
        """See the contract."""
        require_request_id(request.request_id)
        act = acting(self._context, request, self._clock.now())
        publisher = Administrator(act.administrator, request.request_id, current_traceparent(), act.proof)
        published = await self._application.publish(publisher, request.content)
        header = await self._store.read(lambda tx: header_of(tx, published, self._region))
        return api.PublishForAdministratorResponse(bulletin=header)

    async def ListBulletinHeaders(  # noqa: N802 - named by the contract
        self,
        request: api.ListBulletinHeadersRequest,
        context: grpc.aio.ServicerContext[api.ListBulletinHeadersRequest, api.ListBulletinHeadersResponse],
    ) -> api.ListBulletinHeadersResponse:
        """See the contract."""
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        wanted = BulletinFilter(published_by=self._region)

        def read(tx: Transaction) -> Page[BulletinHeader]:
            page = list_bulletins(tx, wanted, before, size)
            return Page([header_of(tx, each, self._region) for each in page.items], page.following)

        page = await self._store.read(read)
        token = encode_token(_PAGE, page.following)
        return api.ListBulletinHeadersResponse(bulletins=page.items, next_page_token=token)

    async def ListReadersOfBulletin(  # noqa: N802 - named by the contract
        self,
        request: api.ListReadersOfBulletinRequest,
        context: grpc.aio.ServicerContext[api.ListReadersOfBulletinRequest, api.ListReadersOfBulletinResponse],
    ) -> api.ListReadersOfBulletinResponse:
        """See the contract."""
        size, token = request.page_size, request.page_token
        readers, following = await self._application.readers(request.bulletin_id, size, token)
        return api.ListReadersOfBulletinResponse(readers=readers, next_page_token=following)
