"""The subjects whose keys seal personal data, and the indexes that find it."""

from gateway.relay.at_rest import envelope_subject
from gateway.store import vault
from gateway.store.port import Transaction

NUMBER = "number"
"""The kind of the index of numbers."""


def customer_subject(customer_id: str) -> str:
    """The subject of a customer: its identity, its lines, its documents."""
    return f"customer/{customer_id}"


def number_subject(tx: Transaction, number: str) -> str:
    """The subject of data about a number, E.164, also of another region's customer: notices, other numbers of calls."""
    return indexed_number_subject(number_index(tx, number))


def indexed_number_subject(index: str) -> str:
    """As `number_subject`, of the number with an index."""
    return f"number/{index}"


def order_subject(order_id: str) -> str:
    """The subject of an order: the key of its envelopes seals its request and its result."""
    return envelope_subject(order_id)


def improvement_subject(action_id: str) -> str:
    """The subject of an improvement action: its texts."""
    return f"improvement/{action_id}"


def import_subject(sha256: bytes) -> str:
    """The subject of an imported file: rejected lines without a number."""
    return f"import/{sha256.hex()}"


def number_index(tx: Transaction, number: str) -> str:
    """The index of a number, which the database holds in its place; empty for no number."""
    return vault.index_of(tx, NUMBER, number) if number else ""
