"""Customers as TMF629 Customer (v4 and v5), those that a body makes, and what a merge patch changes of them. Pure.

A customer of TMF629 is one line with its customer, and has the id of the line. The engaged party is the person or
enterprise.
"""

from collections.abc import Collection, Mapping, Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.region.v1.customer_service_pb2 import BillingAccount, Customer, Product
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.json_texts import JsonObject
from region_node.open_api.extension import Extension
from region_node.open_api.resources import INDIVIDUAL, Json, agreed, href_of, message_in
from region_node.open_api.versions import ADDRESSES, EMAIL, PHONE, Version, version_of

CUSTOMER = "customer"
_ACCOUNT = "BillingAccount"
PRODUCT, BILLING_ACCOUNT = "product", "billingAccount"
CREATED = ("name", "engagedParty", "account", "contactMedium", PRODUCT, BILLING_ACCOUNT)
"""The attributes of a body that makes a customer."""
CUSTOMER_TYPE = Extension(
    "CrossregionCustomer",
    "Customer",
    Customer.DESCRIPTOR,
    {PRODUCT: "product", BILLING_ACCOUNT: "billing_account"},
)


def created_places(version: Version) -> Mapping[str, str]:
    """The attributes of a body that BatchCreateCustomers names otherwise."""
    return {
        "id": "engagedParty.id",
        "email": version.address(EMAIL),
        "number": version.address(PHONE),
        "billing_account.id": f"{BILLING_ACCOUNT}.id",
        "billing_account.balance.currency": f"{BILLING_ACCOUNT}.balance.currency",
        "billing_account.balance.minor_units": f"{BILLING_ACCOUNT}.balance.minorUnits",
    }


def told_customer(customer: Customer, root: str, fields: Collection[str] = ()) -> JsonObject:
    """A customer with one line as a Customer. `fields` are the attributes that are wanted; all without."""
    version, line, account = version_of(root), customer.product, customer.billing_account.id
    media = [(PHONE, line.number), (EMAIL, customer.email)]
    party = version.engaged_party.told(customer.id, INDIVIDUAL)
    told: Json = {
        "id": line.id,
        "href": href_of(root, CUSTOMER, line.id),
        "name": customer.name,
        "engagedParty": {**party, "name": customer.name} if party else {},
        "account": [{**version.account.told(account, _ACCOUNT), "name": account}] if account else [],
        "contactMedium": [_told_medium(kind, {ADDRESSES[kind]: value}, version) for kind, value in media if value],
        **CUSTOMER_TYPE.type_at(root),
    }
    return CUSTOMER_TYPE.told(JsonObject.of(told), customer, fields)


def created_customer(body: Attributes, version: Version) -> Customer:
    """The customer that a body makes, with a line and an account.

    Raises Refused for what is of another form, and with ATTRIBUTE_UNSUPPORTED for what the RPC does not take.
    """
    version.require_type(body, *CUSTOMER_TYPE.types)
    party_id, name = _party(body, version)
    media = _addresses(body, version, EMAIL, PHONE)
    line = message_in(body.object(PRODUCT), Product())
    account = message_in(body.object(BILLING_ACCOUNT), BillingAccount())
    line.number = agreed(media.get(PHONE, ""), line.number, body.at("contactMedium"), f"{body.at(PRODUCT)}.number")
    account.id = agreed(_account_id(body, version), account.id, body.at("account"), f"{body.at(BILLING_ACCOUNT)}.id")
    return Customer(id=party_id, name=name, email=media.get(EMAIL, ""), product=line, billing_account=account)


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
        customer.email = _addresses(body, version, EMAIL).get(EMAIL, "")
        mask.paths.append("email")
    return customer, mask


def _told_medium(kind: str, address: Json, version: Version) -> Json:
    if version.media is None:
        return {"mediumType": kind, "characteristic": address}
    return version.typed(address, version.media[kind])


def _party(body: Attributes, version: Version) -> tuple[str, str]:
    """The id and the name of the engaged party."""
    _, party = version.engaged_party.taken(body.object("engagedParty"))
    name = agreed(party.text("name"), body.text("name"), party.at("name"), body.at("name"))
    party_id = party.text("id")
    version.engaged_party.close(party, INDIVIDUAL)
    return party_id, name


def _account_id(body: Attributes, version: Version) -> str:
    """The id of the account, which is its name too; empty without one. Raises Refused for several."""
    accounts = body.objects("account")
    if len(accounts) > 1:
        raise unsupported(body.at("account"), "a line has one account", "一条线路仅有一个账户")
    for each in accounts:
        _, account = version.account.taken(each)
        account_id = agreed(account.text("id"), account.text("name"), account.at("id"), account.at("name"))
        version.account.close(account, _ACCOUNT)
        return account_id
    return ""


def _addresses(body: Attributes, version: Version, *kinds: str) -> Mapping[str, str]:
    """The addresses of the media by their kinds. Raises Refused for any other kind, and for two of one kind."""
    found: dict[str, str] = {}
    for medium in body.objects("contactMedium"):
        kind, said = _taken_medium(medium, version, kinds)
        name = ADDRESSES[kind]
        if kind in found:
            raise unsupported(body.at("contactMedium"), f"{name} stands twice", f"{name}重复出现")
        found[kind] = said.required(name)  # an empty one would be removed where it was only forgotten
        said.close()
        medium.close()
    return found


def _taken_medium(medium: Attributes, version: Version, kinds: Sequence[str]) -> tuple[str, Attributes]:
    """The kind of a medium, and what has its address. Raises Refused for a medium of another kind than these."""
    if version.media is not None:
        types = {version.media[kind]: kind for kind in kinds}
        version.require_type(medium, *types)
        return types[medium.text("@type")], medium
    version.require_type(medium, "ContactMedium")
    kind = medium.text("mediumType")
    if kind not in kinds:
        raise unsupported(medium.at("mediumType"), f"it is {' or '.join(kinds)}", f"须为{'或'.join(kinds)}")
    return kind, medium.object("characteristic")
