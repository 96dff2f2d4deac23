"""Room for new work: of the node's clock and disk, and in the lanes to other regions, with a part for each operator.

The parts of the disk are a number of open records (`region_node.node.open_work`), and one of acts and readings in a day
(`region_node.node.day_work`).
"""

from collections.abc import Iterable

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.lanes import Lanes
from gateway.store.port import Store
from region_node.node.context import RegionContext

LONGEST_LANE = 50_000  # waiting envelopes for one region, above which new work for it is refused
LONGEST_OF_OPERATOR = 10_000  # of them, those of one operator: the others still have room


class Room:
    """The check of every piece of work before it is accepted, whatever its kind."""

    def __init__(self, context: RegionContext, store: Store, lanes: Lanes) -> None:
        self._context = context
        self._store = store
        self._lanes = lanes

    def require(self, operator: str, *, number: str = "", regions: Iterable[str] = ()) -> None:
        """Raises Refused where no new work of an operator is taken, for the home of a number or for some regions.

        The reasons are CLOCK_UNTRUSTED, STORE_UNAVAILABLE, OPEN_WORK_TOO_MUCH, DAY_WORK_TOO_MUCH, TOO_BUSY and
        ORDERS_WAITING_TOO_MANY.
        """
        self._context.border.clock.require_trusted()
        if not self._store.accepts_new_work():
            raise Refused(Reason.REASON_STORE_UNAVAILABLE)
        self._context.open_work.require_share(operator)
        self._context.day_work.require_share(operator)
        home = self._context.federation.number_plan.home_of(number) if number else ""
        for region in {home or "", *regions} - {"", self._context.region}:
            self._require_lane(operator, region)

    def _require_lane(self, operator: str, region: str) -> None:
        lane = self._lanes.known(region)
        if lane is None:
            return
        if len(lane) > LONGEST_LANE:
            raise Refused(Reason.REASON_TOO_BUSY)
        if (waiting := lane.waiting_of(operator)) > LONGEST_OF_OPERATOR:
            told = {"operator": operator, "waiting": str(waiting), "region": region}
            raise Refused(Reason.REASON_ORDERS_WAITING_TOO_MANY, **told)
