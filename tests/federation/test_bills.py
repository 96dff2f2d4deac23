"""Bills of own and of foreign customers, by the same call; and when there is none."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest

from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.types_pb2 import Applicant
from region_node.business.billing.readings import BILL_LIMIT
from tests.federation.archive import Archive
from tests.federation.browser import Browser
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, NOT_JOINED, Federation, running, until, until_nothing_changes
from tests.federation.test_console import STAFF
from tests.federation.test_console_customers import code_of
from tests.federation.test_documents import apply_everywhere
from tests.shipped import shipped_configuration


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
@pytest.mark.clause("4.3(2)", "4.3(3)")
async def test_a_bill_shows_the_months_entries_and_balances(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home = Counter(federation, home)
    number = await at_home.new_customer(balance=-1000)
    await guangdong.order("PAY", number)
    bill = await guangdong.bill(number)
    assert bill.region == home
    assert [(line.description.en, line.amount.minor_units) for line in bill.lines] == [
        ("Balance taken over", -1000),
        ("Payment", 5000),
    ]
    assert (bill.opening_balance.minor_units, bill.closing_balance.minor_units) == (0, 4000)
    assert {line.amount.currency for line in bill.lines} == {"CNY"}


@pytest.mark.clause("4.3(4)")
async def test_the_origin_region_sees_what_the_home_region_shows(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    assert await guangdong.bill(number) == await sichuan.bill(number)


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_the_present_month_needs_no_name_and_each_bill_says_which_month_goes_before(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    number = await Counter(federation, home).new_customer()
    request = bill_request(guangdong, number)
    present = await guangdong.bill(number, request.month)
    request.month = ""
    assert (await guangdong.billing.QueryBill(request, timeout=CALL_SECONDS)).bill == present
    found = [present]
    while found[-1].previous_month:
        found.append(await guangdong.bill(number, found[-1].previous_month))
    assert len(found) == 6, "the present month, and five before"
    assert {each.billing_account_id for each in found} == {
        (await Counter(federation, home).read(number)).billing_account.id
    }
    for later, earlier in pairwise(found):
        assert earlier.start_time.ToDatetime() < earlier.end_time.ToDatetime() == later.start_time.ToDatetime()


async def test_an_earlier_month_ends_where_the_next_begins(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=700)
    month = (await sichuan.bill(number)).month
    await federation.advance(timedelta(days=31))
    for region in federation.nodes:
        await federation.until_billed(region)
    earlier, now = await guangdong.bill(number, month), await guangdong.bill(number)
    assert earlier.month < now.month
    assert (earlier.closing_balance, list(now.lines)) == (now.opening_balance, [])
    assert (earlier.total.minor_units, now.closing_balance.minor_units) == (2900, 700 - 2900)


async def test_staff_see_a_chart_of_the_billed_months_for_a_quarter_of_an_hour_after_the_code(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ["guangdong"], web=["guangdong"]) as federation:
        guangdong = Counter(federation, "guangdong")
        number = await guangdong.new_customer()
        await Archive(guangdong).put(number)
        month = (await guangdong.bill(number)).month
        await federation.advance(timedelta(days=31))
        await federation.until_billed("guangdong")
        browser = Browser.of(federation, STAFF)
        await browser.sign_in()
        sent = await browser.fill_in(f"customers/identity-check?number={quote(number)}", "send-code", {})
        code = {"code": code_of(federation, number)}
        address = (await browser.fill_in(sent.headers["location"], "verify", code)).headers["location"]
        assert f">{month}: 39.00 CNY</desc>" in (await browser.open(address)).text
        assert f"{month},39.00 CNY," in (await browser.open(f"{address}&month={month}&format=csv")).text
        federation.clock.advance(timedelta(minutes=17))
        stale = (await browser.open(address)).text
        assert (stale.count("DOCUMENT_STALE"), "<table" in stale, "<svg" in stale) == (3, False, False)


async def test_a_question_is_stored_nowhere_but_the_reading_is_audited_and_noted_at_home(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    noted = ("audit", "disclosures", "bill_readings")

    async def ask() -> None:
        await guangdong.bill(number)

    def contents() -> object:
        return [federation.database(region).contents(without=noted) for region in federation.nodes]

    await until_nothing_changes(ask, contents, "a question")
    reads = federation.database("sichuan").rows(
        "SELECT actor FROM audit WHERE action = 'QueryBill' AND subject = ?", f"customer-{number.removeprefix('+')}"
    )
    assert set(reads) == {("region/guangdong/operator/counter",)}


async def test_a_region_reads_so_many_bills_by_papers_in_a_day_and_any_by_the_customers_code(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    numbers = [await sichuan.new_customer() for _ in range(2)]
    limited = shipped_configuration()
    (policy,) = (each for each in limited.policies if each.name == BILL_LIMIT.name)
    policy.figure.value = 1
    await apply_everywhere(federation, limited)
    await federation.advance(timedelta(days=1))
    assert (await guangdong.bill(numbers[0])).region == "sichuan"
    for number in (*numbers, federation.next_number("sichuan")):
        refused = await refusal(guangdong.bill(number))
        assert (refused.reason, refused.parameters) == (
            "BILL_READING_LIMIT_REACHED",
            {"region": "guangdong", "limit": "1"},
        )
    request_id = federation.next_id()
    code = await guangdong.receive_code(numbers[1], request_id)
    proven = bill_request(guangdong, numbers[1], request_id=request_id)
    proven.documents.extend(await guangdong.verify(numbers[1], request_id, code=code))
    assert (await guangdong.billing.QueryBill(proven, timeout=CALL_SECONDS)).bill.region == "sichuan"
    assert (await Counter(federation, "henan").bill(numbers[1])).region == "sichuan", "each region has its own limit"
    assert (await sichuan.bill(numbers[1])).region == "sichuan", "the home region has none"

    async def are_alerted() -> bool:
        sql = "SELECT COUNT(*) FROM audit WHERE action = ? AND subject LIKE 'bill-readings/guangdong/%'"
        return federation.database("sichuan").rows(sql, BILL_LIMIT.alert) == [(2,)]

    await until(are_alerted, "persons on duty are alerted near the limit, and at the first denial")
    await apply_everywhere(federation, shipped_configuration())


def bill_request(counter: Counter, about: str, **changes: object) -> QueryBillRequest:
    """A good question about a number, with changes."""
    request = QueryBillRequest(
        number=about,
        month=f"{counter.federation.clock.now() + timedelta(hours=8):%Y-%m}",
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[counter.document("ID_ORIG")],
        requester=REQUESTER,
    )
    for field, value in changes.items():
        if field == "documents":
            del request.documents[:]
        else:
            setattr(request, field, value)
    return request


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"applicant": Applicant.APPLICANT_AGENT}, "APPLICANT_NOT_ALLOWED"),
        ({"documents": None}, "DOCUMENT_MISSING"),
        ({"month": "last month"}, "REQUEST_INVALID"),
        ({"month": "2019-01"}, "BILL_OUT_OF_RANGE"),
        ({"month": "9999-12"}, "BILL_OUT_OF_RANGE"),
        ({"month": "0001-01"}, "BILL_OUT_OF_RANGE"),
        ({"number": "12"}, "NUMBER_INVALID"),
    ],
)
async def test_a_bill_is_refused_alike_at_home_and_elsewhere(
    federation: Federation, guangdong: Counter, home: str, changes: dict[str, object], reason: str
) -> None:
    number = await Counter(federation, home).new_customer()
    request = bill_request(guangdong, number, **changes)
    told = await refusal(guangdong.billing.QueryBill(request, timeout=CALL_SECONDS))
    assert told.reason == reason


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_no_bill_of_a_closed_line_or_of_one_whose_card_was_just_replaced(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home, now = Counter(federation, home), federation.clock.now()
    closed = await at_home.new_customer(status=ProductStatus.PRODUCT_STATUS_TERMINATED)
    replaced = await at_home.new_customer(sim_replace_time=now - timedelta(hours=71))
    settled = await at_home.new_customer(sim_replace_time=now - timedelta(hours=72))
    assert (await refusal(guangdong.bill(closed))).reason == "LINE_CLOSED"
    assert (await refusal(guangdong.bill(replaced))).reason == "SIM_TOO_NEW"
    assert (await guangdong.bill(settled)).region == home


async def test_no_bill_where_nobody_can_answer(federation: Federation, guangdong: Counter) -> None:
    expected = {"": "NUMBER_UNRESOLVED", NOT_JOINED: "REGION_NOT_JOINED", "sichuan": "PROOF_NOT_OF_NUMBER"}
    for home, reason in expected.items():
        assert (await refusal(guangdong.bill(federation.next_number(home)))).reason == reason


async def test_a_home_region_that_is_away_is_unreachable_for_a_bill_and_for_a_document_whose_bytes_are_here(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number, archive = await sichuan.new_customer(), Archive(guangdong)
        document_id = await archive.put(number)
        await federation.stop_node("sichuan")
        for asked in (guangdong.bill(number), archive.content(number, document_id)):
            told = await refusal(asked)
            assert (told.code, told.reason, told.parameters) == (
                grpc.StatusCode.UNAVAILABLE,
                "REGION_UNREACHABLE",
                {"region": "sichuan"},
            )
