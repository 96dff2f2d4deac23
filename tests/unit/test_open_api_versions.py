"""Version 5 of the Open APIs: what maps comes back as it was, and each object has a type of TM Forum's."""

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given

from gateway.api.region.v1 import complaint_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintRequest
from gateway.api.region.v1.customer_service_pb2 import Customer, Product
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Refused
from gateway.web.json_bodies import Attributes, parsed
from region_node.open_api.cancellations import order_to_cancel, told_cancellation
from region_node.open_api.customers import CUSTOMER_TYPE, changed_customer, told_customer
from region_node.open_api.product_orders import PRODUCT_ORDER, order_request, told_order
from region_node.open_api.samples import filled
from region_node.open_api.trouble_tickets import TROUBLE_TICKET, change, filing, told_ticket
from region_node.open_api.versions import V4, V5, version_of
from tests.unit.open_api_schemas import require_own_schema, require_schema
from tests.unit.test_open_api_orders import attributes as objects
from tests.unit.test_open_api_orders import full_order, requests
from tests.unit.test_open_api_tickets import filings

T = TypeVar("T")
ORDERING, TICKETING = "/tmf-api/productOrdering/v5", "/tmf-api/troubleTicket/v5"
CUSTOMERS = "/tmf-api/customerManagement/v5"
ORDER_FILE, TICKET_FILE = "TMF622-ProductOrdering-v5.0.0.oas.yaml", "TMF621-Trouble_Ticket-v5.0.1.oas.yaml"
CUSTOMER_FILE = "TMF629-Customer_Management-v5.0.1.oas.yaml"
CLERK = Requester(staff_id="wang", channel=Channel.CHANNEL_COUNTER)
ITEM: Mapping[str, object] = {
    "id": "1",
    "action": "add",
    "productOffering": {"id": "NEW_LINE", "@type": "ProductOfferingRef"},
    "@type": "ProductOrderItem",
}
PARTY: Mapping[str, object] = {
    "role": "applicant",
    "partyOrPartyRole": {"id": "holder", "@type": "PartyRef"},
    "@type": "RelatedPartyRefOrPartyRoleRef",
}
ORDER: Mapping[str, object] = {"productOrderItem": [ITEM], "relatedParty": [PARTY], "@type": "ProductOrder"}
TICKET: Mapping[str, object] = {"description": "wrong bill", "@type": "TroubleTicket"}


def taken(body: Mapping[str, object], take: Callable[[Attributes], T]) -> T:
    """What is made of a body that came as JSON, of which nothing is left over."""
    said = parsed(json.dumps(body).encode())
    made = take(said)
    said.close()
    return made


def ordered(body: Mapping[str, object]) -> OrderRequest:
    """The request of an order."""
    return taken(body, lambda said: order_request(said, Requester(), V5))


def filed(body: Mapping[str, object]) -> ComplaintRequest:
    """The filing of a ticket."""
    return taken(body, lambda said: filing(said, Requester(), V5))


def told(complaint: Complaint) -> Mapping[str, object]:
    """A complaint as it is told."""
    return told_ticket(api.GetComplaintResponse(complaint=complaint), TICKETING)


def asked_again(answer: Mapping[str, object], *names: str) -> dict[str, object]:
    """What of an answer asks for the same again: only these people are named by a caller."""
    parties = [each for each in objects(answer.get("relatedParty", [])) if each["role"] in ("applicant", "requester")]
    return {**{name: answer[name] for name in names if name in answer}, "relatedParty": parties}


def refused(take: Callable[[], object]) -> tuple[Reason.ValueType, str]:
    """The reason of a refusal, and what it names."""
    with pytest.raises(Refused) as caught:
        take()
    return caught.value.reason, caught.value.parameters.get("attribute") or caught.value.parameters["field"]


