"""Situations at a home region, for the tests of what its decisions depend on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.clock import to_timestamp
from gateway.federation import files
from gateway.federation.catalogue import Federation
from region_node.customers.rows import Line
from region_node.orders.business import Situation
from region_node.orders.rules import Value

FEDERATION = Federation(1, files.load(Path(__file__).parents[2] / "deploy" / "federation"))
NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)  # noon in China
LINE = Line(
    product_id="product-1",
    customer_id="customer-1",
    account_id="account-1",
    number="+8619851000001",
    status=ProductStatus.PRODUCT_STATUS_ACTIVE,
    plan_id="sichuan-59",
    start_date=NOW - timedelta(days=400),
    contract_end=None,
    binding="",
    sim_replaced=None,
    suspension_reason="",
    suspension_end=None,
)


def situation(
    business: str,
    values: Mapping[str, Value] | None = None,
    *,
    line: Line = LINE,
    balance: int = 20_000,
    now: datetime = NOW,
    handling_region: str = "guangdong",
) -> Situation:
    """An order of a business about a line of Sichuan; `values` are its characteristics."""
    order = Order(
        id=f"{handling_region}/counter/R1",
        request=OrderRequest(
            business=business,
            number=line.number,
            characteristics={name: str(value) for name, value in (values or {}).items()},
        ),
        handling_region=handling_region,
        home_region="sichuan",
        order_date=to_timestamp(NOW),
    )
    return Situation(
        order=order,
        business=FEDERATION.business(business),
        values=values or {},
        line=line,
        balance=balance,
        now=now,
        region="sichuan",
        currency="CNY",
        time_zone="Asia/Shanghai",
        federation=FEDERATION,
    )


def with_status(status: ProductStatus.ValueType) -> Line:
    """The line with a status."""
    return replace(LINE, status=status)
