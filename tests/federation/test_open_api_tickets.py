"""TMF621 at a real node: complaints, rights, refusals and audit rows are those of gRPC, for callers who speak HTTP."""

from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from urllib.parse import quote

import pytest
from google.protobuf.json_format import MessageToDict

from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import ComplaintRequest, ComplaintState, Remedy, Resolution
from gateway.api.types.v1.types_pb2 import Channel, Money
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER, Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_open_api_orders import audited
from tests.federation.web_caller import WebAnswer, WebCaller, below, by_http_places, web_caller

TICKETS, TICKETS_V5 = (f"/tmf-api/troubleTicket/{each}/troubleTicket" for each in ("v4", "v5"))
COUNTER = "region/guangdong/operator/counter"
WAITING = "wait=10"
IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS


@pytest.fixture
def web(federation: Federation) -> WebCaller:
    """The counter in Guangdong, speaking HTTP."""
    return web_caller(federation, COUNTER)


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


def ticket(request: ComplaintRequest, **changed: object) -> dict[str, object]:
    """A filing as a TroubleTicket of a caller who names the requester by headers."""
    return {
        "ticketType": "complaint",
        "severity": "s3",
        "category": request.category,
        "description": request.description,
        "remedySought": Remedy.Name(request.remedy_sought),
        "channel": {"id": "letter"},
        "relatedEntity": [{"id": request.number, "role": "affected", "@referredType": "LogicalResource"}],
        **changed,
    }


async def test_a_complaint_by_http_is_the_same_by_grpc_and_goes_its_way_by_merge_patches(
    federation: Federation, web: WebCaller, desk: Complainant, sichuan: Counter
) -> None:
    number, key = await sichuan.new_customer(), federation.next_id()
    quality = Complainant(federation, "sichuan", "staff/wang")
    request = desk.request("BILL_WRONG", number)
    request.requester.channel = Channel.CHANNEL_COUNTER  # that of the headers
    first = await web.ask("POST", TICKETS, ticket(request), Idempotency_Key=key, Prefer=WAITING)
    again = await web.ask("POST", TICKETS, ticket(request, externalId=key), Prefer=WAITING)
    assert (first.status, again.status) == (HTTPStatus.CREATED, HTTPStatus.CREATED)
    name = str(first.body["id"])
    assert first.body["id"] == again.body["id"] == (await desk.hand_in(request, key)).ticket_id
    place = below(TICKETS, name)
    assert first.headers["location"] == first.body["href"] == place

    def patch(body: Mapping[str, object], kind: str = "application/merge-patch+json") -> Awaitable[WebAnswer]:
        headers = {"Idempotency_Key": federation.next_id(), "Prefer": WAITING, "Content_Type": kind}
        return web.ask("PATCH", place, body, **headers)

    await quality.reaches(name, IN_PROGRESS)
    noted = await patch({"note": [{"text": "and the month before?"}]})
    assert (noted.status, noted.body["note"][-1]["text"]) == (HTTPStatus.OK, "and the month before?")  # type: ignore[index]
    for status, reason in (("inProgress", "too little"), ("closed", "")):
        await quality.propose(name)
        await desk.reaches(name, ComplaintState.COMPLAINT_STATE_RESOLVED)
        change = {"status": status, "statusChangeReason": reason} if reason else {"status": status, "rating": 4}
        told = await patch(change, "application/json")
        assert (told.status, told.body["status"]) == (HTTPStatus.OK, status)
    read = await web.ask("GET", place)
    by_grpc = await desk.told(name)
    assert (read.body["status"], read.body["rating"], read.body["refusals"]) == ("closed", 4, 1)
    assert read.body["resolution"] == MessageToDict(by_grpc.complaint.resolution)
    assert len(read.body["ledger"]) == len(by_grpc.ledger)  # type: ignore[arg-type]
    few = await web.ask("GET", f"{place}?fields=status,severity")
    assert set(few.body) == {"id", "href", "@type", "status", "severity"}


