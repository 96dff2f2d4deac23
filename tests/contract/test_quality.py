"""The scorecard on SQLite and on PostgreSQL: the same counts of the same month."""

from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.fault_pb2 import FaultCause, FaultState
from gateway.store.port import Transaction
from tests.contract.test_purging import a_transaction as a_transaction
from tests.unit.quality_scene import DAY, HOUR, NUMBER, Region, context
from tests.unit.situations import NOW


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
