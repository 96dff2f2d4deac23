"""The end: all orders, the path of one of them, and the expected and actual results."""

from rich.text import Text

from deploy.demo import wording
from deploy.demo.commands import coordinator_command
from deploy.demo.outage import REQUEST
from deploy.demo.stage import Stage
from deploy.demo.world import World
from gateway.api.coordinator.v1.administration_pb2 import GetOrderTraceResponse
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind

_FINAL = {"completed": "green", "cancelled": "dim", "rejected": "red", "failed": "red"}
_STORY = f"guangdong/counter/{REQUEST}"
_HOPS = ("sent", "received", "committed")


async def all_orders(world: World) -> None:
    """Every order of the story: the customer's text, and the next actor."""
    world.stage.chapter(
        "Every order, and who holds the ball",
        "Asked of the regions now. Nobody has to remember anything: each order says whose turn it is, and until when.",
    )
    rows = []
    for order_id in world.orders:
        order = await world.counters[order_id.partition("/")[0]].order(order_id)
        rows.append(_row(order, await world.administrator.trace(order_id)))
    columns = ("request", "from → to", "state", "the customer reads", "who acts next, by when", "tries")
    world.stage.table(columns, rows, lines=True)
    world.stage.say("All times are Beijing time. Tries: how often the order was sent across the border.")


def _row(order: Order, trace: GetOrderTraceResponse) -> list[str | Text]:
    state, told = wording.state(order), wording.for_customer(order)
    by = f"\n{wording.time(order.awaiting.due_time)}" if order.awaiting.HasField("due_time") else ""
    home = order.home_region
    return [
        f"{order.id.rpartition('/')[2]}\n{order.request.business}",
        f"{order.origin_region}\n→ {home}" if home != order.origin_region else f"{home}\n(at home)",
        Text(state, style=_FINAL.get(state, "yellow")),
        f"{told.zh_cn}\n{told.en}",
        f"{wording.turn(order)}{by}",
        _tries(trace),
    ]


def _tries(trace: GetOrderTraceResponse) -> str:
    """How often the submission was sent; nothing for an order that crossed no border."""
    sent = [
        envelope.attempts
        for region in trace.traces
        for envelope in region.trace.envelopes
        if envelope.kind == EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT
    ]
    return str(sum(sent)) if sent else "–"


async def one_journey(world: World) -> None:
    """The payment that was taken during the outage, hop by hop."""
    world.stage.chapter(
        "One order, hop by hop",
        "The payment that was taken while Sichuan was down. Every hop stamps its time, and one trace runs from the"
        " clerk's call to Sichuan's commit and back.",
    )
    code = await coordinator_command(world, "orders", "trace", _STORY)
    trace = await world.administrator.trace(_STORY)
    events = {
        stamp.event
        for region in trace.traces
        for envelope in region.trace.envelopes
        for stamp in envelope.journey.stamps
    }
    seen = [event for event in _HOPS if event in events]
    world.stage.check("the way of the order is known", f"exit 0, {', '.join(_HOPS)}", f"exit {code}, {', '.join(seen)}")


def verdict(stage: Stage, seconds: float) -> bool:
    """Expected and seen, step by step; whether all agree."""
    stage.chapter("Expected and seen", "The demo succeeds only if every line agrees.")
    rows = [
        (
            str(number),
            check.step,
            check.expected,
            Text(check.seen, style="" if check.holds else "bold red"),
            Text("✓", style="green") if check.holds else Text("✗", style="bold red"),
        )
        for number, check in enumerate(stage.checks, 1)
    ]
    stage.table(("#", "step", "expected", "seen", ""), rows)
    wrong = [check for check in stage.checks if not check.holds]
    if wrong:
        stage.console.print(Text(f"{len(wrong)} of {len(stage.checks)} steps went otherwise:", style="bold red"))
        for check in wrong:
            stage.console.print(Text(f"  {check.step}: expected {check.expected}; seen {check.seen}", style="red"))
    else:
        stage.console.print(
            Text(f"All {len(stage.checks)} steps went as expected, in {seconds:.0f} s.", style="bold green")
        )
    return not wrong
