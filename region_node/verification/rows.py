"""Passwords, codes and failures as stored: hashes only."""

from gateway.store.port import Transaction


def forget_password(tx: Transaction, product_id: str) -> None:
    """The line has no service password any more, until its customer sets one with a code."""
    tx.execute("DELETE FROM passwords WHERE product_id = :id", id=product_id)
