"""The networks of regions, as these report on them and an administrator reads of them."""

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.api.coordinator.v1 import problem_service_pb2 as api
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.time.clock import to_timestamp
from tests.federation.running import CALL_SECONDS, Federation, until


class Network:
    """The reports of regions on their networks, and an administrator's reads."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation
        self.admin = ProblemServiceStub(federation.dial_coordinator("admin/root"))

    async def tell(self, told: NetworkEvent, teller: str = "") -> None:
        """Reports an event by its region, or by another one that pretends to be."""
        region = teller or told.id.partition("/")[0]
        stub = ProblemServiceStub(self._federation.dial_coordinator(f"region/{region}"))
        await stub.ReportEvent(api.ReportEventRequest(event=told), timeout=CALL_SECONDS)

    async def clear(self, events: Sequence[NetworkEvent], when: datetime) -> None:
        """All of it is over."""
        for each in events:
            each.version += 1
            each.clear_time.CopyFrom(to_timestamp(when))
            await self.tell(each)

    async def count(self, problem: str, region: str, customers: int, version: int, complaints: int = 0) -> None:
        """A region says how many customers are affected, in place of its node, which knows of fewer."""
        stub = ProblemServiceStub(self._federation.dial_coordinator(f"region/{region}"))
        request = api.ReportAffectedRequest(
            problem_id=problem, customers=customers, problem_version=version, complaints=complaints
        )
        await stub.ReportAffected(request, timeout=CALL_SECONDS)

    async def of(self, child: str, holds: Callable[[Problem], bool] = lambda _: True) -> Problem:
        """The problem of an event, once there is one for which it holds."""
        found: list[Problem] = []

        async def is_so() -> bool:
            listed = await self.admin.ListProblems(api.ListProblemsRequest(include_ended=True), timeout=CALL_SECONDS)
            for each in listed.problems:
                shown = await self.show(each.header.id)
                if child in shown.problem.header.child_ids and holds(shown.problem):
                    found.append(shown.problem)
            return bool(found)

        await until(is_so, f"the problem of {child} is so")
        return found[0]

    async def show(self, problem: str) -> api.GetProblemResponse:
        return await self.admin.GetProblem(api.GetProblemRequest(problem_id=problem), timeout=CALL_SECONDS)

    async def outages(self) -> list[tuple[str, str]]:
        listed = await self.admin.ListOutages(api.ListOutagesRequest(), timeout=CALL_SECONDS)
        return [(each.element.id, each.problem_id) for each in listed.outages]


def counted_by(region: str) -> Callable[[Problem], bool]:
    """Whether a region's own node has counted: only then another count of it stays."""
    return lambda problem: any(each.region == region for each in problem.affected)