@given(requests)
def test_what_is_told_of_a_request_asks_for_the_same_again(request: OrderRequest) -> None:
    answer = told_order(Order(id="guangdong/counter/R1", request=request), ORDERING, "en")
    body = asked_again(answer, "channel", "productOrderItem", "document", "@type", "@baseType")
    for item in objects(body["productOrderItem"]):
        item.pop("state", None)
        item.setdefault("productOffering", {"id": "", "@type": "ProductOfferingRef"})
    assert ordered(body) == request


@given(filings)
def test_what_is_told_of_a_complaint_files_the_same_again(request: ComplaintRequest) -> None:
    answer = told(Complaint(ticket_id="guangdong/1", request=request, origin_region="guangdong"))
    names = ("description", "ticketType", "channel", "relatedEntity", "category", "remedySought", "locationRegion")
    assert filed(asked_again(answer, *names, "ruralArea", "@type")) == request


def test_what_is_told_has_the_schemas_of_tm_forum_and_its_own() -> None:
    cancelled = full_order()
    cancelled.state = OrderState.ORDER_STATE_CANCELLED
    ticket, customer = filled(api.GetComplaintResponse()), filled(Customer())
    for file, name, answer, extension in (
        (ORDER_FILE, "ProductOrder", told_order(full_order(), ORDERING, "en"), PRODUCT_ORDER),
        (TICKET_FILE, "TroubleTicket", told_ticket(ticket, TICKETING), TROUBLE_TICKET),
        (CUSTOMER_FILE, "Customer", told_customer(customer, CUSTOMERS), CUSTOMER_TYPE),
    ):
        require_schema(file, name, answer, extension)
        require_own_schema(answer, extension)
    require_schema(ORDER_FILE, "CancelProductOrder", told_cancellation(cancelled, ORDERING), None)


def test_what_a_client_says_that_changes_nothing_is_taken() -> None:
    kind = {"valueType": "String", "@type": "StringCharacteristic", "@baseType": "Characteristic"}
    product = {
        "name": "NEW_LINE",
        "isBundle": False,
        "productCharacteristic": [{"name": "amount", "value": "1", **kind}],
        "@type": "Product",
        "@baseType": "Entity",
    }
    assert ordered({**ORDER, "productOrderItem": [{**ITEM, "product": product}]}).characteristics == {"amount": "1"}


def test_the_version_is_that_of_the_path() -> None:
    assert (version_of(ORDERING), version_of("/tmf-api/productOrderingManagement/v4")) == (V5, V4)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({**ORDER, "@type": None}, "@type"),
        ({**ORDER, "productOrderItem": [{**ITEM, "@type": ""}]}, "productOrderItem[0].@type"),
        ({**ORDER, "productOrderItem": [{**ITEM, "product": {}}]}, "productOrderItem[0].product.@type"),
        (
            {**ORDER, "productOrderItem": [{**ITEM, "productOffering": {"id": "NEW_LINE"}}]},
            "productOrderItem[0].productOffering.@type",
        ),
        ({**ORDER, "relatedParty": [{**PARTY, "@type": None}]}, "relatedParty[0].@type"),
        (
            {**ORDER, "relatedParty": [{**PARTY, "partyOrPartyRole": {"id": "holder"}}]},
            "relatedParty[0].partyOrPartyRole.@type",
        ),
        ({**ORDER, "relatedParty": [PARTY, PARTY]}, "relatedParty[1].role"),
    ],
)
def test_an_order_whose_objects_do_not_name_their_types_is_refused_by_the_place(
    body: Mapping[str, object], place: str
) -> None:
    assert refused(lambda: ordered(body)) == (Reason.REASON_REQUEST_INVALID, place)


