"""A member of a region's staff who publishes and reads bulletins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.api.region.v1 import bulletin_service_pb2 as api
from gateway.api.region.v1.bulletin_pb2 import (
    Bulletin,
    BulletinAddressee,
    BulletinContent,
    BulletinReaders,
    BulletinSeverity,
)
from gateway.api.region.v1.bulletin_service_pb2_grpc import BulletinServiceStub
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.time.clock import to_timestamp
from tests.federation.running import CALL_SECONDS, Federation, until


@dataclass(frozen=True)
class BulletinStaff:
    """Staff of a region."""

    federation: Federation
    region: str
    name: str = "wang"

    @property
    def service(self) -> BulletinServiceStub:
        """The bulletin service of the region's node."""
        return BulletinServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/staff/{self.name}"))

    def content(self, *addressees: str, within: timedelta = timedelta(days=1)) -> BulletinContent:
        """Good content, to `<region>` or `<region>:<staff id>,<staff id>`."""
        wanted = [each.partition(":") for each in addressees]
        return BulletinContent(
            severity=BulletinSeverity.BULLETIN_SEVERITY_IMPORTANT,
            title=LocalizedText(zh_cn="割接", en="cut-over"),
            text=LocalizedText(zh_cn="今夜零点", en="tonight at midnight"),
            end_time=to_timestamp(self.federation.clock.now() + within),
            addressees=[
                BulletinAddressee(region=region, staff_ids=staff.split(",") if staff else ())
                for region, _, staff in wanted
            ],
        )

    async def publishes(self, *addressees: str) -> Bulletin:
        """Publishes a bulletin."""
        return await self.hand_in(self.content(*addressees))

    async def hand_in(self, content: BulletinContent, request_id: str = "") -> Bulletin:
        """Publishes a bulletin as it is."""
        message = api.PublishBulletinRequest(request_id=request_id or self.federation.next_id(), content=content)
        return (await self.service.PublishBulletin(message, timeout=CALL_SECONDS)).bulletin

    async def listed(self, *, unread: bool = False) -> Sequence[Bulletin]:
        """The bulletins of this region."""
        message = api.ListBulletinsRequest(unread=unread, page_size=500)
        return (await self.service.ListBulletins(message, timeout=CALL_SECONDS)).bulletins

    async def has(self, bulletin_id: str, version: int = 1) -> None:
        """Waits until the region has a version of a bulletin."""

        async def is_here() -> bool:
            return any((each.id, each.version) == (bulletin_id, version) for each in await self.listed())

        await until(is_here, f"{bulletin_id} is in {self.region}")

    async def reads(self, bulletin_id: str) -> api.ReadBulletinResponse:
        """Reads a bulletin."""
        return await self.service.ReadBulletin(api.ReadBulletinRequest(bulletin_id=bulletin_id), timeout=CALL_SECONDS)

    async def withdraws(self, bulletin_id: str) -> Bulletin:
        """Withdraws a bulletin."""
        message = api.WithdrawBulletinRequest(bulletin_id=bulletin_id)
        return (await self.service.WithdrawBulletin(message, timeout=CALL_SECONDS)).bulletin

    async def readers(self, bulletin_id: str) -> Sequence[BulletinReaders]:
        """The readers as this region knows them."""
        message = api.ListBulletinReadersRequest(bulletin_id=bulletin_id)
        return (await self.service.ListBulletinReaders(message, timeout=CALL_SECONDS)).readers

    async def is_read(self, bulletin_id: str, region: str) -> BulletinReaders:
        """The readers in a region, once that region has read it completely as this region knows."""
        found = BulletinReaders()

        async def is_complete() -> bool:
            found.CopyFrom(next(each for each in await self.readers(bulletin_id) if each.region == region))
            return found.complete

        await until(is_complete, f"{bulletin_id} is read in {region}")
        return found
