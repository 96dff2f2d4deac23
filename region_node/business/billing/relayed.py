"""Queries of other regions for bills of this region's customers."""

from datetime import datetime

from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillRequest
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind, DisclosureParticulars
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.access_pb2 import Role
from gateway.relay.border import Kinds, Query
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.business.billing.operations import QRY_BILL, read_bill
from region_node.business.billing.readings import BILL_LIMIT
from region_node.business.billing.rules import asked_month, is_month
from region_node.customers.disclosures.recording import agreed_answer
from region_node.customers.disclosures.rows import DisclosureRow
from region_node.customers.verification.rules import Shown
from region_node.node.context import RegionContext
from region_node.node.payloads import received
from region_node.requests.checks import Questioner, require_name


class BillingEnvelopes:
    """The kind of envelope that billing uses."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handler here."""
        return {EnvelopeKind.ENVELOPE_KIND_BILL_QUERY: Query(self._asked)}

    def _asked(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        asked = received(QueryBillRequest, content.payload)
        asked.month = asked_month(asked.month, now, self._context.time_zone)
        require_name("operator", content.operator)
        questioner = Questioner(content.origin, content.operator, asked.role == Role.ROLE_STAFF)
        month = asked.month if is_month(asked.month) else ""  # else the query is refused, and no row holds its text
        row = DisclosureRow(
            kind=DisclosureKind.DISCLOSURE_KIND_BILL_READ,
            time=now,
            region=questioner.region,
            operator=questioner.caller,
            purpose=QRY_BILL,
            particulars=DisclosureParticulars(requester=asked.requester, record_id=month),
        )
        shown = Shown(questioner.subject(asked.request_id), asked.number, asked.documents)
        limited = None if shown.is_proven else BILL_LIMIT.reached(tx, self._context, questioner.region, now)

        def read() -> Bill:
            if limited is not None:
                raise limited
            return read_bill(tx, self._context, asked, questioner, now)

        answer = agreed_answer(tx, self._context, "QueryBill", shown, row, read)
        is_denied = limited is not None and answer.reason == limited.reason
        if is_denied or (answer.outcome == Outcome.OUTCOME_ACCEPTED and not shown.is_proven):
            BILL_LIMIT.count(tx, self._context, questioner.region, now, denied=is_denied)
        return answer
