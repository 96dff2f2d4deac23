"""PROFILE_UPD 资料变更: corrects a customer's data by the identity document (Order 25, 2013)."""

from dataclasses import replace

from region_node.business.orders.business import BusinessRule, Effects, Situation
from region_node.business.orders.new_lines import holder_document
from region_node.business.orders.rules import characteristic_invalid
from region_node.customers.rows import CustomerRow


class Rule(BusinessRule):
    """Corrects name, mail address and the address of a broadband access; the customer is known by the document."""

    def check(self, situation: Situation) -> None:
        """Only a broadband access has an address."""
        if situation.text("address") and situation.line.is_mobile:
            raise characteristic_invalid("address", "only a broadband access has an address", "仅宽带接入有装机地址")

    def fulfil(self, situation: Situation) -> Effects:
        """Changes the named fields only."""
        line, customer = situation.line, _customer(situation)
        return Effects(
            replace(line, address=situation.text("address") or line.address),
            customer=replace(
                customer,
                name=situation.text("name") or customer.name,
                email=situation.text("email") or customer.email,
            ),
            identity=holder_document(situation.order.request),
        )


def _customer(situation: Situation) -> CustomerRow:
    customer = situation.records.customer(situation.line.customer_id)
    if customer is None:
        raise ValueError(f"line {situation.line.product_id} has no customer")
    return customer
