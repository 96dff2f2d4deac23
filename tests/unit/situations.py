"""Situations at a home region, for the tests of what its decisions depend on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.types.v1.types_pb2 import Document
from gateway.federation.catalogue import Federation
from gateway.time.clock import to_timestamp
from region_node.business.billing.cycle import LineMonth, charges_of, postings, total_of
from region_node.business.billing.rating import Volume
from region_node.business.billing.rules import Month
from region_node.business.orders.business import Situation
from region_node.business.orders.rules import Value
from region_node.customers.accounts.rules import EntryKind, Posting
from region_node.customers.rows import CustomerRow, Line
from region_node.customers.states import LineState
from region_node.customers.subscriptions import Subscription
from tests.shipped import shipped_configuration

FEDERATION = Federation(1, shipped_configuration())
NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)  # noon in China
LINE = Line(
    product_id="product-1",
    customer_id="customer-1",
    account_id="account-1",
    number="+8619851000001",
    status=ProductStatus.PRODUCT_STATUS_ACTIVE,
    plan_id="sichuan-59",
    start_time=NOW - timedelta(days=400),
    contract_end=None,
    binding="",
    sim_replaced=None,
    suspension_reason="",
    suspension_end=None,
)


@dataclass(frozen=True)
class Records:
    """The home region's records as a test lays them out (see the port HomeRecords)."""

    customers: Mapping[str, CustomerRow] = field(
        default_factory=lambda: {"customer-1": CustomerRow("customer-1", "王芳", "fang.wang@example.com")}
    )
    subscribed: Sequence[Subscription] = ()
    taken: Collection[str] = frozenset({LINE.number})
    known: Mapping[tuple[str, bytes], str] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    charges: Mapping[tuple[str, EntryKind], int] = field(default_factory=dict)
    owed: int = 0

    def customer(self, customer_id: str) -> CustomerRow | None:
        return self.customers.get(customer_id)

    def subscriptions(self, product_id: str) -> Sequence[Subscription]:
        return [each for each in self.subscribed if each.product_id == product_id]

    def is_free(self, number: str) -> bool:
        return number not in self.taken

    def customer_known_by(self, attester: str, document: Document) -> str:
        return self.known.get((attester, document.keyed_hash), "")

    def lines_held(self, customer_id: str) -> int:
        return self.held.get(customer_id, 0)

    def charged(self, account_id: str, month: str, kind: EntryKind) -> int:
        return self.charges.get((month, kind), 0)

    def final_charges(self, line: Line, now: datetime) -> Sequence[Posting]:
        month = Month.at(now, "Asia/Shanghai")
        state = LineState(
            min(line.start_time, month.start), ProductStatus.PRODUCT_STATUS_ACTIVE, line.suspension_kind, line.plan_id
        )
        lived = LineMonth(line.product_id, line.rating_type, [state], (), Volume())
        due = total_of(charges_of(lived, month, now, FEDERATION.plan))
        return postings(line.account_id, month, due, {}, "/final")

    def overdue(self, account_id: str, now: datetime) -> int:
        return self.owed


def situation(
    business: str,
    values: Mapping[str, Value] | None = None,
    *,
    line: Line = LINE,
    balance: int = 20_000,
    now: datetime = NOW,
    origin_region: str = "guangdong",
    records: "Records | None" = None,
) -> Situation:
    """An order of a business about a line of Sichuan; `values` are its characteristics."""
    order = Order(
        id=f"{origin_region}/counter/R1",
        request=OrderRequest(
            business=business,
            number=line.number,
            characteristics={name: str(value) for name, value in (values or {}).items()},
        ),
        origin_region=origin_region,
        home_region="sichuan",
        create_time=to_timestamp(NOW),
    )
    return Situation(
        order=order,
        business=FEDERATION.business(business),
        values=values or {},
        line=line,
        balance=balance,
        now=now,
        regions=(origin_region, "sichuan"),
        currency="CNY",
        time_zone="Asia/Shanghai",
        federation=FEDERATION,
        records=records or Records(),
    )


def with_status(status: ProductStatus.ValueType) -> Line:
    """The line with a status."""
    return replace(LINE, status=status)
