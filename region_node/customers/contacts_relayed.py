"""Decisions of this region's customers about contacts, made in other regions."""

from datetime import datetime

from gateway.api.region.v1.contact_envelopes_pb2 import ContactPreferencesQuery
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.access_pb2 import Role
from gateway.relay.border import Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.customers.contacts import change_from_elsewhere
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.requests.checks import Questioner, require_name


class ContactEnvelopes:
    """The kind of envelope that changes contact preferences.

    The customer is present and must know at the return of the call whether it holds, so that is a query. Done twice, it
    has no second effect.
    """

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handler here."""
        return {EnvelopeKind.ENVELOPE_KIND_CONTACT_PREFERENCES: Query(self._decided)}

    def _decided(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        query = received(ContactPreferencesQuery, content.payload)
        require_name("operator", content.operator)
        require_name("requester.staff_id", query.request.requester.staff_id)
        questioner = Questioner(content.origin, content.operator, query.role == Role.ROLE_STAFF)
        kept = change_from_elsewhere(tx, self._context, query.request, questioner, now)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=kept.SerializeToString())
