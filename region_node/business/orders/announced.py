"""The queries that the operations about orders are known to make, for `gateway.store.reading_ahead`."""

from collections.abc import Iterable

from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.relay.outbox import sending_wanted
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted
from region_node.business.orders.rows import ORDER_RECORDS
from region_node.customers.accounts.ledger import balance_wanted
from region_node.customers.rows import LineAtRest, line_wanted
from region_node.customers.states import former_state_wanted
from region_node.customers.status import status_wanted
from region_node.requests.caller import Submitter
from region_node.requests.rows import request_wanted


def taking_in(caller: Submitter, region: str) -> list[Wanted]:
    """The queries of `intake.submit`."""
    return [request_wanted(caller.operator, caller.request_id), *sending_wanted(caller.subject(region))]


def deciding(tx: Transaction, content: EnvelopeContent) -> list[Wanted]:
    """The queries of a home region about a submission."""
    number = OrderSubmission.FromString(content.payload).order.request.number
    return [*ORDER_RECORDS.wanted(content.subject), line_wanted(tx, number, _of_line)]


def _of_line(line: LineAtRest) -> Iterable[Wanted]:
    return status_wanted(line.customer_id), balance_wanted(line.account_id), former_state_wanted(line)
