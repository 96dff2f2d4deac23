"""Complaints across regions, for administrators: queried from the nodes at each call, and never stored."""

from collections.abc import Iterable, Mapping, Sequence

import grpc

from coordinator.oversight.complaint_rules import first_contact
from coordinator.oversight.figures import (
    MOST_MONTHS,
    FormerMonth,
    customers_of,
    former_counts,
    require_groupings,
    table,
)
from coordinator.oversight.listings import DUE_COMPLAINTS, NEWEST_COMPLAINTS
from coordinator.oversight.region_pages import page_of_regions
from coordinator.oversight.region_queries import (
    Answers,
    Ask,
    Regions,
    answers_in_turn,
    readable_answer,
    require_asked,
)
from coordinator.registry.port import Registry
from gateway.api.coordinator.v1 import complaint_oversight_service_pb2 as contract
from gateway.api.coordinator.v1.complaint_oversight_service_pb2_grpc import ComplaintOversightServiceServicer
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1 import complaint_oversight_service_pb2 as region_contract
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.complaint_oversight_service_pb2_grpc import ComplaintOversightServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.former_regions import in_questions
from gateway.rpc.calls import current_call
from gateway.rpc.merged_pages import Part
from gateway.rpc.pages import page_size
from gateway.time.months import months_between, require_month

COUNT_SECONDS = 30.0  # for one region to count its months: years of complaints, page by page beside its other work
_NOT_FOUND = Reason.REASON_COMPLAINT_NOT_FOUND
_AWAY = (Reason.REASON_REGION_UNREACHABLE, Reason.REASON_REGION_SUSPENDED, Reason.REASON_REGION_UNKNOWN)
"""The refusals of a call to a region that is away; the last one is of a region that has left."""

_History = region_contract.GetComplaintHistoryResponse
_Months = Mapping[str, region_contract.CountComplaintsResponse]


