"""A caller about complaints at one region's node: an operator system, or a member of its staff."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import grpc

from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintChannel,
    ComplaintNote,
    ComplaintRequest,
    ComplaintState,
    Remedy,
    ReturnReason,
)
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.types.v1.types_pb2 import Money
from tests.federation.counter import REQUESTER, WAIT, seconds
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation, until


@dataclass(frozen=True)
class Complainant:
    """The operator `counter` of a region, or who is named, for example `staff/wang`."""

    federation: Federation
    region: str
    name: str = "operator/counter"
    number: int = 0
    """Of the region's process."""

    @property
    def service(self) -> ComplaintServiceStub:
        """The complaint service of the region's node."""
        node = f"{self.region}/{self.number}" if self.number else self.region
        return ComplaintServiceStub(self.federation.dial_node(node, f"region/{self.region}/{self.name}"))

    def request(self, category: str, number: str, description: str = "我被多收了钱", **told: str) -> ComplaintRequest:
        """A good filing."""
        return ComplaintRequest(
            category=category,
            number=number,
            description=description,
            remedy_sought=Remedy.REMEDY_REFUND,
            channel=ComplaintChannel.COMPLAINT_CHANNEL_LETTER,
            requester=REQUESTER,
            rural_area=False,
            **told,
        )

    async def file(
        self, category: str, number: str, *, request_id: str = "", wait: float = 0.0, **told: str
    ) -> Complaint:
        """Files a complaint; waits so many seconds for the region that is responsible."""
        return await self.hand_in(self.request(category, number, **told), request_id, wait)

    async def hand_in(self, request: ComplaintRequest, request_id: str = "", wait: float = 0.0) -> Complaint:
        """Files a complaint as it is."""
        message = api.FileComplaintRequest(request_id=request_id or self.federation.next_id(), complaint=request)
        message.wait.FromTimedelta(timedelta(seconds=wait))
        return (await self.service.FileComplaint(message, timeout=CALL_SECONDS)).complaint

    async def told(self, ticket_id: str) -> api.GetComplaintResponse:
        """The complaint with its ledger."""
        request = api.GetComplaintRequest(ticket_id=ticket_id, requester=REQUESTER)
        return await self.service.GetComplaint(request, timeout=CALL_SECONDS)

    async def get(self, ticket_id: str) -> Complaint:
        """The complaint as it stands at this region."""
        return (await self.told(ticket_id)).complaint

    async def reaches(self, ticket_id: str, state: ComplaintState.ValueType) -> Complaint:
        """The complaint once it is in a state at this region."""
        return await self.follows(ticket_id, lambda found: found.state == state, ComplaintState.Name(state))

    async def follows(self, ticket_id: str, holds: Callable[[Complaint], bool], what: str) -> Complaint:
        """The complaint once something holds of it at this region."""

        async def is_so() -> bool:
            try:
                return holds(await self.get(ticket_id))
            except grpc.aio.AioRpcError as error:
                if read(error).reason != "COMPLAINT_NOT_FOUND":  # it may be on its way
                    raise
                return False

        await until(is_so, f"{ticket_id} in {self.region}: {what}")
        return await self.get(ticket_id)

    async def rises(self, ticket_id: str, level: int) -> Complaint:
        """The complaint once it has been raised to a level at this region."""

        async def holds() -> bool:
            return (await self.get(ticket_id)).level == level

        await until(holds, f"{ticket_id} is at level {level} in {self.region}")
        return await self.get(ticket_id)

    async def respond(
        self, ticket_id: str, text: str = "我们正在核查", *, asks: bool = False, asks_region: str = ""
    ) -> Complaint:
        """Says something."""
        request = api.RespondToComplaintRequest(
            request_id=self.federation.next_id(),
            ticket_id=ticket_id,
            requester=REQUESTER,
            text=text,
            ask_customer=asks,
            ask_region=asks_region,
            wait=seconds(WAIT),
        )
        return (await self.service.RespondToComplaint(request, timeout=CALL_SECONDS)).complaint

    async def classify(self, ticket_id: str, category: str, reason: str = "", *, request_id: str = "") -> Complaint:
        """Says what a complaint is about."""
        request = api.ClassifyComplaintRequest(
            request_id=request_id or self.federation.next_id(), ticket_id=ticket_id, category=category, reason=reason
        )
        return (await self.service.ClassifyComplaint(request, timeout=CALL_SECONDS)).complaint

    async def note_privately(self, ticket_id: str, text: str, *, request_id: str = "") -> Sequence[ComplaintNote]:
        """Writes down what only this region's staff see; returns all of that."""
        request = api.AddPrivateNoteRequest(
            request_id=request_id or self.federation.next_id(), ticket_id=ticket_id, text=text
        )
        return (await self.service.AddPrivateNote(request, timeout=CALL_SECONDS)).private_notes

    async def propose(
        self,
        ticket_id: str,
        *,
        request_id: str = "",
        amount: int = 1200,
        remedy: Remedy.ValueType | None = None,
        cause: str = "billing-error",
    ) -> Complaint:
        """Proposes a refund, or another remedy; of a work item a correction unless another is named."""
        if remedy is None:
            remedy = Remedy.REMEDY_CORRECTION if ticket_id.count("/") > 1 else Remedy.REMEDY_REFUND
        is_money = remedy in (Remedy.REMEDY_REFUND, Remedy.REMEDY_CREDIT)
        request = api.ProposeResolutionRequest(
            request_id=request_id or self.federation.next_id(),
            ticket_id=ticket_id,
            text="退还多收费用",
            cause_code=cause,
            remedy=remedy,
            amount=Money(minor_units=amount, currency="CNY") if is_money else None,
        )
        return (await self.service.ProposeResolution(request, timeout=CALL_SECONDS)).complaint

    async def give_back(
        self,
        ticket_id: str,
        reason: ReturnReason.ValueType = ReturnReason.RETURN_REASON_NOT_COMPETENT,
        text: str = "不属于本部门职责",
        *,
        request_id: str = "",
    ) -> Complaint:
        """Returns what is not its work to the coordinator."""
        request = api.ReturnComplaintRequest(
            request_id=request_id or self.federation.next_id(), ticket_id=ticket_id, reason=reason, text=text
        )
        return (await self.service.ReturnComplaint(request, timeout=CALL_SECONDS)).complaint

    async def accept(self, ticket_id: str, *, rating: int = 4, request_id: str = "") -> Complaint:
        """The customer accepts."""
        request = api.AcceptResolutionRequest(
            request_id=request_id or self.federation.next_id(),
            ticket_id=ticket_id,
            requester=REQUESTER,
            rating=rating,
            wait=seconds(WAIT),
        )
        return (await self.service.AcceptResolution(request, timeout=CALL_SECONDS)).complaint

    async def refuse(self, ticket_id: str, *, to_regulator: bool = False) -> Complaint:
        """The customer refuses."""
        request = api.RefuseResolutionRequest(
            request_id=self.federation.next_id(),
            ticket_id=ticket_id,
            requester=REQUESTER,
            reason="金额不对",
            to_regulator=to_regulator,
            wait=seconds(WAIT),
        )
        return (await self.service.RefuseResolution(request, timeout=CALL_SECONDS)).complaint

    async def withdraw(self, ticket_id: str, *, wait: float = WAIT) -> Complaint:
        """The customer withdraws it."""
        request = api.WithdrawComplaintRequest(
            request_id=self.federation.next_id(),
            ticket_id=ticket_id,
            requester=REQUESTER,
            reason="误会",
            wait=seconds(wait),
        )
        return (await self.service.WithdrawComplaint(request, timeout=CALL_SECONDS)).complaint

    async def expedite(self, ticket_id: str) -> Complaint:
        """The customer asks for haste."""
        request = api.ExpediteComplaintRequest(
            request_id=self.federation.next_id(), ticket_id=ticket_id, requester=REQUESTER, wait=seconds(WAIT)
        )
        return (await self.service.ExpediteComplaint(request, timeout=CALL_SECONDS)).complaint

    async def list(
        self,
        *,
        number: str = "",
        category: str = "",
        states: Sequence[ComplaintState.ValueType] = (),
        due_within: timedelta | None = None,
        unclassified: bool = False,
    ) -> list[str]:
        """The ticket ids of this region's complaints, newest first."""
        request = api.ListComplaintsRequest(
            requester=REQUESTER, number=number, category=category, states=states, unclassified=unclassified
        )
        if due_within is not None:
            request.due_within.FromTimedelta(due_within)
        found = await self.service.ListComplaints(request, timeout=CALL_SECONDS)
        return [each.ticket_id for each in found.complaints]
