"""Batches as they leave a region and come in: nobody between can read, answer or divert them."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from gateway.api.federation.v1.federation_pb2 import Feature, MemberState
from gateway.api.relay.v1.relay_pb2 import (
    Batch,
    BatchAnswer,
    DeliverRequest,
    DeliverResponse,
    DeliverResult,
    Envelope,
    EnvelopeContent,
    HopStamp,
    Journey,
    NotDelivered,
    Outcome,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, is_temporary, reason_name
from gateway.relay import sealed_batches
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.relay.lanes import Delivered, LanePorts, Lanes
from gateway.relay.queries import Asker
from gateway.relay.sealed_batches import (
    SECONDS_WITHOUT_SESSION,
    SealedBatchReceiver,
    SealedBatchTransport,
    expire_sessions,
)
from gateway.rpc.access import LARGEST_REQUEST
from gateway.rpc.element_counts import most_elements
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.sealing import ID_BYTES, KEY_BYTES, NONCE_BYTES, SESSION_SECONDS, Route, sent_alone
from gateway.security.sealing_keys import SealingKeys, published
from tests.contract.relay_pair import DESTINATION, NOW, ORIGIN, OUTGOING, QUERY, FixedClock, Pair
from tests.contract.stores import PATIENCE_S
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
SESSIONS = (Feature.FEATURE_SESSION_KEYS,)


class Way:
    """Both regions, and a coordinator between them that keeps all it has seen and may meddle."""

    def __init__(
        self,
        answer: Answer = GIVEN,
        meddle: Meddle = lambda request, response: None,
        features: Sequence[Feature.ValueType] = (),
    ) -> None:
        self.pair = Pair()
        self.pair.know(JOINED, features=features)
        self.keys = RegionKeys(region_keys(DESTINATION).set)
        self.seen: list[bytes] = []
        self.sent: list[bytes] = []
        self.acted: list[Batch] = []
        self._answer = answer
        self._meddle = meddle
        self.alter: Callable[[DeliverRequest], None] = lambda request: None
        self._receiver = SealedBatchReceiver(self.pair.borders[DESTINATION], self.keys, self._act)
        self.out = SealedBatchTransport(self.pair.borders[ORIGIN], self)
        self.publish()

    def publish(self) -> None:
        """Guangdong learns the key that Sichuan has in use."""
        there, here = self.pair.borders[DESTINATION], self.pair.borders[ORIGIN]
        told = published(self.keys.set, there.signer, NOW.replace(minute=len(self.keys.set.wrapping)))
        assert here.sealing_keys.accept(DESTINATION, told, here.keys.signer_of)

    def start_process(self) -> None:
        """Another process of Sichuan receives from now on: it reads the file of keys, and remembers nothing."""
        self.keys = RegionKeys(KeySet.read(self.keys.set.written().decode()))
        self._receiver = replace(self._receiver, keys=self.keys)

    def requests(self) -> list[DeliverRequest]:
        """The batches that the coordinator has seen."""
        return [DeliverRequest.FromString(each) for each in self.sent]

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: Callable[[], None] | None = None
    ) -> DeliverResponse:
        """The carrier."""
        self.sent.append(request.SerializeToString())
        self.seen.append(self.sent[-1])
        request.origin = ORIGIN
        self.alter(request)
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
    ignorant.sealing_keys.accept(DESTINATION, unusable, lambda *_: here.keys.authorities[0])
    assert reason_name(refused(lambda: asyncio.run(out.deliver(way.batch(), 5.0))).reason) == "SEALING_KEY_MISSING"
    later = published(way.keys.set, way.pair.borders[DESTINATION].signer, NOW.replace(hour=13))
    ignorant.sealing_keys.accept(DESTINATION, later, here.keys.signer_of)
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
        here.sealing_keys.accept(DESTINATION, told, here.keys.signer_of)
        async with asyncio.timeout(PATIENCE_S):
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
    made_up = sent_alone(forged.SerializeToString(), drawn_for_the_batch, bytes(KEY_BYTES), Route(ORIGIN, DESTINATION))
    response.sealed = made_up.message.sealed[ID_BYTES:]


def clear(request: DeliverRequest, response: DeliverResponse) -> None:
    """An answer in the clear, as a node before sealing gives it."""
    response.sealed = b""


def alter(request: DeliverRequest, response: DeliverResponse) -> None:
    """Flips one bit."""
    response.sealed = response.sealed[:-1] + bytes([response.sealed[-1] ^ 1])


@pytest.mark.parametrize("features", [(), SESSIONS], ids=["alone", "session"])
@pytest.mark.parametrize("meddle", [swap, clear, alter])
def test_an_answer_that_is_not_the_destinations_is_not_taken(
    meddle: Meddle, features: Sequence[Feature.ValueType]
) -> None:
    for call in (Way(meddle=meddle, features=features).bring, Way(meddle=meddle, features=features).ask):
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


def test_a_batch_or_an_answer_of_more_elements_than_its_bytes_are_for_is_not_parsed() -> None:
    way, many = Way(), most_elements(LARGEST_REQUEST) + 1
    batch = Batch(destination=DESTINATION, envelopes=[Envelope()] * many)
    told = refused(lambda: asyncio.run(way.out.deliver(batch, PATIENCE_S)))
    assert (reason_name(told.reason), way.acted) == ("BATCH_UNREADABLE", [])

    class Long(Way):
        async def _act(self, batch: Batch, origin: str) -> BatchAnswer:
            return BatchAnswer(results=[DeliverResult()] * many)

    batch = Batch(destination=DESTINATION, envelopes=[way.pair.seal().envelope])
    told = refused(lambda: asyncio.run(Long().out.deliver(batch, PATIENCE_S)))
    assert reason_name(told.reason) == "ANSWER_UNREADABLE"


def test_an_answer_with_no_result_for_a_question_is_none() -> None:
    class Empty:
        async def deliver(
            self, batch: Batch, timeout: float, before_attempt: Callable[[], None] | None = None
        ) -> BatchAnswer:
            return BatchAnswer()

    asker = Asker(Pair().borders[ORIGIN], Empty(), FixedClock(), random.Random(7))
    told = refused(lambda: asyncio.run(asker.ask(replace(OUTGOING, kind=QUERY), 5.0, "")))
    assert reason_name(told.reason) == "REGION_UNREACHABLE"


def sessions_of(requests: Sequence[DeliverRequest]) -> list[bytes]:
    """The sender's public key of each batch in a session; empty for a batch with a key of its own."""
    return [each.sealed[ID_BYTES:][:KEY_BYTES] if each.nonce else b"" for each in requests]


