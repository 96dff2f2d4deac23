"""One-time codes and service passwords: sent, checked and changed by the home region only, also across a border."""

from datetime import timedelta

import grpc
import pytest

from gateway.api.region.v1 import verification_service_pb2 as api
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.time.clock import from_timestamp
from gateway.wording.masking import masked_number
from tests.federation.counter import REQUESTER, Counter, Reviewer, code_in
from tests.federation.refusals import Told, read, refusal
from tests.federation.running import CALL_SECONDS, Federation

PASSWORD = "271828"
MINUTE = timedelta(minutes=1)
COMPLETED = OrderState.ORDER_STATE_COMPLETED
REJECTED = OrderState.ORDER_STATE_REJECTED
handled_anywhere = pytest.mark.parametrize("handling", ["guangdong", "sichuan"])


def another(code: str) -> str:
    """A code that is wrong."""
    return f"{(int(code) + 1) % 10**6:06d}"


async def refused_order(
    counter: Counter, business: str, number: str, documents: list[Document], request_id: str
) -> str:
    """The reason why an order with documents is rejected; empty where it is done."""
    request = counter.request(business, number, papers=())
    request.documents.extend(documents)
    order = await counter.submit(request, request_id=request_id)
    if order.state == COMPLETED:
        return ""
    assert order.state == REJECTED
    return order.error.message.en


