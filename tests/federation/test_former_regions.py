"""A region leaves the federation: administrators still choose, read and raise the others' records with it."""

import asyncio
import html
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import pytest
from google.protobuf.message import Message

from coordinator.oversight.region_queries import ANSWER_SECONDS
from gateway.api.coordinator.v1 import administration_pb2 as admin_api
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.api.coordinator.v1.complaint_oversight_service_pb2 import (
    ComplaintDimension,
    ComplaintGrouping,
    GetComplaintHistoryRequest,
    ListComplaintHeadersRequest,
    ReportComplaintsRequest,
)
from gateway.api.coordinator.v1.quality_oversight_service_pb2 import ReportQualityRequest
from gateway.api.coordinator.v1.quality_oversight_service_pb2_grpc import QualityOversightServiceStub
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.complaint_oversight_service_pb2 import CountFormerComplaintsRequest
from gateway.api.region.v1.complaint_oversight_service_pb2_grpc import ComplaintOversightServiceStub
from gateway.api.region.v1.complaint_pb2 import ComplaintState
from gateway.api.region.v1.quality_service_pb2 import GetFormerMonthsRequest
from gateway.api.region.v1.quality_service_pb2_grpc import QualityServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation import catalogue
from gateway.rpc import calls
from region_node.care.quality.service import QualityService
from region_node.oversight.complaint_service import ComplaintOversightService
from tests.federation.browser import Browser
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.test_complaint_oversight import raised

GONE, HANGING = "sichuan", "henan"
Method = Callable[..., Awaitable[object]]


def without(configuration: Configuration, region: str) -> Configuration:
    """A configuration without a region, and without all that names it."""
    found = Configuration()
    found.CopyFrom(configuration)
    _strip(found, {region})
    return found


async def leave(federation: Federation) -> None:
    """A region leaves the federation, and the others know: until then they count nothing of it."""
    revision = await federation.apply(without(await federation.configuration(), GONE))

    async def is_known() -> bool:
        return (await federation.members())["guangdong"].federation_revision == revision

    await until(is_known, "the node works by the configuration")


def _strip(message: Message, gone: set[str]) -> None:
    """Takes elements off that name what is gone. Their own ids are gone then, too."""
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated and field.message_type is not None and not field.message_type.GetOptions().map_entry:
            kept = [each for each in value if not _names(each, gone)]
            gone |= {each.id for each in value if _names(each, gone) and hasattr(each, "id")}
            del value[:]
            value.extend(kept)
            for each in value:
                _strip(each, gone)
        elif field.is_repeated and field.message_type is None:
            kept = [each for each in value if each not in gone]
            del value[:]
            value.extend(kept)
        elif field.message_type is not None and not field.is_repeated and message.HasField(field.name):
            _strip(value, gone)


def _names(message: Message, gone: set[str]) -> bool:
    return any(
        getattr(message, field.name) in gone
        for field in message.DESCRIPTOR.fields
        if not field.is_repeated and field.type == field.TYPE_STRING
    )


