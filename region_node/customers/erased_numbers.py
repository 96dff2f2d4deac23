"""Whether the customer of a number was erased."""

from gateway.store.port import Transaction
from region_node.customers.told_standings import OWN, erased_by
from region_node.node.context import RegionContext


def is_erased(tx: Transaction, context: RegionContext, number: str, *homes: str) -> bool:
    """Whether the customer of a number was erased, by the region that is its home, or one of `homes` that were.

    Only these may say so.
    """
    said = {context.region if each == OWN else each for each in erased_by(tx, number)}
    return bool(said & {context.federation.number_plan.home_of(number), *homes})
