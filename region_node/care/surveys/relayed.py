"""Envelopes of regions that request an invitation for a customer of this region."""

from datetime import datetime

from gateway.api.region.v1.survey_envelopes_pb2 import SurveyRequested
from gateway.api.region.v1.survey_pb2 import SurveyOccasion
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.care.surveys import inviting
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.records.forgetting import forget_later
from region_node.requests.checks import require_length
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
    """The kind of envelope that requests an invitation.

    The answer is the same in every case: the other region does not learn who is on the quiet list.
    """

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handler of the kind and of its receipt."""
        return {EnvelopeKind.ENVELOPE_KIND_SURVEY_REQUESTED: Command(self._requested, self._answered)}

    def _requested(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        asked = received(SurveyRequested, content.payload)
        is_own = asked.id.startswith(f"{content.origin}/") and content.subject == inviting.envelope_about(asked.id)
        if not is_own or asked.occasion not in _OCCASIONS:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        require_length("business", asked.business, _CODE_LIMIT, required=True)
        require_length("channel", asked.channel, _CODE_LIMIT)
        border.require_home(self._context, asked.number)
        inviting.invite(tx, self._context, asked, content.origin, now)
        forget_later(tx, content.subject, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """Forgets the number, whatever the answer."""
        forget_later(tx, content.subject, now)
