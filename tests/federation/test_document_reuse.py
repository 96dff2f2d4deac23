"""A document is verified once, in any region, and counts for orders everywhere while it is fresh, valid and good."""

from datetime import timedelta

import pytest

from gateway.api.region.v1 import document_service_pb2 as api
from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.customer_service_pb2 import QueryProfileRequest
from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.region.v1.order_pb2 import Order, OrderState, PaperUse
from gateway.api.region.v1.order_service_pb2 import ReviewDecision, SubmitOrderRequest
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from gateway.time.clock import from_timestamp, to_timestamp
from tests.federation.archive import Archive, scan
from tests.federation.counter import REQUESTER, Counter, Reviewer
from tests.federation.forger import SUBMIT, Forger, refused
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.test_new_lines import new_line

COMPLETED = OrderState.ORDER_STATE_COMPLETED
LOW_RISK, HIGH_RISK = timedelta(days=90), timedelta(hours=24)
MINUTE = timedelta(minutes=1)  # the very edge is a matter of the rule, which has tests of its own


@pytest.fixture
def henan(federation: Federation) -> Archive:
    """The counter in Henan, which verifies."""
    return Archive(Counter(federation, "henan"))


@pytest.fixture
def here(guangdong: Counter) -> Archive:
    """The documents as Guangdong, where the customer stands, sees them."""
    return Archive(guangdong)