class ComplaintOversightService(ComplaintOversightServiceServicer):
    """Queries the nodes."""

    def __init__(self, regions: Regions, registry: Registry) -> None:
        self._regions = regions
        self._registry = registry

    async def ListComplaintHeaders(  # noqa: N802 - named by the contract
        self,
        request: contract.ListComplaintHeadersRequest,
        context: grpc.aio.ServicerContext[contract.ListComplaintHeadersRequest, contract.ListComplaintHeadersResponse],
    ) -> contract.ListComplaintHeadersResponse:
        """See the contract."""
        if request.region:
            self._regions.require_known(request.region)
        size = page_size(request.page_size)

        async def ask(channel: grpc.aio.Channel, seconds: float, told: Part[ComplaintHeader]) -> Part[ComplaintHeader]:
            question = region_contract.ListComplaintHeadersRequest(
                overdue=request.overdue,
                due_within=request.due_within if request.HasField("due_within") else None,
                unclassified=request.unclassified,
                level=request.level,
                region=request.region,
                category=request.category,
                group_id=request.group_id,
                include_ended=request.include_ended,
                page_size=size,
                page_token=told.following,
            )
            answer = await readable_answer(
                ComplaintOversightServiceStub(channel).ListComplaintHeaders, question, seconds
            )
            return told.more(answer.complaints, answer.next_page_token)

        is_about_time = request.overdue or request.HasField("due_within")
        listing = DUE_COMPLAINTS if is_about_time else NEWEST_COMPLAINTS
        page = await page_of_regions(self._regions, listing, ask, size, request.page_token)
        return contract.ListComplaintHeadersResponse(
            complaints=page.items, unanswered=page.unanswered, next_page_token=page.following
        )

    async def GetComplaintHistory(  # noqa: N802 - named by the contract
        self,
        request: contract.GetComplaintHistoryRequest,
        context: grpc.aio.ServicerContext[contract.GetComplaintHistoryRequest, contract.GetComplaintHistoryResponse],
    ) -> contract.GetComplaintHistoryResponse:
        """See the contract. Where the origin region does not respond, all others are queried."""
        answers = await self._histories(request.ticket_id)
        response = contract.GetComplaintHistoryResponse(unanswered=answers.unanswered(_NOT_FOUND))
        told_by = _best(answers.by_region)
        if told_by:
            response.complaint.CopyFrom(answers.by_region[told_by].complaint)
            response.region = told_by
        return response

    async def RaiseComplaint(  # noqa: N802 - named by the contract
        self,
        request: contract.RaiseComplaintRequest,
        context: grpc.aio.ServicerContext[contract.RaiseComplaintRequest, contract.RaiseComplaintResponse],
    ) -> contract.RaiseComplaintResponse:
        """See the contract.

        The origin region is called first. It knows whether it has raised the complaint before its acceptance, and else
        the owner region.
        """
        contact = self._first_contact(request.ticket_id)
        asked = region_contract.RaiseComplaintRequest(
            request_id=request.request_id,
            ticket_id=request.ticket_id,
            level=request.level,
            reason=request.reason,
            administrator=current_call().identity.path,
            signed=request.signed if request.HasField("signed") else None,
        )
        answer = await self._raised(contact, asked)
        if isinstance(answer, Refused):
            owner = await self._owner_after(answer, request.ticket_id)
            answer = await self._raised(owner, asked) if owner else answer
        if isinstance(answer, Refused):
            raise answer
        return contract.RaiseComplaintResponse(complaint=answer.complaint)

    async def ReclassifyComplaint(  # noqa: N802 - named by the contract
        self,
        request: contract.ReclassifyComplaintRequest,
        context: grpc.aio.ServicerContext[contract.ReclassifyComplaintRequest, contract.ReclassifyComplaintResponse],
    ) -> contract.ReclassifyComplaintResponse:
        """See the contract. Only the origin region decides the category of a complaint."""
        contact = self._first_contact(request.ticket_id)
        asked = region_contract.ReclassifyComplaintRequest(
            request_id=request.request_id,
            ticket_id=request.ticket_id,
            category=request.category,
            reason=request.reason,
            administrator=current_call().identity.path,
            signed=request.signed if request.HasField("signed") else None,
        )
        answer = await self._regions.require(
            contact,
            lambda channel, seconds: readable_answer(
                ComplaintOversightServiceStub(channel).ReclassifyComplaint, asked, seconds
            ),
        )
        return contract.ReclassifyComplaintResponse(complaint=answer.complaint)

    async def ReportComplaints(  # noqa: N802 - named by the contract
        self,
        request: contract.ReportComplaintsRequest,
        context: grpc.aio.ServicerContext[contract.ReportComplaintsRequest, contract.ReportComplaintsResponse],
    ) -> contract.ReportComplaintsResponse:
        """See the contract."""
        require_groupings(request.groupings)
        months, former = _months(request), self._regions.former()
        besides = _former_counted(months, former) if former else None
        answers, others = await self._regions.ask_besides(counted(months), besides, COUNT_SECONDS)
        left = former_counts(former, others.by_region.values())
        counts = {**answers.by_region, **left}
        configuration = self._registry.snapshot().configuration or Configuration()
        categories = {
            each.category for by_month in counts.values() for answer in by_month.values() for each in answer.counts
        }
        return contract.ReportComplaintsResponse(
            tables=[table(counts, grouping.by, left) for grouping in request.groupings],
            regions=_reported_regions(configuration, customers_of(answers.by_region)),
            categories=_reported_categories(configuration, categories),
            unanswered=answers.without(others.refusals).unanswered(),
        )

    def _first_contact(self, ticket_id: str) -> str:
        """The origin region. Raises Refused with COMPLAINT_NOT_FOUND for an impossible ticket id."""
        contact = first_contact(ticket_id)
        if not self._regions.is_known(contact):
            raise Refused(_NOT_FOUND, complaint=ticket_id)
        return contact

    async def _histories(self, ticket_id: str) -> Answers[_History]:
        """The regions' histories of a complaint. Raises Refused with COMPLAINT_NOT_FOUND, as the origin region does."""
        contact = self._first_contact(ticket_id)
        first = await self._regions.ask([contact], _history_of(ticket_id))
        if contact in first.by_region:
            owner = first.by_region[contact].complaint.header.owner_region
            others = [owner] if owner and owner != contact else []
        elif first.refusals[contact].reason == _NOT_FOUND:
            raise first.refusals[contact]
        else:
            others = [region for region in self._regions.joined() if region != contact]
        return first | await self._regions.ask(others, _history_of(ticket_id))

    async def _raised(
        self, region: str, asked: region_contract.RaiseComplaintRequest
    ) -> region_contract.RaiseComplaintResponse | Refused:
        answers = await self._regions.ask(
            [region],
            lambda channel, seconds: readable_answer(
                ComplaintOversightServiceStub(channel).RaiseComplaint, asked, seconds
            ),
        )
        return answers.by_region[region] if region in answers.by_region else answers.refusals[region]

    async def _owner_after(self, refused: Refused, ticket_id: str) -> str:
        """The region to call after the origin region's refusal; empty where the refusal is final."""
        if refused.reason == Reason.REASON_COMPLAINT_NOT_RESPONSIBLE:
            return refused.parameters.get("region", "")
        if refused.reason not in _AWAY:
            return ""
        contact = first_contact(ticket_id)
        others = [region for region in self._regions.joined() if region != contact]
        known = (await self._regions.ask(others, _history_of(ticket_id))).by_region
        return next((region for region, each in known.items() if each.complaint.header.owner_region == region), "")