async def test_staff_classify_and_propose_by_http_what_operator_systems_may_not(
    federation: Federation, web: WebCaller, desk: Complainant, guangdong: Counter
) -> None:
    filed = await desk.file("", await guangdong.new_customer(), description="quite unclear")
    place, staff = below(TICKETS, filed.ticket_id), web_caller(federation, "region/guangdong/staff/wang", {})
    by_operator = await web.ask("PATCH", place, {"category": "BILL_WRONG"}, Idempotency_Key=federation.next_id())
    assert (by_operator.status, by_operator.body["code"]) == (HTTPStatus.FORBIDDEN, "PERMISSION_DENIED")
    assert ("DENIED", "/gateway.api.region.v1.ComplaintService/ClassifyComplaint") in [
        (action, subject) for action, subject, _ in audited(federation, COUNTER)
    ]
    key = federation.next_id()
    classified = [await staff.ask("PATCH", place, {"category": "BILL_WRONG"}, Idempotency_Key=key) for _ in range(2)]
    assert [(each.status, each.body["category"]) for each in classified] == 2 * [(HTTPStatus.OK, "BILL_WRONG")]
    await desk.reaches(filed.ticket_id, IN_PROGRESS)
    resolution = Resolution(
        text="paid back",
        cause_code="billing-error",
        remedy=Remedy.REMEDY_REFUND,
        amount=Money(minor_units=1200, currency="CNY"),
    )
    change = {"status": "resolved", "resolution": MessageToDict(resolution)}
    proposed = await staff.ask("PATCH", place, change, Idempotency_Key=federation.next_id())
    assert (proposed.status, proposed.body["status"]) == (HTTPStatus.OK, "resolved")
    assert proposed.body["resolution"]["author"] == "guangdong/wang"  # type: ignore[index]


