"""The limit of readings by legal duty that another region has in a day, at the home region of the customers."""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.store.timers import set_timer
from region_node.customers.sharing.rules import Denied
from region_node.node.context import RegionContext

DUTY_TIMER = "duty-readings"  # another region is near its limit of a day, or beyond it
NEAR, OVER = "near", "over"
LIMIT = "legal-duty-readings"
"""The policy with the readings by legal duty that a region permits another one in a day."""
_NEAR_PERCENT = 80
_DAYS_COUNTED = 30


class _Readings(NamedTuple):
    day: str
    region: str
    readings: int
    denied: int


_READINGS = Table("duty_readings", _Readings, key=("day", "region"))


def over_limit(tx: Transaction, context: RegionContext, reader: str, now: datetime) -> Denied | None:
    """Counts a reading by legal duty of another region; returns the denial beyond its limit of the day.

    A timer of the same transaction alerts the persons on duty at home where it is near, and at the first denial.
    """
    limit = None if reader == context.region else context.figure(LIMIT, reader)
    if limit is None:
        return None
    day = now.astimezone(ZoneInfo(context.time_zone)).date().isoformat()
    known = tx.find(_READINGS, day, reader) or _Readings(day, reader, 0, 0)
    if known.readings >= limit:
        tx.keep(_READINGS, known._replace(denied=known.denied + 1))
        if not known.denied:
            _tell(tx, known, OVER, now)
        return Denied(Reason.REASON_LEGAL_DUTY_LIMIT_REACHED, parameters={"region": reader, "limit": str(limit)})
    tx.keep(_READINGS, known._replace(readings=known.readings + 1))
    if known.readings + 1 == max(1, limit * _NEAR_PERCENT // 100):
        _tell(tx, known, NEAR, now)
    return None


def forget_readings(tx: Transaction, now: datetime) -> None:
    """Removes the counts of days that nobody looks at any more."""
    oldest = (now.date() - timedelta(days=_DAYS_COUNTED)).isoformat()
    tx.execute("DELETE FROM duty_readings WHERE day < :oldest", oldest=oldest)


def _tell(tx: Transaction, readings: _Readings, what: str, now: datetime) -> None:
    subject = f"{readings.region}/{readings.day}/{what}"
    set_timer(tx, f"{DUTY_TIMER}/{subject}", kind=DUTY_TIMER, subject=subject, due=now)
