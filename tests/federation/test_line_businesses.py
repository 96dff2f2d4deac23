"""Lost and replaced cards, corrected profiles, services and roaming, from another region: one thing after another."""

import hashlib
from datetime import timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import Business, LineKind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.time.clock import from_timestamp
from tests.federation.business_cases import CASES
from tests.federation.counter import Counter, Reviewer
from tests.federation.counterparts import Handling
from tests.federation.refusals import refusal
from tests.federation.running import Federation
from tests.shipped import shipped_configuration

BUSINESSES: dict[str, Business] = {each.code: each for each in shipped_configuration().businesses}
ACTIVE, SUSPENDED = ProductStatus.PRODUCT_STATUS_ACTIVE, ProductStatus.PRODUCT_STATUS_SUSPENDED
LOST = SuspensionKind.SUSPENSION_KIND_LOST
COMPLETED, REJECTED = OrderState.ORDER_STATE_COMPLETED, OrderState.ORDER_STATE_REJECTED
HOMES = pytest.mark.parametrize("home", ["guangdong", "sichuan"])
PROVEN = ("ID_ORIG", "FACE", "PWD")  # papers, and a password that the home region has checked


def between(counter: Counter, at_home: Counter, code: str) -> Handling:
    """A business for customers of one region at the counter of another."""
    return Handling(counter.federation, BUSINESSES[code], CASES[code], counter, at_home)


def told(order: Order) -> tuple[OrderState.ValueType, Reason.ValueType]:
    """How an order stands, and why."""
    return order.state, order.error.reason


@HOMES
async def test_a_lost_line_is_resumed_by_the_identity_document_and_not_by_the_password(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home = Counter(federation, home)
    number = await at_home.new_customer()
    assert (await between(guangdong, at_home, "LOSS_REPORT").submit(number)).state == COMPLETED
    product = (await at_home.read(number)).product
    assert (product.status, product.suspension_kind, product.emergency_calls_allowed) == (SUSPENDED, LOST, True)
    assert not product.HasField("suspension_end_time")

    resume = between(guangdong, at_home, "RESUME")
    refused = await resume.submit(number, codes=["PWD"])
    assert told(refused) == (REJECTED, Reason.REASON_DOCUMENT_MISSING)
    assert refused.error.parameters["documents"] == "ID_ORIG"
    assert (await at_home.read(number)).product == product
    assert (await resume.submit(number, codes=["ID_ORIG"])).state == COMPLETED
    product = (await at_home.read(number)).product
    assert (product.status, product.suspension_kind) == (ACTIVE, SuspensionKind.SUSPENSION_KIND_UNSPECIFIED)


async def test_an_agent_and_a_customer_in_arrears_can_report_a_loss(guangdong: Counter, sichuan: Counter) -> None:
    report = between(guangdong, sichuan, "LOSS_REPORT")
    number = await sichuan.new_customer(balance=-5000)
    assert (await report.submit(number, applicant=Applicant.APPLICANT_AGENT)).state == COMPLETED
    assert told(await report.submit(number)) == (REJECTED, Reason.REASON_LINE_NOT_ACTIVE)


@HOMES
@pytest.mark.clause("F8.1")
async def test_for_72_hours_after_a_lost_card_was_replaced_no_bill_is_shown(
    federation: Federation, guangdong: Counter, home: str
) -> None:
    at_home = Counter(federation, home)
    number = await at_home.new_customer()
    await between(guangdong, at_home, "LOSS_REPORT").submit(number)
    assert (await guangdong.bill(number)).region == home
    replaced = await between(guangdong, at_home, "SIM_REPLACE").submit(number, codes=PROVEN)
    assert replaced.state == COMPLETED
    product = (await at_home.read(number)).product
    settles = from_timestamp(product.sim_replace_time) + timedelta(hours=72)
    assert (product.status, product.suspension_reason) == (ACTIVE, "")
    assert replaced.results["settles"] == settles.isoformat(timespec="seconds")

    assert (await refusal(guangdong.bill(number))).reason == "SIM_TOO_NEW"
    await federation.advance(settles - federation.clock.now() - timedelta(minutes=5))
    assert (await refusal(guangdong.bill(number))).reason == "SIM_TOO_NEW"
    await federation.advance(timedelta(minutes=5))
    assert (await guangdong.bill(number)).region == home


async def test_a_card_may_be_replaced_again_at_once_and_the_72_hours_begin_anew(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    replace = between(guangdong, sichuan, "SIM_REPLACE")
    number = await sichuan.new_customer()
    assert (await replace.submit(number, codes=PROVEN)).state == COMPLETED
    await federation.advance(timedelta(hours=71))
    assert (await replace.submit(number, codes=PROVEN)).state == COMPLETED
    await federation.advance(timedelta(hours=2))
    assert (await refusal(guangdong.bill(number))).reason == "SIM_TOO_NEW"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iccid": "898601234567890123"}, Reason.REASON_CHARACTERISTIC_INVALID),
        ({"iccid": "8986012345678901234X"}, Reason.REASON_CHARACTERISTIC_INVALID),
        ({"delivery": "post"}, Reason.REASON_CHARACTERISTIC_MISSING),
        ({"id_kind": "passport"}, Reason.REASON_IDENTITY_NOT_ALLOWED),
        ({"id_kind": "military-id"}, Reason.REASON_IDENTITY_NOT_ALLOWED),
    ],
)
async def test_the_home_region_gives_out_no_card_for_a_wrong_number_address_or_document(
    guangdong: Counter, sichuan: Counter, changes: dict[str, str], reason: Reason.ValueType
) -> None:
    replace = between(guangdong, sichuan, "SIM_REPLACE")
    number = await replace.new_customer()
    before = await sichuan.read(number)
    refused = await replace.submit(number, characteristics={**replace.case.characteristics, **changes})
    assert told(refused) == (REJECTED, reason)
    assert await sichuan.read(number) == before


