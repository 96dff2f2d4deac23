"""Fulfilment as a port: who carries out what a business decides at the home region."""

from typing import Protocol

from gateway.store.port import Transaction
from region_node.billing import ledger
from region_node.customers.operations import keep_line
from region_node.orders.business import Effects, Situation


class Fulfilment(Protocol):
    """Carries out the effects of an order, once, in the transaction that completes it."""

    def carry_out(self, tx: Transaction, situation: Situation, effects: Effects) -> None:
        """Makes the effects happen. What it raises undoes the whole step, which is tried again."""
        ...


class OwnRecords:
    """The default: the node's own records are the region's line and billing systems."""

    def carry_out(self, tx: Transaction, situation: Situation, effects: Effects) -> None:
        """See the port: changes the line and books the postings."""
        if effects.line != situation.line:
            keep_line(tx, effects.line)
        for posting in effects.postings:
            ledger.post(tx, posting, situation.currency, situation.now)
