"""The answers to questions as the asking region takes them in: sealed to it, or not at all."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.api.relay.v1.relay_pb2 import (
    DeliverRequest,
    DeliverResponse,
    DeliverResult,
    EnvelopeContent,
    Outcome,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, reason_name
from gateway.relay.answers import seal_for, sealed
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.relay.queries import Asker
from gateway.sealing import AnswerSeal, Question
from tests.contract.relay_pair import DESTINATION, LETTER, NOW, ORIGIN, QUERY, FixedClock, Pair

RECORD = "张三丰 13800005678".encode()
LOCKED = Answer(
    Outcome.OUTCOME_REFUSED, reason=Reason.REASON_VERIFICATION_LOCKED, parameters={"until": "2026-11-25 10:00"}
)
Answering = Callable[[Pair, EnvelopeContent], Answer]


class Carrier:
    """A coordinator between both regions, which keeps all that it has seen."""

    def __init__(self, pair: Pair, answering: Answering) -> None:
        self.seen: list[bytes] = []
        self._pair = pair
        self._answering = answering

    async def deliver(
        self, request: DeliverRequest, timeout: float, before_attempt: Callable[[], None] | None = None
    ) -> DeliverResponse:
        """Brings a question and its answer."""
        (envelope,) = request.envelopes
        content = EnvelopeContent.FromString(envelope.content)
        answer = self._answering(self._pair, content)
        signer = self._pair.borders[DESTINATION].signer
        receipt = seal_receipt(Sealed(envelope, content), answer, signer, now=NOW, revision=7)
        response = DeliverResponse(results=[DeliverResult(receipt=receipt)])
        self.seen += [request.SerializeToString(), response.SerializeToString()]
        return response


def honest(answer: Answer) -> Answering:
    """Sichuan answers as it should."""
    return lambda pair, content: sealed(answer, seal_for(pair.borders[DESTINATION], content))


def ask(answering: Answering) -> tuple[bytes, Carrier]:
    """What Guangdong is told, and what was seen on the way."""
    pair = Pair()
    carrier = Carrier(pair, answering)
    asker = Asker(pair.borders[ORIGIN], carrier, FixedClock(), random.Random(7))
    return asyncio.run(asker.ask(replace(LETTER, kind=QUERY), 5.0, "")), carrier


def refused(answering: Answering) -> Refused:
    """Why Guangdong is told nothing."""
    with pytest.raises(Refused) as raised:
        ask(answering)
    return raised.value


def test_the_asker_reads_what_nobody_on_the_way_can() -> None:
    told, carrier = ask(honest(Answer(Outcome.OUTCOME_ACCEPTED, result=RECORD)))
    assert told == RECORD
    assert not [each for each in carrier.seen if RECORD in each or "张三丰".encode() in each]


def test_every_question_has_a_key_of_its_own() -> None:
    keys = set()

    def answering(pair: Pair, content: EnvelopeContent) -> Answer:
        keys.add(content.answer_key)
        return honest(Answer(Outcome.OUTCOME_ACCEPTED))(pair, content)

    for _ in range(3):
        ask(answering)
    assert len(keys) == 3


def test_a_refusal_tells_the_way_its_reason_and_the_asker_the_rest() -> None:
    seen: list[Answer] = []

    def answering(pair: Pair, content: EnvelopeContent) -> Answer:
        seen.append(honest(LOCKED)(pair, content))
        return seen[-1]

    told = refused(answering)
    assert (told.reason, told.parameters) == (Reason.REASON_VERIFICATION_LOCKED, {"until": "2026-11-25 10:00"})
    (answer,) = seen
    assert (answer.reason, answer.parameters) == (Reason.REASON_VERIFICATION_LOCKED, None)
    assert b"2026-11-25" not in answer.result


def open_answer(pair: Pair, content: EnvelopeContent) -> Answer:
    """An answer that everybody can read."""
    return Answer(Outcome.OUTCOME_ACCEPTED, result=RECORD)


def open_refusal(pair: Pair, content: EnvelopeContent) -> Answer:
    """A refusal as it was before answers were sealed."""
    return LOCKED


def claimed(pair: Pair, content: EnvelopeContent) -> Answer:
    """An answer that only says that it is sealed."""
    return Answer(Outcome.OUTCOME_ACCEPTED, result=RECORD, sealed=True)


def of_another_question(pair: Pair, content: EnvelopeContent) -> Answer:
    """An answer that was sealed to the same key for another envelope."""
    other = Question("another", content.origin, content.destination)
    by = AnswerSeal(content.answer_key, b"s" * 32, other)
    return sealed(Answer(Outcome.OUTCOME_ACCEPTED, result=RECORD), by)


@pytest.mark.parametrize("answering", [open_answer, open_refusal, claimed, of_another_question])
def test_an_answer_that_is_not_sealed_to_the_question_is_not_taken(answering: Answering) -> None:
    told = refused(answering)
    assert (reason_name(told.reason), told.parameters) == ("ANSWER_UNREADABLE", {"region": DESTINATION})


def test_a_receipt_that_says_moved_has_nothing_to_hide() -> None:
    moved = refused(honest(Answer(Outcome.OUTCOME_MOVED, moved_to="henan")))
    assert reason_name(moved.reason) == "NOT_HOME"
