"""Every business of the shipped catalogue, handled in Guangdong for customers of Sichuan: done, and every refusal.

The catalogue gives the refusals: each applicant, each line of documents, each precondition, each required
characteristic, the fee, the promised date. Only the path to completion is a row in `business_cases.py`.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import grpc
import pytest

from gateway.api.federation.v1.configuration_pb2 import Business, LineKind, Precondition, Reach, Step, TimeLimit
from gateway.api.region.v1.customer_service_pb2 import CardKind, ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.federation.documents import is_ordered_by_nodes, parse_alternatives
from gateway.time.calendars import WorkingDays, due_time
from gateway.time.clock import from_timestamp
from tests.federation.business_cases import BALANCE, CASES
from tests.federation.counter import Counter
from tests.federation.counterparts import HOLDER, Handling, requirement_of, usual_codes
from tests.federation.refusals import read
from tests.federation.running import Federation
from tests.shipped import shipped_configuration

CONFIGURATION = shipped_configuration()
# What nodes order by themselves is the matter of `test_complaint_remedies.py`.
ORDERED = {each.code: each for each in CONFIGURATION.businesses if each.steps and not is_ordered_by_nodes(each)}
ELSEWHERE = {code: each for code, each in ORDERED.items() if each.reach == Reach.REACH_FEDERATION}
APPLICANTS = [each for each in Applicant.values() if each != Applicant.APPLICANT_UNSPECIFIED]

MONTH_BEGUN = Precondition.PRECONDITION_MONTH_BEGUN  # no day of a test's own choice: `test_preconditions.py`
PROMISED = Precondition.PRECONDITION_LINE_NOT_PROMISED  # no customer begins like that: `test_joint_orders.py`

# For each precondition: what of the line, or which balance, does not meet it, and the reason that is told.
VIOLATIONS: Mapping[Precondition.ValueType, tuple[Mapping[str, object], str]] = {
    Precondition.PRECONDITION_LINE_ACTIVE: ({"status": ProductStatus.PRODUCT_STATUS_SUSPENDED}, "LINE_NOT_ACTIVE"),
    Precondition.PRECONDITION_LINE_SUSPENDED: ({"status": ProductStatus.PRODUCT_STATUS_ACTIVE}, "LINE_NOT_SUSPENDED"),
    Precondition.PRECONDITION_LINE_NOT_CLOSED: ({"status": ProductStatus.PRODUCT_STATUS_TERMINATED}, "LINE_CLOSED"),
    Precondition.PRECONDITION_NO_ARREARS: ({"balance": -1}, "IN_ARREARS"),
    Precondition.PRECONDITION_NO_CONTRACT: ({"contract_end_time": timedelta(days=90)}, "UNDER_CONTRACT"),
    Precondition.PRECONDITION_NO_BINDING: ({"binding": "family-4"}, "LINE_BOUND"),
    Precondition.PRECONDITION_SIM_SETTLED: ({"sim_replace_time": timedelta(hours=-71)}, "SIM_TOO_NEW"),
    Precondition.PRECONDITION_LINE_IN_SERVICE: (
        {"status": ProductStatus.PRODUCT_STATUS_PENDING_TERMINATE},
        "LINE_NOT_ACTIVE",
    ),
    Precondition.PRECONDITION_LINE_ACTIVE_OR_LOST: (
        {"status": ProductStatus.PRODUCT_STATUS_SUSPENDED, "suspension_kind": 0},
        "LINE_NOT_ACTIVE",
    ),
    Precondition.PRECONDITION_LINE_BROADBAND: ({"kind": LineKind.LINE_KIND_MOBILE}, "LINE_NOT_BROADBAND"),
    Precondition.PRECONDITION_CARD_ORDINARY: ({"card_kind": CardKind.CARD_KIND_SPECIAL}, "CARD_NOT_ORDINARY"),
}


@dataclass(frozen=True)
class Handlings:
    """Every business between Guangdong and Sichuan."""

    federation: Federation

    def of(self, code: str) -> Handling:
        """The handling of one business."""
        guangdong, sichuan = Counter(self.federation, "guangdong"), Counter(self.federation, "sichuan")
        return Handling(self.federation, ORDERED[code], CASES[code], guangdong, sichuan)


@pytest.fixture
def handlings(federation: Federation) -> Handlings:
    """Every business."""
    return Handlings(federation)


async def goes_through(handling: Handling, order: Order) -> None:
    """Asserts that an order takes all its steps and has its effect."""
    done = await handling.carry_through(order)
    assert done.state == OrderState.ORDER_STATE_COMPLETED, done
    assert list(done.steps) == list(handling.business.steps)
    customer = await handling.at_home.read(done.results.get("number", order.request.number))
    assert handling.case.done(customer), customer


async def refused(submitting: Awaitable[Order]) -> tuple[str, Mapping[str, str]]:
    """Why a request is refused, by the origin region or by the home region's word, and the parameters."""
    try:
        order = await submitting
    except grpc.aio.AioRpcError as error:
        told = read(error)
        return told.reason, told.parameters
    assert order.state == OrderState.ORDER_STATE_REJECTED, order
    return Reason.Name(order.error.reason).removeprefix("REASON_"), order.error.parameters


