"""TMF629 at a real node: customers, rights, refusals and audit rows are those of gRPC, for callers who speak HTTP."""

from http import HTTPStatus
from urllib.parse import quote

import pytest
from google.protobuf.json_format import MessageToDict

from gateway.api.region.v1.customer_service_pb2 import BatchCreateCustomersRequest, Customer, GetCustomerRequest
from tests.federation.counter import REQUESTER, Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_open_api_orders import audited
from tests.federation.web_caller import WebCaller, below, by_http_places, web_caller

CUSTOMERS = "/tmf-api/customerManagement/v4/customer"
MERGE = "application/merge-patch+json"


@pytest.fixture
def web(federation: Federation, guangdong: Counter) -> WebCaller:
    """The counter in Guangdong, speaking HTTP."""
    return web_caller(federation, guangdong.path)


def by_id(product_id: str, number: str = "") -> GetCustomerRequest:
    """A reading by gRPC."""
    return GetCustomerRequest(product_id=product_id, number=number, requester=REQUESTER)


def mail(address: str) -> dict[str, object]:
    """A mail address among the contact media."""
    return {"mediumType": "email", "characteristic": {"emailAddress": address}}


def new_customer(customer: Customer) -> dict[str, object]:
    """A customer as the body of a caller who names the number and the account by the line."""
    return {
        "name": customer.name,
        "engagedParty": {"id": customer.id, "@referredType": "Individual"},
        "contactMedium": [mail(customer.email)] if customer.email else [],
        "product": MessageToDict(customer.product),
        "billingAccount": MessageToDict(customer.billing_account),
    }


