"""The bulletin application service: the work of the services, without gRPC."""

from collections.abc import Sequence
from datetime import datetime

from gateway.api.region.v1.bulletin_pb2 import Bulletin, BulletinContent, BulletinReaders
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.rpc.pages import decode_token, encode_token, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from region_node.care.bulletins import operations, rules
from region_node.care.bulletins.rows import readers_page, require_bulletin
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, Opener

_READERS_PAGE = "bulletin readers"


class BulletinApplication:
    """Publishes and withdraws bulletins, and notes who reads them."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock) -> None:
        self.region = context.region
        self._context = context
        self._store = store
        self._clock = clock

    async def publish(self, publisher: Opener, content: BulletinContent) -> Bulletin:
        """Publishes a bulletin. Raises Refused."""
        rules.require_content(content, self._context.federation.region)
        now = self._clock.now()
        if not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        published = await self._store.write(lambda tx: operations.publish(tx, self._context, publisher, content, now))
        failpoints.reach("bulletin-published.after-commit")
        return published

    async def withdraw(self, caller: Caller, bulletin_id: str) -> Bulletin:
        """Withdraws a bulletin of this region. Raises Refused."""
        now = self._clock.now()
        return await self._store.write(lambda tx: operations.withdraw(tx, self._context, caller, bulletin_id, now))

    async def read(self, caller: Caller, bulletin_id: str) -> tuple[Bulletin, datetime]:
        """The bulletin, and the time of the caller's first reading. Raises Refused."""
        now = self._clock.now()
        return await self._store.write(lambda tx: operations.read(tx, self._context, caller, bulletin_id, now))

    async def readers(self, bulletin_id: str, size: int, token: str) -> tuple[Sequence[BulletinReaders], str]:
        """A page of the readers of a bulletin as this region knows them, and the token of the next. Raises Refused."""
        limit, after = page_size(size), decode_token(_READERS_PAGE, token)

        def found(tx: Transaction) -> tuple[Sequence[BulletinReaders], str]:
            return readers_page(tx, require_bulletin(tx, bulletin_id).bulletin, self.region, limit, after)

        readers, following = await self._store.read(found)
        return readers, encode_token(_READERS_PAGE, following)
