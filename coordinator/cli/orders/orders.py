"""`coordinator orders`."""

from collections.abc import Callable
from datetime import UTC, datetime

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.completing import complete_regions
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.orders.joint_orders import joint_orders
from coordinator.cli.output import tell_unanswered, titled, told_due
from coordinator.wording.ages import told_age, told_span
from coordinator.wording.answers import search_line, told_reason
from coordinator.wording.order_explained import explained, joint_line
from coordinator.wording.order_timeline import Hop, seconds_between, timeline, unanswered_envelopes
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.coordinator.v1.administration_pb2_grpc import OrderOversightServiceStub
from gateway.api.region.v1.joint_order_pb2 import JointOrderState
from gateway.api.region.v1.order_oversight_service_pb2 import OrderSummary
from gateway.api.region.v1.order_pb2 import Awaiting, OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.asking import limit_option
from gateway.cli.exits import CannotReach
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import show_times_of, told_if_set, told_time
from gateway.wording.words import value_word

_STATES = option_words(OrderState.items())
_JOINT_STATES = option_words(JointOrderState.items())

_region_option = click.option(
    "--region", default="", shell_complete=complete_regions, help="Only orders that this region handles or owns."
)


@click.group()
def orders() -> None:
    """Show orders of all regions, and follow one hop by hop. Nothing here says who a customer is."""


@orders.command("list", epilog=EPILOG)
@asks(limit_option())
@click.option("--state", "states", type=click.Choice(list(_STATES)), multiple=True, help="May be repeated.")
@_region_option
@click.option("--number", help="Only orders about this number.")
def list_orders(asking: Asking, states: tuple[str, ...], region: str, number: str | None) -> None:
    """List orders: who holds the ball, since when, until when.

    A search by --number asks every region. Its audit rows, here and in each region, name you, and not the number.

    Joint orders are listed by `coordinator orders joint`.

    \b
    Examples:
      coordinator orders list --state pending --state in-progress --region sichuan
      coordinator orders list --number 13812345678
    """
    show_times_of(region)
    wanted, title = [_STATES[state] for state in states], translated("Orders")
    if number is not None:
        search = contract.SearchOrderSummariesRequest(number=number, states=wanted, region=region)
        found = asking.ask(lambda channel: OrderOversightServiceStub(channel).SearchOrderSummaries, search)
        _show(asking, found, title)
        if not asking.as_json:
            click.echo(search_line([found.search_id]))
    else:
        _list(asking, contract.ListOrderSummariesRequest(states=wanted, region=region), title)
    if not asking.as_json:
        click.echo(translated("Joint orders are listed by `coordinator orders joint`."))


@orders.command(epilog=EPILOG)
@asks(limit_option())
@click.option("--state", "states", type=click.Choice(list(_JOINT_STATES)), multiple=True, help="May be repeated.")
@click.option(
    "--region",
    default="",
    shell_complete=complete_regions,
    help="Only joint orders that this region leads, has an item of, or is the home of.",
)
def joint(asking: Asking, states: tuple[str, ...], region: str) -> None:
    """List joint orders: the items by region, who has each now and for how long, and the next limit.

    An item is in jeopardy once its region was warned of the limit. `coordinator orders why` explains one joint order.

    \b
    Example:
      coordinator orders joint --state surveying --state in-progress --region sichuan
    """
    show_times_of(region)
    request = contract.ListJointOrderSummariesRequest(states=[_JOINT_STATES[state] for state in states], region=region)
    response = asking.ask(lambda channel: OrderOversightServiceStub(channel).ListJointOrderSummaries, request)
    asking.show(response, joint_orders(datetime.now(UTC)), response.orders, titled(translated("Joint orders")))
    tell_unanswered(response.unanswered)


@orders.command(epilog=EPILOG)
@asks(limit_option())
@_region_option
def held(asking: Asking, region: str) -> None:
    """List orders that cannot go on, with the reason and the part of the number that decides its region.

    \b
    Example:
      coordinator orders held
    """
    show_times_of(region)
    request = contract.ListOrderSummariesRequest(states=[OrderState.ORDER_STATE_HELD], region=region)
    _list(asking, request, translated("Held orders"))


