"""Why the data of a customer must be kept, whoever wants it erased."""

from collections.abc import Sequence

from gateway.store.port import Transaction


def holds_of(tx: Transaction, customer_id: str) -> Sequence[str]:
    """The legal holds on a customer, each by the name of what asks for it; this region keeps none."""
    return ()
