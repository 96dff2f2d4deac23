"""Limits of money: what no staff has looked at stays below them, whatever comes in which order."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Step
from gateway.api.region.v1.order_pb2 import Order, OrderRequest
from gateway.api.region.v1.order_service_pb2 import ReviewDecision
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.security.identity import Identity
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteDatabase
from gateway.time.clock import to_timestamp
from region_node.business.orders import home, intake, rules
from region_node.business.orders.business import load_rules
from region_node.business.orders.context import OrderContext
from region_node.business.orders.exposure_rows import ALL, forget_exposures, total
from region_node.business.orders.rows import OrderRow, insert_order, require_order, update_order
from region_node.customers.operations import keep_customer
from region_node.customers.rows import CustomerRow, insert_line
from region_node.node.context import RegionContext
from region_node.node.operator_scopes import OperatorScopes
from region_node.requests.caller import Caller
from region_node.requests.checks import NODE_OPERATOR
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.shipped import shipped_configuration
from tests.simulation.world import keys
from tests.unit.situations import LINE, NOW

SINGLE, OF_OPERATOR, OF_REGION = 100, 250, 400
LIMITS = {"unreviewed-amount": SINGLE, "unreviewed-of-operator": OF_OPERATOR, "unreviewed-of-region": OF_REGION}
RULES = load_rules()
DAY = timedelta(days=1)


def with_limits() -> Federation:
    """The shipped federation with small limits."""
    configuration = shipped_configuration()
    for policy in configuration.policies:
        if policy.name in LIMITS:
            policy.figure.value = LIMITS[policy.name]
    return Federation(1, configuration)


FEDERATION = with_limits()


@contextmanager
def sichuan(scopes: Path | None = None) -> Iterator[tuple[Transaction, OrderContext]]:
    """The node of Sichuan without its edges, with a line."""
    current, shared = CurrentFederation(), keys()
    current.update(FEDERATION, [])
    border = Border("sichuan", shared.signers["sichuan"], shared.trusted, current)
    with closing(SqliteDatabase(":memory:", region_keys())) as database:
        with closing(empty_database("gateway", "region_node")) as empty:
            database.connection.deserialize(empty.serialize())
        tx = database.transaction()
        keep_customer(tx, CustomerRow(LINE.customer_id, "王芳", ""))
        insert_line(tx, LINE)
        yield tx, OrderContext(RegionContext(border, scopes=OperatorScopes(scopes)), RULES)


def request_of(amount: int, number: str = LINE.number) -> OrderRequest:
    return OrderRequest(
        business="PAY",
        number=number,
        applicant=Applicant.APPLICANT_HOLDER,
        characteristics={"amount": str(amount)},
    )


def decided(
    tx: Transaction, context: OrderContext, name: str, amount: int, now: datetime = NOW, origin: str = "guangdong"
) -> Order:
    """The first decision on a payment; its operator system stands ahead of the last slash in its name."""
    order = Order(
        id=f"{origin}/{name}",
        request=request_of(amount),
        origin_region=origin,
        operator=name.rpartition("/")[0],
        create_time=to_timestamp(now),
        expected_completion_time=to_timestamp(now),
    )
    rules.enter(order, rules.ACKNOWLEDGED, now=now, region=origin, reason="taken in")
    home.decide(tx, context, order, now)
    insert_order(tx, OrderRow(order, ""), now)
    return order


payments = st.lists(
    st.tuples(
        st.sampled_from(["guangdong", "henan"]),
        st.sampled_from(["app", "counter"]),
        st.integers(1, 150),
        st.integers(0, 60),
    ),
    max_size=25,
)


@given(payments)
@settings(max_examples=40, deadline=None)
def test_what_no_staff_has_reviewed_is_never_beyond_a_limit_of_its_day(
    orders: list[tuple[str, str, int, int]],
) -> None:
    unreviewed: dict[tuple[object, ...], int] = defaultdict(int)
    with sichuan() as (tx, context):
        for count, (origin, operator, amount, hours) in enumerate(orders):
            now = NOW + timedelta(hours=hours)
            day = (now + timedelta(hours=8)).date()
            order = decided(tx, context, f"{operator}/{count}", amount, now, origin)
            totals = {(day, origin): OF_REGION, (day, origin, operator): OF_OPERATOR}
            room = amount <= SINGLE and all(unreviewed[each] + amount <= most for each, most in totals.items())
            assert (order.state == rules.COMPLETED) == room, "it is reviewed where a limit asks for it, and not else"
            if room:
                for each in totals:
                    unreviewed[each] += amount
        assert all(total(tx, each[0], each[1], (*each, ALL)[2]) == told for each, told in unreviewed.items())  # type: ignore[arg-type]


def test_staff_let_pass_what_is_beyond_a_limit_and_it_counts_for_none() -> None:
    with sichuan() as (tx, context):
        order = decided(tx, context, "app/1", SINGLE + 1)
        assert (order.awaiting.action, order.error.reason) == ("review", Reason.REASON_LIMIT_EXCEEDED)
        assert order.error.parameters["limit"] == "1.00 CNY"
        assert list(order.steps) == [Step.STEP_REVIEW, Step.STEP_FULFIL]
        staff = Identity("f", Role.ROLE_STAFF, "sichuan", "reviewer-1")
        home.review(tx, context, order.id, staff, ReviewDecision.REVIEW_DECISION_APPROVE, (), "", NOW)
        done = require_order(tx, order.id).order
        assert (done.state, done.HasField("error")) == (rules.COMPLETED, False)
        assert total(tx, NOW.date(), "guangdong", ALL) == 0


def test_an_order_that_ends_without_effect_gives_its_amount_back_once() -> None:
    with sichuan() as (tx, context):
        node = RegionContext(context.node.border, provisioned=frozenset({"PAY"}))
        # An order is under way until the region's own system has done it.
        first, second = (decided(tx, OrderContext(node, RULES), f"app/{each}", SINGLE) for each in (1, 2))
        assert total(tx, NOW.date(), "guangdong", "app") == 2 * SINGLE
        rules.enter(first, rules.FAILED, now=NOW, region="sichuan", reason="no longer possible")
        for _ in range(2):
            update_order(tx, first, NOW)
        assert total(tx, NOW.date(), "guangdong", "app") == SINGLE
        rules.enter(second, rules.COMPLETED, now=NOW, region="sichuan", reason="fulfilled")
        update_order(tx, second, NOW)
        assert total(tx, NOW.date(), "guangdong", ALL) == SINGLE


def test_totals_go_after_a_month() -> None:
    with sichuan() as (tx, context):
        decided(tx, context, "app/1", SINGLE)
        forget_exposures(tx, NOW + 30 * DAY)
        assert total(tx, NOW.date(), "guangdong", ALL) == SINGLE
        forget_exposures(tx, NOW + 31 * DAY)
        assert total(tx, NOW.date(), "guangdong", ALL) == 0


def scoped(tmp_path: Path) -> Path:
    """A file by which the operator system may take in 150 a day."""
    file = tmp_path / "operators.toml"
    file.write_text("[app]\namount_a_day = 150\n")
    return file


def submitted(tx: Transaction, context: OrderContext, request_id: str, request: OrderRequest) -> Order:
    caller = Caller(Identity("f", Role.ROLE_OPERATOR, "sichuan", "app"), request_id, "")
    return intake.submit(tx, context, caller, request, NOW)


def test_beyond_its_scope_an_operator_system_is_reviewed_at_home_and_refused_elsewhere(tmp_path: Path) -> None:
    with sichuan(scoped(tmp_path)) as (tx, context):
        assert submitted(tx, context, "1", request_of(100)).state == rules.COMPLETED
        assert submitted(tx, context, "1", request_of(100)).state == rules.COMPLETED, "a repeat counts once"
        abroad = request_of(51, "+8613800000001")
        with pytest.raises(Refused) as caught:
            submitted(tx, context, "2", abroad)
        assert caught.value.reason == Reason.REASON_OPERATOR_LIMIT_EXCEEDED
        assert submitted(tx, context, "3", request_of(51)).awaiting.action == "review"
        assert submitted(tx, context, "4", request_of(50)).state == rules.COMPLETED


def test_an_order_that_is_taken_in_as_its_scope_is_removed_is_reviewed(tmp_path: Path) -> None:
    with sichuan(scoped(tmp_path)) as (tx, context):
        assert decided(tx, context, "removed/1", 1, origin="sichuan").awaiting.action == "review"
        assert decided(tx, context, f"{NODE_OPERATOR}/1", 1, origin="sichuan").state == rules.COMPLETED


def test_a_person_has_one_amount_a_day_however_the_name_is_typed(tmp_path: Path) -> None:
    file = tmp_path / "operators.toml"
    file.write_text('["staff/*"]\namount_a_day = 150\n')
    with sichuan(file) as (tx, context):
        assert decided(tx, context, "staff/li/1", 100, origin="sichuan").state == rules.COMPLETED
        assert decided(tx, context, "staff/LI/1", 100, origin="sichuan").awaiting.action == "review"


def test_an_order_that_is_refused_elsewhere_gives_back_what_its_operator_system_took_in(tmp_path: Path) -> None:
    with sichuan(scoped(tmp_path)) as (tx, context):
        order = submitted(tx, context, "1", request_of(150, "+8613800000001"))
        assert total(tx, NOW.date(), "sichuan", "app") == 150
        rules.enter(order, rules.CANCELLED, now=NOW, region="sichuan", reason="not executable in time")
        update_order(tx, order, NOW)
        assert total(tx, NOW.date(), "sichuan", "app") == 0