@pytest.mark.parametrize(
    ("body", "attribute"),
    [
        ({**ORDER, "relatedParty": [{"id": "holder", **PARTY}]}, "relatedParty[0].id"),
        ({**ORDER, "relatedParty": [{**PARTY, "role": "payer"}]}, "relatedParty[0].role"),
        (
            {**ORDER, "relatedParty": [{**PARTY, "partyOrPartyRole": {"id": "holder", "@type": "PartyRoleRef"}}]},
            "relatedParty[0].partyOrPartyRole.@type",
        ),
        ({**ORDER, "channel": [{"role": "shop", "@type": "RelatedChannel"}]}, "channel[0].role"),
        ({**ORDER, "requestedInitialState": "draft"}, "requestedInitialState"),
        (
            {**ORDER, "productOrderItem": [{**ITEM, "product": {"isBundle": True, "@type": "Product"}}]},
            "productOrderItem[0].product.isBundle",
        ),
        (
            {**ORDER, "productOrderItem": [{**ITEM, "product": {"name": "Fibre", "@type": "Product"}}]},
            "productOrderItem[0].product.name",
        ),
        ({**ORDER, "@type": "OtherOrder", "@baseType": "ProductOrder"}, "@type"),
    ],
)
def test_what_an_order_would_not_heed_is_refused_by_its_name(body: Mapping[str, object], attribute: str) -> None:
    assert refused(lambda: ordered(body)) == (Reason.REASON_ATTRIBUTE_UNSUPPORTED, attribute)


def test_tickets_cancellations_and_patches_name_their_types_too() -> None:
    entity = {"role": "affected", "entity": {"id": "1"}, "@type": "RelatedEntity"}
    note = {"note": [{"text": "more"}], "@type": "TroubleTicket"}
    wait = Duration()
    for take, place in (
        (lambda: filed({**TICKET, "relatedEntity": [entity]}), "relatedEntity[0].entity.@type"),
        (lambda: filed({**TICKET, "channel": {"id": "app"}}), "channel.@type"),
        (lambda: taken(note, lambda said: change(said, "T", "K", CLERK, wait, V5)), "note[0].@type"),
        (lambda: taken({"name": "Li"}, lambda said: changed_customer(said, "L", V5)), "@type"),
        (
            lambda: taken(
                {"productOrder": {"id": "O"}, "@type": "CancelProductOrder"}, lambda said: order_to_cancel(said, V5)
            ),
            "productOrder.@type",
        ),
    ):
        assert refused(take) == (Reason.REASON_REQUEST_INVALID, place)


def test_an_external_id_is_one_object_with_a_type() -> None:
    answer = told_order(full_order(), ORDERING, "en")
    assert answer["externalId"] == [{"id": "R1", "@type": "ExternalIdentifier"}]
    assert V5.identifier_in(Attributes(dict(answer), ""), "externalId") == "R1"
    assert V5.identifier_in(Attributes({}, ""), "externalId") == ""
    two = {"externalId": 2 * objects(answer["externalId"])}
    assert refused(lambda: V5.identifier_in(Attributes(two, ""), "externalId")) == (
        Reason.REASON_ATTRIBUTE_UNSUPPORTED,
        "externalId",
    )
    assert told(Complaint(ticket_id="guangdong/1", external_id="K"))["externalIdentifier"] == [
        {"id": "K", "@type": "ExternalIdentifier"}
    ]


def test_the_contact_media_of_a_customer_have_types_and_the_mail_address_is_changed_by_its_own() -> None:
    answer = told_customer(
        Customer(id="C1", name="Wang", email="wang@example.com", product=Product(id="L", number="+8619851000001")),
        CUSTOMERS,
    )
    phone, mail = objects(answer["contactMedium"])
    assert phone == {"phoneNumber": "+8619851000001", "@type": "PhoneContactMedium"}

    def changed(medium: Mapping[str, object]) -> tuple[Customer, object]:
        body = {"contactMedium": [medium], "@type": "Customer"}
        return taken(body, lambda said: changed_customer(said, "L", V5))

    customer, mask = changed(mail)
    assert (customer.email, mask.paths) == ("wang@example.com", ["email"])  # type: ignore[attr-defined]
    assert refused(lambda: changed(phone)) == (Reason.REASON_ATTRIBUTE_UNSUPPORTED, "contactMedium[0].@type")
