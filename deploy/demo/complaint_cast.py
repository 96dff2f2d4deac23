"""The actors of the complaint in the story, and the small federation in which it takes place."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

from google.protobuf import json_format

from deploy.demo import wording
from deploy.demo.cast import CLERK, Counter, Reviewer
from deploy.demo.client import Client
from deploy.demo.world import REGIONS
from deploy.local.driven_clock import DrivenClock
from deploy.local.federation import FEDERATION_FILES, OPERATOR, LocalFederation
from deploy.local.process import ProcessFailed
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.notice_service_pb2 import ListNoticesRequest, Notice
from gateway.api.region.v1.notice_service_pb2_grpc import NoticeServiceStub
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.federation.catalogue import Federation
from gateway.federation.files import load
from gateway.settings import load as load_settings
from gateway.time.clock import from_timestamp
from region_node.care.quarantine.watching import QUARANTINE_TIMER
from region_node.node.settings import RegionSettings

STAFF = {"guangdong": "chen.jing", "sichuan": "zhao.min", "henan": "liu.yang"}
REVIEWER = "li.na"  # of Sichuan: the author of a resolution may not book its money
_WAIT = 10.0  # seconds that a call may wait for the owner region
_PATIENCE = 40.0  # seconds until something that must happen is missed
_LOOK_AGAIN = 0.05  # seconds
_OPENS = time(9)
_CLOCK = "clock"
_VALID = timedelta(days=120)  # a month is settled after its end, and begins first
_HEARTBEAT = 0.1  # seconds: after a clock change, all members confirm their agreement by heartbeats


class Desk:
    """The counter of a region, or a member of its staff, at that region's own node."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client

    async def file(self, request_id: str, request: ComplaintRequest) -> Complaint:
        """Files a customer's complaint. Raises Refused or Unreachable, as all calls here."""
        request.requester.CopyFrom(self._requester)
        filed = api.FileComplaintRequest(request_id=request_id, complaint=request)
        return (await self._client.ask(lambda channel: ComplaintServiceStub(channel).FileComplaint, filed)).complaint

    async def told(self, ticket_id: str) -> api.GetComplaintResponse:
        """The complaint's current version in this region, with its ledger."""
        request = api.GetComplaintRequest(ticket_id=ticket_id, requester=self._requester)
        return await self._client.ask(lambda channel: ComplaintServiceStub(channel).GetComplaint, request)

    async def until(self, ticket_id: str, holds: Callable[[Complaint], bool]) -> Complaint:
        """The complaint as soon as a condition holds for it here. Raises TimeoutError."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    found = (await self.told(ticket_id)).complaint
                    if holds(found):
                        return found
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise TimeoutError(f"{ticket_id}: nothing came of it within {_PATIENCE:.0f} s") from None

    async def propose(self, request: api.ProposeResolutionRequest) -> Complaint:
        """Proposes a resolution."""
        rpc = ComplaintServiceStub
        return (await self._client.ask(lambda channel: rpc(channel).ProposeResolution, request)).complaint

    async def refuse(self, request_id: str, ticket_id: str, reason: str) -> Complaint:
        """Refuses a resolution for the customer."""
        request = api.RefuseResolutionRequest(
            request_id=request_id, ticket_id=ticket_id, requester=self._requester, reason=reason
        )
        request.wait.FromMilliseconds(int(_WAIT * 1000))
        rpc = ComplaintServiceStub
        return (await self._client.ask(lambda channel: rpc(channel).RefuseResolution, request)).complaint

    async def accept(self, request_id: str, ticket_id: str, rating: int) -> Complaint:
        """The customer is content."""
        request = api.AcceptResolutionRequest(
            request_id=request_id, ticket_id=ticket_id, requester=self._requester, rating=rating
        )
        request.wait.FromMilliseconds(int(_WAIT * 1000))
        rpc = ComplaintServiceStub
        return (await self._client.ask(lambda channel: rpc(channel).AcceptResolution, request)).complaint

    async def notices(self, number: str) -> Sequence[Notice]:
        """The notices of this region to a customer, oldest first."""
        request = ListNoticesRequest(number=number, requester=self._requester)
        return (await self._client.ask(lambda channel: NoticeServiceStub(channel).ListNotices, request)).notices

    @property
    def _requester(self) -> Requester:
        return Requester(staff_id=self.name, channel=Channel.CHANNEL_COUNTER)


@dataclass
class Elsewhen:
    """Three regions by a clock of their own, which the story drives: no day of theirs takes a day."""

    federation: LocalFederation
    clock: DrivenClock
    rules: Federation
    counters: Mapping[str, Counter]
    desk: Desk
    """The counter in Guangdong, the first contact."""
    staff: Mapping[str, Desk]
    reviewer: Reviewer
    administrator: Client

    async def drive_to(self, instant: datetime) -> None:
        """Puts the clock ahead; returns when all have found that their clocks still agree."""
        self.clock.drive_to(instant)
        # A heartbeat in progress has seen both times; the next one has only the new time.
        for _ in range(2):
            await self._heard_since(self.clock.now())

    async def _heard_since(self, instant: datetime) -> None:
        async with asyncio.timeout(_PATIENCE):
            while True:
                listed = await self.administrator.ask(
                    lambda channel: MembershipServiceStub(channel).ListRegions, ListRegionsRequest()
                )
                beats = [from_timestamp(each.heartbeat_time) for each in listed.members if each.region in REGIONS]
                if min(beats) >= instant:
                    return
                await asyncio.sleep(_LOOK_AGAIN)

    async def notified_recipients(self, count: int) -> Sequence[RaisedComplaint]:
        """The notices to the escalation recipients of all regions, once there are `count`. Raises TimeoutError."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                told = [each for region in REGIONS for each in await asyncio.to_thread(self._told_by, region)]
                if len(told) >= count:
                    return told
                await asyncio.sleep(_LOOK_AGAIN)

    def _told_by(self, region: str) -> list[RaisedComplaint]:
        settings = load_settings(RegionSettings, self.federation.settings_file(region))
        path = settings.escalation_file
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        notices = [json_format.ParseDict(json.loads(line), RaisedComplaint()) for line in lines]
        # The story passes weeks at once: a purge that comes late asks people, too, and the next level after a while.
        return [each for each in notices if not each.ticket_id.startswith(f"{QUARANTINE_TIMER}/")]