@orders.command(epilog=EPILOG)
@asks()
@click.argument("order_id", metavar="ID")
def trace(asking: Asking, order_id: str) -> None:
    """Follow the order ID hop by hop, with the time of each hop and what it took since the one before.

    Each party stamps with its own clock: where clocks differ, so do the hops. Whether and how often an envelope was
    sent is known only once its receipt is in: until then `attempts` and `journey` of the JSON are empty.

    \b
    Example:
      coordinator orders trace guangdong/counter/R1
    """
    _trace(asking, order_id, lambda response: _print_trace(order_id, response))


@orders.command(epilog=EPILOG)
@asks()
@click.argument("order_id", metavar="ID")
def why(asking: Asking, order_id: str) -> None:
    """Explain in one sentence who has the order ID, or the joint order ID, what it waits for, and until when.

    \b
    Examples:
      coordinator orders why guangdong/counter/R1
      coordinator orders why guangdong/J20261210-17
    """
    _trace(asking, order_id, lambda response: click.echo(explained(response)))


def _trace(asking: Asking, order_id: str, show: Callable[[contract.GetOrderTraceResponse], None]) -> None:
    show_times_of(order_id)
    request = contract.GetOrderTraceRequest(order_id=order_id)
    response = asking.ask(lambda channel: OrderOversightServiceStub(channel).GetOrderTrace, request)
    asking.tell(response, show if response.traces else _nothing)
    tell_unanswered(response.unanswered)
    if not response.traces:
        raise CannotReach(translated("no region that may know {order} could be asked", order=order_id))


def _nothing(_: contract.GetOrderTraceResponse) -> None:
    """Nobody told anything."""


def _list(asking: Asking, request: contract.ListOrderSummariesRequest, title: str) -> None:
    _show(asking, asking.ask(lambda channel: OrderOversightServiceStub(channel).ListOrderSummaries, request), title)


def _show(
    asking: Asking, response: contract.ListOrderSummariesResponse | contract.SearchOrderSummariesResponse, title: str
) -> None:
    asking.show(response, _orders(datetime.now(UTC)), response.orders, titled(title))
    tell_unanswered(response.unanswered)


def _orders(now: datetime) -> Table[OrderSummary]:
    return Table(
        TableColumn("order", lambda each: each.id),
        TableColumn("business", lambda each: each.business),
        TableColumn("state", lambda each: value_word(OrderState.DESCRIPTOR, each.state)),
        TableColumn("from", lambda each: region_name(each.origin_region)),
        TableColumn("to", lambda each: region_name(each.home_region) or each.number_prefix),
        TableColumn("taken in", lambda each: told_if_set(each.create_time)),
        TableColumn("waits for", lambda each: _waits_for(each.awaiting)),
        TableColumn("since", lambda each: told_age(each.awaiting.since_time, now)),
        TableColumn("until", lambda each: told_due(each.awaiting.due_time, now)),
        TableColumn("why", _why),
    )


def _waits_for(awaiting: Awaiting) -> str:
    party = value_word(Party.DESCRIPTOR, awaiting.party)
    return f"{party}: {translated(awaiting.action)}" if awaiting.action else party


def _why(order: OrderSummary) -> str:
    """The reason with its text, as far as the summary has the text's parameters."""
    if order.reason == Reason.REASON_UNSPECIFIED:
        return ""
    return told_reason(order.reason, region=region_name(order.home_region), number=order.number_prefix)


def _print_trace(order_id: str, response: contract.GetOrderTraceResponse) -> None:
    for region in response.traces:
        order = region.trace.order
        if region.trace.HasField("joint"):
            click.echo(joint_line(region.region, region.trace.joint))
            continue
        state = value_word(OrderState.DESCRIPTOR, order.state)
        party = value_word(Party.DESCRIPTOR, order.awaiting.party)
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
    _HOPS.show(zip(hops, seconds_between(hops), strict=True), titled(order_id))
    for waiting in unanswered_envelopes(response):
        click.echo(waiting)


_HOPS = Table[tuple[Hop, float | None]](
    TableColumn("time", lambda each: told_time(each[0].time, timespec="milliseconds")),
    TableColumn("after", lambda each: told_span(each[1]) if each[1] is not None else ""),
    TableColumn("party", lambda each: each[0].party),
    TableColumn("event", lambda each: each[0].event),
    TableColumn("about", lambda each: each[0].about),
)
