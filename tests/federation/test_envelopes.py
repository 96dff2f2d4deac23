"""Envelopes that are not what they claim: each is refused, and nothing is done."""

import asyncio

import pytest

from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission, OrderUpdate
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.time.clock import to_timestamp
from tests.federation.counter import Counter
from tests.federation.forger import (
    COMMAND,
    SUBMIT,
    UPDATE,
    Forger,
    bring,
    cancellation,
    not_delivered,
    refused,
    sent_about,
)
from tests.federation.running import Federation, until, until_nothing_changes

COMPLETED = OrderState.ORDER_STATE_COMPLETED


@pytest.fixture
def henan(federation: Federation) -> Forger:
    """Somebody with Henan's keys."""
    return Forger(federation, "henan")


async def paid(guangdong: Counter, sichuan: Counter) -> tuple[Order, str]:
    """A payment of 50 yuan that was taken in Guangdong for a customer of Sichuan, and the number."""
    number = await sichuan.new_customer(balance=0)
    order = await guangdong.order("PAY", number)
    assert order.state == COMPLETED
    await until(lambda: is_settled(guangdong.federation, order.id), "no envelope about the order is under way")
    return order, number


async def is_settled(federation: Federation, order_id: str) -> bool:
    """Whether both regions have the receipts of all their envelopes about an order."""
    open_ones = "SELECT 1 FROM outbox WHERE subject = ? AND closed IS NULL"
    return not any(federation.database(region).rows(open_ones, order_id) for region in ("guangdong", "sichuan"))


def fresh_submission(counter: Counter, number: str, business: str = "SUSPEND", **changes: object) -> Order:
    """An order as an origin region hands it in."""
    order = Order(
        id=f"{counter.region}/counter/{counter.federation.next_id()}",
        state=OrderState.ORDER_STATE_ACKNOWLEDGED,
        request=counter.request(business, number),
        origin_region=counter.region,
        operator="counter",
        home_region="sichuan",
        create_time=to_timestamp(counter.federation.clock.now()),
        expected_completion_time=to_timestamp(counter.federation.clock.now()),
    )
    for field, value in changes.items():
        setattr(order, field, value)
    return order