def name_of(applicant: Applicant.ValueType) -> str:
    return Applicant.Name(applicant).removeprefix("APPLICANT_").lower()


def test_every_business_that_crosses_a_border_has_a_row() -> None:
    assert CASES.keys() == ELSEWHERE.keys()


def test_every_precondition_of_the_contract_can_be_violated() -> None:
    others = {Precondition.PRECONDITION_UNSPECIFIED, PROMISED, MONTH_BEGUN}
    assert VIOLATIONS.keys() == set(Precondition.values()) - others


@pytest.mark.parametrize("code", CASES)
@pytest.mark.clause("2.2.2")
async def test_a_business_is_done_from_another_region_for_everybody_whom_the_catalogue_lists(
    handlings: Handlings, code: str
) -> None:
    handling = handlings.of(code)
    for each in handling.business.documents:
        if each.applicant not in handling.case.only_at_home:
            number = await handling.new_customer()
            await goes_through(handling, await handling.submit(number, applicant=each.applicant))


def alternatives(business: Business) -> list[tuple[str, ...]]:
    """The other alternatives besides the usual documents: for each, all documents of it."""
    requirement = next((each for each in business.documents if each.applicant == HOLDER), None)
    if requirement is None:
        return []
    usual, found = usual_codes(requirement), []
    for line in requirement.all_of:
        choices = parse_alternatives(line)
        chosen = next(each for each in choices if set(each) <= set(usual))
        rest = [code for code in usual if code not in chosen]
        found += [(*rest, *each) for each in choices if each != chosen]
    return found


async def test_each_alternative_of_the_catalogue_does_for_the_holder(handlings: Handlings) -> None:
    for code, business in ELSEWHERE.items():
        handling = handlings.of(code)
        for codes in alternatives(business):
            await goes_through(handling, await handling.submit(await handling.new_customer(), codes=codes))


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.clause("3.2.2", "3.4.3")
async def test_a_request_without_one_of_the_documents_is_refused_and_it_is_named(handlings: Handlings) -> None:
    wrong: list[object] = []
    for code, business in ELSEWHERE.items():
        handling = handlings.of(code)
        number = await handling.new_customer()
        for required, line in ((each, line) for each in business.documents for line in each.all_of):
            left_out = {each for alternative in parse_alternatives(line) for each in alternative}
            codes = [each for each in usual_codes(required) if each not in left_out]
            reason, parameters = await refused(handling.submit(number, applicant=required.applicant, codes=codes))
            if reason != "DOCUMENT_MISSING" or line not in parameters["documents"].split(", "):
                wrong.append((code, name_of(required.applicant), line, reason, parameters))
    assert wrong == []


@pytest.mark.files  # nothing of it depends on the engine
async def test_whom_the_catalogue_does_not_list_or_serves_at_home_only_is_refused(handlings: Handlings) -> None:
    wrong: list[object] = []
    for code, business in ELSEWHERE.items():
        handling = handlings.of(code)
        every = list(dict.fromkeys(each for required in business.documents for each in usual_codes(required)))
        listed = {each.applicant for each in business.documents} - set(handling.case.only_at_home)
        number = await handling.new_customer()
        for applicant in (each for each in APPLICANTS if each not in listed):
            told = await refused(handling.submit(number, applicant=applicant, codes=every))
            if told != ("APPLICANT_NOT_ALLOWED", {"business": code}):
                wrong.append((code, name_of(applicant), told))
    assert wrong == []


