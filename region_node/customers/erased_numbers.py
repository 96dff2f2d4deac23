"""Whether the customer of a number was erased, and the consequence for an ended record."""

from datetime import datetime

from gateway.store.port import Transaction
from region_node.customers.known_statuses import OWN, erased_by
from region_node.node.context import RegionContext
from region_node.records.kinds import look_at_ended


def is_erased(tx: Transaction, context: RegionContext, number: str, *homes: str) -> bool:
    """Whether the customer of a number was erased, by its home region, or by one of the former `homes`.

    Only these regions may report it.
    """
    return bool(_said(tx, context, number) & {context.federation.number_plan.home_of(number), *homes})


def is_of_another_home(tx: Transaction, context: RegionContext, number: str, *homes: str) -> bool:
    """Whether a number has a home region besides `homes` and those that have erased a customer of it."""
    return context.federation.number_plan.home_of(number) not in {None, *homes, *_said(tx, context, number)}


def _said(tx: Transaction, context: RegionContext, number: str) -> set[str]:
    return {context.region if each == OWN else each for each in erased_by(tx, number)}


def look_if_erased(tx: Transaction, kind: str, record_id: str, number: str, now: datetime) -> None:
    """Has a record that has ended looked at, if some region has erased a customer with its number."""
    if erased_by(tx, number):
        look_at_ended(tx, kind, record_id, now)
