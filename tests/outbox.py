"""A look into an outbox."""

from gateway.relay.envelopes import Sealed
from gateway.relay.outbox import sealed_from
from gateway.store.port import Transaction


def open_envelopes(tx: Transaction) -> list[Sealed]:
    """All that still waits for a receipt, oldest first."""
    return tx.all(
        sealed_from, "SELECT content, signature FROM outbox WHERE closed IS NULL ORDER BY created, envelope_id"
    )
