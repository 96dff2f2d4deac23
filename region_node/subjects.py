"""Whose data is sealed under which key: the subjects of a region, by convention."""

from gateway.store.port import Transaction
from gateway.vault import index_of

NUMBER = "number"  # the kind of index by which a number is found without being stored


def customer_subject(customer_id: str) -> str:
    """The subject of a customer's own fields and documents."""
    return f"customer/{customer_id}"


def number_subject(tx: Transaction, number: str) -> str:
    """The subject of what hangs on a line's number, also where the customer is another region's. E.164."""
    return f"number/{index_of(tx, NUMBER, number)}"


def order_subject(order_id: str) -> str:
    """The subject of an order and of its envelopes."""
    return f"order/{order_id}"
