"""BulletinService: gRPC for the bulletin application service."""

import grpc

from gateway.api.region.v1 import bulletin_service_pb2 as api
from gateway.api.region.v1.bulletin_service_pb2_grpc import BulletinServiceServicer
from gateway.rpc.calls import current_call
from gateway.rpc.pages import dated_place, decode_token, encode_token, page_size
from gateway.store.port import Store
from gateway.time.clock import Clock, to_timestamp
from region_node.care.bulletins.application import BulletinApplication
from region_node.care.bulletins.rows import BulletinFilter, list_bulletins
from region_node.requests.caller import Caller
from region_node.requests.calling import caller_of
from region_node.requests.checks import require_request_id

_PAGE = "bulletins"


class BulletinService(BulletinServiceServicer):
    """See the contract. Every method checks the form of its request and calls the application service."""

    def __init__(self, application: BulletinApplication, store: Store, clock: Clock) -> None:
        self._application = application
        self._store = store
        self._clock = clock

    async def PublishBulletin(
        self,
        request: api.PublishBulletinRequest,
        context: grpc.aio.ServicerContext[api.PublishBulletinRequest, api.PublishBulletinResponse],
    ) -> api.PublishBulletinResponse:
        """See the contract."""
        require_request_id(request.request_id)
        published = await self._application.publish(_caller(request.request_id), request.content)
        return api.PublishBulletinResponse(bulletin=published)

    async def WithdrawBulletin(
        self,
        request: api.WithdrawBulletinRequest,
        context: grpc.aio.ServicerContext[api.WithdrawBulletinRequest, api.WithdrawBulletinResponse],
    ) -> api.WithdrawBulletinResponse:
        """See the contract."""
        return api.WithdrawBulletinResponse(bulletin=await self._application.withdraw(_caller(), request.bulletin_id))

    async def ReadBulletin(
        self,
        request: api.ReadBulletinRequest,
        context: grpc.aio.ServicerContext[api.ReadBulletinRequest, api.ReadBulletinResponse],
    ) -> api.ReadBulletinResponse:
        """See the contract."""
        bulletin, read_time = await self._application.read(_caller(), request.bulletin_id)
        return api.ReadBulletinResponse(bulletin=bulletin, read_time=to_timestamp(read_time))

    async def ListBulletins(
        self,
        request: api.ListBulletinsRequest,
        context: grpc.aio.ServicerContext[api.ListBulletinsRequest, api.ListBulletinsResponse],
    ) -> api.ListBulletinsResponse:
        """See the contract."""
        size, before = page_size(request.page_size), dated_place(decode_token(_PAGE, request.page_token))
        reader = current_call().identity.name if request.unread else ""
        wanted = BulletinFilter(unread_by=reader, region=self._application.region, now=self._clock.now())
        page = await self._store.read(lambda tx: list_bulletins(tx, wanted, before, size))
        return api.ListBulletinsResponse(bulletins=page.items, next_page_token=encode_token(_PAGE, page.following))

    async def ListBulletinReaders(
        self,
        request: api.ListBulletinReadersRequest,
        context: grpc.aio.ServicerContext[api.ListBulletinReadersRequest, api.ListBulletinReadersResponse],
    ) -> api.ListBulletinReadersResponse:
        """See the contract."""
        size, token = request.page_size, request.page_token
        readers, following = await self._application.readers(request.bulletin_id, size, token)
        return api.ListBulletinReadersResponse(readers=readers, next_page_token=following)


def _caller(request_id: str = "") -> Caller:
    return caller_of(request_id)
