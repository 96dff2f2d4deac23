"""TMF656 at a real node: faults, rights, refusals and audit rows are those of gRPC, for callers who speak HTTP."""

from collections.abc import Awaitable
from http import HTTPStatus
from urllib.parse import quote

import pytest

from gateway.api.region.v1 import fault_service_pb2 as api
from gateway.api.region.v1.fault_pb2 import FaultPlace
from tests.federation.counter import REQUESTER, Counter
from tests.federation.fault_reporter import FaultReporter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_faults import SITES
from tests.federation.test_open_api_orders import audited
from tests.federation.web_caller import WebAnswer, WebCaller, below, by_http_places, web_caller

PROBLEMS = "/tmf-api/serviceProblemManagement/v4/serviceProblem"
COUNTER = "region/guangdong/operator/counter"
SITE = SITES["guangdong"]


@pytest.fixture
def web(federation: Federation) -> WebCaller:
    """The counter in Guangdong, speaking HTTP."""
    return web_caller(federation, COUNTER)


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> FaultReporter:
    return FaultReporter(federation, "guangdong")


def problem(number: str, **changed: object) -> dict[str, object]:
    """A report as a ServiceProblem of a caller who names the requester by headers."""
    return {
        "category": "fault",
        "priority": 3,
        "reason": "unknown",
        "description": "不能上网",
        "affectedResource": [{"id": number, "@referredType": "LogicalResource"}],
        "place": {"site": SITE},
        **changed,
    }


async def test_a_fault_by_http_is_the_same_by_grpc_and_is_withdrawn_by_a_merge_patch(
    federation: Federation, web: WebCaller, desk: FaultReporter, guangdong: Counter
) -> None:
    number, key = await guangdong.new_customer(), federation.next_id()
    told = [await web.ask("POST", PROBLEMS, problem(number), Idempotency_Key=key) for _ in range(2)]
    assert [each.status for each in told] == 2 * [HTTPStatus.CREATED]
    name = str(told[0].body["id"])
    assert told[1].body["id"] == name
    fault = await desk.get(name)
    assert (fault.report.number, fault.report.place.site) == (number, SITE)
    place = below(PROBLEMS, name)
    assert told[0].headers["location"] == told[0].body["href"] == place
    listed = await web.ask("GET", f"{PROBLEMS}?affectedResource.id={quote(number)}&fields=priority,category")
    (few,) = listed.bodies
    assert few == {"id": name, "href": place, "@type": few["@type"], "priority": 3, "category": "fault"}
    assert listed.headers["x-total-count"] == "1"
    contact = await guangdong.new_customer()
    body = problem(number, contactNumber=contact)
    other = await web.ask("POST", PROBLEMS, body, Idempotency_Key=federation.next_id())
    for name_of_filter, wanted in (("contactNumber", [other.body["id"]]), ("affectedResource.id", [])):
        found = await web.ask("GET", f"{PROBLEMS}?{name_of_filter}={quote(contact)}")
        assert [each["id"] for each in found.bodies] == wanted
    for change, status in (
        ({"note": [{"text": "at home after six"}]}, told[0].body["status"]),
        ({"status": "cancelled", "statusChangeReason": "it works again"}, "cancelled"),
    ):
        headers = {"Idempotency_Key": federation.next_id(), "Prefer": "wait=10"}
        answered = await web.ask("PATCH", place, change, **headers)
        assert (answered.status, answered.body["status"]) == (HTTPStatus.OK, status)
    read = await web.ask("GET", place)
    assert [each["text"] for each in read.body["note"]] == ["at home after six"]  # type: ignore[attr-defined]
    assert (read.body["statusChangeReason"], read.body["originatorParty"]["id"]) == (  # type: ignore[index]
        (await desk.get(name)).state_changes[-1].reason,
        REQUESTER.staff_id,
    )


async def test_both_doors_refuse_for_the_same_reasons_and_write_the_same_audit_rows(
    federation: Federation, web: WebCaller, desk: FaultReporter, guangdong: Counter
) -> None:
    number, used = await guangdong.new_customer(), federation.next_id()
    fault = await desk.hand_in(desk.request(number, FaultPlace(site=SITE)), used)
    place = below(PROBLEMS, fault.id)

    def report(key: str, description: str, site: str = SITE) -> Awaitable[object]:
        return desk.service.ReportFault(
            api.ReportFaultRequest(
                request_id=key, report=desk.request(number, FaultPlace(site=site), description=description)
            ),
            timeout=CALL_SECONDS,
        )

    def post(key: str, description: str, site: str = SITE) -> Awaitable[WebAnswer]:
        body = problem(number, description=description, place={"site": site})
        return web.ask("POST", PROBLEMS, body, Idempotency_Key=key)

    def read(name: str) -> Awaitable[object]:
        return desk.service.GetFault(api.GetFaultRequest(fault_id=name, requester=REQUESTER), timeout=CALL_SECONDS)

    cases: list[tuple[Awaitable[object], Awaitable[WebAnswer], HTTPStatus]] = [
        (read("guangdong/none"), web.ask("GET", below(PROBLEMS, "guangdong/none")), HTTPStatus.NOT_FOUND),
        (report("", "dead"), post("", "dead"), HTTPStatus.BAD_REQUEST),
        (report(used, "otherwise"), post(used, "otherwise"), HTTPStatus.CONFLICT),
        (report("D1", ""), post("D2", ""), HTTPStatus.BAD_REQUEST),
        (report("S1", "dead", "nowhere"), post("S2", "dead", "nowhere"), HTTPStatus.NOT_FOUND),
    ]
    for by_grpc, by_http, status in cases:
        told, before = await refusal(by_grpc), len(audited(federation, COUNTER))
        answered = await by_http
        assert (answered.status, answered.body["code"], answered.body["reason"]) == (
            status,
            told.reason,
            by_http_places(told.texts["en"]),
        )
        assert len(audited(federation, COUNTER)) == before, "a refusal wrote a row at one door"
    before = len(audited(federation, COUNTER))
    await read(fault.id)
    await web.ask("GET", place)
    rows = audited(federation, COUNTER)[before:]
    assert len(rows) == 2
    assert rows[0] == rows[1]
