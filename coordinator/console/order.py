"""The page of an order: who has it, and its way through the regions as a waterfall."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from coordinator.console import joint_orders, rpcs
from coordinator.console.tables_page import heads
from coordinator.wording.ages import told_span
from coordinator.wording.answers import unanswered_line
from coordinator.wording.order_explained import explained, newest_trace
from coordinator.wording.order_timeline import Hop, seconds_between, timeline, unanswered_envelopes
from gateway.api.coordinator.v1.administration_pb2 import GetOrderTraceRequest, GetOrderTraceResponse
from gateway.api.region.v1.order_oversight_service_pb2 import JointOrderSummary
from gateway.web.charts import Caption, Chart, waterfall
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Fact
from gateway.web.console.ticket import facts_table, known
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, headed, translated
from gateway.wording.terms import business_name, region_name
from gateway.wording.times import told_time

_TAB = "/orders"
_ID = "id"


def path_of(order_id: str) -> str:
    """The path of the page of an order."""
    return f"{_TAB}/{order_id}"


@dataclass(frozen=True)
class _Page:
    """The page as `order.html.j2` shows it."""

    warnings: Sequence[str]
    explained: str
    waiting: Sequence[str]
    facts: Sequence[Fact]
    """The business and the regions, as far as a region has answered."""
    parts: Sequence[Table]
    """The tables of a joint order."""
    waterfall: Chart
    caption: str
    heading: str
    hops: Table


async def _read(visit: Visit, calling: Calling) -> GetOrderTraceResponse:
    return await calling.ask(rpcs.GET_ORDER_TRACE, GetOrderTraceRequest(order_id=visit.names[_ID]))


def _show(visit: Visit, found: GetOrderTraceResponse) -> Shown:
    return page_of(visit, visit.names[_ID], found)


def page_of(visit: Visit, title: str, found: GetOrderTraceResponse) -> Shown:
    """The page of the order whose id is its title."""
    hops = timeline(found)
    table, joint = _table(hops), _joint(found)
    parts = [] if joint is None else [each for each in joint_orders.tables_of(joint, visit.now) if each.rows]
    page = _Page(
        warnings=[unanswered_line(each) for each in found.unanswered],
        explained=explained(found) if found.traces else translated("No region that may know it could be asked."),
        waiting=unanswered_envelopes(found),
        facts=known(_facts(found)),
        parts=parts,
        waterfall=_waterfall(title, hops),
        caption=translated("Each party stamps with its own clock: where clocks differ, so do the hops."),
        heading=translated("Hops"),
        hops=table,
    )
    tab = _TAB if joint is None else joint_orders.PATH
    waits = (Fact(translated("Waits for"), each) for each in page.waiting)
    about = facts_table(translated("Order"), [Fact(translated("State"), page.explained), *waits, *page.facts])
    return Shown("order.html.j2", title, page, tab, [about, *parts, table], page.warnings)


def _facts(found: GetOrderTraceResponse) -> Iterator[Fact]:
    """The business and the regions by the newest version; of a joint order the region that leads it."""
    if not found.traces:
        return
    newest = newest_trace(found)
    order, joint = newest.order, newest.joint
    yield Fact(translated("Business"), business_name(order.business or joint.business))
    yield Fact(translated("Handling region"), region_name(order.origin_region))
    yield Fact(translated("Home region"), region_name(order.home_region) or order.number_prefix)
    yield Fact(translated("Led by"), region_name(joint.leader_region))


def _joint(found: GetOrderTraceResponse) -> JointOrderSummary | None:
    """The newest version of a joint order; None for any other order."""
    newest = newest_trace(found) if found.traces else None
    return newest.joint if newest is not None and newest.HasField("joint") else None


def _waterfall(title: str, hops: Sequence[Hop]) -> Chart:
    """The time from each hop to the next."""
    steps = [
        (
            headed(later.party, later.event),
            (sooner.time - hops[0].time).total_seconds(),
            (later.time - hops[0].time).total_seconds(),
            told_span((later.time - sooner.time).total_seconds()),
        )
        for sooner, later in pairwise(hops)
    ]
    description = clauses(f"{name} {told}" for name, _, _, told in steps)
    return waterfall(Caption("waterfall", title, description), steps)


def _table(hops: Sequence[Hop]) -> Table:
    return Table(
        label=translated("Hops"),
        head=heads(
            translated("Stamped"), translated("Took"), translated("Party"), translated("Event"), translated("About")
        ),
        rows=[
            [
                Cell(told_time(hop.time, timespec="milliseconds"), "row", style="time"),
                Cell("" if after is None else told_span(after), style="figure"),
                Cell(hop.party),
                Cell(hop.event),
                Cell(hop.about),
            ]
            for hop, after in zip(hops, seconds_between(hops), strict=True)
        ],
    )


VIEW = View.of("/orders/{id:.+}", (rpcs.GET_ORDER_TRACE,), _read, _show)
