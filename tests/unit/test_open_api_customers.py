"""Customers as TMF629 has them, and the changes that a merge patch makes of them."""

import json
from collections.abc import Mapping

import pytest

from gateway.api.region.v1.customer_service_pb2 import BatchCreateCustomersRequest, BillingAccount, Customer, Product
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.web.json_bodies import parsed
from gateway.web.routes import Api
from region_node.open_api.customer_management import CUSTOMER_MANAGEMENT, CUSTOMER_MANAGEMENT_V5
from region_node.open_api.customers import CUSTOMER_TYPE, changed_customer, created_customer, told_customer
from region_node.open_api.samples import filled
from region_node.open_api.versions import V4, version_of
from tests.unit.open_api_schemas import require_own_schema, require_schema

ROOT = "/tmf-api/customerManagement/v4"
ROOTS = (ROOT, "/tmf-api/customerManagement/v5")
LINE = "line-1"


def changed(body: Mapping[str, object]) -> tuple[Customer, list[str]]:
    """The customer and the fields of a merge patch that came as JSON."""
    attributes = parsed(json.dumps(body).encode())
    customer, mask = changed_customer(attributes, LINE, V4)
    attributes.close()
    return customer, list(mask.paths)


def created(body: Mapping[str, object], root: str = ROOT) -> Customer:
    """The customer that a body makes, of which nothing is left over."""
    attributes = parsed(json.dumps(body).encode())
    customer = created_customer(attributes, version_of(root))
    attributes.close()
    return customer


def mail(address: str) -> dict[str, object]:
    """A mail address among the contact media."""
    return {"mediumType": "email", "characteristic": {"emailAddress": address}}


def test_a_customer_is_told_with_the_line_and_each_way_to_reach_the_person() -> None:
    customer = Customer(
        id="C1", name="Wang", product=Product(id=LINE, number="+8619851000001"), billing_account=BillingAccount(id="A1")
    )
    told = told_customer(customer, ROOT)
    assert (told["id"], told["href"]) == (LINE, f"{ROOT}/customer/{LINE}")
    assert told["engagedParty"] == {"id": "C1", "name": "Wang", "@referredType": "Individual"}
    assert told["account"] == [{"id": "A1", "name": "A1", "@referredType": "BillingAccount"}]
    assert told["contactMedium"] == [{"mediumType": "phone", "characteristic": {"phoneNumber": "+8619851000001"}}]


@pytest.mark.parametrize(
    ("body", "customer", "fields"),
    [
        ({"name": "Li"}, Customer(name="Li"), ["name"]),
        ({"contactMedium": [mail("li@example.com")]}, Customer(email="li@example.com"), ["email"]),
        ({"contactMedium": []}, Customer(), ["email"]),
        ({"name": "Li", "contactMedium": [mail("a@b")]}, Customer(name="Li", email="a@b"), ["name", "email"]),
        ({}, Customer(), []),
    ],
)
def test_a_merge_patch_names_the_fields_that_it_changes(
    body: Mapping[str, object], customer: Customer, fields: list[str]
) -> None:
    customer.product.id = LINE
    assert changed(body) == (customer, fields)


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ({"status": "gone"}, "status"),
        ({"engagedParty": {"id": "C2"}}, "engagedParty"),
        ({"contactMedium": [mail("a@b"), mail("c@d")]}, "contactMedium"),
        ({"contactMedium": [{"mediumType": "phone"}]}, "contactMedium[0].mediumType"),
        ({"contactMedium": [{**mail("a@b"), "preferred": True}]}, "contactMedium[0].preferred"),
        ({"product": {"status": "PRODUCT_STATUS_ACTIVE"}}, "product"),
    ],
)
def test_a_merge_patch_that_no_rpc_makes_is_refused_by_its_name(body: Mapping[str, object], attribute: str) -> None:
    with pytest.raises(Refused) as refused:
        changed(body)
    assert refused.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert refused.value.parameters["attribute"] == attribute


@pytest.mark.parametrize(
    "medium", [{"mediumType": "email"}, {"mediumType": "email", "characteristic": {"emailAddress": None}}, mail("")]
)
def test_a_medium_without_an_address_removes_none(medium: Mapping[str, object]) -> None:
    with pytest.raises(Refused, match="is missing") as refused:
        changed({"contactMedium": [medium]})
    assert refused.value.parameters["field"] == "contactMedium[0].characteristic.emailAddress"


