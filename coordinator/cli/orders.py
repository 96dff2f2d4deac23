"""`coordinator orders`."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click
from rich.text import Text

from coordinator.cli.completing import complete_regions
from coordinator.cli.connection import EPILOG, TIMEOUT, Connection, connected
from coordinator.cli.order_timeline import seconds_between, timeline, unanswered_envelopes
from coordinator.cli.output import (
    json_option,
    print_json,
    print_table,
    tell_unanswered,
    told,
    told_age,
    told_span,
)
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import OversightServiceStub
from gateway.api.region.v1.order_pb2 import OrderState, Party
from gateway.api.region.v1.oversight_service_pb2 import OrderSummary
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.channels import invoke
from gateway.cli.exits import CannotReach
from gateway.errors import Refused, reason_name
from gateway.languages import refusal, translated
from gateway.terms import region_name
from gateway.times import show_times_of, told_if_set, told_time

_STATE = "ORDER_STATE_"
_STATES = [name.removeprefix(_STATE).lower().replace("_", "-") for name in OrderState.keys() if OrderState.Value(name)]
_LARGEST_PAGE = 500

_region_option = click.option(
    "--region", default="", shell_complete=complete_regions, help="Only orders that this region handles or owns."
)
_limit_option = click.option(
    "--limit",
    type=click.IntRange(1, _LARGEST_PAGE),
    default=50,
    show_default=True,
    help="At most this many from each region.",
)


@click.group()
def orders() -> None:
    """Show orders of all regions, and follow one hop by hop. Nothing here says who a customer is."""


@orders.command("list", epilog=EPILOG)
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="May be repeated.")
@_region_option
@_limit_option
@connected
@json_option
def list_orders(connection: Connection, states: tuple[str, ...], region: str, limit: int, as_json: bool) -> None:
    """List orders: who holds the ball, since when, until when.

    \b
    Example:
      coordinator orders list --state pending --state in-progress --region sichuan
    """
    show_times_of(region)
    request = contract.ListOrdersRequest(
        states=[OrderState.Value(_STATE + state.upper().replace("-", "_")) for state in states],
        region=region,
        page_size=limit,
    )
    _print_orders(_ask(connection, request), translated("Orders"), as_json=as_json)


@orders.command(epilog=EPILOG)
@_region_option
@_limit_option
@connected
@json_option
def held(connection: Connection, region: str, limit: int, as_json: bool) -> None:
    """List orders that cannot go on, with the reason and the part of the number that decides its region.

    \b
    Example:
      coordinator orders held
    """
    show_times_of(region)
    request = contract.ListOrdersRequest(states=[OrderState.ORDER_STATE_HELD], region=region, page_size=limit)
    _print_orders(_ask(connection, request), translated("Held orders"), as_json=as_json)


@orders.command(epilog=EPILOG)
@click.argument("order_id", metavar="ID")
@connected
@json_option
def trace(connection: Connection, order_id: str, as_json: bool) -> None:
    """Follow the order ID hop by hop, with the time of each hop and what it took since the one before.

    Each party stamps with its own clock: where clocks differ, so do the hops. Whether and how often an envelope was
    sent is known only once its receipt is in: until then `attempts` and `journey` of the JSON are empty.

    \b
    Example:
      coordinator orders trace guangdong/counter/R1
    """
    show_times_of(order_id)
    request = contract.TraceOrderRequest(order_id=order_id)
    response = connection.ask(lambda channel: invoke(OversightServiceStub(channel).TraceOrder, request, TIMEOUT))
    if as_json:
        print_json(response)
    else:
        _print_trace(order_id, response)
    tell_unanswered(response.unanswered)
    if not response.traces:
        raise CannotReach(translated("no region that may know {order} could be asked", order=order_id))


def _ask(connection: Connection, request: contract.ListOrdersRequest) -> contract.ListOrdersResponse:
    return connection.ask(lambda channel: invoke(OversightServiceStub(channel).ListOrders, request, TIMEOUT))


def _print_orders(response: contract.ListOrdersResponse, title: str, *, as_json: bool) -> None:
    if as_json:
        print_json(response)
    else:
        now = datetime.now(UTC)
        print_table(title, _columns(), [_row(order, now) for order in response.orders])
    tell_unanswered(response.unanswered)


def _columns() -> Sequence[str]:
    return (
        translated("order"),
        translated("business"),
        translated("state"),
        translated("from"),
        translated("to"),
        translated("taken in"),
        translated("waits for"),
        translated("since"),
        translated("until"),
        translated("why"),
    )


def _row(order: OrderSummary, now: datetime) -> list[str | Text]:
    awaiting = order.awaiting
    overdue = awaiting.HasField("due") and awaiting.due.ToDatetime(tzinfo=UTC) < now
    party = told(Party.Name(awaiting.party), "PARTY_")
    return [
        order.id,
        order.business,
        told(OrderState.Name(order.state), _STATE),
        region_name(order.handling_region),
        region_name(order.home_region) or order.number_prefix,
        told_if_set(order.order_date),
        f"{party}: {translated(awaiting.action)}" if awaiting.action else party,
        told_age(awaiting.since, now),
        Text(told_if_set(awaiting.due), style="red" if overdue else ""),
        _why(order),
    ]


def _why(order: OrderSummary) -> str:
    """The reason with its text, as far as the summary knows what the text speaks of."""
    if order.reason == Reason.REASON_UNSPECIFIED:
        return ""
    told = refusal(Refused(order.reason, region=region_name(order.home_region), number=order.number_prefix))
    return reason_name(order.reason) if "{" in told else told


def _print_trace(order_id: str, response: contract.TraceOrderResponse) -> None:
    for region in response.traces:
        order = region.trace.order
        state = told(OrderState.Name(order.state), _STATE)
        party = told(Party.Name(order.awaiting.party), "PARTY_")
        line = translated(
            "{region} has version {version} of {business}: {state}",
            region=region_name(region.region),
            version=order.version,
            business=order.business,
            state=state,
        )
        if party:
            action = translated(order.awaiting.action)
            line = translated("{line}, waits for {party}: {action}", line=line, party=party, action=action)
        click.echo(line)
    hops = timeline(response)
    rows = [
        (
            told_time(hop.time, timespec="milliseconds"),
            told_span(gap) if gap is not None else "",
            hop.party,
            hop.event,
            hop.about,
        )
        for hop, gap in zip(hops, seconds_between(hops), strict=True)
    ]
    columns = (
        translated("time"),
        translated("after"),
        translated("party"),
        translated("event"),
        translated("about"),
    )
    print_table(order_id, columns, rows)
    for waiting in unanswered_envelopes(response):
        click.echo(waiting)
