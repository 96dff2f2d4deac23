"""Fulfilment as a port: carries out the home region's decision on a business."""

from typing import Protocol

from gateway.store.port import Transaction
from region_node.business.orders.business import Effects, Situation
from region_node.customers.accounts import ledger
from region_node.customers.identities import note_identity
from region_node.customers.notices.rows import tell
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.subscriptions import keep_subscription
from region_node.customers.verification.rows import forget_password


class Fulfilment(Protocol):
    """Carries out the effects of an order, once, in the transaction that completes it."""

    def carry_out(self, tx: Transaction, situation: Situation, effects: Effects) -> None:
        """Applies the effects. An exception undoes the whole step, which is repeated."""
        ...


class OwnRecords:
    """The default: the node's own records are the region's line and billing systems."""

    def carry_out(self, tx: Transaction, situation: Situation, effects: Effects) -> None:
        """See the port: changes customer, line and subscriptions, books the postings, writes the notices."""
        if effects.customer is not None:
            keep_customer(tx, effects.customer)
        if effects.line != situation.line:
            keep_line(tx, effects.line, situation.now)
        for subscription in effects.subscriptions:
            keep_subscription(tx, subscription)
        for posting in effects.postings:
            ledger.post(tx, posting, situation.currency, situation.now)
        for notice in effects.notices:
            tell(tx, notice, situation.now)
        if effects.identity is not None and not effects.identity.document_id:
            attester = situation.order.origin_region
            note_identity(tx, attester, effects.identity.keyed_hash, effects.line.customer_id)
        if effects.forgets_password:
            forget_password(tx, effects.line.product_id)