async def test_a_customer_is_created_once_and_told_as_read_by_the_place_that_the_answer_names(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    customer = guangdong.customer(federation.next_number("guangdong"))
    customer.email = "li@example.com"
    body = new_customer(customer)
    before = len(audited(federation, guangdong.path))
    made = await web.ask("POST", CUSTOMERS, body)
    assert made.status == HTTPStatus.CREATED, made.text
    rows = audited(federation, guangdong.path)[before:]
    assert [row[0] for row in rows] == ["BatchCreateCustomers", "GetCustomer"]
    place = below(CUSTOMERS, customer.product.id)
    assert made.headers["location"] == made.body["href"] == place
    assert made.body == (await web.ask("GET", place)).body
    customer.product.emergency_calls_allowed = True
    assert await guangdong.read(customer.product.number) == customer
    change = {"name": "Li Na"}
    changed = await web.ask("PATCH", place, change, Content_Type=MERGE)
    again = await web.ask("POST", f"{CUSTOMERS}?fields=name", body)
    assert (again.status, again.body["name"], again.headers["location"]) == (HTTPStatus.CREATED, "Li Na", place)
    assert (await web.ask("GET", place)).body == changed.body, "a repeat changes nothing"
    other = await web.ask("POST", CUSTOMERS, {**body, **change})
    assert (other.status, other.body["code"]) == (HTTPStatus.CONFLICT, "CUSTOMER_EXISTS")


async def test_a_customer_is_created_by_a_typed_body_and_both_versions_tell_it(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    customer = guangdong.customer(federation.next_number("guangdong"))
    before, after = CUSTOMERS, CUSTOMERS.replace("/v4/", "/v5/")
    party = {"id": customer.id, "@type": "PartyRef"}
    body = {**new_customer(customer), "engagedParty": party, "@type": "Customer"}
    made = await web.ask("POST", after, body)
    assert made.status == HTTPStatus.CREATED, made.text
    assert made.body == (await web.ask("GET", below(after, customer.product.id))).body
    assert (await web.ask("GET", below(before, customer.product.id))).body["product"] == made.body["product"]
    untyped = await web.ask("POST", after, {**body, "@type": None})
    assert (untyped.status, untyped.body["code"]) == (HTTPStatus.BAD_REQUEST, "REQUEST_INVALID")


async def test_a_customer_whom_nobody_may_read_is_not_shown_by_creating_the_same_again(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    customer = guangdong.customer(federation.next_number("guangdong"))
    body = new_customer(customer)
    assert (await web.ask("POST", CUSTOMERS, body)).status == HTTPStatus.CREATED
    await guangdong.restrict(customer.product.number)
    refused = await web.ask("POST", CUSTOMERS, body)
    assert refused.body["code"] == "CUSTOMER_RESTRICTED"
    two = [guangdong.customer(federation.next_number("guangdong")) for _ in range(2)]
    request = BatchCreateCustomersRequest(customers=two, requester=REQUESTER, show_customer=True)
    told = await refusal(guangdong.customers.BatchCreateCustomers(request, timeout=CALL_SECONDS))
    assert (told.reason, told.parameters["field"]) == ("REQUEST_INVALID", "show_customer")
    assert (await refusal(guangdong.read(two[0].product.number))).reason == "CUSTOMER_NOT_FOUND"


async def test_a_customer_is_found_by_number_read_by_the_id_of_the_line_and_changed(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    number = await guangdong.new_customer()
    customer = await guangdong.read(number)
    (found,) = (
        await web.ask("GET", f"{CUSTOMERS}?contactMedium.characteristic.phoneNumber={quote(number)}&limit=1")
    ).bodies
    assert (found["id"], found["name"]) == (customer.product.id, customer.name)
    for nobody in (federation.next_number("guangdong"), federation.next_number("sichuan")):
        none = await web.ask("GET", f"{CUSTOMERS}?contactMedium.characteristic.phoneNumber={quote(nobody)}")
        assert (none.status, none.bodies) == (HTTPStatus.OK, [])
    place = below(CUSTOMERS, customer.product.id)
    read = await web.ask("GET", place)
    assert (read.status, read.body, found["href"]) == (HTTPStatus.OK, found, place)
    asked = by_id(customer.product.id)
    assert (await guangdong.customers.GetCustomer(asked, timeout=CALL_SECONDS)).customer == customer
    change = {"contactMedium": [mail("new@example.com")]}
    told = [await web.ask("PATCH", place, change, Content_Type=MERGE) for _ in range(2)]
    assert [each.status for each in told] == 2 * [HTTPStatus.OK]
    assert told[0].body == told[1].body
    assert ((await guangdong.read(number)).email, (await guangdong.read(number)).name) == (
        "new@example.com",
        customer.name,
    )


async def test_a_list_leads_through_all_customers_by_its_links(web: WebCaller, guangdong: Counter) -> None:
    numbers = {await guangdong.new_customer() for _ in range(3)}
    found: list[str] = []
    path = f"{CUSTOMERS}?limit=500&fields=contactMedium"
    while path:
        page = await web.ask("GET", path)
        found += [str(each["contactMedium"][0]["characteristic"]["phoneNumber"]) for each in page.bodies]  # type: ignore[index]
        path = page.headers.get("link", "").partition(">; ")[0].removeprefix("<")
    assert len(found) == len(set(found))
    assert numbers <= set(found)


async def test_both_doors_refuse_for_the_same_reasons_and_write_the_same_audit_rows(
    federation: Federation, web: WebCaller, guangdong: Counter
) -> None:
    customer = await guangdong.read(await guangdong.new_customer())
    nobody = WebCaller(web.port_file, web.authority, web.credentials, {})
    read = guangdong.customers.GetCustomer
    unnamed = GetCustomerRequest(product_id=customer.product.id)
    cases = [
        (by_id("nothing"), web.ask("GET", below(CUSTOMERS, "nothing")), HTTPStatus.NOT_FOUND),
        (unnamed, nobody.ask("GET", below(CUSTOMERS, customer.product.id)), HTTPStatus.BAD_REQUEST),
    ]
    for request, by_http, status in cases:
        told, answered = await refusal(read(request, timeout=CALL_SECONDS)), await by_http
        assert (answered.status, answered.body["code"], answered.body["reason"]) == (
            status,
            told.reason,
            by_http_places(told.texts["en"]),
        )
    both = await refusal(read(by_id(customer.product.id, customer.product.number), timeout=CALL_SECONDS))
    assert (both.reason, both.parameters["field"]) == ("REQUEST_INVALID", "product_id")
    before = len(audited(federation, guangdong.path))
    await read(by_id(customer.product.id), timeout=CALL_SECONDS)
    await web.ask("GET", below(CUSTOMERS, customer.product.id))
    rows = audited(federation, guangdong.path)[before:]
    assert len(rows) == 2
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "code"),
    [
        ("POST", "", b"{}", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("POST", "", b'{"status": "active"}', HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
        ("DELETE", "/any", None, HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_UNKNOWN"),
        ("GET", "?names=Wang", None, HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
        ("GET", "?contactMedium.characteristic.phoneNumber=1&limit=0", None, HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("GET", "?offset=4001", None, HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("PATCH", "/any", b"{}", HTTPStatus.BAD_REQUEST, "REQUEST_INVALID"),
        ("PATCH", "/any", b'{"contactMedium": null}', HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED"),
    ],
)
async def test_what_nobody_serves_is_refused_in_the_form_of_tm_forum(
    web: WebCaller, verb: str, path: str, body: bytes | None, status: HTTPStatus, code: str
) -> None:
    answered = await web.ask(verb, CUSTOMERS + path, body)
    assert (answered.status, answered.body["code"], answered.body["@type"]) == (status, code, "Error")
