"""The limit of readings by legal duty that another region has in a day, at the home region of the customers."""

from datetime import datetime

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.federation.body import LEGAL_DUTY_READINGS
from gateway.store.port import Transaction
from region_node.customers.disclosures.daily_limits import DailyLimit
from region_node.customers.sharing.rules import Denied
from region_node.node.context import RegionContext

DUTY_LIMIT = DailyLimit(
    LEGAL_DUTY_READINGS, Reason.REASON_LEGAL_DUTY_LIMIT_REACHED, "duty_readings", "AlertOfDutyReadings"
)


def over_limit(tx: Transaction, context: RegionContext, reader: str, now: datetime) -> Denied | None:
    """Counts a reading by legal duty of another region; returns the denial beyond its limit of the day."""
    refused = DUTY_LIMIT.reached(tx, context, reader, now)
    DUTY_LIMIT.count(tx, context, reader, now, denied=refused is not None)
    return None if refused is None else Denied(refused.reason, parameters=refused.parameters)
