"""The heartbeat: sent to one coordinator at a time, and to the next one immediately after a failure."""

import asyncio
import contextlib
from collections.abc import Sequence

from tenacity import AsyncRetrying, retry_if_exception_type, stop_never

from gateway.api.federation.v1.federation_pb2 import (
    EnvelopesInFlight,
    JoinRequest,
    JoinResponse,
    NodeReport,
    OpenBreaker,
    ProcessVersion,
    WaitingEnvelopes,
)
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.auditing import audit
from gateway.errors import Refused, Unreachable
from gateway.federation.capabilities import own_capabilities
from gateway.relay import outbox
from gateway.relay.retry import FullJitter
from gateway.rpc.channels import OwnCertificate, Replica, Replicas, invoke
from gateway.store import losses
from gateway.time.clock import from_timestamp, is_dated, to_timestamp
from region_node.node.membership.contact_state import ContactState
from region_node.node.membership.node import MembershipPorts, Node
from region_node.node.membership.state import StateKeeper
from region_node.node.membership.statements import SignedStatements

# seconds for a heartbeat at one coordinator: far below any lease, so that the next one gets it in time
JOIN_TIMEOUT = 2.0
LEAVE_TIMEOUT = 2.0  # seconds for the last message: without it the lease ends by itself
_GOODBYES = 2  # coordinators tried within that time if the first does not respond
SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.1, 60.0  # seconds; bounds of a coordinator's own value
_FAILURES = (Unreachable, Refused)


class Heartbeat:
    """Joins at the coordinator in turn, and stays joined."""

    def __init__(self, node: Node, coordinators: Replicas, ports: MembershipPorts, keeper: StateKeeper) -> None:
        self._node = node
        self._keeper = keeper
        self._coordinators = coordinators
        self._ports = ports
        self._capabilities = own_capabilities()
        self._certificate = OwnCertificate(ports.dialer)
        self._statements = SignedStatements(node.border.signer, node.keys)
        self._contacts: dict[str, ContactState] = {}

    async def stay_joined(self, endpoint: str) -> None:
        """Sends heartbeats for the process at `endpoint` until it is cancelled."""
        retrying = AsyncRetrying(
            stop=stop_never,
            wait=FullJitter(self._ports.source),
            retry=retry_if_exception_type(_FAILURES),
            sleep=self._ports.sleep,
        )
        while True:
            response: JoinResponse = await retrying(self._join, endpoint)
            interval = response.interval.seconds + response.interval.nanos / 1e9  # beyond any timedelta, perhaps
            await self._ports.sleep(min(max(interval, SHORTEST_INTERVAL), LONGEST_INTERVAL))

    async def leave(self, endpoint: str) -> None:
        """Announces once that the process leaves. `stay_joined` must have ended, else it joins again."""
        # A process ends in order also where its store, or its key, is away.
        with contextlib.suppress(TimeoutError, Refused):
            request = await self._request(endpoint, leaving=True)
            async with asyncio.timeout(LEAVE_TIMEOUT):
                for coordinator in self._coordinators.in_turn():
                    if await self._say_goodbye(coordinator, request):
                        return

    async def _join(self, endpoint: str) -> JoinResponse:
        """Joins at the first coordinator that accepts. Raises the last exception where none has."""
        *others, last = self._coordinators.trusted()
        for coordinator in others:
            with contextlib.suppress(*_FAILURES):
                return await self._join_at(coordinator, endpoint)
        return await self._join_at(last, endpoint)

    async def _join_at(self, coordinator: Replica, endpoint: str) -> JoinResponse:
        clock, keys = self._node.border.clock, self._node.border.keys
        if clock.is_settled():
            keys.expire(self._ports.clock.now())
        request = await self._request(endpoint, leaving=False)
        started = clock.steady()
        try:
            response = await self._send(coordinator, request, JOIN_TIMEOUT)
        except _FAILURES as error:
            self._contact(coordinator).failed(error)
            self._trust_again()
            raise
        if response.HasField("coordinator_time"):
            self._hear_clock(coordinator, response, started)
        self._trust_again()
        self._contact(coordinator).well("joined")
        return response

    def _trust_again(self) -> None:
        if self._node.border.clock.is_settled():
            self._keeper.trust_again()

    def _hear_clock(self, coordinator: Replica, response: JoinResponse, started: float) -> None:
        """Notes the time of a coordinator, assuming that it read its clock halfway.

        An answer that took long, such as to a frozen process, says nothing about it.
        """
        clock = self._node.border.clock
        round_trip = clock.steady() - started
        if round_trip <= JOIN_TIMEOUT and is_dated(response.coordinator_time):
            clock.hear(coordinator.endpoint, from_timestamp(response.coordinator_time), started + round_trip / 2)

    async def _say_goodbye(self, coordinator: Replica, request: JoinRequest) -> bool:
        """Whether the coordinator has received it."""
        try:
            await self._send(coordinator, request, LEAVE_TIMEOUT / _GOODBYES)
        except _FAILURES as error:
            self._contact(coordinator).failed(error)
            return False
        self._contact(coordinator).well("left")
        return True

    async def _send(self, coordinator: Replica, request: JoinRequest, timeout: float) -> JoinResponse:
        try:
            return await invoke(FederationServiceStub(coordinator.channel).Join, request, timeout)
        except Unreachable:
            self._coordinators.leave_out(coordinator)
            raise

    def _contact(self, coordinator: Replica) -> ContactState:
        subject = f"heartbeat to coordinator {coordinator.endpoint}"
        return self._contacts.setdefault(coordinator.endpoint, ContactState(subject))

    async def _request(self, endpoint: str, *, leaving: bool) -> JoinRequest:
        border, now = self._node.border, self._ports.clock.now()
        store = self._ports.store
        head, waiting, version = await store.read(
            lambda tx: (None if losses.has_open(tx) else audit.head(tx), outbox.not_taken(tx), self._ports.version(tx))
        )
        return JoinRequest(
            endpoint=endpoint,
            signing_certificate=self._node.signing_certificate,
            federation_revision=border.current.revision,
            node_time=to_timestamp(border.clock.wall()),
            audit_head=None if head is None or store.lost_commits else self._statements.audit_head(head),
            leaving=leaving,
            sealing_key=self._statements.sealing_key(now),
            capabilities=self._capabilities,
            report=self._report(waiting, version),
            registry_head=self._keeper.registry_head,
        )

    def _report(self, waiting: Sequence[WaitingEnvelopes], version: ProcessVersion) -> NodeReport:
        """The status of the process. It is equal while nothing changes: a heartbeat without news costs less."""
        report = NodeReport(
            unreadable=self._node.border.current.unreadable,
            waiting=waiting,
            open_breakers=[
                OpenBreaker(
                    destination=each,
                    open_time=to_timestamp(stop.since),
                    failure=stop.failure,
                    waiting=stop.waiting,
                )
                for each, stop in sorted(self._ports.breakers().items())
            ],
            disputed_revisions=self._ports.disputes(),
            version=version,
            anomalies=self._ports.anomalies(),
            in_flight=[
                EnvelopesInFlight(destination=each, count=count)
                for each, count in sorted(self._ports.in_flight().items())
            ],
            orders_per_minute=self._ports.orders_per_minute(),
        )
        if (life := self._certificate.life()) is not None:
            begin, end = life
            report.certificate_begin_time.CopyFrom(to_timestamp(begin))
            report.certificate_end_time.CopyFrom(to_timestamp(end))
        return report