@pytest.mark.clause("10.1(3)")
async def test_verified_in_henan_ordered_in_guangdong_by_a_customer_of_sichuan_and_nothing_asked_again(
    henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    document_id = await henan.put(number)
    order = await guangdong.submit(guangdong.request("SUSPEND", number, papers=[]))
    assert order.state == COMPLETED, order
    (document,) = order.request.documents
    assert (document.document_id, document.verifier) == (document_id, "clerk-7")
    assert order.paper_use == PaperUse.PAPER_USE_ON_FILE
    (listed,) = await here.list(number)
    assert (listed.region, listed.code, listed.keyed_hash) == ("henan", "ID_ORIG", document.keyed_hash)
    assert [each.document_id for each in await Archive(sichuan).list(number)] == [document_id]


async def test_what_is_on_file_elsewhere_is_listed_page_by_page(
    henan: Archive, here: Archive, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    put = [await henan.put(number, age=minutes * MINUTE) for minutes in (3, 1, 2)]
    found = await here.list(number, page_size=1)
    assert [each.document_id for each in found] == [put[1], put[2], put[0]]
    assert found == await here.list(number)


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_what_is_missing_after_the_file_was_counted_is_named_and_nothing_else(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, home: str
) -> None:
    number = await Counter(federation, home).new_customer()
    document_id = await henan.put(number)
    request = SubmitOrderRequest(
        request_id=federation.next_id(), order=guangdong.request("TERMINATE", number, papers=["SIM"])
    )
    told = await refusal(guangdong.orders.SubmitOrder(request, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters["documents"]) == ("DOCUMENT_MISSING", "FACE, REFUND_ACC")
    request.validate_only = True
    told = await refusal(guangdong.orders.SubmitOrder(request, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters["documents"]) == ("DOCUMENT_MISSING", "FACE, REFUND_ACC")
    checked = await here.check("TERMINATE", number, [guangdong.document("SIM")])
    assert list(checked.missing) == ["FACE", "REFUND_ACC"]
    assert [each.document.document_id for each in checked.counting] == ["", document_id]
    assert [each.region for each in checked.counting] == ["guangdong", "henan"]


async def test_an_order_that_brings_enough_asks_no_register(
    federation: Federation, henan: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await henan.put(number)
    order = await guangdong.order("SUSPEND", number)
    assert (order.state, order.paper_use) == (COMPLETED, PaperUse.PAPER_USE_HANDED_IN)
    asked = "SELECT COUNT(*) FROM audit WHERE action = 'ListDocuments' AND subject = ?"
    assert federation.database("sichuan").rows(asked, f"customer-{number[1:]}") == [(0,)]


@pytest.mark.parametrize(
    ("business", "freshness", "brought"),
    [("SUSPEND", LOW_RISK, ()), ("TERMINATE", HIGH_RISK, ("FACE", "SIM", "REFUND_ACC"))],
)
async def test_a_document_counts_as_long_as_the_business_says_and_not_a_moment_longer(
    federation: Federation,
    henan: Archive,
    here: Archive,
    guangdong: Counter,
    sichuan: Counter,
    business: str,
    freshness: timedelta,
    brought: tuple[str, ...],
) -> None:
    fresh, stale = await sichuan.new_customer(), await sichuan.new_customer()
    await henan.put(fresh, age=freshness - MINUTE)
    await henan.put(stale, age=freshness + MINUTE)
    documents = [guangdong.document(code) for code in brought]
    counting = (await here.check(business, fresh, documents)).counting
    last = counting[-1]
    assert from_timestamp(last.expire_time) == from_timestamp(last.document.verify_time) + freshness
    line = "ID_ORIG|PWD" if business == "SUSPEND" else "ID_ORIG"
    assert list((await here.check(business, stale, documents)).missing) == [line]
    order = await guangdong.submit(guangdong.request(business, fresh, papers=brought))
    assert order.state in (COMPLETED, OrderState.ORDER_STATE_IN_PROGRESS), order
    request = SubmitOrderRequest(
        request_id=federation.next_id(), order=guangdong.request(business, stale, papers=brought)
    )
    assert (await refusal(guangdong.orders.SubmitOrder(request, timeout=CALL_SECONDS))).reason == "DOCUMENT_MISSING"


async def test_a_withdrawn_document_counts_no_more_and_only_the_region_that_verified_it_withdraws_it(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    document_id = await henan.put(number)
    request = api.WithdrawDocumentRequest(document_id=document_id, requester=REQUESTER)
    told = await refusal(guangdong.documents.WithdrawDocument(request, timeout=CALL_SECONDS))
    assert told.reason == "DOCUMENT_NOT_ON_FILE"
    since = await henan.withdraw(document_id)
    assert await henan.withdraw(document_id) == since

    async def is_withdrawn() -> bool:
        (listed,) = await here.list(number)
        return listed.HasField("withdraw_time")

    await until(is_withdrawn, "the home region knows")
    assert list((await here.check("SUSPEND", number)).missing) == ["ID_ORIG|PWD"]
    submit = SubmitOrderRequest(request_id=federation.next_id(), order=guangdong.request("SUSPEND", number, papers=[]))
    assert (await refusal(guangdong.orders.SubmitOrder(submit, timeout=CALL_SECONDS))).reason == "DOCUMENT_MISSING"


async def test_an_order_that_names_a_document_which_is_not_good_is_refused_with_the_reason(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number, other = await sichuan.new_customer(), await sichuan.new_customer()
    document_id = await henan.put(number, expires=federation.clock.now() + timedelta(days=1))
    (good,) = (await here.check("SUSPEND", number)).counting

    async def reason(order_number: str, **changes: object) -> str:
        order = guangdong.request("SUSPEND", order_number, papers=[])
        document = order.documents.add()
        document.CopyFrom(good.document)
        for field, value in changes.items():
            if field == "verify_time":
                document.verify_time.CopyFrom(value)  # type: ignore[arg-type]
            else:
                setattr(document, field, value)
        answered = await guangdong.submit(order)
        assert answered.state == OrderState.ORDER_STATE_REJECTED, answered
        return answered.error.message.en

    altered = (
        await reason(number, verifier="clerk-8"),
        await reason(number, keyed_hash=bytes(32)),
        await reason(number, document_id=f"{document_id}0"),
        await reason(number, verify_time=to_timestamp(federation.clock.now())),
        await reason(other),
        await reason(federation.next_number("sichuan")),  # which nobody has
    )
    assert all("The number and the proof (ID_ORIG) do not belong together" in told for told in altered), altered
    await henan.withdraw(document_id)

    async def is_withdrawn() -> bool:
        return "withdrawn" in await reason(number)

    await until(is_withdrawn, "the home region knows")


async def test_a_document_that_has_expired_does_not_count_and_is_refused_when_it_is_named(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    number, step = await sichuan.new_customer(), timedelta(hours=1)
    expires = federation.clock.now() + step
    await henan.put(number, expires=expires)
    (good,) = (await here.check("SUSPEND", number)).counting
    assert from_timestamp(good.expire_time) == expires
    await federation.advance(step)
    assert list((await here.check("SUSPEND", number)).missing) == ["ID_ORIG|PWD"]
    order = guangdong.request("SUSPEND", number, papers=[])
    order.documents.add().CopyFrom(good.document)
    answered = await guangdong.submit(order)
    assert answered.state == OrderState.ORDER_STATE_REJECTED
    assert "has expired" in answered.error.message.en


@pytest.mark.parametrize("code", ["FACE", "OTP", "PWD", "SIM"])
async def test_what_proves_something_about_this_moment_never_comes_from_the_file(
    federation: Federation, guangdong: Counter, sichuan: Counter, code: str
) -> None:
    number = await sichuan.new_customer()
    order = guangdong.request("SUSPEND", number, papers=["ID_ORIG", code])
    order.documents[1].document_id = "henan/counter/R1"
    request = SubmitOrderRequest(request_id=federation.next_id(), order=order)
    told = await refusal(guangdong.orders.SubmitOrder(request, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters["document"]) == ("DOCUMENT_NOT_REUSABLE", code)


async def test_a_supplement_is_completed_from_the_file(
    federation: Federation, henan: Archive, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("TERMINATE", number)
    returned = ReviewDecision.REVIEW_DECISION_RETURN
    await reviewer.decide(order.id, returned, documents=["ID_ORIG", "SIM"], note="both again")
    await guangdong.reaches(order.id, OrderState.ORDER_STATE_PENDING)
    document_id = await henan.put(number)
    order = await guangdong.supplement(order.id, "SIM")
    assert order.awaiting.action == "review", order
    assert [each.document_id for each in order.request.documents[-2:]] == ["", document_id]


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_a_bill_is_shown_for_a_document_on_file(
    federation: Federation, henan: Archive, guangdong: Counter, home: str
) -> None:
    number = await Counter(federation, home).new_customer()
    told = await refusal(guangdong.bill(number, papers=()))
    assert told.reason == "DOCUMENT_MISSING"
    await henan.put(number)
    assert (await guangdong.bill(number, papers=())).region == home


@pytest.mark.parametrize("home", ["guangdong", "sichuan"])
async def test_a_paper_on_file_tells_nothing_of_a_customer_who_acts_alone(
    federation: Federation, henan: Archive, guangdong: Counter, home: str
) -> None:
    number, request_id = await Counter(federation, home).new_customer(), federation.next_id()
    await henan.put(number)
    alone = Requester(staff_id="self-service", channel=Channel.CHANNEL_APP)
    asked = QueryBillRequest(number=number, applicant=Applicant.APPLICANT_HOLDER, requester=alone)
    asked.month = f"{federation.clock.now() + timedelta(hours=8):%Y-%m}"
    assert (await refusal(guangdong.billing.QueryBill(asked, timeout=CALL_SECONDS))).reason == "DOCUMENT_MISSING"
    profile = QueryProfileRequest(request_id=request_id, number=number, requester=alone)
    profile.applicant = Applicant.APPLICANT_HOLDER
    told = await refusal(guangdong.customers.QueryProfile(profile, timeout=CALL_SECONDS))
    assert told.reason == "DOCUMENT_MISSING"
    request = guangdong.request("SUSPEND", number, papers=(), staff_id="self-service")
    assert (await refusal(guangdong.submit(request))).reason == "DOCUMENT_MISSING"
    code = await guangdong.receive_code(number, request_id)
    request.documents.extend(await guangdong.verify(number, request_id, code=code))
    order = await guangdong.submit(request, request_id=request_id)
    assert order.state == COMPLETED, "with a code the paper on file completes it"


async def test_where_the_register_cannot_be_asked_the_refusal_names_what_is_missing(
    federation: Federation, here: Archive, guangdong: Counter
) -> None:
    number = federation.next_number("hunan")  # which has not joined
    request = SubmitOrderRequest(request_id=federation.next_id(), order=guangdong.request("SUSPEND", number, papers=[]))
    told = await refusal(guangdong.orders.SubmitOrder(request, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters["documents"]) == ("DOCUMENT_MISSING", "ID_ORIG|PWD")


async def test_the_share_of_orders_without_papers_is_counted_at_both_ends(
    federation: Federation, henan: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    async def counts(counter: Counter) -> tuple[int, int, int]:
        request = api.GetDocumentReuseRequest(requester=REQUESTER)
        answer = await counter.documents.GetDocumentReuse(request, timeout=CALL_SECONDS)
        found = [
            (each.orders, each.with_papers, each.without_handing_in)
            for each in answer.reuse
            if (each.business, each.origin_region, each.home_region)
            in (("SUSPEND", "guangdong", "sichuan"), ("PAY", "guangdong", "sichuan"))
        ]
        return tuple(map(sum, zip(*found, strict=True))) if found else (0, 0, 0)  # type: ignore[return-value]

    before = [await counts(guangdong), await counts(sichuan)]
    first, second = await sichuan.new_customer(), await sichuan.new_customer()
    await henan.put(first)
    await guangdong.submit(guangdong.request("SUSPEND", first, papers=[]))
    await guangdong.order("SUSPEND", second)
    await guangdong.order("PAY", second)
    after = [await counts(guangdong), await counts(sichuan)]
    for old, new in zip(before, after, strict=True):
        assert [one - other for one, other in zip(new, old, strict=True)] == [3, 2, 1]


async def test_a_person_known_by_an_identity_document_is_one_person_whichever_region_saw_it(
    federation: Federation, henan: Archive, here: Archive, guangdong: Counter, sichuan: Counter
) -> None:
    identity, numbers = "51010019900307123X", [await sichuan.new_customer() for _ in range(5)]
    for index, number in enumerate(numbers):
        archive = henan if index % 2 else here
        await archive.put(number, scan(mark=number), identity_number=identity.lower() if index else identity)
    (counting,) = (await here.check("SUSPEND", numbers[0])).counting
    order = new_line(guangdong)
    del order.documents[0]
    order.documents.add().CopyFrom(counting.document)
    answered = await guangdong.submit(order)
    assert answered.state == OrderState.ORDER_STATE_REJECTED, answered
    assert "5" in answered.error.parameters["limit"], answered.error


async def test_the_home_region_takes_no_live_check_from_a_file_whoever_says_so(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, forger = await sichuan.new_customer(), Forger(federation, "guangdong")
    request = guangdong.request("SUSPEND", number, papers=["ID_ORIG", "FACE"])
    request.documents[1].document_id = "henan/counter/R1"
    order = Order(
        id=f"guangdong/counter/{federation.next_id()}",
        request=request,
        origin_region="guangdong",
        operator="counter",
        home_region="sichuan",
        state=OrderState.ORDER_STATE_ACKNOWLEDGED,
        create_time=to_timestamp(federation.clock.now()),
        expected_completion_time=to_timestamp(federation.clock.now() + timedelta(days=1)),
    )
    envelope = forger.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id)
    assert refused(await forger.deliver(envelope, "sichuan")) == "DOCUMENT_NOT_REUSABLE"