@pytest.mark.parametrize("root", ROOTS)
def test_what_is_told_of_a_customer_makes_the_same_again(root: str) -> None:
    for number in range(1, 6):
        customer = filled(Customer(), number)
        customer.ClearField("other_contacts")  # they are not told
        told = told_customer(customer, root)
        assert created({name: told[name] for name in told if name not in ("id", "href")}, root) == customer


def test_the_number_and_the_account_of_a_new_customer_stand_where_tm_forum_has_them_or_with_the_line() -> None:
    phone = {"mediumType": "phone", "characteristic": {"phoneNumber": "+8619851000001"}}
    for body in (
        {"account": [{"id": "A1"}], "contactMedium": [phone]},
        {"billingAccount": {"id": "A1"}, "product": {"number": "+8619851000001"}},
    ):
        customer = created(body)
        assert (customer.billing_account.id, customer.product.number) == ("A1", "+8619851000001")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"name": "Wang", "engagedParty": {"id": "C1", "name": "Li"}}, "engagedParty.name"),
        ({"account": [{"id": "A1"}], "billingAccount": {"id": "A2"}}, "account"),
        (
            {
                "contactMedium": [{"mediumType": "phone", "characteristic": {"phoneNumber": "1"}}],
                "product": {"number": "2"},
            },
            "contactMedium",
        ),
        ({"product": {"colour": "red"}}, "product"),
        ({"billingAccount": []}, "billingAccount"),
    ],
)
def test_a_new_customer_who_is_described_in_two_ways_or_in_none_of_the_contract_is_refused_by_the_place(
    body: Mapping[str, object], place: str
) -> None:
    with pytest.raises(Refused) as refused:
        created(body)
    assert refused.value.reason == Reason.REASON_REQUEST_INVALID
    assert refused.value.parameters["field"] == place


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ({"status": "active"}, "status"),
        ({"id": LINE}, "id"),
        ({"account": [{"id": "A1"}, {"id": "A2"}]}, "account"),
        ({"account": [{"id": "A1", "description": "old"}]}, "account[0].description"),
        ({"engagedParty": {"id": "C1", "@referredType": "Organization"}}, "engagedParty.@referredType"),
        ({"contactMedium": [mail("a@b"), mail("a@b")]}, "contactMedium"),
        ({"contactMedium": [{"mediumType": "fax"}]}, "contactMedium[0].mediumType"),
    ],
)
def test_what_a_new_customer_does_not_have_is_refused_by_its_name(body: Mapping[str, object], attribute: str) -> None:
    with pytest.raises(Refused) as refused:
        created(body)
    assert refused.value.reason == Reason.REASON_ATTRIBUTE_UNSUPPORTED
    assert refused.value.parameters["attribute"] == attribute


def test_what_is_told_has_the_schemas_that_it_names() -> None:
    customer = filled(Customer())
    assert isinstance(customer, Customer)
    told = told_customer(customer, ROOT)
    require_own_schema(told, CUSTOMER_TYPE)
    require_schema("TMF629-Customer-v4.0.0.swagger.json", "Customer", told, CUSTOMER_TYPE)


@pytest.mark.parametrize(
    ("api", "holder"),
    [(CUSTOMER_MANAGEMENT, "contactMedium.characteristic"), (CUSTOMER_MANAGEMENT_V5, "contactMedium")],
    ids=lambda each: each.root if isinstance(each, Api) else each,
)
def test_a_refusal_of_a_new_customer_names_number_and_mail_where_tm_forum_has_them(api: Api, holder: str) -> None:
    (route,) = (each for each in api.routes if (each.verb, each.path) == ("POST", "/customer"))
    request = BatchCreateCustomersRequest()
    missing = Refused(Reason.REASON_NUMBER_INVALID, number="")
    assert route.named(missing, request).parameters["field"] == f"{holder}.phoneNumber"
    long = invalid("email", "is longer than 254 characters", "超过254个字符")
    assert route.named(long, request).parameters["field"] == f"{holder}.emailAddress"