@pytest.mark.files  # nothing of it depends on the engine
async def test_documents_that_were_verified_too_long_ago_are_refused(handlings: Handlings) -> None:
    wrong: list[object] = []
    for code in (code for code in CASES if any(each.all_of for each in ELSEWHERE[code].documents)):
        handling = handlings.of(code)
        age = handling.business.document_freshness.ToTimedelta() + timedelta(minutes=2)
        reason, parameters = await refused(handling.submit(await handling.new_customer(), age=age))
        usual = usual_codes(requirement_of(handling.business, HOLDER))
        if reason != "DOCUMENT_STALE" or parameters["document"] not in usual:
            wrong.append((code, reason, parameters))
    assert wrong == []


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.clause("3.3.1(2)", "3.3.2(2)")
async def test_the_home_region_refuses_what_a_precondition_forbids_and_nothing_changes(handlings: Handlings) -> None:
    wrong: list[object] = []
    for code, business in ELSEWHERE.items():
        handling = handlings.of(code)
        for precondition in (each for each in business.preconditions if each != PROMISED):
            line, reason = VIOLATIONS[precondition]
            number = await handling.new_customer(**line)  # type: ignore[arg-type]
            before = await handling.at_home.read(number)
            told = (await refused(handling.submit(number)))[0]
            if told != reason or await handling.at_home.read(number) != before:
                wrong.append((code, Precondition.Name(precondition), told))
    assert wrong == []


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.clause("3.2.1")
async def test_a_request_that_does_not_say_what_the_business_needs_is_refused(handlings: Handlings) -> None:
    wrong: list[object] = []
    for code, business in ELSEWHERE.items():
        handling = handlings.of(code)
        number = await handling.new_customer()
        for name in (each.name for each in business.characteristics if each.required):
            said = {each: value for each, value in handling.case.characteristics.items() if each != name}
            told = await refused(handling.submit(number, characteristics=said))
            if (told[0], told[1].get("name")) != ("CHARACTERISTIC_MISSING", name):
                wrong.append((code, name, told))
    assert wrong == []


WITH_FEE = [code for code in CASES if ELSEWHERE[code].HasField("fee") and not ELSEWHERE[code].home_characteristic]


@pytest.mark.parametrize("code", WITH_FEE)
async def test_a_fee_is_taken_once_at_the_fulfilment(handlings: Handlings, code: str) -> None:
    handling = handlings.of(code)
    fee = handling.business.fee.minor_units
    number = await handling.new_customer(balance=fee)
    order = await handling.submit(number)
    await goes_through(handling, order)
    assert await handling.at_home.balance(number) == 0
    entries = "SELECT account, amount FROM ledger_entries WHERE posting_id = ? ORDER BY amount"
    booked = handling.federation.database("sichuan").rows(entries, f"{order.id}#fee")
    assert booked == [(f"account-{number.removeprefix('+')}", -fee), ("fees", fee)]
    assert handling.federation.database("guangdong").rows(entries, f"{order.id}#fee") == []


@pytest.mark.files  # nothing of it depends on the engine
@pytest.mark.parametrize("code", WITH_FEE)
async def test_who_cannot_pay_the_fee_is_refused_and_told_how_much_it_is(handlings: Handlings, code: str) -> None:
    handling = handlings.of(code)
    fee = handling.business.fee.minor_units
    number = await handling.new_customer(balance=fee - 1)
    reason, parameters = await refused(handling.submit(number))
    assert (reason, parameters) == ("CREDIT_TOO_LOW", {"amount": f"{fee // 100}.{fee % 100:02d} CNY"})
    assert await handling.at_home.balance(number) == fee - 1


def ends(limit: TimeLimit, start: datetime) -> datetime:
    """When a limit ends: hours are simply added, days go by the calendar."""
    if limit.WhichOneof("limit") == "duration":
        return start + limit.duration.ToTimedelta()
    return due_time(limit, start, "Asia/Shanghai", WorkingDays(CONFIGURATION.calendars))


@pytest.mark.files  # nothing of it depends on the engine
async def test_the_promised_date_is_the_strictest_limit_of_the_catalogue(handlings: Handlings) -> None:
    wrong: list[object] = []
    for code, business in ELSEWHERE.items():
        handling = handlings.of(code)
        order = await handling.submit(await handling.new_customer())
        begins = from_timestamp(order.create_time)
        if Step.STEP_NEXT_CYCLE in business.steps:
            begins = from_timestamp(order.quote.effective_time)
        between = (order.origin_region, order.home_region)
        limits = [business.limit, *(each.limit for each in business.regional_limits if each.region in between)]
        promised = from_timestamp(order.expected_completion_time)
        if promised != min(ends(limit, begins) for limit in limits):
            wrong.append((code, begins, promised))
    assert wrong == []


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_business_that_stays_at_home_is_refused_elsewhere_with_the_reason_of_the_catalogue(
    guangdong: Counter, sichuan: Counter
) -> None:
    at_home = [business for business in ORDERED.values() if business.reach == Reach.REACH_HOME]
    assert at_home
    for business in at_home:
        number = await sichuan.new_customer(balance=BALANCE)
        codes = usual_codes(requirement_of(business, HOLDER))
        reason, parameters = await refused(guangdong.submit(guangdong.request(business.code, number, papers=codes)))
        assert reason == "BUSINESS_NOT_OFFERED"
        assert (parameters["note_zh_cn"], parameters["note_en"]) == (
            business.reach_note.zh_cn,
            business.reach_note.en,
        )
