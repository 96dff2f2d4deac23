"""Batches as they leave a region and come in: nobody between can read, answer or divert them."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.relay.v1.relay_pb2 import (
    Batch,
    BatchAnswer,
    DeliverRequest,
    DeliverResponse,
    DeliverResult,
    EnvelopeContent,
    HopStamp,
    Journey,
    NotDelivered,
    Outcome,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, is_temporary, reason_name
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.relay.lanes import Delivered, LanePorts, Lanes
from gateway.relay.queries import Asker
from gateway.relay.sealed_batches import SealedBatchReceiver, SealedBatchTransport
from gateway.security.region_keys import RegionKeys
from gateway.security.sealing import ID_BYTES, KEY_BYTES, Route, Sent
from gateway.security.sealing_keys import SealingKeys, published
from tests.contract.relay_pair import DESTINATION, NOW, ORIGIN, OUTGOING, QUERY, FixedClock, Pair
from tests.keys import region_keys
from tests.sealed_batches import SealedBatch

RECORD = "张三丰 13800005678".encode()
LOCKED = Answer(
    Outcome.OUTCOME_REFUSED, reason=Reason.REASON_VERIFICATION_LOCKED, parameters={"until": "2026-11-25 10:00"}
)
MOVED = Answer(Outcome.OUTCOME_MOVED, moved_to="henan")
ABSENT, JOINED = MemberState.MEMBER_STATE_ABSENT, MemberState.MEMBER_STATE_JOINED
GIVEN = Answer(Outcome.OUTCOME_ACCEPTED, result=RECORD)
Meddle = Callable[[DeliverRequest, DeliverResponse], None]


class Way:
    """Both regions, and a coordinator between them that keeps all it has seen and may meddle."""

    def __init__(self, answer: Answer = GIVEN, meddle: Meddle = lambda request, response: None) -> None:
        self.pair = Pair()
        self.keys = RegionKeys(region_keys(DESTINATION).set)
        self.seen: list[bytes] = []
        self.acted: list[Batch] = []
        self._answer = answer
        self._meddle = meddle
        self._receiver = SealedBatchReceiver(self.pair.borders[DESTINATION], self.keys, self._act)
        self.out = SealedBatchTransport(self.pair.borders[ORIGIN], self)
        self.publish()

    def publish(self) -> None:
        """Guangdong learns the key that Sichuan has in use."""
        there, here = self.pair.borders[DESTINATION], self.pair.borders[ORIGIN]
        told = published(self.keys.set, there.signer, NOW.replace(minute=len(self.keys.set.wrapping)))
        assert here.sealing_keys.accept(DESTINATION, told, here.keys.verify)

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: Callable[[], None] | None = None
    ) -> DeliverResponse:
        """The carrier."""
        self.seen.append(request.SerializeToString())
        request.origin = ORIGIN
        response = await self._receiver.deliver(request)
        self._meddle(request, response)
        self.seen.append(response.SerializeToString())
        return response

    async def _act(self, batch: Batch, origin: str) -> BatchAnswer:
        self.acted.append(batch)
        signer = self.pair.borders[DESTINATION].signer
        signed = [Sealed(each, EnvelopeContent.FromString(each.content)) for each in batch.envelopes]
        receipts = [seal_receipt(each, self._answer, signer, now=NOW, revision=7) for each in signed]
        journey = Journey(stamps=[*batch.journey.stamps, HopStamp(party=DESTINATION, event="committed")])
        return BatchAnswer(results=[DeliverResult(receipt=each) for each in receipts], journey=journey)

    def batch(self) -> Batch:
        """An order on its way out."""
        envelope = self.pair.seal(payload=RECORD).envelope
        stamp = HopStamp(party=ORIGIN, event="sent")
        journey = Journey(stamps=[stamp])
        return Batch(destination=DESTINATION, envelopes=[envelope], journey=journey, traceparents=["00-1"])

    def bring(self) -> BatchAnswer:
        """The order is sent."""
        return asyncio.run(self.out.deliver(self.batch(), 5.0))

    def ask(self) -> bytes:
        """A question is asked."""
        [told] = self.ask_at_once("1")
        return told

    def ask_at_once(self, *names: str) -> list[bytes]:
        """Questions are asked at one moment."""

        async def asking() -> list[bytes]:
            asker = Asker(self.pair.borders[ORIGIN], self.out, FixedClock(), random.Random(7))
            each = replace(OUTGOING, kind=QUERY, payload=RECORD)
            return await asyncio.gather(*(asker.ask(replace(each, envelope_id=name), 5.0, "00-1") for name in names))

        return asyncio.run(asking())


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as raised:
        call()
    return raised.value


def test_an_order_and_its_receipt_pass_a_coordinator_that_can_read_neither() -> None:
    way = Way()
    answer = way.bring()
    assert [batch.envelopes[0] for batch in way.acted] == [way.batch().envelopes[0]]
    assert RECORD in answer.results[0].receipt.content
    clear = (RECORD, "张三丰".encode(), OUTGOING.subject.encode(), b"counter")
    assert not [each for each in way.seen for value in clear if value in each]
    assert [stamp.event for stamp in answer.journey.stamps] == ["sent", "committed"]


def test_a_question_passes_as_an_order_does() -> None:
    way = Way()
    assert way.ask() == RECORD
    assert not [each for each in way.seen if RECORD in each or OUTGOING.subject.encode() in each]


def test_questions_of_one_moment_pass_in_one_sealed_batch() -> None:
    way = Way()
    assert way.ask_at_once(*"abcde") == [RECORD] * 5
    assert [len(batch.envelopes) for batch in way.acted] == [5]
    assert not [each for each in way.seen if RECORD in each or OUTGOING.subject.encode() in each]


def test_a_refusal_is_for_the_asker_alone_too() -> None:
    way = Way(LOCKED)
    told = refused(way.ask)
    assert (told.reason, told.parameters) == (Reason.REASON_VERIFICATION_LOCKED, {"until": "2026-11-25 10:00"})
    assert not [each for each in way.seen if b"2026-11-25" in each]
    assert reason_name(refused(Way(MOVED).ask).reason) == "NOT_HOME"


def test_the_same_batch_is_sealed_to_other_bytes_each_time() -> None:
    way = Way()
    first, second = way.bring(), way.bring()
    assert first.results == second.results
    assert len({DeliverRequest.FromString(each).sealed for each in way.seen[::2]}) == 2
    assert len({DeliverResponse.FromString(each).sealed for each in way.seen[1::2]}) == 2


def test_without_a_key_of_the_destination_nothing_leaves_and_it_goes_once_there_is_one() -> None:
    way = Way()
    here = way.pair.borders[ORIGIN]
    ignorant = replace(here, sealing_keys=SealingKeys())
    out = SealedBatchTransport(ignorant, way)
    told = refused(lambda: asyncio.run(out.deliver(way.batch(), 5.0)))
    assert (reason_name(told.reason), told.parameters) == ("SEALING_KEY_MISSING", {"region": DESTINATION})
    assert is_temporary(told.reason)
    way.pair.know(JOINED, destination=ABSENT)
    assert reason_name(refused(lambda: asyncio.run(out.deliver(way.batch(), 5.0))).reason) == "REGION_NOT_JOINED"
    way.pair.know(JOINED)
    assert way.seen == []
    unusable = published(way.keys.set, way.pair.borders[DESTINATION].signer, NOW)
    unusable.key = bytes(32)
    ignorant.sealing_keys.accept(DESTINATION, unusable, lambda *_: True)
    assert reason_name(refused(lambda: asyncio.run(out.deliver(way.batch(), 5.0))).reason) == "SEALING_KEY_MISSING"
    later = published(way.keys.set, way.pair.borders[DESTINATION].signer, NOW.replace(hour=13))
    ignorant.sealing_keys.accept(DESTINATION, later, here.keys.verify)
    assert len(asyncio.run(out.deliver(way.batch(), 5.0)).results) == 1


def test_what_waits_for_a_region_without_a_key_leaves_by_itself_once_it_publishes_one() -> None:
    async def scenario() -> None:
        way, settled = Way(), asyncio.Event()
        here = replace(way.pair.borders[ORIGIN], sealing_keys=SealingKeys())

        async def settle(batch: Sequence[Delivered]) -> list[bool]:
            settled.set()
            return [True] * len(batch)

        ports = LanePorts(ORIGIN, SealedBatchTransport(here, way), settle, FixedClock(), random.Random(7))
        lanes = Lanes(ports)
        lane = lanes.to(DESTINATION)
        lane.add(way.pair.seal(payload=RECORD))
        while lane.counts.probes < 2:  # noqa: ASYNC110 - the lane probes by itself
            await asyncio.sleep(0.001)
        assert way.seen == []
        told = published(way.keys.set, way.pair.borders[DESTINATION].signer, NOW)
        here.sealing_keys.accept(DESTINATION, told, here.keys.verify)
        async with asyncio.timeout(20.0):
            await settled.wait()
        assert [envelope for batch in way.acted for envelope in batch.envelopes] == [way.batch().envelopes[0]]
        await lanes.close()

    asyncio.run(scenario())


def test_a_rotated_key_loses_nothing_on_its_way_and_a_pruned_one_neither() -> None:
    way = Way()
    former = way.keys.set.in_use.id
    way.keys.replace(way.keys.set.rotated())
    assert len(way.bring().results) == 1, "sealed to the former key, which still opens"
    way.keys.replace(way.keys.set.without({former}))
    told = refused(way.bring)
    assert reason_name(told.reason) == "SEALING_KEY_UNKNOWN"
    assert is_temporary(told.reason)
    before = len(way.acted)
    way.keys.replace(way.keys.set.rotated())
    way.publish()
    assert len(way.bring().results) == 1
    sent = [batch.envelopes[0] for batch in way.acted]
    assert len(sent) == before + 1
    assert sent.count(sent[0]) == len(sent), "the very bytes that were signed, however often they are sealed"


def swap(request: DeliverRequest, response: DeliverResponse) -> None:
    """An answer that the coordinator makes up, sealed as well as it can."""
    forged = BatchAnswer(results=[DeliverResult(not_delivered=NotDelivered(reason=Reason.REASON_ORDER_EXPIRED))])
    drawn_for_the_batch = request.sealed[ID_BYTES:][:KEY_BYTES]
    made_up = Sent(forged.SerializeToString(), drawn_for_the_batch, bytes(KEY_BYTES), Route(ORIGIN, DESTINATION))
    response.sealed = made_up.sealed[ID_BYTES:]


def clear(request: DeliverRequest, response: DeliverResponse) -> None:
    """An answer in the clear, as a node before sealing gives it."""
    response.sealed = b""


def alter(request: DeliverRequest, response: DeliverResponse) -> None:
    """Flips one bit."""
    response.sealed = response.sealed[:-1] + bytes([response.sealed[-1] ^ 1])


@pytest.mark.parametrize("meddle", [swap, clear, alter])
def test_an_answer_that_is_not_the_destinations_is_not_taken(meddle: Meddle) -> None:
    for call in (Way(meddle=meddle).bring, Way(meddle=meddle).ask):
        told = refused(call)
        assert (reason_name(told.reason), told.parameters) == ("ANSWER_UNREADABLE", {"region": DESTINATION})
        assert is_temporary(told.reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda request: setattr(request, "origin", "henan"), "BATCH_UNREADABLE"),
        (lambda request: setattr(request, "sealed", request.sealed[:-1]), "BATCH_UNREADABLE"),
        (lambda request: setattr(request, "sealed", b""), "BATCH_UNREADABLE"),
        (lambda request: setattr(request, "sealed", b"\0" + request.sealed), "SEALING_KEY_UNKNOWN"),
        (lambda request: setattr(request, "destination", "henan"), "NOT_HOME"),
    ],
)
def test_a_batch_that_was_meddled_with_is_not_acted_on(change: Callable[[DeliverRequest], None], reason: str) -> None:
    way = Way()
    envelope = way.pair.seal().envelope
    request = SealedBatch(Route(ORIGIN, DESTINATION), way.keys.set.in_use.sealing.public, envelope).request
    change(request)
    receiver = SealedBatchReceiver(way.pair.borders[DESTINATION], way.keys, way._act)
    assert reason_name(refused(lambda: asyncio.run(receiver.deliver(request))).reason) == reason
    assert way.acted == []


def test_an_answer_with_no_result_for_a_question_is_none() -> None:
    class Empty:
        async def deliver(
            self, batch: Batch, timeout: float, before_attempt: Callable[[], None] | None = None
        ) -> BatchAnswer:
            return BatchAnswer()

    asker = Asker(Pair().borders[ORIGIN], Empty(), FixedClock(), random.Random(7))
    told = refused(lambda: asyncio.run(asker.ask(replace(OUTGOING, kind=QUERY), 5.0, "")))
    assert reason_name(told.reason) == "REGION_UNREACHABLE"