async def test_a_list_has_what_its_filter_selects_and_says_how_much_there_is(
    web: WebCaller, desk: Complainant, guangdong: Counter
) -> None:
    number = await guangdong.new_customer()
    names = [(await desk.file("BILL_WRONG", number)).ticket_id for _ in range(3)]
    query = f"{TICKETS}?relatedEntity.id={quote(number)}&category=BILL_WRONG&sort=-creationDate"
    first = await web.ask("GET", f"{query}&limit=2&fields=status&status=inProgress,acknowledged")
    assert [each["id"] for each in first.bodies] == [names[2], names[1]]
    assert {"x-total-count": "3", "x-result-count": "2"}.items() <= first.headers.items()
    following = await web.ask("GET", first.headers["link"].partition(">; ")[0].removeprefix("<"))
    assert [each["id"] for each in following.bodies] == [names[0]]
    second = await web.ask("GET", f"{query}&offset=2")
    assert [each["id"] for each in second.bodies] == [names[0]]
    assert (await web.ask("GET", f"{query}&status=rejected")).bodies == []
    assert len((await web.ask("GET", f"{query}&relatedEntity.role=affected")).bodies) == len(names)
    by_cause = await web.ask("GET", f"{query}&relatedEntity.role=cause")
    assert (by_cause.status, by_cause.body["code"]) == (HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED")


async def test_a_list_has_the_tickets_with_a_contact_and_none_about_the_line_of_that_number(
    web: WebCaller, desk: Complainant, guangdong: Counter
) -> None:
    number, contact = await guangdong.new_customer(), await guangdong.new_customer()
    named = await desk.file("BILL_WRONG", number, contact_number=contact)
    about = await desk.file("BILL_WRONG", contact)
    for path, name in ((TICKETS, "relatedEntity.id"), (TICKETS_V5, "relatedEntity.entity.id")):
        query = f"{path}?{name}={quote(contact)}"
        assert [each["id"] for each in (await web.ask("GET", query)).bodies] == [about.ticket_id]
        by_contact = await web.ask("GET", f"{query}&relatedEntity.role=contact")
        assert [each["id"] for each in by_contact.bodies] == [named.ticket_id]
    wrong = await web.ask("GET", f"{TICKETS}?relatedEntity.id=12&relatedEntity.role=contact")
    assert (wrong.status, wrong.body["code"]) == (HTTPStatus.BAD_REQUEST, "NUMBER_INVALID")


async def test_a_ticket_comes_back_with_the_external_id_of_its_filing_and_is_found_by_it_in_both_versions(
    federation: Federation, web: WebCaller, desk: Complainant, sichuan: Counter
) -> None:
    request, key = desk.request("BILL_WRONG", await sichuan.new_customer()), federation.next_id()
    posted = [await web.ask("POST", TICKETS, ticket(request, externalId=key), Prefer=WAITING) for _ in range(2)]
    name = posted[0].body["id"]
    assert [(each.status, each.body["id"], each.body["externalId"]) for each in posted] == 2 * [
        (HTTPStatus.CREATED, name, key)
    ]
    await Complainant(federation, "sichuan", "staff/wang").reaches(str(name), IN_PROGRESS)
    await desk.reaches(str(name), IN_PROGRESS)  # a version of the owner
    typed = [{"id": key, "@type": "ExternalIdentifier"}]
    for path, attribute, told, query in (
        (TICKETS, "externalId", key, "externalId"),
        (TICKETS_V5, "externalIdentifier", typed, "externalIdentifier.id"),
    ):
        assert (await web.ask("GET", below(path, str(name)))).body[attribute] == told
        found = await web.ask("GET", f"{path}?{query}={key}&status=inProgress")
        assert [(each["id"], each[attribute]) for each in found.bodies] == [(name, told)]
        assert found.headers["x-total-count"] == "1"
        assert (await web.ask("GET", f"{path}?{query}={key}x")).bodies == []
    await by_the_id_of_the_request_alone(federation, web, str(name))


async def by_the_id_of_the_request_alone(federation: Federation, web: WebCaller, name: str) -> None:
    """The id of a later request about a ticket is none of the ticket."""
    later = federation.next_id()
    noted = await web.ask("PATCH", below(TICKETS, name), {"note": [{"text": "and?"}]}, Idempotency_Key=later)
    assert noted.status == HTTPStatus.OK
    assert (await web.ask("GET", f"{TICKETS}?externalId={later}")).bodies == []


async def test_both_doors_refuse_for_the_same_reasons_and_write_the_same_audit_rows(
    federation: Federation, web: WebCaller, desk: Complainant, guangdong: Counter
) -> None:
    number, used = await guangdong.new_customer(), federation.next_id()
    request = desk.request("BILL_WRONG", number)
    filed = await desk.hand_in(request, used)
    other, unknown = desk.request("BILL_WRONG", number, "something else"), desk.request("NOTHING", number)
    wrong = desk.request("BILL_WRONG", "12")
    place = below(TICKETS, filed.ticket_id)

    def file(complaint: ComplaintRequest, key: str) -> Awaitable[object]:
        complaint.requester.channel = Channel.CHANNEL_COUNTER
        message = api.FileComplaintRequest(request_id=key, complaint=complaint)
        return desk.service.FileComplaint(message, timeout=CALL_SECONDS)

    def post(complaint: ComplaintRequest, key: str) -> Awaitable[WebAnswer]:
        return web.ask("POST", TICKETS, ticket(complaint), Idempotency_Key=key)

    def patch(body: dict[str, object]) -> Awaitable[WebAnswer]:
        return web.ask("PATCH", place, body, Idempotency_Key=federation.next_id())

    def read(ticket_id: str) -> Awaitable[object]:
        asked = api.GetComplaintRequest(ticket_id=ticket_id, requester=REQUESTER)
        return desk.service.GetComplaint(asked, timeout=CALL_SECONDS)

    cases: list[tuple[Awaitable[object], Awaitable[WebAnswer], HTTPStatus]] = [
        (read("guangdong/none"), web.ask("GET", below(TICKETS, "guangdong/none")), HTTPStatus.NOT_FOUND),
        (file(request, ""), post(request, ""), HTTPStatus.BAD_REQUEST),
        (file(other, used), post(other, used), HTTPStatus.CONFLICT),
        (file(wrong, "W1"), post(wrong, "W2"), HTTPStatus.BAD_REQUEST),
        (file(unknown, "U1"), post(unknown, "U2"), HTTPStatus.NOT_FOUND),
        (desk.accept(filed.ticket_id), patch({"status": "closed"}), HTTPStatus.UNPROCESSABLE_ENTITY),
        (desk.respond(filed.ticket_id, ""), patch({"note": [{"text": ""}]}), HTTPStatus.BAD_REQUEST),
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
    rows = []
    for acts in (
        lambda: (read(filed.ticket_id), desk.respond(filed.ticket_id, "text")),
        lambda: (web.ask("GET", place), patch({"note": [{"text": "text"}]})),
    ):
        before = len(audited(federation, COUNTER))
        for act in acts():
            await act
        rows.append([tuple(str(each) for each in row) for row in audited(federation, COUNTER)[before:]])
    assert rows[0] == rows[1]
    assert len(rows[0]) >= 2


@pytest.mark.parametrize(
    ("verb", "query", "body", "status", "code"),
    [
        ("DELETE", "/any", None, HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_UNKNOWN"),
        ("GET", "?severe=s1", None, HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
        ("GET", "?sort=severe", None, HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
        ("GET", "?status=lost", None, HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", "?offset=4001", None, HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        (
            "PATCH",
            "/any",
            b'{"status": "cancelled", "description": null}',
            HTTPStatus.BAD_REQUEST,
            "ATTRIBUTE_UNSUPPORTED",
        ),
        ("PATCH", "/any", b'{"status": "pending"}', HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
        ("PATCH", "/any", b"[]", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
    ],
)
async def test_what_nobody_serves_is_refused_in_the_form_of_tm_forum(
    web: WebCaller, verb: str, query: str, body: bytes | None, status: HTTPStatus, code: str
) -> None:
    answered = await web.ask(verb, TICKETS + query, body)
    assert (answered.status, answered.body["code"], answered.body["@type"]) == (status, code, "Error")
