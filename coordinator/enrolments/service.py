"""JoiningService at its own port, and EnrolmentService for administrators."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import grpc
from cryptography import x509

from coordinator.enrolments import decisions
from coordinator.enrolments.rates import JoiningRates
from coordinator.membership.members import members_of
from coordinator.membership.rules import require_configured
from coordinator.registry.fence import RegistryFence
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Administered
from gateway.api.coordinator.v1 import enrolment_service_pb2 as contract
from gateway.api.coordinator.v1.enrolment_service_pb2 import Enrolment
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import EnrolmentServiceServicer, JoiningServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.calls import current_call
from gateway.rpc.networks import network_of
from gateway.rpc.pages import page_after
from gateway.security.enrolling import enrolment_id, token_hash
from gateway.time.agreed_clock import AgreedClock


@dataclass(frozen=True)
class EnrolmentPorts:
    """The ports of both services."""

    federation: str
    registry: Registry
    clock: AgreedClock
    authorities: Callable[[], Sequence[x509.Certificate]]
    """The authorities of the federation that count now."""
    fence: RegistryFence | None
    """None for a registry that several coordinators share."""

    def decision_time(self) -> datetime:
        """The time that an enrolment is dated by. Raises Refused with CLOCK_UNTRUSTED unless it is settled.

        Before a region has joined, nobody can confirm a clock, and this one counts as it is.
        """
        has_joined = any(each.ever_joined for each in self.registry.snapshot().regions.values())
        return self.clock.settled_now() if has_joined else self.clock.now()


class JoiningService(JoiningServiceServicer):
    """See the contract."""

    def __init__(self, ports: EnrolmentPorts) -> None:
        self._ports = ports
        self._rates = JoiningRates(ports.registry.enrolments.all, ports.clock)

    async def Enrol(
        self,
        request: contract.EnrolRequest,
        context: grpc.aio.ServicerContext[contract.EnrolRequest, contract.EnrolResponse],
    ) -> contract.EnrolResponse:
        """See the contract. A token that nobody knows costs one read and writes nothing.

        While the clock is not settled, a token without keys is refused, and no time ends a wait for a decision. An
        older database may lack the invitation, or have one that was used: REGISTRY_BEHIND until people have looked.
        """
        ports, hashed = self._ports, token_hash(request.secret)
        name = enrolment_id(hashed)
        await self._rates.require_room(network_of(context.peer()), name)
        if ports.fence is not None:
            ports.fence.require_open()
        decisions.require_secret(request.secret)
        stored = await ports.registry.enrolments.find(name)
        is_invited = stored is not None and stored.state == decisions.INVITED
        now = ports.decision_time() if is_invited else ports.clock.now()

        def decide(before: Enrolment | None) -> Enrolment | None:
            return decisions.requested(before, request, hashed, ports.federation, now)

        if decide(stored) is not None:
            by = Administered("joiner", "ENROLMENT_REQUESTED", f"enrolment/{name}")
            stored = await ports.registry.enrolments.change(name, decide, by)
        assert stored is not None, "nobody else's token is taken"
        found = decisions.stands(stored, now) if ports.clock.is_settled() else stored
        return contract.EnrolResponse(
            state=found.state,
            note=found.note,
            tls_certificate=found.tls_certificate,
            signing_certificate=found.signing_certificate,
        )


class EnrolmentService(EnrolmentServiceServicer):
    """See the contract."""

    def __init__(self, ports: EnrolmentPorts) -> None:
        self._ports = ports
        self._enrolments = ports.registry.enrolments

    async def InviteRegion(
        self,
        request: contract.InviteRegionRequest,
        context: grpc.aio.ServicerContext[contract.InviteRegionRequest, contract.InviteRegionResponse],
    ) -> contract.InviteRegionResponse:
        """See the contract."""
        actor, now = current_call().identity.path, self._ports.decision_time()
        name = enrolment_id(request.token_hash)
        known = await self._enrolments.all()
        if all(each.id != name for each in known):
            decisions.require_room(known, now)
        stored = await self._enrolments.change(
            name,
            lambda before: decisions.invited(before, request, actor, self._ports.federation, now),
            Administered(actor, "ENROLMENT_INVITED", f"region/{request.region}", f"enrolment/{name}"),
        )
        for each in known:
            if self._ports.clock.is_settled() and decisions.is_past(each, now):  # by a wrong one, all of them are
                await self._enrolments.remove(each.id)
        return contract.InviteRegionResponse(enrolment=stored)

    async def ListEnrolments(
        self,
        request: contract.ListEnrolmentsRequest,
        context: grpc.aio.ServicerContext[contract.ListEnrolmentsRequest, contract.ListEnrolmentsResponse],
    ) -> contract.ListEnrolmentsResponse:
        """See the contract."""
        now = self._ports.clock.now()
        wanted = [each for each in await self._enrolments.all() if request.enrolment_id in ("", each.id)]
        if request.enrolment_id and not wanted:
            raise Refused(Reason.REASON_ENROLMENT_NOT_FOUND, enrolment=request.enrolment_id)
        found = sorted((decisions.stands(each, now) for each in wanted), key=decisions.place)
        page, token = page_after("enrolments", found, decisions.place, request.page_size, request.page_token)
        return contract.ListEnrolmentsResponse(enrolments=page, next_page_token=token)

    async def ApproveEnrolment(
        self,
        request: contract.ApproveEnrolmentRequest,
        context: grpc.aio.ServicerContext[contract.ApproveEnrolmentRequest, contract.ApproveEnrolmentResponse],
    ) -> contract.ApproveEnrolmentResponse:
        """See the contract."""
        ports, actor, name = self._ports, current_call().identity.path, request.enrolment_id
        authorities, now, members = ports.authorities(), ports.decision_time(), members_of(ports.registry.snapshot())

        def decide(before: Enrolment | None) -> Enrolment | None:
            after = decisions.approved(before, request, actor, authorities, ports.federation, now)
            if after is not None:
                require_configured(members, after.region)
            return after

        by = Administered(actor, "ENROLMENT_APPROVED", f"enrolment/{name}")
        stored = await self._enrolments.change(name, decide, by)
        return contract.ApproveEnrolmentResponse(enrolment=stored)

    async def RejectEnrolment(
        self,
        request: contract.RejectEnrolmentRequest,
        context: grpc.aio.ServicerContext[contract.RejectEnrolmentRequest, contract.RejectEnrolmentResponse],
    ) -> contract.RejectEnrolmentResponse:
        """See the contract."""
        actor, now, name = current_call().identity.path, self._ports.decision_time(), request.enrolment_id
        stored = await self._enrolments.change(
            name,
            lambda before: decisions.rejected(before, request, actor, now),
            Administered(actor, "ENROLMENT_REJECTED", f"enrolment/{name}", request.note),
        )
        return contract.RejectEnrolmentResponse(enrolment=stored)
