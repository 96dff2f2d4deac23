"""The node's side of the federation: follows its state, sends heartbeats, and leaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from gateway.api.coordinator.v1.administration_pb2 import AssignNumberRequest, KeepSuspensionRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub, MembershipServiceStub
from gateway.api.coordinator.v1.case_service_pb2 import ReportCaseRequest
from gateway.api.coordinator.v1.case_service_pb2_grpc import CaseServiceStub
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import HoldPlannedOutageRequest, PlannedOutageHeader
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2_grpc import PlannedOutageRegistryServiceStub
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, ReportAffectedRequest, ReportEventRequest
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.coordinator.v1.renewal_service_pb2 import RenewCertificateRequest, RenewCertificateResponse
from gateway.api.coordinator.v1.renewal_service_pb2_grpc import RenewalServiceStub
from gateway.api.federation.v1.federation_pb2 import (
    AuditHead,
    ChainHead,
    GetAuditHeadRequest,
    GetChainHeadsRequest,
    GetChainHeadsResponse,
    NumberAssignment,
)
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, Unreachable
from gateway.federation.assignments import signed_assignment
from gateway.process.memory import SettledMemory
from gateway.rpc.channels import Replicas, invoke
from gateway.security.identity import server_name
from region_node.node.membership.assignments import AssignmentKeeper
from region_node.node.membership.heartbeat import Heartbeat
from region_node.node.membership.last_good import LastGood
from region_node.node.membership.node import MembershipPorts, Node
from region_node.node.membership.state import StateKeeper
from region_node.node.membership.watch import Watcher

HEAD_SECONDS = 1.0  # for a coordinator's head of the audit chain: a starting process waits for it
TELL_SECONDS = 5.0  # for a coordinator to keep a case
CATCH_UP_SECONDS = 3.0  # for the current state; a coordinator that can route has it available


class FederationClient:
    """The membership of one process, made on its event loop.

    Call `load` once at the start. Run `follow` as a task, and beside it `catch_up`, then `stay_joined`. On drain cancel
    `stay_joined`, then call `leave` and `close`.
    """

    def __init__(self, node: Node, data: Path, ports: MembershipPorts) -> None:
        """`data` is the directory of the last good state. Raises CredentialsUnusable."""
        name = server_name(Role.ROLE_COORDINATOR, "", node.federation)
        self._coordinators = Replicas(ports.dialer, name, ports.source)
        self._coordinators.update(node.coordinators)
        self._current = node.border.current
        self._node = node
        self._clock = ports.clock
        assignments = AssignmentKeeper(node.border.region, node.border.keys, data)
        self._keeper = StateKeeper(node, ports.clock, LastGood(data), assignments)
        self._watcher = Watcher(
            self._coordinators,
            self._keeper,
            assignments,
            self._hand_in,
            self._give_back,
            node.border.current,
            ports,
        )
        self._heartbeat = Heartbeat(node, self._coordinators, ports, self._keeper)

    def load(self) -> None:
        """Puts the state that was last kept on disk in force, so that the node works without any coordinator."""
        self._keeper.load()

    async def follow(self) -> None:
        """Keeps the federation state and its copy on disk up to date, until it is cancelled."""
        memory = SettledMemory(self._current.revision)
        self._current.on_update(lambda state: memory.note(state.federation.revision))
        await self._watcher.follow()

    async def catch_up(self) -> None:
        """Returns after the first state from a coordinator, or after three seconds without one.

        A node should not join before. Without a state it can answer nothing. With an old plan it would permanently
        refuse orders of customers who belong to another region by now. Runs beside `follow`.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await self._keeper.told.wait()

    def is_told(self) -> bool:
        """Whether a coordinator's state of the federation is in force."""
        return self._keeper.told.is_set()

    async def stay_joined(self, endpoint: str) -> None:
        """Sends heartbeats until it is cancelled. `endpoint` is this process's address for coordinators."""
        await self._heartbeat.stay_joined(endpoint)

    async def leave(self, endpoint: str) -> None:
        """Announces that the process accepts no more envelopes.

        Returns within two seconds, with or without a response.
        """
        await self._heartbeat.leave(endpoint)

    async def tell_case(self, header: CaseHeader) -> None:
        """Returns once a coordinator has the header of a case. Raises Refused, or Unreachable where none responds."""
        request = ReportCaseRequest(header=header)
        await self._coordinators.call(
            lambda coordinator, seconds: invoke(CaseServiceStub(coordinator.channel).ReportCase, request, seconds),
            TELL_SECONDS,
        )

    async def tell_event(self, event: NetworkEvent) -> None:
        """Returns once a coordinator has the event of an alarm or a fault. Raises as `tell_case`."""
        request = ReportEventRequest(event=event)
        await self._coordinators.call(
            lambda coordinator, seconds: invoke(ProblemServiceStub(coordinator.channel).ReportEvent, request, seconds),
            TELL_SECONDS,
        )

    async def tell_affected(self, request: ReportAffectedRequest) -> None:
        """Returns once a coordinator has how many customers a problem affects. Raises as `tell_case`."""
        await self._coordinators.call(
            lambda coordinator, seconds: invoke(
                ProblemServiceStub(coordinator.channel).ReportAffected, request, seconds
            ),
            TELL_SECONDS,
        )

    async def hold_planned_outage(self, window: PlannedOutageHeader) -> None:
        """Returns once a coordinator holds a planned outage, or has released it.

        Raises Refused, or Unreachable where none responds.
        """
        request = HoldPlannedOutageRequest(planned_outage=window)
        await self._coordinators.call(
            lambda each, seconds: invoke(
                PlannedOutageRegistryServiceStub(each.channel).HoldPlannedOutage, request, seconds
            ),
            TELL_SECONDS,
        )

    async def assign_number(self, number: str, region: str) -> None:
        """Returns once a coordinator keeps the assignment of a number of this region, in E.164, to another region.

        This region signs it. Raises as `tell_case`.
        """
        border, certificate = self._node.border, self._node.signing_certificate
        before = self._current.federation.number_plan.standing(number)
        assignment = signed_assignment(
            number, region, border.region, before, border.signer, certificate, self._clock.now()
        )
        await self._hand_in(assignment, certificate)

    async def _hand_in(self, assignment: NumberAssignment, certificate: bytes) -> None:
        request = AssignNumberRequest(assignment=assignment, signing_certificate=certificate)
        await self._coordinators.call(
            lambda each, seconds: invoke(ConfigurationServiceStub(each.channel).AssignNumber, request, seconds),
            TELL_SECONDS,
        )

    async def renew_certificate(self, request: RenewCertificateRequest) -> RenewCertificateResponse:
        """The state of a renewal at a coordinator. Raises as `tell_case`."""
        return await self._coordinators.call(
            lambda each, seconds: invoke(RenewalServiceStub(each.channel).RenewCertificate, request, seconds),
            TELL_SECONDS,
        )

    async def _give_back(self, signed: SignedSuspension) -> None:
        request = KeepSuspensionRequest(signed=signed)
        await self._coordinators.call(
            lambda each, seconds: invoke(MembershipServiceStub(each.channel).KeepSuspension, request, seconds),
            TELL_SECONDS,
        )

    async def chain_heads(
        self, known: Callable[[str], Awaitable[Sequence[ChainHead]]]
    ) -> AsyncIterator[tuple[str, GetChainHeadsRequest, GetChainHeadsResponse]]:
        """The heads of the coordinators' audit chains, by endpoint; silent and older coordinators are left out."""
        for coordinator in self._coordinators.in_turn():
            request = GetChainHeadsRequest(known=await known(coordinator.endpoint))
            heads = FederationServiceStub(coordinator.channel).GetChainHeads
            try:
                response = await invoke(heads, request, TELL_SECONDS)
            except (Refused, Unreachable):
                continue
            yield coordinator.endpoint, request, response

    async def audit_heads(self) -> AsyncIterator[AuditHead | None]:
        """The head of this region's chain as each coordinator keeps it; silent ones are left out.

        None for a coordinator that keeps none.
        """
        for coordinator in self._coordinators.in_turn():
            head = FederationServiceStub(coordinator.channel).GetAuditHead
            try:
                response = await invoke(head, GetAuditHeadRequest(), HEAD_SECONDS)
            except (Refused, Unreachable):
                continue
            yield response.audit_head if response.HasField("audit_head") else None

    async def close(self) -> None:
        """Closes the channels."""
        await self._coordinators.close()