@handled_anywhere
@pytest.mark.clause("10.1(4)")
async def test_a_code_that_was_sent_and_said_opens_the_order_that_it_was_sent_for(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, request_id = Counter(federation, handling), federation.next_id()
    number = await sichuan.new_customer()
    documents = await counter.verify(number, request_id, code=await counter.receive_code(number, request_id))
    assert [(each.code, each.verifier) for each in documents] == [("OTP", "home")]
    assert await refused_order(counter, "LOSS_REPORT", number, documents, request_id) == ""
    (text,) = federation.texts(number)
    assert text.kind == "one-time-code"
    assert code_in(text) in text.zh_cn


@handled_anywhere
async def test_a_code_for_one_order_opens_no_other(federation: Federation, sichuan: Counter, handling: str) -> None:
    counter, request_id = Counter(federation, handling), federation.next_id()
    number, neighbour = await sichuan.new_customer(), await sichuan.new_customer()
    code = await counter.receive_code(number, request_id)
    for stranger in (Counter(federation, handling, "app"), Counter(federation, "henan")):
        request = api.VerifyRequest(request_id=request_id, number=number, code=code, requester=REQUESTER)
        refused = await refusal(stranger.verification.Verify(request, timeout=CALL_SECONDS))
        assert refused.reason == "CODE_EXPIRED", "it has a code for its own caller alone"
    documents = await counter.verify(number, request_id, code=code)
    told = "OTP was not verified by the home region for this request."
    assert await refused_order(counter, "LOSS_REPORT", number, documents, federation.next_id()) == told
    assert await refused_order(counter, "LOSS_REPORT", neighbour, documents, federation.next_id()) == told
    other = Counter(federation, handling, "app")
    assert await refused_order(other, "LOSS_REPORT", number, documents, request_id) == told
    elsewhere = Counter(federation, "henan")
    assert await refused_order(elsewhere, "LOSS_REPORT", number, documents, request_id) == told
    assert await refused_order(counter, "LOSS_REPORT", number, documents, request_id) == ""


@handled_anywhere
async def test_the_word_of_a_clerk_is_no_code_and_no_password(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, number = Counter(federation, handling), await sichuan.new_customer()
    attested = [counter.document("PWD")]
    told = "PWD was not verified by the home region for this request."
    assert await refused_order(counter, "SUSPEND", number, attested, federation.next_id()) == told
    attested = [counter.document("ID_ORIG"), counter.document("OTP")]
    told = "OTP was not verified by the home region for this request."
    assert await refused_order(counter, "SUSPEND", number, attested, federation.next_id()) == told
    bill = counter.bill(number, papers=("PWD", "OTP"))
    assert (await refusal(bill)).parameters == {"documents": "OTP, PWD", "documents_zh_cn": "OTP、PWD"}


@handled_anywhere
async def test_a_password_is_set_with_a_code_checked_and_changed(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, number = Counter(federation, handling), await sichuan.new_customer()
    request_id = federation.next_id()
    assert (await refusal(counter.verify(number, request_id, password=PASSWORD))).reason == "VERIFICATION_FAILED"
    await counter.change_password(number, PASSWORD)
    (document,) = await counter.verify(number, request_id, password=PASSWORD)
    assert document.code == "PWD"
    assert await refused_order(counter, "SUSPEND", number, [document], request_id) == ""
    told = await refusal(counter.change_password(number, "314159", password="000001"))
    assert (told.code, told.reason) == (grpc.StatusCode.PERMISSION_DENIED, "VERIFICATION_FAILED")
    await counter.change_password(number, "314159", password=PASSWORD)
    assert (await refusal(counter.verify(number, request_id, password=PASSWORD))).reason == "VERIFICATION_FAILED"
    assert await counter.verify(number, request_id, password="314159")


async def test_a_code_does_not_change_a_password_that_is_in_force(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, request_id = await sichuan.new_customer(), federation.next_id()
    await guangdong.change_password(number, PASSWORD)
    await federation.advance(MINUTE)
    code = await guangdong.receive_code(number, request_id)
    told = await refusal(guangdong.change_password(number, "314159", request_id=request_id, code=code))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "password")


@pytest.mark.parametrize("password", ["000000", "123456", "654321", "789012", "12345", "27182x", "２７１８２８", ""])
async def test_a_weak_password_is_refused(guangdong: Counter, sichuan: Counter, password: str) -> None:
    number = await sichuan.new_customer()
    told = await refusal(guangdong.change_password(number, password, code="000000"))
    assert told.reason == "PASSWORD_WEAK"


@handled_anywhere
async def test_a_used_code_is_gone(federation: Federation, sichuan: Counter, handling: str) -> None:
    counter, request_id = Counter(federation, handling), federation.next_id()
    number = await sichuan.new_customer()
    code = await counter.receive_code(number, request_id)
    assert await counter.verify(number, request_id, code=code)
    assert (await refusal(counter.verify(number, request_id, code=code))).reason == "CODE_EXPIRED"


async def test_a_code_expires(federation: Federation, guangdong: Counter, sichuan: Counter) -> None:
    number, request_id = await sichuan.new_customer(), federation.next_id()
    code = await guangdong.receive_code(number, request_id)
    await federation.advance(timedelta(minutes=5))
    assert (await refusal(guangdong.verify(number, request_id, code=code))).reason == "CODE_EXPIRED"


async def test_a_new_code_ends_the_one_before_and_one_a_minute_is_sent(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, first, second = await sichuan.new_customer(), federation.next_id(), federation.next_id()
    code = await guangdong.receive_code(number, first)
    told = await refusal(guangdong.receive_code(number, second))
    assert (told.code, told.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CODE_SENT_RECENTLY")
    assert await guangdong.receive_code(number, first) == code, "asked again, it is on its way already"
    assert len(federation.texts(number)) == 1
    await federation.advance(MINUTE)
    newer = await guangdong.receive_code(number, second)
    assert (await refusal(guangdong.verify(number, first, code=code))).reason == "CODE_EXPIRED"
    assert await guangdong.verify(number, second, code=newer)


@handled_anywhere
async def test_five_failures_lock_an_operator_out_for_half_an_hour(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, request_id = Counter(federation, handling), federation.next_id()
    number = await sichuan.new_customer()
    code = await counter.receive_code(number, request_id)

    async def failure() -> Told:
        return await refusal(counter.verify(number, request_id, code=another(code)))

    failures = [await failure() for _ in range(5)]
    assert [each.parameters.get("left") for each in failures] == ["4", "3", "2", "1", None]
    assert failures[-1].reason == "VERIFICATION_LOCKED"
    assert (await refusal(counter.verify(number, request_id, code=code))).reason == "VERIFICATION_LOCKED"
    assert (await refusal(counter.receive_code(number, federation.next_id()))).reason == "VERIFICATION_LOCKED"
    await federation.advance(timedelta(minutes=30))
    later = federation.next_id()
    assert await counter.verify(number, later, code=await counter.receive_code(number, later))


async def test_failures_count_for_a_quarter_of_an_hour(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await guangdong.change_password(number, PASSWORD)
    for _ in range(4):
        await refusal(guangdong.verify(number, "R", password="000000"))
    await federation.advance(timedelta(minutes=15))
    assert (await refusal(guangdong.verify(number, "R", password="000000"))).parameters == {"left": "4"}


async def test_a_wrong_password_does_not_use_up_the_code_that_is_said_with_it(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, request_id = await sichuan.new_customer(), federation.next_id()
    await guangdong.change_password(number, PASSWORD)
    await federation.advance(MINUTE)
    code = await guangdong.receive_code(number, request_id)
    told = await refusal(guangdong.verify(number, request_id, code=code, password="000000"))
    assert told.reason == "VERIFICATION_FAILED"
    documents = await guangdong.verify(number, request_id, code=code, password=PASSWORD)
    assert [each.code for each in documents] == ["OTP", "PWD"]
    request = guangdong.request("PLAN_CHANGE", number, papers=())
    request.documents.extend(documents)
    assert (await guangdong.submit(request, request_id=request_id)).awaiting.action == "confirm"


@handled_anywhere
async def test_a_bill_is_shown_for_code_and_password(federation: Federation, sichuan: Counter, handling: str) -> None:
    counter, request_id = Counter(federation, handling), federation.next_id()
    number = await sichuan.new_customer()
    await counter.change_password(number, PASSWORD)
    await federation.advance(MINUTE)
    code = await counter.receive_code(number, request_id)
    documents = await counter.verify(number, request_id, code=code, password=PASSWORD)

    async def bill(about: str) -> str:
        request = QueryBillRequest(
            request_id=about,
            number=number,
            month=f"{federation.clock.now() + timedelta(hours=8):%Y-%m}",
            applicant=Applicant.APPLICANT_HOLDER,
            documents=documents,
            requester=REQUESTER,
        )
        return (await counter.billing.QueryBill(request, timeout=CALL_SECONDS)).bill.region

    assert await bill(request_id) == "sichuan"
    told = await refusal(bill(federation.next_id()))
    parameters = {"documents": "OTP, PWD", "documents_zh_cn": "OTP、PWD"}
    assert (told.reason, told.parameters) == ("NOT_VERIFIED", parameters)


async def test_what_is_supplemented_must_be_verified_too(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("TERMINATE", number)
    await reviewer.decide(order.id, ReviewDecision.REVIEW_DECISION_RETURN, documents=["OTP"], note="prove it")
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_PENDING)
    assert (await refusal(guangdong.supplement(order.id, "OTP"))).reason == "NOT_VERIFIED"
    request_id = order.id.rpartition("/")[2]
    documents = await guangdong.verify(number, request_id, code=await guangdong.receive_code(number, request_id))
    assert (await guangdong.supplement(order.id, documents=documents)).state == OrderState.ORDER_STATE_IN_PROGRESS


@handled_anywhere
async def test_a_password_that_was_reset_is_gone_until_the_customer_sets_another(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, number = Counter(federation, handling), await sichuan.new_customer()
    await counter.change_password(number, PASSWORD)
    await federation.advance(MINUTE)
    request, request_id = counter.request("PWD_RESET", number, papers=("ID_ORIG", "FACE")), federation.next_id()
    code = await counter.receive_code(number, request_id)
    request.documents.extend(await counter.verify(number, request_id, code=code))
    order = await counter.submit(request, request_id=request_id)
    assert order.state == COMPLETED
    assert not order.results
    await federation.advance(MINUTE)
    assert (await refusal(counter.verify(number, "R", password=PASSWORD))).reason == "VERIFICATION_FAILED"
    await counter.change_password(number, "314159")
    assert await counter.verify(number, "R", password="314159")


@handled_anywhere
async def test_every_attempt_is_audited_at_home_without_what_was_said(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter, request_id = Counter(federation, handling), federation.next_id()
    number = await sichuan.new_customer()
    code = await counter.receive_code(number, request_id)
    await refusal(counter.verify(number, request_id, code=another(code)))
    await counter.verify(number, request_id, code=code)
    rows = federation.database("sichuan").rows(
        "SELECT actor, action, detail FROM audit WHERE subject = ? AND action IN ('SendCode', 'Verify')"
        " ORDER BY sequence",
        f"customer-{number.removeprefix('+')}",
    )
    subject = f"{handling}/counter/{request_id}"
    assert rows == [
        (counter.path, "SendCode", f"staff clerk-7, {subject}: accepted"),
        (counter.path, "Verify", f"staff clerk-7, {subject}: VERIFICATION_FAILED"),
        (counter.path, "Verify", f"staff clerk-7, {subject}: accepted"),
    ]


@handled_anywhere
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"code": ""}, "REQUEST_INVALID"),
        ({"code": "1" * 65}, "REQUEST_INVALID"),
        ({"password": "\0"}, "CHARACTER_NOT_ALLOWED"),
        ({"request_id": "a/b"}, "REQUEST_INVALID"),
        ({"request_id": ""}, "REQUEST_INVALID"),
        ({"number": "12"}, "NUMBER_INVALID"),
    ],
)
async def test_bad_requests_are_refused(
    federation: Federation, sichuan: Counter, handling: str, fields: dict[str, str], reason: str
) -> None:
    counter, number = Counter(federation, handling), await sichuan.new_customer()
    good = {"request_id": "R", "number": number, "code": "271828"}
    request = api.VerifyRequest(**{**good, **fields}, requester=REQUESTER)
    assert (await refusal(counter.verification.Verify(request, timeout=CALL_SECONDS))).reason == reason


async def told_about(counter: Counter, number: str) -> list[object]:
    """An operator's responses about a number, and its codes and passwords, where it knows none."""
    first, second = counter.federation.next_id(), counter.federation.next_id()
    request = api.SendCodeRequest(request_id=first, number=number, requester=REQUESTER)
    now = counter.federation.clock.now()
    sent = await counter.verification.SendCode(request, timeout=CALL_SECONDS)
    assert MINUTE < from_timestamp(sent.expire_time) - now <= 6 * MINUTE
    again = await counter.verification.SendCode(request, timeout=CALL_SECONDS)
    refused = []
    for asked in (
        counter.receive_code(number, second),
        counter.verify(number, first, code="000000"),
        counter.verify(number, second, code="000000"),
        counter.verify(number, first, password=PASSWORD),
        counter.change_password(number, PASSWORD, request_id=first, code="000000"),
        *(counter.verify(number, first, code="000000") for _ in range(3)),
        counter.receive_code(number, second),
    ):
        told = await refusal(asked)
        refused.append((told.code, told.reason, told.parameters.get("left")))
    return [sent.masked_number == masked_number(number), again == sent, *refused]


@handled_anywhere
async def test_a_number_of_nobody_and_a_closed_line_are_answered_as_a_customer_is_and_nothing_is_sent(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    counter = Counter(federation, handling)
    customer, nobody = await sichuan.new_customer(), federation.next_number("sichuan")
    closed = await sichuan.new_customer(status=ProductStatus.PRODUCT_STATUS_TERMINATED)
    restricted = await sichuan.new_customer()
    await sichuan.restrict(restricted)
    told = await told_about(counter, customer)
    assert [each[1] for each in told[2:] if isinstance(each, tuple)] == [
        "CODE_SENT_RECENTLY",
        "VERIFICATION_FAILED",
        "CODE_EXPIRED",
        *["VERIFICATION_FAILED"] * 3,
        *["VERIFICATION_LOCKED"] * 3,
    ]
    for number in (nobody, closed, restricted):
        assert await told_about(counter, number) == told
    assert [len(federation.texts(number)) for number in (customer, nobody, closed, restricted)] == [1, 0, 0, 0]
    unresolved = counter.receive_code(federation.next_number(""), "R")
    assert (await refusal(unresolved)).reason == "NUMBER_UNRESOLVED"


@handled_anywhere
async def test_a_guessed_password_tells_neither_who_is_a_customer_nor_who_has_a_password(
    federation: Federation, sichuan: Counter, handling: str
) -> None:
    guard, nobody = Counter(federation, handling), federation.next_number("sichuan")
    without, having = await sichuan.new_customer(), await sichuan.new_customer()
    await sichuan.change_password(having, PASSWORD)
    told: dict[str, list[tuple[str, str | None]]] = {}
    for number in (having, without, nobody):
        guesses = [await refusal(guard.verify(number, "R", password="000000")) for _ in range(6)]
        told[number] = [(each.reason, each.parameters.get("left")) for each in guesses]
    assert told[having] == [
        *(("VERIFICATION_FAILED", str(left)) for left in (4, 3, 2, 1)),
        *[("VERIFICATION_LOCKED", None)] * 2,
    ]
    assert told[having] == told[without] == told[nobody]


async def test_who_guesses_is_locked_out_and_the_customer_goes_on_everywhere_else(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, spy = await sichuan.new_customer(), Counter(federation, "henan", "spy")
    await guangdong.change_password(number, PASSWORD)
    told = [(await refusal(spy.verify(number, "R", password="000000"))).reason for _ in range(6)]
    assert told == [*["VERIFICATION_FAILED"] * 4, *["VERIFICATION_LOCKED"] * 2]
    for counter in (guangdong, sichuan, Counter(federation, "henan")):
        assert await counter.verify(number, "R", password=PASSWORD)
    for name in ("spy-2", "spy-3", "spy-4"):
        other = Counter(federation, "henan", name)
        assert [(await refusal(other.verify(number, "R", password="000000"))).reason for _ in range(5)] == told[:5]
    at_last = Counter(federation, "henan").verify(number, "R", password=PASSWORD)
    assert (await refusal(at_last)).reason == "VERIFICATION_LOCKED", "twenty guesses of one region are its own"
    for counter in (guangdong, sichuan):
        assert await counter.verify(number, "R", password=PASSWORD)
    await federation.advance(30 * MINUTE)
    assert await spy.verify(number, "R", password=PASSWORD)


async def test_a_code_that_another_region_asks_for_neither_ends_nor_holds_up_the_customers_own(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, request_id, spy = await sichuan.new_customer(), federation.next_id(), Counter(federation, "henan", "spy")
    await spy.receive_code(number, "R")
    code = await guangdong.receive_code(number, request_id)
    await federation.advance(MINUTE)
    await spy.receive_code(number, "R2")
    assert await guangdong.verify(number, request_id, code=code)


async def test_an_operator_that_asks_for_codes_too_fast_is_stopped_and_nobody_else(
    federation: Federation, sichuan: Counter
) -> None:
    spy, other = Counter(federation, "henan", "fast"), Counter(federation, "henan", "slow")
    sent, told = 0, None
    while told is None or told.reason != "CODES_ASKED_TOO_OFTEN":
        number = federation.next_number("sichuan")
        request = api.SendCodeRequest(request_id=federation.next_id(), number=number, requester=REQUESTER)
        try:
            await spy.verification.SendCode(request, timeout=CALL_SECONDS)
            sent += 1
        except grpc.aio.AioRpcError as error:
            told = read(error)
    assert 60 <= sent <= 120, "a minute may have ended meanwhile"
    assert (told.code, told.parameters) == (grpc.StatusCode.RESOURCE_EXHAUSTED, {"most": "60"})
    for counter in (other, Counter(federation, "guangdong"), sichuan):
        await counter.receive_code(await sichuan.new_customer(), federation.next_id())
    await federation.advance(MINUTE)
    await spy.receive_code(await sichuan.new_customer(), federation.next_id())