async def test_an_envelope_sent_again_gets_the_same_receipt_and_no_second_effect(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order, number = await paid(guangdong, sichuan)
    envelope, receipt = sent_about(federation, "guangdong", order.id)

    async def send_again() -> None:
        again = await Forger(federation, "guangdong").deliver(envelope, "sichuan")
        assert again.receipt == receipt

    await until_nothing_changes(send_again, federation.database("sichuan").contents, "the same envelope")
    assert await sichuan.balance(number) == 5000


@pytest.mark.parametrize("part", ["content", "signature"])
async def test_an_altered_envelope_is_refused(
    federation: Federation, guangdong: Counter, sichuan: Counter, part: str
) -> None:
    order, number = await paid(guangdong, sichuan)
    good, _ = sent_about(federation, "guangdong", order.id)
    altered = Envelope()
    altered.CopyFrom(good)
    if part == "content":
        content = EnvelopeContent.FromString(good.content)
        content.id = f"{content.id}-2"
        content.payload = content.payload.replace(b"5000", b"9999")
        altered.content = content.SerializeToString()
    else:
        altered.signature = bytes([good.signature[0] ^ 1]) + good.signature[1:]

    async def send_altered() -> None:
        for result in (
            await Forger(federation, "guangdong").deliver(altered, "sichuan"),
            await bring(federation, altered, "sichuan"),
        ):
            assert not_delivered(result) == "ENVELOPE_SIGNATURE_INVALID"

    await until_nothing_changes(send_altered, federation.database("sichuan").contents, "an altered envelope")
    assert await sichuan.balance(number) == 5000


async def test_an_envelope_id_is_not_taken_twice_for_different_contents(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order, number = await paid(guangdong, sichuan)
    good, _ = sent_about(federation, "guangdong", order.id)
    content = EnvelopeContent.FromString(good.content)
    forger = Forger(federation, "guangdong")
    other = forger.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id, envelope_id=content.id)
    before = federation.database("sichuan").contents()
    assert not_delivered(await forger.deliver(other, "sichuan")) == "ENVELOPE_ID_REUSED"
    assert federation.database("sichuan").contents() == before
    assert await sichuan.balance(number) == 5000


async def test_a_region_cannot_send_in_the_name_of_another(
    federation: Federation, henan: Forger, guangdong: Counter, sichuan: Counter
) -> None:
    order, _ = await paid(guangdong, sichuan)
    envelope, _ = sent_about(federation, "guangdong", order.id)
    forged = henan.seal("sichuan", COMMAND, cancellation(order), order.id, origin="guangdong")
    before = federation.database("sichuan").contents(without=("audit",))
    for each in (envelope, forged):
        assert not_delivered(await henan.deliver(each, "sichuan")) == "ENVELOPE_SENDER_WRONG"
    # A coordinator that says it is from Guangdong would change nothing: the key is not Guangdong's.
    assert not_delivered(await bring(federation, forged, "sichuan")) == "ENVELOPE_SIGNATURE_INVALID"
    assert federation.database("sichuan").contents(without=("audit",)) == before
    denied = federation.database("sichuan").rows(
        "SELECT detail FROM audit WHERE actor = 'region/henan' AND action = 'DENIED' AND subject LIKE '%Deliver'"
    )
    assert ("ENVELOPE_SENDER_WRONG",) in denied  # once a minute, whichever test it was


async def test_an_envelope_is_not_diverted_to_another_region(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order, _ = await paid(guangdong, sichuan)
    envelope, _ = sent_about(federation, "guangdong", order.id)
    before = federation.database("henan").contents()
    assert not_delivered(await Forger(federation, "guangdong").deliver(envelope, "henan")) == "ENVELOPE_INVALID"
    assert not_delivered(await bring(federation, envelope, "henan")) == "ENVELOPE_INVALID"
    assert federation.database("henan").contents() == before


async def test_a_text_that_acts_on_a_terminal_is_refused_from_another_region_too(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    forger, number = Forger(federation, "guangdong"), await sichuan.new_customer()
    order = fresh_submission(guangdong, number)
    order.request.characteristics["reason"] = "abroad\x1b]52;c;cm0=\x07"
    envelope = forger.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id)
    assert refused(await forger.deliver(envelope, "sichuan")) == "CHARACTER_NOT_ALLOWED"
    renamed = forger.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id, envelope_id="\x9b2J")
    assert not_delivered(await forger.deliver(renamed, "sichuan")) == "CHARACTER_NOT_ALLOWED"


async def test_only_the_home_region_updates_an_order(
    federation: Federation, henan: Forger, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    assert order.state == OrderState.ORDER_STATE_IN_PROGRESS
    lie = Order()
    lie.CopyFrom(order)
    lie.version, lie.state = order.version + 5, COMPLETED
    envelope = henan.seal("guangdong", UPDATE, OrderUpdate(order=lie), order.id)
    assert refused(await henan.deliver(envelope, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert await guangdong.get(order.id) == order


async def test_only_the_origin_region_commands_an_order(henan: Forger, guangdong: Counter, sichuan: Counter) -> None:
    order = await guangdong.order("TERMINATE", await sichuan.new_customer())
    envelope = henan.seal("sichuan", COMMAND, cancellation(order), order.id)
    assert refused(await henan.deliver(envelope, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert await sichuan.get(order.id) == order


async def test_a_region_cannot_bury_an_order_of_another_before_it_arrives(
    federation: Federation, henan: Forger, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    coming = fresh_submission(guangdong, number)
    envelope = henan.seal("sichuan", COMMAND, cancellation(coming), coming.id)
    assert refused(await henan.deliver(envelope, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    order = guangdong.request("SUSPEND", number)
    done = await guangdong.submit(order, request_id=coming.id.rpartition("/")[2])
    assert (done.id, done.state) == (coming.id, COMPLETED)


async def test_a_region_hands_in_orders_in_its_own_name_only(
    henan: Forger, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    order = fresh_submission(guangdong, number)
    envelope = henan.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id)
    assert refused(await henan.deliver(envelope, "sichuan")) == "ENVELOPE_KIND_NOT_ALLOWED"
    assert (await sichuan.read(number)).product.suspension_reason == ""


@pytest.mark.parametrize(
    "changes",
    [{"steps_done": 1}, {"steps_done": 2}, {"steps_done": 3}, {"version": 1}, {"state": COMPLETED}],
    ids=str,
)
async def test_a_origin_region_cannot_pass_the_home_regions_review(
    henan: Forger, sichuan: Counter, changes: dict[str, object]
) -> None:
    number = await sichuan.new_customer()
    at_henan = Counter(sichuan.federation, "henan")
    order = fresh_submission(at_henan, number, "TERMINATE", **changes)
    envelope = henan.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id)
    assert refused(await henan.deliver(envelope, "sichuan")) == "ENVELOPE_INVALID"
    assert (await sichuan.read(number)).billing_account.balance.minor_units == 20_000


async def test_what_a_origin_region_did_not_check_the_home_region_checks(henan: Forger, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    at_henan = Counter(sichuan.federation, "henan")
    faults = {
        "DOCUMENT_MISSING": fresh_submission(at_henan, number),
        "CHARACTERISTIC_MISSING": fresh_submission(at_henan, number),
        "BUSINESS_UNKNOWN": fresh_submission(at_henan, number),
        "BUSINESS_NOT_OFFERED": fresh_submission(at_henan, number, "MNP_IN"),
        "ENVELOPE_INVALID": fresh_submission(at_henan, number),
        # What a node alone orders, in the name of an operator system.
        "APPLICANT_NOT_ALLOWED": fresh_submission(at_henan, number, "COMPLAINT_REMEDY"),
    }
    faults["APPLICANT_NOT_ALLOWED"].request.applicant = Applicant.APPLICANT_REGION
    faults["DOCUMENT_MISSING"].request.ClearField("documents")
    faults["CHARACTERISTIC_MISSING"].request.ClearField("characteristics")
    faults["BUSINESS_UNKNOWN"].request.business = "TELEPORT"
    faults["ENVELOPE_INVALID"].request.business = "QRY_BILL"
    for reason, order in faults.items():
        envelope = henan.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id)
        assert refused(await henan.deliver(envelope, "sichuan")) == reason
    assert (await sichuan.read(number)).product.suspension_reason == ""


async def test_an_envelope_with_unreadable_parts_is_refused(
    federation: Federation, henan: Forger, sichuan: Counter
) -> None:
    order_id = f"henan/counter/{federation.next_id()}"
    unreadable = henan.seal("sichuan", SUBMIT, EnvelopeContent(id="\x7f" * 40), order_id)
    refusals = {
        refused(await henan.deliver(unreadable, "sichuan")),
        not_delivered(await henan.deliver(Envelope(content=b"\xff\xff", signature=bytes(64)), "sichuan")),
        not_delivered(await henan.deliver(Envelope(content=bytes(70_000), signature=bytes(64)), "sichuan")),
        not_delivered(await bring(federation, Envelope(), "sichuan")),
    }
    assert refusals == {"ENVELOPE_INVALID"}


async def test_one_bad_envelope_keeps_no_other_of_its_batch_from_being_answered(
    henan: Forger, sichuan: Counter
) -> None:
    numbers = [await sichuan.new_customer() for _ in range(3)]
    at_henan = Counter(sichuan.federation, "henan")
    orders = [fresh_submission(at_henan, number) for number in numbers]
    envelopes = [henan.seal("sichuan", SUBMIT, OrderSubmission(order=order), order.id) for order in orders]
    envelopes[1].signature = bytes(64)
    results = await asyncio.gather(*(henan.deliver(envelope, "sichuan") for envelope in envelopes))
    assert [result.WhichOneof("result") for result in results] == ["receipt", "not_delivered", "receipt"]
    reasons = [(await sichuan.read(number)).product.suspension_reason for number in numbers]
    assert reasons == ["abroad", "", "abroad"]
