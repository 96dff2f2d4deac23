"""Bills that other regions ask for."""

from datetime import datetime

from google.protobuf.message import DecodeError

from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.billing.operations import read_bill
from region_node.context import RegionContext
from region_node.requests import Questioner


class BillingEnvelopes:
    """The kind of envelope that billing uses."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """How it is answered here."""
        return {EnvelopeKind.ENVELOPE_KIND_BILL_QUERY: Query(self._asked)}

    def _asked(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        try:
            asked = QueryBillRequest.FromString(content.payload)
        except DecodeError:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="unreadable payload") from None
        bill = read_bill(tx, self._context, asked, Questioner(content.origin, content.operator), now)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=bill.SerializeToString())
