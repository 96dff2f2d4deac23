"""The queries that the operations about orders are known to make, for `gateway.store.reading_ahead`."""

from collections.abc import Iterable

from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.relay.outbox import sending_wanted
from gateway.store.port import Transaction
from gateway.store.reading_ahead import Wanted
from region_node.business.orders.rows import ORDER_RECORDS
from region_node.customers.accounts.ledger import balance_wanted
from region_node.customers.events import EVENTS
from region_node.customers.rows import LineAtRest, line_wanted
from region_node.customers.states import last_state_wanted
from region_node.customers.status import status_wanted
from region_node.node.context import RegionContext
from region_node.requests.caller import Submitter
from region_node.requests.rows import request_wanted


def taking_in(tx: Transaction, context: RegionContext, caller: Submitter, number: str) -> list[Wanted]:
    """The queries of `intake.submit` for an order about a number, E.164 or empty."""
    subject, request = caller.subject(context.region), request_wanted(caller.operator, caller.request_id)
    if number and context.federation.number_plan.home_of(number) == context.region:
        return [request, *_decided(tx, subject, number)]
    return [request, *sending_wanted(subject)]


def deciding(tx: Transaction, content: EnvelopeContent) -> list[Wanted]:
    """The queries of a home region about a submission."""
    return _decided(tx, content.subject, OrderSubmission.FromString(content.payload).order.request.number)


def _decided(tx: Transaction, order_id: str, number: str) -> list[Wanted]:
    return [*ORDER_RECORDS.wanted(order_id), line_wanted(tx, number, _of_line)]


def _of_line(line: LineAtRest) -> Iterable[Wanted]:
    own = status_wanted(line.customer_id), balance_wanted(line.account_id), last_state_wanted(line)
    return *own, *EVENTS.heard_wanted()
