"""ProblemService: regions report alarms, faults and affected customers; administrators see the problems."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import grpc

from coordinator.problems import rules
from coordinator.problems.correlator import Correlator, grading
from coordinator.problems.current import CurrentNetwork
from coordinator.problems.making_room import RoomMaker
from coordinator.problems.outages import outage_key, outages_now
from coordinator.problems.reports import kind_name
from coordinator.registry import shares
from coordinator.registry.passes import Passes
from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Administered, Book, Decision
from coordinator.registry.writes import Writes
from gateway.api.coordinator.v1 import problem_service_pb2 as contract
from gateway.api.coordinator.v1.problem_service_pb2 import AccidentReport, NetworkEvent, Problem
from gateway.api.coordinator.v1.problem_service_pb2_grpc import ProblemServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.process import failpoints
from gateway.rpc.calls import current_call
from gateway.rpc.pages import decode_token, first_page, key_number, page_after, page_size
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import from_timestamp, to_timestamp

_PAGE = "problems"
_LARGEST = 2**63 - 1
_MOST_PEOPLE = 10**10  # more than there are, so that no sum overflows


@dataclass(frozen=True)
class ProblemPorts:
    """The ports of the service."""

    registry: Registry
    current: CurrentNetwork
    correlator: Correlator
    room: RoomMaker
    clock: AgreedClock


class ProblemService(ProblemServiceServicer):
    """See the contract. Responses have the current grade, even if it is not stored yet."""

    def __init__(self, ports: ProblemPorts) -> None:
        self._ports = ports
        self._problems = ports.registry.problems
        self._passes = Passes(ports.clock)
        self._counts = Writes(shares.COUNT_WRITES)

    async def ReportEvent(
        self,
        request: contract.ReportEventRequest,
        context: grpc.aio.ServicerContext[contract.ReportEventRequest, contract.ReportEventResponse],
    ) -> contract.ReportEventResponse:
        """See the contract."""
        region = current_call().identity.region
        rules.require_event(request.event, region, self._ports.current.federation.network)
        own = NetworkEvent()
        own.CopyFrom(request.event)
        rules.take_known(own)
        own.tell_time.CopyFrom(to_timestamp(self._ports.clock.settled_now()))
        if not await self._problems.keep_event(own):
            await self._make_room(region)
            if not await self._problems.keep_event(own):
                raise Refused(Reason.REASON_TOO_BUSY)
        failpoints.reach("network-event-kept.after-commit")
        self._ports.correlator.note_event()
        return contract.ReportEventResponse()

    async def ReportAffected(
        self,
        request: contract.ReportAffectedRequest,
        context: grpc.aio.ServicerContext[contract.ReportAffectedRequest, contract.ReportAffectedResponse],
    ) -> contract.ReportAffectedResponse:
        """See the contract."""
        for field in ("customers", "complaints"):
            if not 0 <= getattr(request, field) <= _MOST_PEOPLE:
                raise Refused(Reason.REASON_REQUEST_INVALID, field=field, problem="no count")
        if not 0 < request.problem_version <= _LARGEST:
            raise Refused(Reason.REASON_REQUEST_INVALID, field="problem_version", problem="no version")
        region, now = current_call().identity.region, asyncio.get_running_loop().time()
        told = contract.AffectedCount(
            region=region,
            customers=request.customers,
            problem_version=request.problem_version,
            count_time=to_timestamp(self._ports.clock.settled_now()),
            complaints=request.complaints,
        )

        def decide(book: Book) -> Decision:
            found = Decision(_with_count(_require(book, request.problem_id), told))
            if not found.is_empty:
                take(found.written)
            return found

        with self._counts.change(region, now) as take:
            await self._problems.change(decide)
        self._ports.correlator.note_event()
        return contract.ReportAffectedResponse()

    async def ListProblems(
        self,
        request: contract.ListProblemsRequest,
        context: grpc.aio.ServicerContext[contract.ListProblemsRequest, contract.ListProblemsResponse],
    ) -> contract.ListProblemsResponse:
        """See the contract."""
        size, after = page_size(request.page_size), _page_start(decode_token(_PAGE, request.page_token))
        if request.region:
            self._ports.current.federation.region(request.region)
        grade = self._grade()
        kept = (await self._problems.book()).problems.values()
        found = rules.listed(map(grade, kept), request, after)
        page, token = first_page(_PAGE, found, size, _page_key)
        return contract.ListProblemsResponse(problems=[_short(each) for each in page], next_page_token=token)

    async def GetProblem(
        self,
        request: contract.GetProblemRequest,
        context: grpc.aio.ServicerContext[contract.GetProblemRequest, contract.GetProblemResponse],
    ) -> contract.GetProblemResponse:
        """See the contract."""
        grade, book = self._grade(), await self._problems.book()
        problem = grade(_require(book, request.problem_id))
        events = [book.events[each] for each in problem.header.child_ids if each in book.events]
        events.sort(key=lambda each: (from_timestamp(each.raise_time), each.id))
        return contract.GetProblemResponse(problem=problem, events=events)

    async def ListOutages(
        self,
        request: contract.ListOutagesRequest,
        context: grpc.aio.ServicerContext[contract.ListOutagesRequest, contract.ListOutagesResponse],
    ) -> contract.ListOutagesResponse:
        """See the contract."""
        network = self._ports.current.federation.network
        problems = (await self._problems.book()).problems.values()
        windows = await self._ports.registry.planned_outages()
        found = outages_now(network, problems, windows, self._ports.clock.now())
        outages, token = page_after("outages", found, outage_key, request.page_size, request.page_token)
        return contract.ListOutagesResponse(outages=outages, next_page_token=token)

    async def RecordReport(
        self,
        request: contract.RecordReportRequest,
        context: grpc.aio.ServicerContext[contract.RecordReportRequest, contract.RecordReportResponse],
    ) -> contract.RecordReportResponse:
        """See the contract."""
        if not request.kind:
            raise invalid("kind", "is missing", "缺失")
        actor, now = current_call().identity.path, self._ports.clock.settled_now()
        grade = grading(self._ports.current, now)
        made = AccidentReport(kind=request.kind, make_time=to_timestamp(now), administrator=actor)

        def decide(book: Book) -> Decision:
            return Decision(_with_report(grade(_require(book, request.problem_id)), made))

        by = Administered(actor, "REPORT_MADE", f"problem/{request.problem_id}", kind_name(made))
        book = await self._problems.change(decide, by)
        return contract.RecordReportResponse(problem=grade(_require(book, request.problem_id)))

    async def _make_room(self, region: str) -> None:
        """Removes the oldest ended events of regions that have nearly filled their share, at intervals by region."""

        async def remove(now: datetime) -> bool:
            # By a change of nothing, for the registry counts anew by it: the correlator may just have made room.
            book = await self._problems.change(lambda _: Decision())
            return await self._ports.room.make(book, now) is not book

        await self._passes.make(region, remove)

    def _grade(self) -> Callable[[Problem], Problem]:
        return grading(self._ports.current, self._ports.clock.now())


def _require(book: Book, name: str) -> Problem:
    found = book.problems.get(name)
    if found is None:
        raise Refused(Reason.REASON_PROBLEM_NOT_FOUND, problem=name)
    return found


def _with_count(problem: Problem, told: contract.AffectedCount) -> list[Problem]:
    """The problem with a region's count; empty where a newer or the same count is stored."""
    before = next((each for each in problem.affected if each.region == told.region), None)
    if before is not None and (before.problem_version > told.problem_version or _said(before) == _said(told)):
        return []
    after = Problem()
    after.CopyFrom(problem)
    own = contract.AffectedCount()
    own.CopyFrom(told)
    if before is not None and before.customers == told.customers:
        # the count reached a grade at that time; a further complaint does not postpone it
        own.count_time.CopyFrom(before.count_time)
    others = [each for each in problem.affected if each.region != told.region]
    del after.affected[:]
    after.affected.extend(sorted([*others, own], key=lambda each: each.region))
    return [after]


