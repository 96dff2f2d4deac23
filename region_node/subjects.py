"""Under whose key personal data is sealed (`gateway.vault`): what is to become unreadable by itself."""

from gateway.store.port import Transaction
from gateway.vault import index_of

NUMBER = "number"
"""The kind of the index by which numbers are found."""


def customer_subject(customer_id: str) -> str:
    """A customer of this region: fields and documents."""
    return f"customer/{customer_id}"


def number_subject(tx: Transaction, number: str) -> str:
    """A number in E.164, also of another region's customer: what hangs on the line."""
    return f"number/{index_of(tx, NUMBER, number)}"


def order_subject(order_id: str) -> str:
    """An order: its body and its envelopes."""
    return f"order/{order_id}"
