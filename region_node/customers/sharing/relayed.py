"""Questions about shared records that other regions ask."""

from datetime import datetime

from google.protobuf.message import Message

from gateway.api.region.v1.sharing_envelopes_pb2 import SharingQuery
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.customers.sharing.consents import give_consent, withdraw_consent
from region_node.customers.sharing.lists import list_disclosures, list_grants
from region_node.customers.sharing.operations import read_shared
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.requests.checks import Questioner, require_name


def answer_query(
    tx: Transaction, context: RegionContext, query: SharingQuery, questioner: Questioner, now: datetime
) -> Message:
    """The response of the home region to any of the queries, of its own operators and other regions'.

    Raises Refused, or Moved where the number belongs to another region.
    """
    _require_own(questioner, query)
    match query.WhichOneof("query"):
        case "read":
            return read_shared(tx, context, query.read, questioner, now)
        case "give_consent":
            return give_consent(tx, context, query.give_consent, questioner, now)
        case "withdraw_consent":
            return withdraw_consent(tx, context, query.withdraw_consent, questioner, now)
        case "list_grants":
            return list_grants(tx, context, query.list_grants, questioner, now)
        case "list_disclosures":
            return list_disclosures(tx, context, query.list_disclosures, questioner, now)
        case _:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it asks nothing")


def _require_own(questioner: Questioner, query: SharingQuery) -> None:
    """Requires that a region queries for its own requests alone."""
    asked = query.WhichOneof("query")
    request_id: str = getattr(query, asked).request_id if asked is not None else ""
    if query.subject != questioner.subject(request_id):
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the request is another operator's")


class SharingEnvelopes:
    """The kind of envelope that shares records.

    All are queries. A consent has an effect but is no stored command. The customer is present and must know at the
    return of the call whether it holds. A command may wait in a lane instead. By its request id, a repeat has no second
    effect.
    """

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handler here."""
        return {EnvelopeKind.ENVELOPE_KIND_SHARING: Query(self._asked)}

    def _asked(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        query = received(SharingQuery, content.payload)
        require_name("operator", content.operator)
        questioner = Questioner(content.origin, content.operator, query.role == Role.ROLE_STAFF)
        response = answer_query(tx, self._context, query, questioner, now)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=response.SerializeToString())
