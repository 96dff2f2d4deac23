"""Envelopes of other regions about surveys of this region's customers: requests for invitations, and answers."""

from datetime import datetime

from gateway.api.region.v1.survey_envelopes_pb2 import SurveyRequested
from gateway.api.region.v1.survey_pb2 import SurveyOccasion
from gateway.api.region.v1.survey_service_pb2 import AnswerSurveyRequest, AnswerSurveyResponse
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.care.surveys import inviting, operations
from region_node.care.surveys.rules import require_answer
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.records.forgetting import forget_later
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner, require_length, require_name, require_requester
from region_node.tickets import border

_CODE_LIMIT = 64  # characters
_OCCASIONS = frozenset(
    {
        SurveyOccasion.SURVEY_OCCASION_ORDER,
        SurveyOccasion.SURVEY_OCCASION_COMPLAINT,
        SurveyOccasion.SURVEY_OCCASION_REPAIR,
    }
)


class SurveyEnvelopes:
    """The kinds of envelopes about surveys.

    The answer to a request for an invitation is the same in every case: the other region does not learn who is on the
    quiet list, and both regions forget the number a day later. The customer who answers a survey is present, so that is
    a query: it has no second effect.
    """

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of the kinds and of the receipt."""
        return {
            EnvelopeKind.ENVELOPE_KIND_SURVEY_REQUESTED: Command(
                self._requested, self._answered, is_soon_forgotten=True
            ),
            EnvelopeKind.ENVELOPE_KIND_SURVEY_ANSWER: Query(self._said),
        }

    def _said(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Whoever has number and token speaks for the customer, in any region."""
        asked = received(AnswerSurveyRequest, content.payload)
        require_name("operator", content.operator)
        require_requester(asked.requester)
        require_answer(asked.answer)
        border.require_home(self._context, asked.number)
        survey = operations.answer(tx, self._context, asked.token, asked.answer, now, number=asked.number)
        path = Questioner(content.origin, content.operator).path
        AuditedCall(path, asked.requester.staff_id, now).record(tx, "AnswerSurvey", survey.id)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=AnswerSurveyResponse().SerializeToString())

    def _requested(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        asked = received(SurveyRequested, content.payload)
        is_own = asked.id.startswith(f"{content.origin}/") and content.subject == inviting.envelope_about(asked.id)
        if not is_own or asked.occasion not in _OCCASIONS:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        require_length("business", asked.business, _CODE_LIMIT, required=True)
        require_length("channel", asked.channel, _CODE_LIMIT)
        is_here = self._context.federation.number_plan.home_of(asked.number) == self._context.region
        if asked.item_id or is_here:  # of an item of another region, and of a customer who has moved, nobody is invited
            inviting.invite(tx, self._context, asked, content.origin, now)
        forget_later(tx, content.subject, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """Forgets the number, whatever the answer."""
        forget_later(tx, content.subject, now)
