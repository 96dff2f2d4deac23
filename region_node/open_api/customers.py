"""Customers as TMF629 Customer (v4 and v5), and what a merge patch changes of them. Pure.

A customer of TMF629 is one line with its customer, and has the id of the line. The engaged party is the person or
enterprise.
"""

from collections.abc import Collection

from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.region.v1.customer_service_pb2 import Customer, Product
from gateway.errors import invalid
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.json_texts import JsonObject
from region_node.open_api.extension import Extension
from region_node.open_api.resources import INDIVIDUAL, Json, href_of
from region_node.open_api.versions import EMAIL, PHONE, Version, version_of

CUSTOMER = "customer"
_ADDRESS = "emailAddress"
_ACCOUNT = "BillingAccount"
CUSTOMER_TYPE = Extension(
    "CrossregionCustomer",
    "Customer",
    Customer.DESCRIPTOR,
    {"product": "product", "billingAccount": "billing_account"},
)


def told_customer(customer: Customer, root: str, fields: Collection[str] = ()) -> JsonObject:
    """A customer with one line as a Customer. `fields` are the attributes that are wanted; all without."""
    version, line, account = version_of(root), customer.product, customer.billing_account.id
    media = [(PHONE, "phoneNumber", line.number), (EMAIL, _ADDRESS, customer.email)]
    party = version.engaged_party.told(customer.id, INDIVIDUAL)
    told: Json = {
        "id": line.id,
        "href": href_of(root, CUSTOMER, line.id),
        "name": customer.name,
        "engagedParty": {**party, "name": customer.name} if party else {},
        "account": [{**version.account.told(account, _ACCOUNT), "name": account}] if account else [],
        "contactMedium": [_told_medium(kind, {name: value}, version) for kind, name, value in media if value],
        **CUSTOMER_TYPE.type_at(root),
    }
    return CUSTOMER_TYPE.told(JsonObject.of(told), customer, fields)


def changed_customer(body: Attributes, product_id: str, version: Version) -> tuple[Customer, FieldMask]:
    """The customer of a line with what a merge patch changes, and the fields of it.

    Raises Refused for what is of another form, and with ATTRIBUTE_UNSUPPORTED for what no RPC changes.
    """
    version.require_type(body, *CUSTOMER_TYPE.types)
    customer, mask = Customer(product=Product(id=product_id)), FieldMask()
    if body.value("name") is not None:
        customer.name = body.text("name")
        mask.paths.append("name")
    if body.value("contactMedium") is not None:
        customer.email = _email(body, version)
        mask.paths.append("email")
    return customer, mask


def _told_medium(kind: str, address: Json, version: Version) -> Json:
    if version.media is None:
        return {"mediumType": kind, "characteristic": address}
    return version.typed(address, version.media[kind])


def _email(body: Attributes, version: Version) -> str:
    """The mail address of the media, which replace those that stand; empty without media."""
    media = body.objects("contactMedium")
    if len(media) > 1:
        raise unsupported(body.at("contactMedium"), "only the mail address is changed", "仅可修改电子邮箱")
    for medium in media:
        said = _taken_medium(medium, version)
        address = said.text(_ADDRESS)
        if not address:  # it would be removed where it was only forgotten
            problem = "is missing; an empty contactMedium removes the address"
            raise invalid(said.at(_ADDRESS), problem, "缺失；空的contactMedium表示删除地址")
        said.close()
        medium.close()
        return address
    return ""


def _taken_medium(medium: Attributes, version: Version) -> Attributes:
    """What has the address of a medium. Raises Refused for a medium of another type."""
    if version.media is not None:
        version.require_type(medium, version.media[EMAIL])
        return medium
    version.require_type(medium, "ContactMedium")
    if medium.text("mediumType") != EMAIL:
        raise unsupported(medium.at("mediumType"), f"it is {EMAIL}", f"须为{EMAIL}")
    return medium.object("characteristic")
