"""Version 5 of the Open APIs at a real node: the same orders, tickets and customers as version 4 and gRPC have."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

import pytest
from google.protobuf.json_format import MessageToDict

from gateway.api.region.v1.complaint_pb2 import ComplaintState
from gateway.api.region.v1.order_pb2 import OrderRequest
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.running import Federation
from tests.federation.web_caller import WebCaller, below, order_path, web_caller

ORDERING = "/tmf-api/productOrdering/v5"
ORDERS, CANCELLATIONS = f"{ORDERING}/productOrder", f"{ORDERING}/cancelProductOrder"
TICKETS, CUSTOMERS = "/tmf-api/troubleTicket/v5/troubleTicket", "/tmf-api/customerManagement/v5/customer"
WAITING = "wait=10"


@pytest.fixture
def web(federation: Federation, guangdong: Counter) -> WebCaller:
    """The counter in Guangdong, speaking HTTP."""
    return web_caller(federation, guangdong.path)


def product_order(request: OrderRequest, **changed: object) -> dict[str, object]:
    """A request as a ProductOrder of a caller who names the requester by headers."""
    kind = "StringCharacteristic"
    item = {
        "id": "1",
        "action": "modify",
        "productOffering": {"id": request.business, "@type": "ProductOfferingRef"},
        "product": {
            "realizingResource": [{"id": request.number, "@type": "ResourceRef"}],
            "productCharacteristic": [
                {"name": name, "value": value, "@type": kind} for name, value in request.characteristics.items()
            ],
            "@type": "Product",
        },
        "@type": "ProductOrderItem",
    }
    return {
        "productOrderItem": [item],
        "relatedParty": [related("holder", "applicant")],
        "document": [MessageToDict(each) for each in request.documents],
        "@type": "ProductOrder",
        **changed,
    }


def related(name: str, role: str) -> dict[str, object]:
    """A party in its role."""
    party = {"id": name, "@type": "PartyRef", "@referredType": "Individual"}
    return {"role": role, "partyOrPartyRole": party, "@type": "RelatedPartyRefOrPartyRoleRef"}


def identifier(key: str) -> list[dict[str, object]]:
    """The id that a caller has for a resource."""
    return [{"id": key, "@type": "ExternalIdentifier"}]


async def test_an_order_is_the_same_in_both_versions_and_by_grpc(
    federation: Federation, web: WebCaller, guangdong: Counter, sichuan: Counter
) -> None:
    number, key = await sichuan.new_customer(), federation.next_id()
    request = guangdong.request("PAY", number)
    body = product_order(request, externalId=identifier(key))
    made = [await web.ask("POST", ORDERS, body, Prefer=WAITING) for _ in range(2)]
    assert [each.status for each in made] == 2 * [HTTPStatus.CREATED]
    name = f"guangdong/counter/{key}"
    place = below(ORDERS, name)
    assert [each.body["id"] for each in made] == 2 * [name]
    assert made[0].headers["location"] == made[0].body["href"] == place
    assert (await guangdong.get(name)).request == request
    read, before = await web.ask("GET", place), await web.ask("GET", order_path(name))
    assert (read.body["state"], read.body["creationDate"]) == ("completed", before.body["orderDate"])
    assert related("holder", "applicant") in read.body["relatedParty"]  # type: ignore[operator]
    query = f"productOrderItem.product.realizingResource.id={quote(number)}&sort=-creationDate&fields=state"
    for party, count in (("holder", 1), ("agent", 0)):
        listed = await web.ask("GET", f"{ORDERS}?{query}&relatedParty.partyOrPartyRole.id={party}")
        assert [set(each) for each in listed.bodies] == count * [{"id", "href", "@type", "state"}]
        assert listed.headers["x-total-count"] == str(count), "more was counted than the party selects"
    assert (await web.ask("GET", f"{ORDERS}/{name}")).body["id"] == name, "an id with slashes was not read"
    cancellation = {
        "productOrder": {"id": name, "@type": "ProductOrderRef", "@referredType": "ProductOrder"},
        "cancellationReason": "changed my mind",
        "@type": "CancelProductOrder",
    }
    late = await web.ask("POST", CANCELLATIONS, cancellation, Idempotency_Key=federation.next_id(), Prefer=WAITING)
    assert late.status == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_a_ticket_is_the_same_in_both_versions_and_is_changed_by_a_typed_patch(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    number, key = await guangdong.new_customer(), federation.next_id()
    desk = Complainant(federation, "guangdong")
    affected = {"id": number, "@type": "EntityRef", "@referredType": "LogicalResource"}
    body = {
        "ticketType": "complaint",
        "severity": "s3",
        "category": "BILL_WRONG",
        "description": "wrong bill",
        "remedySought": "REMEDY_REFUND",
        "channel": {"id": "letter", "@type": "ChannelRef", "@referredType": "Channel"},
        "externalIdentifier": identifier(key),
        "relatedEntity": [{"role": "affected", "entity": affected, "@type": "RelatedEntity"}],
        "@type": "TroubleTicket",
    }
    first, again = [await web.ask("POST", TICKETS, body, Prefer=WAITING) for _ in range(2)]
    assert first.status == HTTPStatus.CREATED, first.text
    assert first.body["id"] == again.body["id"]
    name = str(first.body["id"])
    place = below(TICKETS, name)
    await desk.reaches(name, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    listed = await web.ask("GET", f"{TICKETS}?relatedEntity.entity.id={quote(number)}&fields=statusChangeHistory")
    (found,) = listed.bodies
    assert found["statusChangeHistory"][0]["@type"] == "StatusChange"  # type: ignore[index]
    note: Mapping[str, object] = {"text": "and the month before?"}
    headers = {"Idempotency_Key": federation.next_id(), "Prefer": WAITING}
    untyped = await web.ask("PATCH", place, {"note": [note], "@type": "TroubleTicket"}, **headers)
    assert (untyped.status, untyped.body["code"]) == (HTTPStatus.BAD_REQUEST, "REQUEST_INVALID")
    assert "note[0].@type" in str(untyped.body["reason"])
    noted = await web.ask("PATCH", place, {"note": [{**note, "@type": "Note"}], "@type": "TroubleTicket"}, **headers)
    assert (noted.status, noted.body["note"][-1]["text"]) == (HTTPStatus.OK, note["text"])  # type: ignore[index]
    assert [each.text for each in (await desk.told(name)).complaint.notes] == [note["text"]]


async def test_a_customer_is_found_by_the_number_of_the_line_and_changed_by_a_typed_medium(
    web: WebCaller, guangdong: Counter
) -> None:
    number = await guangdong.new_customer()
    (found,) = (await web.ask("GET", f"{CUSTOMERS}?contactMedium.phoneNumber={quote(number)}")).bodies
    assert found["engagedParty"]["@type"] == "PartyRef"  # type: ignore[index]
    medium = {"emailAddress": "new@example.com", "@type": "EmailContactMedium"}
    told = await web.ask("PATCH", str(found["href"]), {"contactMedium": [medium], "@type": "Customer"})
    assert (told.status, medium in told.body["contactMedium"]) == (HTTPStatus.OK, True)  # type: ignore[operator]
    assert (await guangdong.read(number)).email == "new@example.com"
