"""Orders about one line that share a commit see each other's effect, and leave what they leave one after another."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.group_commit import Outcome, run_alone, start_batch
from gateway.store.port import Operation, Transaction
from gateway.store.sqlite import SqliteDatabase
from gateway.time.clock import to_microseconds, to_timestamp
from region_node.business.orders import home, rules
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.customers.operations import keep_customer
from region_node.customers.rows import CustomerRow, insert_line
from region_node.node.context import RegionContext
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION, LINE, NOW

ANOTHER = replace(LINE, product_id="product-2", account_id="account-2", number="+8619851000002")
END = NOW + timedelta(days=30)
LEFT = (
    "SELECT product_id, status, suspension_kind, suspension_end FROM products ORDER BY product_id",
    "SELECT product_id, time, status FROM line_states ORDER BY product_id, time",
    "SELECT order_id, state, version FROM orders ORDER BY order_id",
    "SELECT sequence, order_id, state FROM order_events ORDER BY sequence",
    "SELECT timer_id, due_time FROM timers ORDER BY timer_id",
    "SELECT business, day, took, orders FROM completed_orders ORDER BY business, day, took",
    "SELECT business, origin_region, home_region, orders, with_papers FROM document_reuse ORDER BY business",
)


def deciding(context: OrderContext, name: str, business: str, number: str, seconds: int, **told: str) -> Operation[str]:
    """The home region's first decision on an order of Guangdong; returns the state."""
    now = NOW + timedelta(seconds=seconds)
    paper = Document(code="ID_ORIG", verifier="clerk-7", verify_time=to_timestamp(NOW), keyed_hash=bytes(32))
    request = OrderRequest(
        business=business,
        number=number,
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[paper],
        characteristics={"reason": "a journey", **told},
    )

    def decide(tx: Transaction) -> str:
        order = Order(id=f"guangdong/counter/{name}", request=request, origin_region="guangdong")
        order.create_time.CopyFrom(to_timestamp(NOW))
        order.expected_completion_time.CopyFrom(to_timestamp(END))
        rules.enter(order, rules.ACKNOWLEDGED, now=NOW, region="guangdong", reason="taken in")
        home.decide(tx, context, order, now)
        insert_order(tx, OrderRow(order, ""), now)
        return OrderState.Name(order.state)

    return decide


def orders(context: OrderContext) -> Sequence[Operation[str]]:
    """Orders about two lines, some of which come too late for what another of the same commit has done."""
    return [
        deciding(context, "first", "SUSPEND", LINE.number, 1, end=END.isoformat()),
        deciding(context, "refused", "SUSPEND", LINE.number, 2),
        deciding(context, "other line", "SUSPEND", ANOTHER.number, 3),
        deciding(context, "resumed", "RESUME", LINE.number, 4),
        deciding(context, "refused too", "RESUME", LINE.number, 5),
        deciding(context, "again", "SUSPEND", LINE.number, 6, end=(END + timedelta(days=1)).isoformat()),
        deciding(context, "later", "RESUME", ANOTHER.number, 7, start=END.isoformat()),
    ]


@contextmanager
def region() -> Iterator[tuple[SqliteDatabase, OrderContext]]:
    """The node of Sichuan without its edges, with two lines."""
    current, shared = CurrentFederation(), keys()
    current.update(FEDERATION, [])
    context = RegionContext(Border("sichuan", shared.signers["sichuan"], shared.trusted, current))
    with closing(SqliteDatabase(":memory:", region_keys())) as database:
        with closing(empty_database("gateway", "region_node")) as empty:
            database.connection.deserialize(empty.serialize())
        tx = database.transaction()
        keep_customer(tx, CustomerRow(LINE.customer_id, "王芳", ""))
        for line in (LINE, ANOTHER):
            insert_line(tx, line)
        yield database, OrderContext(context, load_rules())


def told(outcomes: Sequence[Outcome]) -> list[object]:
    """The results, and the reasons of refusals."""
    found = [each.error.reason if isinstance(each.error, Refused) else each.error for each in outcomes]
    return [each.result if error is None else error for each, error in zip(outcomes, found, strict=True)]


def run(
    share: Callable[[SqliteDatabase, Sequence[Operation[object]]], list[Outcome] | None],
) -> tuple[list[object], list[list[tuple[object, ...]]]]:
    """The answers to the orders, and the rows that are left."""
    with region() as (database, context):
        outcomes = share(database, orders(context))
        assert outcomes is not None, "no order keeps the others from sharing its commit"
        return told(outcomes), [database.connection.execute(each).fetchall() for each in LEFT]


def test_orders_about_one_line_see_each_other_in_one_commit_as_in_many() -> None:
    answers, left = run(start_batch)
    done, waits = "ORDER_STATE_COMPLETED", "ORDER_STATE_IN_PROGRESS"
    not_active, not_suspended = Reason.REASON_LINE_NOT_ACTIVE, Reason.REASON_LINE_NOT_SUSPENDED
    assert answers == [done, not_active, done, done, not_suspended, done, waits]
    assert (answers, left) == run(run_alone)


def test_a_refused_order_leaves_no_row_and_its_neighbours_keep_theirs() -> None:
    _, left = run(start_batch)
    assert [row for rows in left for row in rows if "refused" in str(row)] == []
    _, states, stored, events, timers, *_ = left
    assert [product for product, *_ in states] == ["product-1"] * 4 + ["product-2"] * 2
    assert (len(stored), len(events)) == (5, 5)
    assert timers == [
        ("order-step/guangdong/counter/later", to_microseconds(END)),
        ("suspension-end/product-1", to_microseconds(END + timedelta(days=1))),
    ]
