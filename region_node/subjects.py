"""What personal data belongs to: the subjects under whose keys it is sealed (`gateway.vault`)."""

from gateway.store.port import Transaction
from gateway.vault import index_of

NUMBER = "number"  # the kind of index by which numbers are found


def customer_subject(customer_id: str) -> str:
    """A customer's own fields and documents."""
    return f"customer/{customer_id}"


def number_subject(tx: Transaction, number: str) -> str:
    """What hangs on a line's number, also where its customer is another region's."""
    return f"number/{index_of(tx, NUMBER, number)}"


def order_subject(order_id: str) -> str:
    """An order's body and its envelopes."""
    return f"order/{order_id}"