async def test_records_with_a_region_that_has_left_are_chosen_and_read_and_one_that_never_was_is_unknown(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ("guangdong", GONE), web=["coordinator"]) as federation:
        here, there = Counter(federation, "guangdong"), Counter(federation, GONE)
        order = await here.order("SUSPEND", await there.new_customer())
        theirs = await there.order("SUSPEND", await here.new_customer())
        filed = await Complainant(federation, GONE).file("BILL_WRONG", await here.new_customer())
        await leave(federation)
        browser = Browser.of(federation, "admin/root", "coordinator")
        await browser.sign_in()
        for page, found in (
            ("orders", (order.id, theirs.id)),
            ("joint-orders", ()),
            ("complaints", (filed.ticket_id,)),
            ("reconciliation", ()),
            ("quality", (f'<th scope="row">{GONE}, which has left</th>',)),
        ):
            answer = await browser.open(f"{page}?region={GONE}")
            shown = html.unescape(answer.text)
            assert answer.status == HTTPStatus.OK, page
            assert f'<option value="{GONE}" selected>{GONE}, which has left</option>' in shown, page
            assert all(each in shown for each in found), page
        for path in (f"orders/{theirs.id}", f"complaints/{filed.ticket_id}"):
            answer = await browser.open(path)
            assert (answer.status, "Guangdong" in answer.text) == (HTTPStatus.OK, True), path
        request = ListComplaintHeadersRequest(region="nowhere")
        lists = federation.complaint_oversight.ListComplaintHeaders(request, timeout=CALL_SECONDS)
        assert (await refusal(lists)).reason == "REGION_UNKNOWN"
        orders = admin_api.ListOrderSummariesRequest(region="nowhere")
        listed = federation.oversight.ListOrderSummaries(orders, timeout=CALL_SECONDS)
        assert (await refusal(listed)).reason == "REGION_UNKNOWN"
        history = GetComplaintHistoryRequest(ticket_id="nowhere/20261124-1")
        read = federation.complaint_oversight.GetComplaintHistory(history, timeout=CALL_SECONDS)
        assert (await refusal(read)).reason == "COMPLAINT_NOT_FOUND"


async def test_the_others_give_the_scorecard_and_the_complaints_of_a_region_that_has_left(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ("guangdong", GONE)) as federation:
        here, there = Counter(federation, "guangdong"), Counter(federation, GONE)
        await here.order("SUSPEND", await there.new_customer())
        await there.order("SUSPEND", await here.new_customer())
        for region, number in (("guangdong", await there.new_customer()), (GONE, await here.new_customer())):
            filed = await Complainant(federation, region).file("BILL_WRONG", number, wait=20.0)
            assert filed.owner_region != region
        await leave(federation)
        channel, month = federation.dial_coordinator("admin/root"), f"{federation.clock.now():%Y-%m}"
        asked = ReportQualityRequest(month=month)
        quality = await QualityOversightServiceStub(channel).ReportQuality(asked, timeout=CALL_SECONDS)
        cards = {each.region: each for each in quality.scorecards}
        assert {region: each.has_left for region, each in cards.items()} == {"guangdong": False, GONE: True}
        counted = {each.figure: each.denominator for each in cards[GONE].figures}
        assert counted[ScorecardFigure.SCORECARD_FIGURE_ORDERS_IN_TIME] == 1
        assert counted[ScorecardFigure.SCORECARD_FIGURE_COMPLAINTS_REPEATED] == 1
        by_region = ComplaintGrouping(by=[ComplaintDimension.COMPLAINT_DIMENSION_REGION])
        report = await federation.complaint_oversight.ReportComplaints(
            ReportComplaintsRequest(from_month=month, to_month=month, groupings=[by_region]), timeout=CALL_SECONDS
        )
        assert {row.region: row.complaints for row in report.tables[0].rows} == {"guangdong": 1, GONE: 1}
        assert [each.region for each in report.regions] == ["guangdong"]


async def test_the_own_figures_of_a_region_stand_where_it_does_not_count_those_of_one_that_has_left(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, databases, ("guangdong", GONE)) as federation:
        filed = await Complainant(federation, GONE).file(
            "BILL_WRONG", await Counter(federation, "guangdong").new_customer()
        )
        owner = Complainant(federation, "guangdong", "staff/wang")
        await owner.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
        await leave(federation)
        monkeypatch.setattr(catalogue, "require_former", too_many)
        channel, month = federation.dial_coordinator("admin/root"), f"{federation.clock.now():%Y-%m}"
        quality = await QualityOversightServiceStub(channel).ReportQuality(
            ReportQualityRequest(month=month), timeout=CALL_SECONDS
        )
        report = await federation.complaint_oversight.ReportComplaints(
            ReportComplaintsRequest(from_month=month, to_month=month, groupings=[ComplaintGrouping()]),
            timeout=CALL_SECONDS,
        )
        assert [each.region for each in quality.scorecards] == ["guangdong"]
        assert [row.complaints for row in report.tables[0].rows] == [1]
        for unanswered in (quality.unanswered, report.unanswered):
            assert list(unanswered) == [UnansweredRegion(region="guangdong", reason=Reason.REASON_CALLS_TOO_MANY)]


