"""The messages about loans to other regions."""

from gateway.api.region.v1.loan_envelopes_pb2 import LoanUpdate
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from region_node.care.loans.rows import LOAN
from region_node.tickets.sending import TicketMessages

LOAN_MESSAGES = TicketMessages(
    LOAN,
    EnvelopeKind.ENVELOPE_KIND_LOAN_COMMAND,
    EnvelopeKind.ENVELOPE_KIND_LOAN_UPDATE,
    lambda loan: LoanUpdate(loan=loan),
)
