"""The scorecard on SQLite and on PostgreSQL: the same counts of the same month."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.fault_pb2 import FaultCause, FaultState
from gateway.api.region.v1.quality_service_pb2 import FormerMonth
from gateway.store.port import Transaction, Value
from region_node.care.quality.scorecard import former_months
from tests.contract.test_purging import a_transaction as a_transaction
from tests.unit.quality_scene import DAY, HOUR, MONTH, NUMBER, Region, context
from tests.unit.situations import NOW

T = TypeVar("T")


def test_the_figures_of_a_month_are_the_same_on_both_engines(tx: Transaction) -> None:
    region = Region(context(), tx)
    region.order(NOW)
    region.order(NOW, promised=NOW - HOUR, number="+8619851000002", returned=True)
    region.joint_order(NOW + 2 * DAY)
    region.joint_order(NOW + 2 * DAY, promised=NOW, is_partial=True)
    region.complaint(NOW + DAY, NUMBER)
    region.fault(NOW, (2 * HOUR, FaultState.FAULT_STATE_RESOLVED))
    region.fault(NOW, (9 * HOUR, FaultState.FAULT_STATE_RESOLVED), cause=FaultCause.FAULT_CAUSE_TERMINAL)
    region.mark(5, 6)
    values = {
        ScorecardFigure.SCORECARD_FIGURE_ORDERS_IN_TIME: 0.5,
        ScorecardFigure.SCORECARD_FIGURE_FIRST_TIME_RIGHT: 0.25,
        ScorecardFigure.SCORECARD_FIGURE_COMPLAINTS_REPEATED: 0,
        ScorecardFigure.SCORECARD_FIGURE_REPAIR_TIME_95: 2,
        ScorecardFigure.SCORECARD_FIGURE_NETWORK_AVAILABILITY: 1,
        ScorecardFigure.SCORECARD_FIGURE_SATISFACTION: 5,
    }
    assert {figure: region.figure(figure).value for figure in values} == values


def test_a_region_counts_of_one_that_has_left_what_it_took_in_for_it_and_nothing_else(tx: Transaction) -> None:
    region, gone = Region(context(), tx), "guangdong"
    region.order(NOW, home=gone)
    region.order(NOW, home=gone, promised=NOW - HOUR)
    region.joint_order(NOW + 2 * DAY)
    region.complaint(NOW + DAY, owner=gone, level=5)
    region.complaint(NOW + DAY, owner=gone, origin="henan")
    region.fault(NOW, (2 * HOUR, FaultState.FAULT_STATE_RESOLVED), owner=gone)
    region.fault(NOW, (3 * HOUR, FaultState.FAULT_STATE_RESOLVED), owner=gone, origin="henan")
    tx.execute(
        "INSERT INTO reconciled_days (region, day, records_here, records_there, digest_here, digest_there,"
        " open_records, is_settled) VALUES (:gone, '2030-06-15', 3, 4, :digest, :digest, 0, 1),"
        " ('henan', '2030-06-15', 30, 40, :digest, :digest, 0, 1)",
        gone=gone,
        digest=b"",
    )
    two_hours = 2 * HOUR // timedelta(microseconds=1)
    region.order(NOW, home="hunan", number="+8619851000002")
    region.fault(NOW, (2 * HOUR, FaultState.FAULT_STATE_RESOLVED), owner="hunan")
    expected = [
        FormerMonth(
            region=gone,
            orders=2,
            orders_in_time=1,
            complaints=1,
            complaints_appealed=1,
            repair_times=[two_hours],
            records_compared=4,
        ),
        FormerMonth(region="hunan", orders=1, orders_in_time=1, orders_right=1, repair_times=[two_hours]),
        FormerMonth(region="nowhere"),
    ]
    looks = Looks(tx)
    asked = [gone, "hunan", "nowhere"]
    assert former_months(looks, region.context, asked, MONTH, NOW + 60 * DAY) == expected  # type: ignore[arg-type]
    for table in ("FROM orders", "FROM faults"):
        assert sum(table in each for each in looks.statements) == 1


class Looks:
    """A transaction that notes what it looks for."""

    def __init__(self, tx: Transaction) -> None:
        self.statements: list[str] = []
        self._tx = tx

    def all(self, shape: Callable[..., T], sql: str, **parameters: Value) -> list[T]:
        self.statements.append(sql)
        return self._tx.all(shape, sql, **parameters)

    def first(self, shape: Callable[..., T], sql: str, **parameters: Value) -> T | None:
        self.statements.append(sql)
        return self._tx.first(shape, sql, **parameters)
