"""Queries of other regions for profiles of this region's customers."""

from datetime import datetime

from gateway.api.region.v1.customer_service_pb2 import QueryProfileRequest
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.relay.border import Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.customers.disclosures.recording import agreed_answer
from region_node.customers.disclosures.rows import DisclosureRow
from region_node.customers.profiles import read_profile
from region_node.customers.verification.rules import Shown
from region_node.customers.verified import QRY_PROFILE
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.requests.checks import Questioner, require_name


class ProfileEnvelopes:
    """The kind of envelope that queries a profile."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handler here."""
        return {EnvelopeKind.ENVELOPE_KIND_PROFILE_QUERY: Query(self._asked)}

    def _asked(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        asked = received(QueryProfileRequest, content.payload)
        require_name("operator", content.operator)
        questioner = Questioner(content.origin, content.operator)
        row = DisclosureRow(
            kind=DisclosureKind.DISCLOSURE_KIND_PROFILE_READ,
            time=now,
            region=questioner.region,
            operator=questioner.operator,
            purpose=QRY_PROFILE,
            particulars=DisclosureParticulars(requester=asked.requester),
        )
        return agreed_answer(
            tx,
            self._context,
            "QueryProfile",
            Shown(questioner.subject(asked.request_id), asked.number, asked.documents),
            row,
            lambda: read_profile(tx, self._context, asked, questioner, now),
        )
