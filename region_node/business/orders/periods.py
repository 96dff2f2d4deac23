"""The agreed period of an order: its start and its end. Pure."""

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import from_timestamp
from region_node.business.orders.business import Situation


def require_period(situation: Situation) -> None:
    """Requires an agreed `end`, if any, after the agreed `start` and in the future.

    Raises Refused with CHARACTERISTIC_INVALID for an end that was never possible. Raises Refused with ORDER_EXPIRED for
    an end that has passed while the order waited.
    """
    end = situation.time("end")
    if end is None:
        return
    if end <= (situation.time("start") or from_timestamp(situation.order.create_time)):
        raise Refused(Reason.REASON_CHARACTERISTIC_INVALID, name="end", problem="not after the start")
    if end <= situation.now:
        raise Refused(Reason.REASON_ORDER_EXPIRED)
