"""`region-node orders waiting`, `approve`, `return` and `reject`: orders that wait for the staff of this region."""

from collections.abc import Sequence

import click

from gateway.api.region.v1 import order_service_pb2 as api
from gateway.api.region.v1.order_pb2 import Order, OrderState, Party
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, writes

ORDERS_TO_REVIEW = Table[Order](
    TableColumn("order", lambda each: each.id),
    TableColumn("business", lambda each: each.request.business),
    TableColumn("from", lambda each: region_name(each.origin_region)),
    TableColumn("state", lambda each: value_word(OrderState.DESCRIPTOR, each.state)),
    TableColumn("waits for", lambda each: translated(each.awaiting.action)),
    TableColumn("reason", lambda each: in_language(each.error.message)),
    TableColumn("since", lambda each: told_if_set(each.awaiting.since_time)),
    TableColumn("until", lambda each: told_if_set(each.awaiting.due_time)),
    TableColumn("submitted by", lambda each: each.request.requester.staff_id, only_wide=True),
)
"""Orders that staff review, and an order after its review."""
_note = click.option("--note", default="", help="The reason, for the origin region.")
_required_note = click.option("--note", required=True, help="The reason, for the origin region.")
_order = click.argument("order_id", metavar="ID")


@click.command()
@reads(limit_option())
@click.option("--customer", is_flag=True, help="Those that wait for the customer, in place of those for staff.")
@click.option("--number", default="", help="Only those about this number.")
def waiting(asking: Asking, number: str, *, customer: bool) -> None:
    """List the orders that wait for the staff of this region, the newest first, with the limit that one exceeds.

    A customer who has a notice of an order, and calls, gives only the number. Find the order with --customer, and
    approve or reject it in the customer's name.

    \b
    Examples:
      region-node orders waiting
      region-node orders waiting --customer --number +8619851000001
    """
    party = Party.PARTY_CUSTOMER if customer else Party.PARTY_HOME_STAFF
    request = api.ListOrdersRequest(awaiting=party, number=number)
    found = asking.ask(lambda channel: OrderServiceStub(channel).ListOrders, request)
    asking.show(found, ORDERS_TO_REVIEW, found.orders)


@click.command()
@writes(done="approved")
@_order
@_note
def approve(asking: Asking, order_id: str, note: str) -> None:
    """Let the order ID go on. Nobody approves an own submission.

    \b
    Example:
      region-node orders approve guangdong/counter/R1
    """
    _review(asking, order_id, ReviewDecision.REVIEW_DECISION_APPROVE, note)


@click.command("return")
@writes(done="returned")
@_order
@_required_note
@click.option("--document", "documents", multiple=True, help="A material still required, as often as needed.")
def send_back(asking: Asking, order_id: str, note: str, documents: Sequence[str]) -> None:
    """Return the order ID to the origin region, which supplements it.

    \b
    Example:
      region-node orders return guangdong/counter/R1 --document ID_ORIG --note "the copy is illegible"
    """
    _review(asking, order_id, ReviewDecision.REVIEW_DECISION_RETURN, note, documents)


@click.command()
@writes(done="rejected")
@_order
@_required_note
def reject(asking: Asking, order_id: str, note: str) -> None:
    """Reject the order ID: it fails, and money that was taken goes back to the payer.

    \b
    Example:
      region-node orders reject guangdong/counter/R1 --note "the payer is unknown"
    """
    _review(asking, order_id, ReviewDecision.REVIEW_DECISION_REJECT, note)


def _review(
    asking: Asking, order_id: str, decision: ReviewDecision.ValueType, note: str, documents: Sequence[str] = ()
) -> None:
    request = api.ReviewOrderRequest(order_id=order_id, decision=decision, note=note, documents=documents)
    answer = asking.ask(lambda channel: OrderServiceStub(channel).ReviewOrder, request)
    asking.tell(answer.order, ORDERS_TO_REVIEW.show_one)
