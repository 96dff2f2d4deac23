"""Under whose key personal data is sealed, and by what index it is found."""

from gateway.relay.at_rest import envelope_subject
from gateway.store import vault
from gateway.store.port import Transaction

NUMBER = "number"
"""The kind of index by which numbers are found."""


def customer_subject(customer_id: str) -> str:
    """Of a customer: who it is, its lines, its documents."""
    return f"customer/{customer_id}"


def number_subject(tx: Transaction, number: str) -> str:
    """Of what hangs on a number, also of another region's customer: notices, the other numbers of calls. E.164."""
    return indexed_number_subject(number_index(tx, number))


def indexed_number_subject(index: str) -> str:
    """As `number_subject`, of the number with an index."""
    return f"number/{index}"


def order_subject(order_id: str) -> str:
    """Of an order: what was asked and done, under the key of the envelopes about it, in which it travels."""
    return envelope_subject(order_id)


def improvement_subject(action_id: str) -> str:
    """Of an improvement action: what people wrote in it."""
    return f"improvement/{action_id}"


def import_subject(sha256: bytes) -> str:
    """Of a file that is taken over: what was rejected of it and hangs on no number."""
    return f"import/{sha256.hex()}"


def number_index(tx: Transaction, number: str) -> str:
    """What stands in the database in the place of a number; empty for none."""
    return vault.index_of(tx, NUMBER, number) if number else ""
