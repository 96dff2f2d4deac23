"""The answers to questions, as they cross the border: sealed to the key that came with the question."""

from dataclasses import replace

from google.protobuf.message import DecodeError

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome, ReceiptContent, RefusalParameters
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Border
from gateway.relay.envelopes import Answer
from gateway.sealing import KEY_BYTES, AnswerKey, AnswerSeal, AnswerUnreadable, KeyUnusable, Question


def seal_for(border: Border, content: EnvelopeContent) -> AnswerSeal:
    """What the answer to a question will be sealed by.

    Raises Refused with ENVELOPE_INVALID for a question without a key: nothing is told that others could read.
    """
    try:
        return AnswerSeal(content.answer_key, border.draw(KEY_BYTES), _question(content))
    except KeyUnusable:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the question brings no key for its answer") from None


def sealed(answer: Answer, by: AnswerSeal) -> Answer:
    """An answer of which the coordinator can read how it ended and the reason, and nothing else."""
    if answer.outcome == Outcome.OUTCOME_MOVED:
        return answer
    content = answer.result
    if answer.outcome == Outcome.OUTCOME_REFUSED:
        content = RefusalParameters(parameters=answer.parameters).SerializeToString()
    return replace(answer, result=by.seal(content), parameters=None, sealed=True)


def read_answer(receipt: ReceiptContent, key: AnswerKey, asked: EnvelopeContent) -> bytes:
    """The result message of the answer to a question.

    Raises Refused as the other region did; with ANSWER_UNREADABLE where the answer is not sealed or does not open.
    """
    if receipt.outcome == Outcome.OUTCOME_MOVED:
        raise Refused(Reason.REASON_NOT_HOME, region=asked.destination)
    unreadable = Refused(Reason.REASON_ANSWER_UNREADABLE, region=asked.destination)
    if not receipt.sealed:
        raise unreadable
    try:
        content = key.open(receipt.result, _question(asked))
        if receipt.outcome != Outcome.OUTCOME_REFUSED:
            return content
        parameters = dict(RefusalParameters.FromString(content).parameters)
    except (AnswerUnreadable, DecodeError):
        raise unreadable from None
    raise Refused(receipt.reason, **parameters)


def _question(content: EnvelopeContent) -> Question:
    return Question(content.id, content.origin, content.destination)