def _best(known: Mapping[str, _History]) -> str:
    """The region whose history counts: the owner, else that of the highest version; empty without any."""

    def rank(region: str) -> tuple[bool, int]:
        header = known[region].complaint.header
        return (header.owner_region == region, header.version)

    return max(known, key=rank, default="")


def _history_of(ticket_id: str) -> Ask[_History]:
    question = region_contract.GetComplaintHistoryRequest(ticket_id=ticket_id)
    return lambda channel, seconds: readable_answer(
        ComplaintOversightServiceStub(channel).GetComplaintHistory, question, seconds
    )


def _months(request: contract.ReportComplaintsRequest) -> Sequence[str]:
    """The requested months. Raises Refused with REQUEST_INVALID."""
    require_month("from_month", request.from_month)
    require_month("to_month", request.to_month)
    months = months_between(request.from_month, request.to_month)
    if not 1 <= len(months) <= MOST_MONTHS:
        raise invalid("to_month", f"not 1 to {MOST_MONTHS} months", f"须为1至{MOST_MONTHS}个月")
    return months


def counted(months: Sequence[str]) -> Ask[_Months]:
    """Queries a region for one month after the other, so that no message grows with the number of months."""
    questions = [region_contract.CountComplaintsRequest(month=month) for month in months]

    async def ask(channel: grpc.aio.Channel, seconds: float) -> _Months:
        rpc = ComplaintOversightServiceStub(channel).CountComplaints
        return dict(zip(months, await answers_in_turn(rpc, questions, seconds), strict=True))

    return ask


def _former_counted(months: Sequence[str], former: Sequence[str]) -> Ask[Sequence[FormerMonth]]:
    """Queries a region for the complaints of regions that have left, as `counted`."""
    questions = [
        region_contract.CountFormerComplaintsRequest(month=month, regions=some)
        for month in months
        for some in in_questions(former)
    ]

    async def ask(channel: grpc.aio.Channel, seconds: float) -> Sequence[FormerMonth]:
        rpc = ComplaintOversightServiceStub(channel).CountFormerComplaints
        answers = await answers_in_turn(rpc, questions, seconds)
        for question, answer in zip(questions, answers, strict=True):
            require_asked(answer.former, question.regions)
        return [
            (question.month, each)
            for question, answer in zip(questions, answers, strict=True)
            for each in answer.former
        ]

    return ask


def _reported_regions(configuration: Configuration, customers: Mapping[str, int]) -> list[contract.ReportedRegion]:
    names = {region.id: region.name for region in configuration.regions}
    return [
        contract.ReportedRegion(region=region, name=names.get(region), customers=number)
        for region, number in sorted(customers.items())
    ]


def _reported_categories(configuration: Configuration, codes: Iterable[str]) -> list[contract.ReportedCategory]:
    names = {category.code: category.name for category in configuration.complaint_categories}
    return [contract.ReportedCategory(code=code, name=names.get(code)) for code in sorted(codes)]