async def test_at_home_a_card_is_replaced_for_an_agent_and_by_a_passport(sichuan: Counter) -> None:
    replace = between(sichuan, sichuan, "SIM_REPLACE")
    by_agent = await replace.submit(await replace.new_customer(), applicant=Applicant.APPLICANT_AGENT)
    assert by_agent.state == COMPLETED
    passport = {**replace.case.characteristics, "id_kind": "passport", "delivery": "post", "address": "Chengdu"}
    assert (await replace.submit(await replace.new_customer(), characteristics=passport)).state == COMPLETED


async def test_a_corrected_profile_is_reviewed_and_the_customer_known_by_the_document(
    guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    update = between(guangdong, sichuan, "PROFILE_UPD")
    number = await sichuan.new_customer(kind=LineKind.LINE_KIND_BROADBAND, address="Chengdo")
    order = await update.submit(number, characteristics={"address": "Chengdu"})
    assert order.awaiting.action == "review"
    assert (await sichuan.read(number)).product.address == "Chengdo"
    await reviewer.approve(order.id)
    await guangdong.reaches(order.id, COMPLETED)
    customer = await sichuan.read(number)
    assert (customer.name, customer.product.address) == ("Li Wei", "Chengdu")
    shown = hashlib.sha256(f"{order.id} ID_ORIG".encode()).digest()
    known = sichuan.federation.database("sichuan").rows(
        "SELECT attester, keyed_hash FROM identities WHERE customer_id = ?", customer.id
    )
    assert known == [("guangdong", shown)]


async def test_a_mobile_line_has_no_address_to_correct(guangdong: Counter, sichuan: Counter) -> None:
    update = between(guangdong, sichuan, "PROFILE_UPD")
    refused = await update.submit(await sichuan.new_customer(), characteristics={"address": "Chengdu"})
    assert told(refused) == (REJECTED, Reason.REASON_CHARACTERISTIC_INVALID)


@pytest.mark.parametrize(
    ("offering", "reason"),
    [
        ("sichuan-data-5gb", Reason.REASON_NOT_SUBSCRIBED),
        ("guangdong-ring-tones", Reason.REASON_OFFERING_UNKNOWN),
        ("sichuan-nothing", Reason.REASON_OFFERING_UNKNOWN),
    ],
)
async def test_what_the_line_does_not_have_cannot_be_cancelled(
    guangdong: Counter, sichuan: Counter, offering: str, reason: Reason.ValueType
) -> None:
    cancel = between(guangdong, sichuan, "VAS_CANCEL")
    refused = await cancel.submit(await cancel.new_customer(), characteristics={"offering": offering})
    assert told(refused) == (REJECTED, reason)


@pytest.mark.clause("4.1.2(3)")
async def test_a_cancelled_service_has_ended_and_is_not_cancelled_twice(guangdong: Counter, sichuan: Counter) -> None:
    cancel = between(guangdong, sichuan, "VAS_CANCEL")
    number = await cancel.new_customer()
    order = await cancel.submit(number)
    ended = [each for each in (await sichuan.read(number)).product.subscriptions if each.HasField("end_time")]
    assert [each.offering_id for each in ended] == ["sichuan-ring-tones"]
    assert from_timestamp(order.create_time) <= from_timestamp(ended[0].end_time) <= sichuan.federation.clock.now()
    assert told(await cancel.submit(number)) == (REJECTED, Reason.REASON_NOT_SUBSCRIBED)


async def test_a_code_from_the_customer_s_telephone_cancels_a_service_in_another_region(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    cancel = between(guangdong, sichuan, "VAS_CANCEL")
    number, request_id = await cancel.new_customer(), federation.next_id()
    request = guangdong.request("VAS_CANCEL", number, papers=(), offering="sichuan-ring-tones")
    code = await guangdong.receive_code(number, request_id)
    request.documents.extend(await guangdong.verify(number, request_id, code=code))
    assert (await guangdong.submit(request, request_id=request_id)).state == COMPLETED
    again = await guangdong.submit(request)
    assert told(again) == (REJECTED, Reason.REASON_NOT_VERIFIED)


@pytest.mark.clause("4.1.2(2)")
async def test_roaming_begins_and_ends_at_the_agreed_times(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    roam = between(guangdong, sichuan, "ROAMING")
    number, now = await roam.new_customer(), federation.clock.now()
    start, end = now + timedelta(hours=2), now + timedelta(hours=9)
    agreed = {**roam.case.characteristics, "start": start.isoformat(), "end": end.isoformat()}
    order = await roam.submit(number, characteristics=agreed)
    assert order.awaiting.action == "agreed-time"
    assert from_timestamp(order.expected_completion_time) == start + timedelta(hours=1)
    assert not (await sichuan.read(number)).product.subscriptions
    await federation.advance(timedelta(hours=2))
    await guangdong.reaches(order.id, COMPLETED)
    (subscription,) = (await sichuan.read(number)).product.subscriptions
    assert from_timestamp(subscription.start_time) >= start
    assert from_timestamp(subscription.end_time) == end

    later = {**agreed, "start": end.isoformat(), "end": (end + timedelta(hours=1)).isoformat()}
    overlapping = {**later, "start": (end - timedelta(seconds=1)).isoformat()}
    refused = await roam.submit(number, characteristics=overlapping)
    assert told(refused) == (REJECTED, Reason.REASON_ALREADY_SUBSCRIBED)
    assert (await roam.submit(number, characteristics=later)).awaiting.action == "agreed-time"


async def test_roaming_that_is_no_longer_covered_at_the_agreed_time_fails_and_says_why(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    roam = between(guangdong, sichuan, "ROAMING")
    number, start = await roam.new_customer(balance=20_000), federation.clock.now() + timedelta(hours=2)
    agreed = {**roam.case.characteristics, "start": start.isoformat()}
    order = await roam.submit(number, characteristics=agreed)
    assert (
        await between(guangdong, sichuan, "SIM_REPLACE").submit(number, codes=PROVEN)
    ).state == COMPLETED  # its fee is 10 yuan
    await federation.advance(timedelta(hours=2))
    failed = await guangdong.reaches(order.id, OrderState.ORDER_STATE_FAILED)
    assert (failed.error.reason, failed.error.parameters["amount"]) == (
        Reason.REASON_CREDIT_TOO_LOW,
        "200.00 CNY",
    )


@pytest.mark.parametrize(
    ("balance", "offering", "reason"),
    [
        (19_999, "sichuan-roaming", Reason.REASON_CREDIT_TOO_LOW),
        (20_000, "guangdong-roaming", Reason.REASON_OFFERING_UNKNOWN),
        (20_000, "sichuan-ring-tones", Reason.REASON_CHARACTERISTIC_INVALID),
    ],
)
async def test_roaming_needs_a_balance_and_an_offering_of_the_home_region(
    guangdong: Counter, sichuan: Counter, balance: int, offering: str, reason: Reason.ValueType
) -> None:
    roam = between(guangdong, sichuan, "ROAMING")
    refused = await roam.submit(await roam.new_customer(balance=balance), characteristics={"offering": offering})
    assert told(refused) == (REJECTED, reason)


async def test_roaming_without_an_end_is_cancelled_as_a_service_is(guangdong: Counter, sichuan: Counter) -> None:
    roam, cancel = between(guangdong, sichuan, "ROAMING"), between(guangdong, sichuan, "VAS_CANCEL")
    number = await roam.new_customer()
    assert (await roam.submit(number)).state == COMPLETED
    assert told(await roam.submit(number)) == (REJECTED, Reason.REASON_ALREADY_SUBSCRIBED)
    assert (await cancel.submit(number, characteristics={"offering": "sichuan-roaming"})).state == COMPLETED
    assert (await roam.submit(number)).state == COMPLETED
