"""The money of orders without a review by day: totals, and what an order gives back that ends without effect."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from gateway.store.port import Transaction
from gateway.store.tables import Table

DAYS_COUNTED = 30
ALL = ""
"""The operator of the total of all operator systems."""


class _Total(NamedTuple):
    day: str
    origin: str
    operator: str
    amount: int


class _Exposure(NamedTuple):
    order_id: str
    operator: str
    origin: str
    day: str
    amount: int


_TOTALS = Table("exposure_totals", _Total, key=("day", "origin", "operator"))
_EXPOSURES = Table("exposures", _Exposure, key=("order_id", "operator"))


def total(tx: Transaction, day: date, origin: str, operator: str) -> int:
    """The money of a day, in minor units: of a region's operator system, or of ALL of them."""
    row = tx.find(_TOTALS, day.isoformat(), origin, operator)
    return 0 if row is None else row.amount


def count(tx: Transaction, day: date, origin: str, operator: str, amount: int) -> None:
    """Adds an amount to a total."""
    known = total(tx, day, origin, operator)
    tx.keep(_TOTALS, _Total(day.isoformat(), origin, operator, known + amount))


def count_open(tx: Transaction, order_id: str, day: date, origin: str, operator: str, amount: int) -> None:
    """Adds the amount of an order to a total until the order ends without effect."""
    count(tx, day, origin, operator, amount)
    tx.insert(_EXPOSURES, _Exposure(order_id, operator, origin, day.isoformat(), amount))


def give_back(tx: Transaction, order_id: str) -> None:
    """Takes the amount of an order from the totals that have it: once."""
    for each in tx.find_all(_EXPOSURES, order_id=order_id):
        count(tx, date.fromisoformat(each.day), each.origin, each.operator, -each.amount)
        tx.remove(_EXPOSURES, each.order_id, each.operator)


def forget_exposures(tx: Transaction, now: datetime) -> None:
    """Removes the days that no limit looks at any more."""
    oldest = (now.date() - timedelta(days=DAYS_COUNTED)).isoformat()
    for table in ("exposures", "exposure_totals"):
        tx.execute(f"DELETE FROM {table} WHERE day < :oldest", oldest=oldest)  # noqa: S608 - names of this module
