"""The subjects under whose keys personal data is sealed: each becomes unreadable by itself."""

from gateway.store.port import Transaction
from gateway.vault import index_of

NUMBER = "number"
"""The kind under which numbers are indexed."""


def customer_subject(customer_id: str) -> str:
    """A customer's own fields and documents."""
    return f"customer/{customer_id}"


def number_subject(tx: Transaction, number: str) -> str:
    """What hangs on a number (E.164), also of another region's customer."""
    return f"number/{index_of(tx, NUMBER, number)}"


def order_subject(order_id: str) -> str:
    """An order, and the envelopes about it."""
    return f"order/{order_id}"
