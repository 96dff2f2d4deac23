"""Customers as TMF629 Customer (v4), and what a merge patch changes of them. Pure.

A customer of TMF629 is one line with its customer, and has the id of the line. The engaged party is the person or
enterprise.
"""

from collections.abc import Collection

from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.region.v1.customer_service_pb2 import Customer, Product
from gateway.errors import invalid
from gateway.web.json_bodies import Attributes, unsupported
from region_node.open_api.extension import Extension
from region_node.open_api.resources import INDIVIDUAL, Json, href_of, require_type, told_reference, without_empty

CUSTOMER = "customer"
_ACCOUNT, _EMAIL, _PHONE = "BillingAccount", "email", "phone"
CUSTOMER_TYPE = Extension(
    "CrossregionCustomer",
    "Customer",
    Customer.DESCRIPTOR,
    {"product": "product", "billingAccount": "billing_account"},
)


def told_customer(customer: Customer, root: str, fields: Collection[str] = ()) -> Json:
    """A customer with one line as a Customer. `fields` are the attributes that are wanted; all without."""
    line, account = customer.product, customer.billing_account.id
    media = [(_PHONE, "phoneNumber", line.number), (_EMAIL, "emailAddress", customer.email)]
    told: Json = {
        "id": line.id,
        "href": href_of(root, CUSTOMER, line.id),
        "name": customer.name,
        "engagedParty": {**told_reference(customer.id, INDIVIDUAL), "name": customer.name} if customer.id else {},
        "account": [{**told_reference(account, _ACCOUNT), "name": account}] if account else [],
        "contactMedium": [
            {"mediumType": kind, "characteristic": {name: value}} for kind, name, value in media if value
        ],
        **CUSTOMER_TYPE.told(customer, root, fields),
    }
    return without_empty(told)


def changed_customer(body: Attributes, product_id: str) -> tuple[Customer, FieldMask]:
    """The customer of a line with what a merge patch changes, and the fields of it.

    Raises Refused for what is of another form, and with ATTRIBUTE_UNSUPPORTED for what no RPC changes.
    """
    require_type(body, *CUSTOMER_TYPE.types)
    customer, mask = Customer(product=Product(id=product_id)), FieldMask()
    if body.value("name") is not None:
        customer.name = body.text("name")
        mask.paths.append("name")
    if body.value("contactMedium") is not None:
        customer.email = _email(body)
        mask.paths.append("email")
    return customer, mask


def _email(body: Attributes) -> str:
    """The mail address of the media, which replace those that stand; empty without media."""
    media = body.objects("contactMedium")
    if len(media) > 1:
        raise unsupported(body.at("contactMedium"), "only the mail address is changed", "仅可修改电子邮箱")
    for medium in media:
        require_type(medium, "ContactMedium")
        if medium.text("mediumType") != _EMAIL:
            raise unsupported(medium.at("mediumType"), f"it is {_EMAIL}", f"须为{_EMAIL}")
        said = medium.object("characteristic")
        address = said.text("emailAddress")
        if not address:  # it would be removed where it was only forgotten
            problem = "is missing; an empty contactMedium removes the address"
            raise invalid(said.at("emailAddress"), problem, "缺失；空的contactMedium表示删除地址")
        said.close()
        medium.close()
        return address
    return ""
