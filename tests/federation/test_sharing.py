"""Records read across regions: what a purpose may see, and what the customer decided."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import grpc
import pytest

from gateway.api.federation.v1.configuration_pb2 import SharedField
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.approval_service_pb2 import ListApprovalsRequest
from gateway.api.region.v1.customer_service_pb2 import QueryProfileRequest
from gateway.api.region.v1.notice_service_pb2 import ListNoticesRequest
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, GrantState
from gateway.api.types.v1.reason_pb2 import Reason
from tests.federation.archive import CHUNK, Archive, scan
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER, Approver, Counter
from tests.federation.folder import Folder
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.sharing_counter import (
    DECLINED,
    DUTY,
    EMAIL,
    FILE_NUMBER,
    HOLDER,
    NAME,
    NUMBER,
    ORDER,
    PLAN,
    SharingCounter,
    masks,
    told,
)

PROFILE_READ, BILL_READ, DOCUMENT_LIST_READ, DOCUMENT_READ, ATTACHMENT_READ, COMPLAINT_SENT = (
    DisclosureKind.DISCLOSURE_KIND_PROFILE_READ,
    DisclosureKind.DISCLOSURE_KIND_BILL_READ,
    DisclosureKind.DISCLOSURE_KIND_DOCUMENT_LIST_READ,
    DisclosureKind.DISCLOSURE_KIND_DOCUMENT_READ,
    DisclosureKind.DISCLOSURE_KIND_ATTACHMENT_READ,
    DisclosureKind.DISCLOSURE_KIND_COMPLAINT_SENT,
)


@pytest.fixture(name="south")
def counter_in_guangdong(federation: Federation) -> SharingCounter:
    return SharingCounter.of(federation, "guangdong")


@pytest.fixture(name="home")
def counter_in_sichuan(federation: Federation) -> SharingCounter:
    return SharingCounter.of(federation, "sichuan")


def reason(answer: api.ReadSharedCustomerResponse) -> str:
    """Why there is no record."""
    assert answer.HasField("refusal"), answer
    assert answer.refusal.message.zh_cn
    assert "{" not in answer.refusal.message.en
    return Reason.Name(answer.refusal.reason).removeprefix("REASON_")


async def test_a_consent_shows_the_fields_of_its_purpose_and_nothing_else(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="张三丰")
    given = await south.consent(number, "guangdong")
    answer = await south.read(number)
    record = answer.record
    purpose = next(each for each in (await federation.configuration()).purposes if each.name == "counter-service")
    assert [each.field for each in record.values] == list(purpose.fields)
    assert masks(answer) == {"UNSPECIFIED"}
    shown = told(answer)
    assert (shown[NAME], shown[NUMBER], shown[PLAN]) == (["张三丰"], [number], ["sichuan-29"])
    assert (record.region, record.purpose, record.grant_id) == ("sichuan", "counter-service", given.grant_id)
    assert EMAIL not in shown


async def test_fewer_fields_may_be_asked_for_and_others_are_masked(south: SharingCounter, sichuan: Counter) -> None:
    number = await sichuan.new_customer(name="张三丰")
    await south.consent(number, "guangdong", fields=[PLAN])
    assert told(await south.ask(south.question(number, fields=[PLAN]))) == {PLAN: ["sichuan-29"]}
    both = await south.ask(south.question(number, fields=[NAME, PLAN]))
    assert told(both) == {NAME: ["张*"], PLAN: ["sichuan-29"]}
    assert [each.masked for each in both.record.values] == [api.MaskReason.MASK_REASON_FIELD_NOT_GRANTED, 0]


async def test_after_a_withdrawal_no_later_read_succeeds_wherever_it_was_withdrawn(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="欧阳震华")
    given = await south.consent(number, "guangdong")
    await south.consent(number, "guangdong", "installation")
    withdrawn = await SharingCounter.of(federation, "henan").withdraw(number, purpose="counter-service")
    assert list(withdrawn.grant_ids) == [given.grant_id]
    answer = await south.read(number)
    assert masks(answer) == {"WITHDRAWN"}
    assert (told(answer)[NAME], told(answer)[NUMBER]) == (["欧阳*"], [f"{number[:6]}****{number[-4:]}"])
    assert told(answer)[PLAN] == []
    assert masks(await south.read(number, "installation")) == {"UNSPECIFIED"}
    assert len((await south.withdraw(number)).grant_ids) == 1
    assert reason(await south.read(number, "installation")) == "SHARING_NOT_GRANTED"
    assert not (await south.withdraw(number)).grant_ids


async def test_a_consent_is_recorded_once_for_each_request_id(south: SharingCounter, sichuan: Counter) -> None:
    number, request_id = await sichuan.new_customer(), south.federation.next_id()
    documents = await south.verified(number, request_id)
    request = south.decision(number, "guangdong", documents=documents, request_id=request_id)
    first = await south.give(request)
    await south.withdraw(number)
    assert await south.give(request) == first
    assert masks(await south.read(number)) == {"WITHDRAWN"}, "a repeat gives nothing back"
    (grant,) = await south.grants(number)
    assert (grant.id, grant.state) == (first.grant_id, GrantState.GRANT_STATE_WITHDRAWN)


async def test_a_customer_who_declines_is_not_read_and_may_think_again(south: SharingCounter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    await south.consent(number, "guangdong", decision=DECLINED)
    assert reason(await south.read(number)) == "SHARING_DECLINED"
    await south.consent(number, "guangdong")
    assert masks(await south.read(number)) == {"UNSPECIFIED"}
    states = [each.state for each in await south.grants(number)]
    assert states == [GrantState.GRANT_STATE_IN_FORCE, GrantState.GRANT_STATE_REPLACED]


async def test_a_consent_that_begins_later_says_from_when(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number, start = await sichuan.new_customer(), federation.clock.now() + timedelta(hours=2)
    await south.consent(number, "guangdong", start=start, lasts=timedelta(hours=2))
    answer = await south.read(number)
    assert reason(answer) == "SHARING_NOT_UNTIL"
    assert abs(answer.refusal.earliest_time.ToDatetime() - start.replace(tzinfo=None)) < timedelta(seconds=1)
    await federation.advance(timedelta(hours=3))
    assert masks(await south.read(number)) == {"UNSPECIFIED"}
    await federation.advance(timedelta(hours=1))
    assert masks(await south.read(number)) == {"EXPIRED"}


async def test_an_order_in_progress_lets_its_own_region_read_and_no_longer_than_it_lasts(
    federation: Federation, south: SharingCounter, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="张三丰")
    order = await guangdong.order("TERMINATE", number)
    question = south.question(number, basis=ORDER, order_id=order.id)
    assert told(await south.ask(question))[NAME] == ["张三丰"]
    henan = SharingCounter.of(federation, "henan")
    other = await henan.ask(henan.question(number, basis=ORDER, order_id=order.id))
    assert (masks(other), told(other)[NAME]) == ({"NOT_GRANTED"}, [])
    neighbour = await sichuan.new_customer()
    assert masks(await south.ask(south.question(neighbour, basis=ORDER, order_id=order.id))) == {"NOT_GRANTED"}
    await guangdong.cancel(order.id)
    assert masks(await south.ask(question)) == {"NOT_GRANTED"}


async def test_a_duty_of_law_is_named_and_the_customer_can_see_it(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="张三丰")
    question = south.question(number, "fraud-investigation", DUTY, reference=FILE_NUMBER)
    assert told(await south.by_staff().ask_by_two(question))[NAME] == ["张三丰"]
    (seen,) = await south.disclosures(number)
    assert (seen.kind, seen.region, seen.operator) == (DisclosureKind.DISCLOSURE_KIND_READ, "guangdong", "staff/wang")
    assert seen.particulars.requester.staff_id == "wang", "by the certificate, whatever the request says"
    assert seen.particulars.approver_staff_id == "zhao"
    assert (seen.purpose, seen.legal_basis, seen.particulars.reference) == ("fraud-investigation", DUTY, FILE_NUMBER)
    assert SharedField.SHARED_FIELD_NAME in seen.shown
    assert seen.purpose_title.zh_cn
    proof = "by certificate %, token %, SHA-256 "
    for region, people in {
        "guangdong": ("staff wang, ", "staff zhao:"),
        "sichuan": (f"staff wang {proof}%", f"staff zhao {proof}%"),
    }.items():
        first, second = people
        audited = federation.database(region).rows(
            "SELECT COUNT(*) FROM audit WHERE actor = 'region/guangdong/staff/wang' AND action = 'ReadSharedCustomer'"
            " AND detail LIKE ? AND detail LIKE ?",
            f"{first}%LEGAL_BASIS_LEGAL_DUTY {FILE_NUMBER}: confirmed by {second}%",
            f"%{question.request_id}%",
        )
        assert audited == [(1,)], region


@pytest.mark.clause("7.2(2)")
async def test_a_reading_by_legal_duty_waits_for_a_second_person_who_gives_the_number(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number, staff = await sichuan.new_customer(), south.by_staff()
    question = south.question(number, "fraud-investigation", DUTY, reference=FILE_NUMBER)
    question.approver_staff_id = "zhao"
    approvals = {(await refusal(staff.ask(question))).parameters["approval"] for _ in range(2)}
    (approval,) = approvals
    asker, second = Approver(federation, "guangdong", "wang"), Approver(federation, "guangdong")
    listed = await second.approvals.ListApprovals(ListApprovalsRequest(undecided=True), timeout=CALL_SECONDS)
    waiting = next(each for each in listed.approvals if each.id == approval)
    assert (waiting.proposer, waiting.purpose, waiting.reference) == ("wang", "fraud-investigation", FILE_NUMBER)
    assert number not in str(listed)
    assert (await refusal(asker.confirm(approval, number))).reason == "APPROVER_IS_PROPOSER"
    other = Approver(federation, "sichuan")
    assert (await refusal(other.confirm(approval, number))).reason == "APPROVAL_NOT_FOUND"
    for wrong in ("", await sichuan.new_customer()):
        assert (await refusal(second.confirm(approval, wrong))).reason == "APPROVAL_DIFFERS"
    await second.confirm(approval, number)
    assert (await refusal(second.confirm(approval, number))).reason == "APPROVAL_STATE_FORBIDS"
    staff.state(question)
    assert masks(await staff.ask(question)) == {"UNSPECIFIED"}
    another = south.question(number, "fraud-investigation", DUTY, reference="GD-FRAUD(2026)18")
    assert (await refusal(staff.ask(another))).reason == "APPROVAL_AWAITED", "another file is another reading"
    assert (await refusal(south.by_staff("li").ask(question))).reason == "APPROVAL_AWAITED", "so is another person's"
    await federation.advance(timedelta(days=1))
    assert (await refusal(staff.ask(question))).reason == "APPROVAL_AWAITED", "a day later it needs a new confirmation"


async def test_the_customer_sees_who_saw_what_and_who_was_refused_page_by_page(
    federation: Federation, south: SharingCounter, home: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await SharingCounter.of(federation, "henan").read(number, "installation")
    given = await south.consent(number, "guangdong")
    await south.read(number)
    await south.withdraw(number)
    await south.read(number)
    for counter in (south, home):
        seen = await counter.disclosures(number, page_size=2)
        assert [(each.kind, each.region, each.grant_id) for each in seen] == [
            (DisclosureKind.DISCLOSURE_KIND_READ, "guangdong", ""),
            (DisclosureKind.DISCLOSURE_KIND_WITHDRAWN, "guangdong", given.grant_id),
            (DisclosureKind.DISCLOSURE_KIND_READ, "guangdong", given.grant_id),
            (DisclosureKind.DISCLOSURE_KIND_GRANTED, "guangdong", given.grant_id),
            (DisclosureKind.DISCLOSURE_KIND_READ, "henan", ""),
        ]
        assert (bool(seen[0].shown), bool(seen[0].masked), bool(seen[2].shown)) == (False, True, True)
        assert seen[4].refused == Reason.REASON_SHARING_NOT_GRANTED
    (grant,) = await home.grants(number, page_size=1)
    assert (list(grant.evidence.verified), grant.evidence.staff_id, grant.reader) == (["OTP"], "clerk-7", "guangdong")


async def test_each_reading_denial_grant_and_withdrawal_is_one_row_of_the_chain_at_home(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await south.read(number, "installation")
    await south.consent(number, "guangdong")
    await south.read(number)
    await south.withdraw(number)
    await south.read(number)
    rows = federation.database("sichuan").rows(
        "SELECT action FROM audit WHERE subject = ? AND actor = ? AND action IN"
        " ('ReadSharedCustomer', 'GiveConsent', 'WithdrawConsent') ORDER BY sequence",
        f"customer-{number.removeprefix('+')}",
        south.counter.path,
    )
    read = ("ReadSharedCustomer",)
    assert rows == [read, ("GiveConsent",), read, ("WithdrawConsent",), read]


@pytest.mark.clause("7.1(1)")
async def test_the_customer_is_told_of_each_consent_and_of_its_end(
    federation: Federation, south: SharingCounter, home: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    paper = await south.sign(number)
    given = await south.give(south.decision(number, "guangdong", paper=paper))
    assert reason(await south.read(number)) == "SHARING_NOT_UNTIL"
    await home.by_staff().confirm(number)
    assert masks(await south.read(number)) == {"UNSPECIFIED"}
    (grant,) = await south.grants(number)
    assert (grant.evidence.paper, len(grant.text_version)) == (paper, 64)
    await south.withdraw(number, paper="archive 2026-45")
    assert masks(await south.read(number)) == {"WITHDRAWN"}
    kinds = federation.database("sichuan").rows(
        "SELECT kind FROM notices WHERE number = ? ORDER BY create_time",
        federation.database("sichuan").index_of(number),
    )
    assert kinds == [("consent-given",), ("consent-withdrawn",)]
    notices = await home.counter.notices.ListNotices(
        ListNoticesRequest(number=number, requester=REQUESTER), timeout=CALL_SECONDS
    )
    (told_so,) = [each.text for each in notices.notices if each.kind == "consent-given"]
    end = f"{given.end_time.ToDatetime(UTC).astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m-%d %H:%M} +08:00"
    for part in ("Guangdong", "Service at the counter of another region", end, "name, number, status, line kind, plan"):
        assert part in told_so.en
    for part in ("广东公司", "异地营业厅受理业务", end, "姓名、号码"):
        assert part in told_so.zh_cn


async def test_the_home_region_reads_its_own_customers_and_that_is_seen_too(
    home: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="张三丰")
    assert told(await home.read(number))[NAME] == ["张三丰"]
    (seen,) = await home.disclosures(number)
    assert seen.region == "sichuan"


async def test_the_customers_list_names_bills_and_profiles_that_another_region_read_or_was_refused(
    federation: Federation, home: SharingCounter, guangdong: Counter, sichuan: Counter
) -> None:
    number, request_id = await sichuan.new_customer(), federation.next_id()
    month = (await guangdong.bill(number)).month
    assert (await refusal(guangdong.bill(number, papers=[]))).reason == "DOCUMENT_MISSING"
    assert (await refusal(guangdong.bill(number, month="May"))).reason == "REQUEST_INVALID"
    documents = await guangdong.verify(number, request_id, code=await guangdong.receive_code(number, request_id))
    for request in (federation.next_id(), request_id):
        asked = QueryProfileRequest(
            request_id=request, number=number, applicant=HOLDER, documents=documents, requester=REQUESTER
        )
        with contextlib.suppress(grpc.aio.AioRpcError):
            await guangdong.customers.QueryProfile(asked, timeout=CALL_SECONDS)
    await sichuan.bill(number)
    seen = await home.disclosures(number)
    assert [(each.kind, each.purpose, each.particulars.record_id, Reason.Name(each.refused)) for each in seen] == [
        (PROFILE_READ, "QRY_PROFILE", "", "REASON_UNSPECIFIED"),
        (PROFILE_READ, "QRY_PROFILE", "", "REASON_NOT_VERIFIED"),
        (BILL_READ, "QRY_BILL", month, "REASON_DOCUMENT_MISSING"),
        (BILL_READ, "QRY_BILL", month, "REASON_UNSPECIFIED"),
    ]
    assert {(each.region, each.operator) for each in seen} == {("guangdong", "counter")}
    assert all(each.particulars.requester == REQUESTER and each.purpose_title.zh_cn for each in seen)


async def test_the_customers_list_names_each_reading_of_a_document_once_and_why_it_was_let(
    federation: Federation, home: SharingCounter, guangdong: Counter, sichuan: Counter
) -> None:
    number, content = await sichuan.new_customer(), scan(3 * CHUNK)
    here, henan = Archive(guangdong), Archive(Counter(federation, "henan"))
    document_id = await henan.put(number, content)
    await here.check("SUSPEND", number)
    await here.list(number)
    await refusal(here.content(number, document_id))
    order = await guangdong.order("TERMINATE", number)
    begun_in_the_middle = await here.content(number, document_id, offset=CHUNK)
    assert begun_in_the_middle == content[CHUNK:]
    await here.content(number, document_id, offset=CHUNK)
    await here.content(number, document_id)
    await henan.content(number, document_id)
    seen = await home.disclosures(number)
    assert [(each.kind, each.region, each.purpose, each.particulars.order_id) for each in seen] == [
        (DOCUMENT_READ, "henan", "", ""),
        (DOCUMENT_READ, "guangdong", "TERMINATE", order.id),
        (DOCUMENT_READ, "guangdong", "TERMINATE", order.id),
        (DOCUMENT_READ, "guangdong", "", ""),
        (DOCUMENT_LIST_READ, "guangdong", "", ""),
        (DOCUMENT_LIST_READ, "guangdong", "SUSPEND", ""),
    ]
    assert [each.purpose_title.en for each in seen if not each.purpose] == [
        "it has verified the document",
        "no order under way that needs it",
        "no business named",
    ]
    assert {each.particulars.record_id for each in seen[:4]} == {document_id}
    assert {each.particulars.requester.staff_id for each in seen} == {REQUESTER.staff_id}
    assert [each.legal_basis for each in seen[:4]] == [0, ORDER, ORDER, 0]
    assert [each.refused for each in seen if each.refused] == [Reason.REASON_DOCUMENT_CONTENT_DENIED]


async def test_the_customers_list_names_the_regions_that_were_sent_a_complaint_and_read_what_was_attached(
    federation: Federation, home: SharingCounter, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(), Complainant(federation, "sichuan")
    case = await desk.file("BILL_ROAM", number, location_region="henan")
    brought = await Folder(desk, case.ticket_id).attach(scan(2 * CHUNK))
    (item,) = [each.ticket_id for each in case.items if each.region == "henan"]
    henan = Complainant(federation, "henan", "staff/wang")
    await henan.follows(item, lambda found: len(found.attachments) == 1, "it hears of the file")
    await Folder(henan, item).read(brought)
    seen = await home.disclosures(number)
    assert [(each.kind, each.region, each.particulars.record_id) for each in seen] == [
        (ATTACHMENT_READ, "henan", f"{item} {brought}"),
        (COMPLAINT_SENT, "henan", item),
    ]
    assert seen[0].particulars.requester.staff_id == "wang"
    assert {each.purpose_title.en for each in seen} == {"the complaint concerns it"}


async def test_what_was_asked_while_a_customer_was_stored_only_is_told_afterwards_as_refused(
    home: SharingCounter, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await Archive(sichuan).put(number)
    await sichuan.restrict(number)
    assert list(await Archive(guangdong).list(number)) == []
    assert (await refusal(guangdong.bill(number))).reason == "CUSTOMER_RESTRICTED"
    await sichuan.release(number)
    seen = await home.disclosures(number)
    restricted = Reason.REASON_CUSTOMER_RESTRICTED
    assert [(each.kind, each.refused) for each in seen] == [(BILL_READ, restricted), (DOCUMENT_LIST_READ, restricted)]


async def test_a_stream_refuses_from_the_withdrawal_on(south: SharingCounter, sichuan: Counter) -> None:
    number, unknown = await sichuan.new_customer(), "not a number"
    await south.consent(number, "guangdong", "installation")

    async def questions() -> AsyncIterator[api.ReadSharedCustomersRequest]:
        for question_id, asked in (("before", number), ("wrong", unknown)):
            question = south.question(asked, "installation")
            yield api.ReadSharedCustomersRequest(query_id=question_id, read=question)
        for question_id in ("after", "again"):
            await answered.wait()
            yield api.ReadSharedCustomersRequest(query_id=question_id, read=south.question(number, "installation"))

    answered, seen = asyncio.Event(), {}
    stream = south.stub.ReadSharedCustomers(questions(), timeout=CALL_SECONDS)
    async for answer in stream:
        seen[answer.query_id] = answer
        if len(seen) == 2:
            await south.withdraw(number)
            answered.set()
    assert {each: answer.WhichOneof("answer") for each, answer in seen.items()} == {
        "before": "record",
        "wrong": "error",
        "after": "refusal",
        "again": "refusal",
    }