@pytest.fixture(name="time")
def seconds_that_a_test_sets(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of sessions at both ends, as the last entry."""
    now = [0.0]
    monkeypatch.setattr(sealed_batches, "_now", lambda: now[-1])
    return now


def test_batches_to_a_region_with_session_keys_share_a_key_under_other_nonces() -> None:
    way = Way(features=SESSIONS)
    assert [way.bring().results for _ in range(3)] == [way.bring().results] * 3
    assert way.ask() == RECORD
    requests = way.requests()
    (session,) = set(sessions_of(requests))
    assert session
    responses = [DeliverResponse.FromString(each) for each in way.seen[1::2]]
    for nonces in ({each.nonce for each in requests}, {each.nonce for each in responses}):
        assert [len(each) for each in nonces] == [NONCE_BYTES] * 5
    assert not [each for each in way.seen if RECORD in each or OUTGOING.subject.encode() in each]


def test_every_batch_to_a_region_without_session_keys_has_a_key_of_its_own() -> None:
    way = Way(features=[Feature.FEATURE_TREE_SIGNATURES])
    for _ in range(2):
        way.bring()
    assert sessions_of(way.requests()) == [b"", b""]
    assert len({each.sealed[ID_BYTES:][:KEY_BYTES] for each in way.requests()}) == 2


def test_a_session_ends_after_its_time(time: list[float]) -> None:
    way = Way(features=SESSIONS)
    for now in (0.0, SESSION_SECONDS - 1, SESSION_SECONDS, SESSION_SECONDS + 1):
        time.append(now)
        way.bring()
    first, second, third, fourth = sessions_of(way.requests())
    assert first == second != third == fourth


def test_secrets_of_sessions_are_forgotten_in_time_without_traffic_also_those_on_a_former_key(
    time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_batches, "LOOK_SECONDS", 0.001)
    way = Way(features=SESSIONS)
    way.bring()
    way.keys.replace(way.keys.set.rotated())
    way.publish()
    way.bring()

    def held() -> list[int]:
        return [len(way.out._sessions), *(len(key.sessions) for key in way.keys.set.sealing_by_id.values())]

    assert held() == [1, 1, 1]
    time.append(SESSION_SECONDS)

    async def forget() -> None:
        task = asyncio.create_task(expire_sessions(way.out, way.keys))
        async with asyncio.timeout(PATIENCE_S):
            while any(held()):  # noqa: ASYNC110 - the loop under test tells nobody
                await asyncio.sleep(0)
        task.cancel()

    asyncio.run(forget())


def test_processes_of_a_region_receive_batches_of_one_session_also_after_a_restart() -> None:
    way = Way(features=SESSIONS)
    one = way.bring()
    for _ in range(2):
        way.start_process()
        assert way.bring().results == one.results
    assert len(set(sessions_of(way.requests()))) == 1


def test_the_next_batch_after_a_rotation_begins_a_session_and_a_pruned_key_opens_none_that_was_begun() -> None:
    way = Way(features=SESSIONS)
    way.bring()
    former = way.keys.set.in_use.id
    way.keys.replace(way.keys.set.rotated())
    way.bring()
    way.publish()
    way.bring()
    first, second, third = sessions_of(way.requests())
    assert first == second != third
    way.keys.replace(way.keys.set.without({former}))
    replayed = way.requests()[0]
    told = refused(lambda: asyncio.run(way.deliver(replayed, 5.0)))
    assert reason_name(told.reason) == "SEALING_KEY_UNKNOWN"
    assert len(way.bring().results) == 1


def lose_nonce(request: DeliverRequest) -> None:
    """A process of a version without sessions, or a coordinator of one, does not see the field."""
    request.ClearField("nonce")


def lose_answers_nonce(request: DeliverRequest, response: DeliverResponse) -> None:
    """A coordinator that gives back the fields it knows."""
    if request.nonce:
        response.ClearField("nonce")


def test_a_batch_whose_session_is_not_understood_is_sealed_alone_at_once_and_so_are_those_of_a_minute(
    time: list[float],
) -> None:
    way = Way(features=SESSIONS)
    way.alter = lose_nonce
    assert way.ask() == RECORD
    assert len(way.acted) == 1
    time.append(SECONDS_WITHOUT_SESSION - 1)
    assert way.ask() == RECORD
    time.append(SECONDS_WITHOUT_SESSION)
    assert len(way.bring().results) == 1
    first, *alone, again, last = sessions_of(way.requests())
    assert (alone, last) == ([b"", b""], b"")
    assert b"" != first != again != b""


def test_a_batch_is_not_sent_again_once_its_time_is_over(time: list[float]) -> None:
    way = Way(features=SESSIONS)

    def lose_time(request: DeliverRequest) -> None:
        time.append(time[-1] + 5.0)
        lose_nonce(request)

    way.alter = lose_time
    assert reason_name(refused(way.bring).reason) == "BATCH_UNREADABLE"
    assert len(way.requests()) == 1


def test_where_the_answers_of_a_session_do_not_open_each_batch_has_its_own_key_for_a_minute(time: list[float]) -> None:
    way = Way(meddle=lose_answers_nonce, features=SESSIONS)
    assert reason_name(refused(way.bring).reason) == "ANSWER_UNREADABLE"
    assert len(way.acted) == 1
    for now in (0.0, SECONDS_WITHOUT_SESSION - 1):
        time.append(now)
        assert len(way.bring().results) == 1
    time.append(SECONDS_WITHOUT_SESSION)
    assert reason_name(refused(way.bring).reason) == "ANSWER_UNREADABLE"
    first, *alone, last = sessions_of(way.requests())
    assert alone == [b"", b""]
    assert first != last


def test_a_nonce_that_a_coordinator_alters_is_noticed_at_both_ends() -> None:
    way = Way(features=SESSIONS)
    way.bring()
    way.alter = lambda request: setattr(request, "nonce", bytes(NONCE_BYTES))
    assert reason_name(refused(way.bring).reason) == "BATCH_UNREADABLE"
    assert len(way.acted) == 1

    def change(request: DeliverRequest, response: DeliverResponse) -> None:
        response.nonce = bytes(NONCE_BYTES)

    assert reason_name(refused(Way(features=SESSIONS, meddle=change).bring).reason) == "ANSWER_UNREADABLE"


def test_an_earlier_answer_of_the_session_is_not_taken_for_that_of_a_later_batch() -> None:
    given: list[DeliverResponse] = []

    def repeat(request: DeliverRequest, response: DeliverResponse) -> None:
        given.append(DeliverResponse.FromString(response.SerializeToString()))
        response.CopyFrom(given[0])

    way = Way(features=SESSIONS, meddle=repeat)
    assert len(way.bring().results) == 1
    assert reason_name(refused(way.bring).reason) == "ANSWER_UNREADABLE"
    assert len(set(sessions_of(way.requests()))) == 1
