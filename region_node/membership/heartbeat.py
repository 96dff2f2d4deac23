"""The heartbeat to every coordinator: each replica must know the node, and one that fails stops no other."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from tenacity import AsyncRetrying, retry_if_exception_type, stop_never

from gateway import audit
from gateway.api.federation.v1.federation_pb2 import AuditHead, JoinRequest, JoinResponse
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.channels import Replicas, invoke
from gateway.clock import from_timestamp, to_timestamp
from gateway.errors import Refused
from gateway.relay.retry import FullJitter
from gateway.relay.transport import Unreachable
from gateway.signing import AUDIT_HEAD
from region_node.membership.node import MembershipPorts, Node
from region_node.membership.standing import Standing

JOIN_TIMEOUT = 5.0  # seconds for a heartbeat: far below any lease, so that a slow one is repeated in time
LEAVE_TIMEOUT = 2.0  # seconds for the last word: the lease ends by itself where it is not heard
SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.1, 60.0  # seconds; whatever a coordinator says
_FAILURES = (Unreachable, Refused)


class Heartbeat:
    """Joins at every coordinator and stays joined."""

    def __init__(self, node: Node, coordinators: Mapping[str, Replicas], ports: MembershipPorts) -> None:
        self._node = node
        self._coordinators = coordinators
        self._ports = ports
        self._standings = {each: Standing(f"heartbeat to coordinator {each}") for each in coordinators}
        self._clock_errors: dict[str, timedelta] = {}

    async def stay_joined(self, endpoint: str) -> None:
        """Sends heartbeats for the process at `endpoint` until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for coordinator in self._coordinators:
                group.create_task(self._beat(coordinator, endpoint))

    async def leave(self, endpoint: str) -> None:
        """Tells every coordinator that the process leaves. `stay_joined` has ended by then, else it joins again."""
        request = await self._request(endpoint, leaving=True)
        await asyncio.gather(*(self._say_goodbye(each, request) for each in self._coordinators))

    async def _beat(self, coordinator: str, endpoint: str) -> None:
        retrying = AsyncRetrying(
            stop=stop_never,
            wait=FullJitter(self._ports.source),
            retry=retry_if_exception_type(_FAILURES),
            sleep=self._ports.sleep,
        )
        while True:
            response: JoinResponse = await retrying(self._join, coordinator, endpoint)
            interval = response.interval.ToTimedelta().total_seconds()
            await self._ports.sleep(min(max(interval, SHORTEST_INTERVAL), LONGEST_INTERVAL))

    async def _join(self, coordinator: str, endpoint: str) -> JoinResponse:
        self._node.border.keys.expire(self._ports.clock.now())
        loop = asyncio.get_running_loop()
        request = await self._request(endpoint, leaving=False)
        started = loop.time()
        try:
            response = await self._send(coordinator, request, JOIN_TIMEOUT)
        except _FAILURES as error:
            self._clock_errors.pop(coordinator, None)
            self._standings[coordinator].failed(error)
            raise
        if response.HasField("time"):
            round_trip = timedelta(seconds=loop.time() - started)
            self._note_clock_error(coordinator, request, response, round_trip)
        self._standings[coordinator].well("joined")
        return response

    def _note_clock_error(
        self, coordinator: str, request: JoinRequest, response: JoinResponse, round_trip: timedelta
    ) -> None:
        """Takes the coordinator's clock to have been read halfway.

        Of several coordinators the one in the middle counts, so that one wrong clock among three stops nobody.
        """
        halfway = from_timestamp(request.time) + round_trip / 2
        self._clock_errors[coordinator] = halfway - from_timestamp(response.time)
        errors = sorted(self._clock_errors.values(), key=abs)
        self._node.border.current.note_clock_error(errors[len(errors) // 2])

    async def _say_goodbye(self, coordinator: str, request: JoinRequest) -> None:
        try:
            await self._send(coordinator, request, LEAVE_TIMEOUT)
        except _FAILURES as error:
            self._standings[coordinator].failed(error)
        else:
            self._standings[coordinator].well("left")

    async def _send(self, coordinator: str, request: JoinRequest, timeout: float) -> JoinResponse:
        channel = self._coordinators[coordinator].pick().channel
        return await invoke(FederationServiceStub(channel).Join, request, timeout)

    async def _request(self, endpoint: str, *, leaving: bool) -> JoinRequest:
        border = self._node.border
        head = await self._ports.store.read(audit.head)
        signature = border.signer.sign(AUDIT_HEAD, head.signed_bytes())
        return JoinRequest(
            endpoint=endpoint,
            signing_certificate=self._node.signing_certificate,
            federation_revision=border.current.revision,
            time=to_timestamp(self._ports.clock.now()),
            audit_head=AuditHead(sequence=head.sequence, hash=head.hash, signature=signature),
            leaving=leaving,
        )