async def test_a_region_that_hangs_keeps_back_nothing_that_the_others_know_of_one_that_has_left(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorecard, count = QualityService.GetScorecard, ComplaintOversightService.CountComplaints
    monkeypatch.setattr(QualityService, "GetScorecard", hanging(scorecard))
    monkeypatch.setattr(ComplaintOversightService, "CountComplaints", hanging(count))
    async with running(tmp_path, databases, ("guangdong", HANGING, GONE)) as federation:
        here, there = Counter(federation, "guangdong"), Counter(federation, GONE)
        await here.order("SUSPEND", await there.new_customer())
        filed = await Complainant(federation, "guangdong").file("BILL_WRONG", await there.new_customer(), wait=20.0)
        assert filed.owner_region == GONE
        await leave(federation)
        monkeypatch.setattr(calls, "HOP_MARGIN", 2.0)  # a busy machine takes some of it for the way of the answer
        channel, month = federation.dial_coordinator("admin/root"), f"{federation.clock.now():%Y-%m}"
        quality = await QualityOversightServiceStub(channel).ReportQuality(
            ReportQualityRequest(month=month), timeout=ANSWER_SECONDS
        )
        by_region = ComplaintGrouping(by=[ComplaintDimension.COMPLAINT_DIMENSION_REGION])
        report = await federation.complaint_oversight.ReportComplaints(
            ReportComplaintsRequest(from_month=month, to_month=month, groupings=[by_region]), timeout=ANSWER_SECONDS
        )
        assert [(each.region, each.has_left) for each in quality.scorecards] == [("guangdong", False), (GONE, True)]
        assert {row.region: row.complaints for row in report.tables[0].rows} == {GONE: 1}
        for unanswered in (quality.unanswered, report.unanswered):
            assert list(unanswered) == [UnansweredRegion(region=HANGING, reason=Reason.REASON_REGION_UNREACHABLE)]


def hanging(method: Method) -> Method:
    """A method of a service of nodes which never answers at one of them."""

    async def answer(self: QualityService | ComplaintOversightService, request: Message, context: object) -> object:
        if self._context.region == HANGING:
            await asyncio.Event().wait()
        return await method(self, request, context)

    return answer


def too_many(*_: object) -> None:
    raise Refused(Reason.REASON_CALLS_TOO_MANY)


async def test_coordinators_alone_have_few_regions_counted_that_have_left(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases, ("guangdong", GONE)) as federation:
        month = f"{federation.clock.now():%Y-%m}"
        for path, regions, reason in (
            ("region/guangdong/staff/wang", ["gone"], "PERMISSION_DENIED"),
            ("coordinator/0", [GONE], "REQUEST_INVALID"),
            ("coordinator/0", ["guangdong"], "REQUEST_INVALID"),
            ("coordinator/0", ["gone"] * 2, "REQUEST_INVALID"),
        ):
            node = federation.dial_node("guangdong", path)
            months = GetFormerMonthsRequest(month=month, regions=regions)
            complaints = CountFormerComplaintsRequest(month=month, regions=regions)
            for call in (
                QualityServiceStub(node).GetFormerMonths(months, timeout=CALL_SECONDS),
                ComplaintOversightServiceStub(node).CountFormerComplaints(complaints, timeout=CALL_SECONDS),
            ):
                assert (await refusal(call)).reason == reason


async def test_a_complaint_of_a_region_that_has_left_is_raised_at_its_owner(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ("guangdong", GONE)) as federation:
        filed = await Complainant(federation, GONE).file("BILL_WRONG", federation.next_number("guangdong"))
        owner = Complainant(federation, "guangdong", "staff/wang")
        await owner.reaches(filed.ticket_id, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
        await federation.apply(without(await federation.configuration(), GONE))
        once = await raised(federation, filed.ticket_id, 3)
        assert (once.level, once.owner_region) == (3, "guangdong")
        assert (await refusal(raised(federation, f"{GONE}/20200101-1", 3))).reason == "REGION_UNKNOWN"