@asynccontextmanager
async def elsewhen(directory: Path, note: Callable[[LocalFederation], None]) -> AsyncIterator[Elsewhen]:
    """The small federation from its start, which `note` receives, to its end. Its first day is the next Monday."""
    clock = _clock(directory)
    federation = LocalFederation(directory, REGIONS, clock_file=directory / _CLOCK)
    federation.heartbeat_seconds, federation.valid = _HEARTBEAT, _VALID
    try:
        await _start(federation, note)
        async with AsyncExitStack() as stack:
            yield _cast(stack, federation, clock)
    finally:
        _stop(federation)


def _stop(federation: LocalFederation) -> None:
    try:
        federation.stop()
    except (ProcessFailed, KeyboardInterrupt):
        federation.kill()
        raise


def _clock(directory: Path) -> DrivenClock:
    directory.mkdir(parents=True, exist_ok=True)
    clock = DrivenClock.create(directory / _CLOCK)
    clock.drive_to(next_monday(clock.now()))
    return clock


def next_monday(now: datetime) -> datetime:
    """The next Monday that is still to come, when the counters open."""
    local = now.astimezone(wording.ZONE)
    day = local.date() + timedelta(days=7 - local.weekday())
    return datetime.combine(day, _OPENS, wording.ZONE)


async def _start(federation: LocalFederation, note: Callable[[LocalFederation], None]) -> None:
    federation.prepare()
    for region, name in (*STAFF.items(), ("sichuan", REVIEWER)):
        federation.issue_staff(region, name)
    await asyncio.to_thread(federation.start_coordinator)
    note(federation)
    await federation.apply_configuration(FEDERATION_FILES)
    for region in REGIONS:
        federation.launch_region(region)
    note(federation)
    for region in REGIONS:
        await asyncio.to_thread(federation.await_region, region)
    await federation.wait_joined(REGIONS)


def _cast(stack: AsyncExitStack, federation: LocalFederation, clock: DrivenClock) -> Elsewhen:
    def client(region: str, name: str) -> Client:
        made = Client(federation.region_replicas(region, f"{region}-{name}"))
        stack.push_async_callback(made.close)
        return made

    administrator = Client(federation.coordinator_replicas())
    stack.push_async_callback(administrator.close)
    return Elsewhen(
        federation=federation,
        clock=clock,
        rules=Federation(1, load(FEDERATION_FILES)),
        counters={region: Counter(region, client(region, OPERATOR)) for region in REGIONS},
        desk=Desk(CLERK, client("guangdong", OPERATOR)),
        staff={region: Desk(name, client(region, name)) for region, name in STAFF.items()},
        reviewer=Reviewer(REVIEWER, client("sichuan", REVIEWER)),
        administrator=administrator,
    )