def _said(count: contract.AffectedCount) -> tuple[int, int, int]:
    return count.problem_version, count.customers, count.complaints


def _with_report(problem: Problem, made: AccidentReport) -> list[Problem]:
    """The problem with a report made; empty for a report made before. Raises Refused with REPORT_NOT_NEEDED."""
    after = Problem()
    after.CopyFrom(problem)
    of_kind = [each for each in after.reports if each.kind == made.kind]
    if not of_kind:
        raise Refused(Reason.REASON_REPORT_NOT_NEEDED, problem=problem.header.id, kind=kind_name(made))
    waiting = [each for each in of_kind if not each.HasField("make_time")]
    for each in waiting:
        each.make_time.CopyFrom(made.make_time)
        each.administrator = made.administrator
    return [after] if waiting else []


def _short(problem: Problem) -> Problem:
    """A problem for a list: of a storm, thousands of ids are left out."""
    short = Problem()
    short.CopyFrom(problem)
    del short.header.child_ids[:]
    short.header.child_ids.append(problem.header.parent_id)
    return short


def _page_key(problem: Problem) -> str:
    """The page token behind this problem."""
    start, name = rules.place(problem)
    return f"{-start} {name}"


def _page_start(key: str) -> tuple[int, str] | None:
    """The place of a page key; None for the first page. Raises Refused with TOKEN_INVALID."""
    if not key:
        return None
    start, _, name = key.partition(" ")
    return -key_number(start), name
