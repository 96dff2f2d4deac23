"""Contact preferences of customers, as stored: consent to marketing, quiet list, refusal of surveys."""

from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.customer_service_pb2 import ContactPreferences
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.customers.status import ACTIVE


class _AtRest(NamedTuple):
    customer_id: str
    marketing_time: int | None
    quiet: int
    no_surveys: int


_PREFERENCES = Table("contact_preferences", _AtRest, key=("customer_id",))


def preferences_of(tx: Transaction, customer_id: str) -> ContactPreferences:
    """The preferences of a customer; the default without a decision."""
    row = tx.find(_PREFERENCES, customer_id)
    return ContactPreferences() if row is None else _message(row)


def preferences_of_number(tx: Transaction, index: str) -> ContactPreferences | None:
    """The preferences of the customer with a number, by its index.

    None for a number of another region, which its home knows, and for a customer whose data nobody may use.
    """
    sql = (
        "SELECT products.customer_id FROM products JOIN customers ON customers.customer_id = products.customer_id"
        " WHERE products.number = :index AND customers.status = :active"
    )
    customer_id = tx.first(str, sql, index=index, active=ACTIVE)
    return None if customer_id is None else preferences_of(tx, customer_id)


def keep_preferences(tx: Transaction, customer_id: str, asked: ContactPreferences, now: datetime) -> ContactPreferences:
    """Stores the preferences of a customer, and returns them. A consent that stands keeps its time."""
    before = tx.find(_PREFERENCES, customer_id)
    since = None if before is None else before.marketing_time
    time = (to_microseconds(now) if since is None else since) if asked.marketing else None
    row = _AtRest(customer_id, time, int(asked.quiet), int(asked.no_surveys))
    if before is None:
        tx.insert(_PREFERENCES, row)
    elif row != before:
        tx.update(_PREFERENCES, row)
    return _message(row)


def forget_preferences(tx: Transaction, customer_id: str) -> None:
    """Removes the preferences of an erased customer."""
    tx.execute("DELETE FROM contact_preferences WHERE customer_id = :id", id=customer_id)


def told_preferences(preferences: ContactPreferences) -> list[str]:
    """The preferences as words of the contract, for another region."""
    return [field.name for field, value in preferences.ListFields() if value is True]


def _message(row: _AtRest) -> ContactPreferences:
    time = row.marketing_time
    return ContactPreferences(
        marketing=time is not None,
        marketing_time=None if time is None else to_timestamp(from_microseconds(time)),
        quiet=bool(row.quiet),
        no_surveys=bool(row.no_surveys),
    )
