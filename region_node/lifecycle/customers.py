"""A customer of this region, in the form for queries of record kinds."""

from gateway.store.port import Transaction
from region_node.customers.rows import lines_of_customer
from region_node.node.context import RegionContext
from region_node.records.kinds import Customer


def customer_of(tx: Transaction, context: RegionContext, customer_id: str) -> Customer:
    """A customer with the numbers, ids and accounts of all lines, also of lines that have ended.

    A line of a customer who has moved to another region has no number any more.

    Raises Refused before the first configuration.
    """
    plan = context.federation.number_plan
    lines = lines_of_customer(tx, customer_id)
    return Customer(
        customer_id,
        [line.number for line in lines if line.number],
        [line.product_id for line in lines],
        sorted({line.account_id for line in lines}),
        {
            line.number: home
            for line in lines
            if line.is_closed and (home := plan.home_of(line.number)) is not None and home != context.region
        },
    )
