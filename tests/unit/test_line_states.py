"""The states of a line follow one another as they were stored, whatever the clock says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow, Line
from region_node.customers.states import states_of
from tests.unit.billing_scene import Books, books
from tests.unit.situations import LINE

NOW = datetime(2030, 6, 10, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ACTIVE, TERMINATED = ProductStatus.PRODUCT_STATUS_ACTIVE, ProductStatus.PRODUCT_STATUS_TERMINATED
LOST = SuspensionKind.SUSPENSION_KIND_LOST


def told(found: Books, line: Line) -> list[tuple[datetime, str]]:
    return [(each.time, each.plan_id) for each in states_of(found.tx, line)]


@given(st.lists(st.tuples(st.integers(-60, 60), st.sampled_from(["suspend", "resume", "plan"])), max_size=6))
def test_the_last_state_is_that_of_the_line_and_none_begins_before_the_one_before(
    steps: list[tuple[int, str]],
) -> None:
    with books(NOW) as found:
        found.open(replace(LINE, start_time=NOW))
        for index, (seconds, what) in enumerate(steps):
            line = found.line(LINE.product_id)
            changed = {
                "suspend": line.suspended(LOST, "lost"),
                "resume": line.resumed(),
                "plan": replace(line, plan_id=f"plan-{index}"),
            }
            found.change(changed[what], NOW + seconds * SECOND)
        line, states = found.line(LINE.product_id), states_of(found.tx, LINE)
        last = states[-1]
        assert (last.status, last.suspension_kind, last.plan_id) == (line.status, line.suspension_kind, line.plan_id)
        assert [each.time for each in states] == sorted({each.time for each in states})


def test_a_line_that_ends_after_its_clock_has_stepped_back_is_not_in_service_from_then_on() -> None:
    with books(NOW) as found:
        found.open(replace(LINE, start_time=NOW - timedelta(days=400)))
        found.change(found.line(LINE.product_id).suspended(LOST, "lost"), NOW)
        found.change(found.line(LINE.product_id).resumed(), NOW + 30 * SECOND)
        found.change(found.line(LINE.product_id).terminated(), NOW + 10 * SECOND)
        assert states_of(found.tx, LINE)[-1].status == TERMINATED


def test_a_change_of_a_line_that_moved_here_gives_it_no_state_from_before_the_move() -> None:
    with books(NOW) as found:
        line = replace(LINE, start_time=NOW - timedelta(days=400))
        keep_customer(found.tx, CustomerRow(line.customer_id, "王芳", ""))
        keep_line(found.tx, line, NOW)
        found.change(replace(line, plan_id="another"), NOW + timedelta(days=5))
        assert told(found, line) == [(NOW, line.plan_id), (NOW + timedelta(days=5), "another")]
