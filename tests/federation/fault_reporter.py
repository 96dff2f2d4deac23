"""A caller about faults at one region's node: an operator system, or a member of its staff."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import grpc

from gateway.api.region.v1 import fault_service_pb2 as api
from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultCause,
    FaultEvaluation,
    FaultMeasure,
    FaultPlace,
    FaultReport,
    FaultReview,
    FaultSeverity,
    FaultState,
)
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.region.v1.fault_service_pb2_grpc import FaultServiceStub
from tests.federation.counter import REQUESTER, WAIT, seconds
from tests.federation.refusals import read
from tests.federation.running import CALL_SECONDS, Federation, until

IN_PROGRESS = FaultState.FAULT_STATE_IN_PROGRESS
RESOLVED = FaultState.FAULT_STATE_RESOLVED
CLOSED = FaultState.FAULT_STATE_CLOSED
EQUIPMENT = FaultCause.FAULT_CAUSE_EQUIPMENT
REVIEW = FaultReview(
    summary="the cable lay bare",
    measures=[FaultMeasure(what="bury it", owner="li", due_date=date(2030, 1, 31).isoformat())],
)


@dataclass(frozen=True)
class FaultReporter:
    """The operator `counter` of a region, or who is named, for example `staff/wang`."""

    federation: Federation
    region: str
    name: str = "operator/counter"

    @property
    def service(self) -> FaultServiceStub:
        """The fault service of the region's node."""
        return FaultServiceStub(self.federation.dial_node(self.region, f"region/{self.region}/{self.name}"))

    def request(self, number: str, place: FaultPlace, *, description: str = "不能上网") -> FaultReport:
        """A good report."""
        return FaultReport(number=number, description=description, place=place, requester=REQUESTER)

    async def report(
        self,
        number: str = "",
        *,
        site: str = "",
        link: str = "",
        request_id: str = "",
        severity: FaultSeverity.ValueType = FaultSeverity.FAULT_SEVERITY_UNSPECIFIED,
        terminal: bool = False,
    ) -> Fault:
        """Reports a fault of a site or a link."""
        wanted = self.request(number, FaultPlace(site=site, link=link))
        wanted.severity, wanted.terminal_caused = severity, terminal
        return await self.hand_in(wanted, request_id)

    async def hand_in(self, wanted: FaultReport, request_id: str = "") -> Fault:
        """Reports a fault as it is."""
        message = api.ReportFaultRequest(request_id=request_id or self.federation.next_id(), report=wanted)
        return (await self.service.ReportFault(message, timeout=CALL_SECONDS)).fault

    async def get(self, fault_id: str) -> Fault:
        """The fault as it stands at this region."""
        request = api.GetFaultRequest(fault_id=fault_id, requester=REQUESTER)
        return (await self.service.GetFault(request, timeout=CALL_SECONDS)).fault

    async def list(self, *, number: str = "", states: Sequence[FaultState.ValueType] = ()) -> list[str]:
        """The ids of this region's faults, newest first."""
        request = api.ListFaultsRequest(requester=REQUESTER, number=number, states=states)
        return [each.id for each in (await self.service.ListFaults(request, timeout=CALL_SECONDS)).faults]

    async def follows(self, fault_id: str, holds: Callable[[Fault], bool], what: str) -> Fault:
        """The fault once something holds of it at this region."""
        found = Fault()

        async def is_so() -> bool:
            try:
                found.CopyFrom(await self.get(fault_id))
            except grpc.aio.AioRpcError as error:
                if read(error).reason != "FAULT_NOT_FOUND":  # it may be on its way
                    raise
                return False
            return holds(found)

        await until(is_so, f"{fault_id} in {self.region}: {what}")
        return found

    async def reaches(self, fault_id: str, state: FaultState.ValueType) -> Fault:
        """The fault once it is in a state at this region."""
        return await self.follows(fault_id, lambda each: each.state == state, FaultState.Name(state))

    async def is_taken(self, fault_id: str) -> Fault:
        """The fault once the region in which it is has it."""
        return await self.follows(fault_id, lambda each: each.version > 0, "taken up")

    async def cancel(self, fault_id: str) -> Fault:
        """The customer takes it back."""
        request = api.CancelFaultRequest(
            request_id=self.federation.next_id(),
            fault_id=fault_id,
            requester=REQUESTER,
            reason="误报",
            wait=seconds(WAIT),
        )
        return (await self.service.CancelFault(request, timeout=CALL_SECONDS)).fault

    async def says(self, fault_id: str, **said: str | int | FaultEvaluation) -> Fault:
        """The customer says something: `text`, `accepted_part`, `refused_part`, `not_repaired` or `evaluation`."""
        request = api.RespondToFaultRequest(
            request_id=self.federation.next_id(),
            fault_id=fault_id,
            requester=REQUESTER,
            wait=seconds(WAIT),
            **said,  # type: ignore[arg-type]
        )
        return (await self.service.RespondToFault(request, timeout=CALL_SECONDS)).fault

    async def work(self, fault_id: str, step: WorkOnFaultRequest, *, request_id: str = "") -> Fault:
        """Staff do a step."""
        request = WorkOnFaultRequest()
        request.CopyFrom(step)
        request.fault_id, request.request_id = fault_id, request_id or self.federation.next_id()
        return (await self.service.WorkOnFault(request, timeout=CALL_SECONDS)).fault

    async def takes_up(self, fault_id: str) -> Fault:
        """Staff take it up."""
        return await self.work(fault_id, WorkOnFaultRequest(take_up=WorkOnFaultRequest.TakeUp()))

    async def resolves(self, fault_id: str, cause: FaultCause.ValueType = EQUIPMENT) -> Fault:
        """Staff have repaired it."""
        return await self.work(
            fault_id, WorkOnFaultRequest(resolve=WorkOnFaultRequest.Resolve(cause=cause, text="replaced"))
        )

    async def closes(self, fault_id: str, review: FaultReview | None = None) -> Fault:
        """Staff close it."""
        return await self.work(fault_id, WorkOnFaultRequest(close=WorkOnFaultRequest.Close(review=review)))
