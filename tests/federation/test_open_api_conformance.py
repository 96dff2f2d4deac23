"""What TM Forum's conformance kits check, at a real node: statuses, mandatory attributes, `fields`, and filters.

Each resource with a list is checked, in each version in which a node serves it.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from urllib.parse import quote

import pytest

from gateway.web.routes import Route
from region_node.open_api.hub import HUB
from region_node.open_api.served import served_apis
from tests.federation.counter import Counter
from tests.federation.open_api_resources import BILLS, KNOWN
from tests.federation.running import Federation
from tests.federation.web_caller import WebCaller, below, web_caller

ALWAYS = {"id", "href", "@type"}
_ORDER = {"productOrderItem", "relatedParty", "state"}
_CANCELLATION = {"productOrder", "state"}
_TICKET = {"description", "severity", "ticketType"}
_CUSTOMER = {"engagedParty", "name"}
MANDATORY: Mapping[str, set[str]] = {
    "/tmf-api/productOrderingManagement/v4/productOrder": {*_ORDER, "orderDate"},
    "/tmf-api/productOrderingManagement/v4/cancelProductOrder": _CANCELLATION,
    "/tmf-api/troubleTicket/v4/troubleTicket": _TICKET,
    "/tmf-api/customerManagement/v4/customer": _CUSTOMER,
    "/tmf-api/serviceProblemManagement/v4/serviceProblem": {
        "category",
        "description",
        "originatorParty",
        "priority",
        "reason",
    },
    "/tmf-api/alarm/v4/alarm": {
        "alarmRaisedTime",
        "alarmType",
        "alarmedObject",
        "perceivedSeverity",
        "probableCause",
        "sourceSystemId",
        "state",
    },
    "/tmf-api/productCatalogManagement/v4/productOffering": {"name", "lifecycleStatus", "productOfferingPrice"},
    "/tmf-api/productCatalogManagement/v4/productSpecification": {"name", "lifecycleStatus"},
    "/tmf-api/productCatalogManagement/v4/productOfferingPrice": {"name", "lifecycleStatus"},
    BILLS: {"billDocument", "state"},
    "/tmf-api/productOrdering/v5/productOrder": {*_ORDER, "creationDate"},
    "/tmf-api/productOrdering/v5/cancelProductOrder": _CANCELLATION,
    "/tmf-api/troubleTicket/v5/troubleTicket": _TICKET,
    "/tmf-api/customerManagement/v5/customer": _CUSTOMER,
}
"""The attributes that the kits want of each resource, by the path of its list, beside those of all."""
LISTS: Mapping[str, Route] = {
    f"{api.root}{route.path}": route
    for api in served_apis()
    for route in api.routes
    if route.selection.order and route.path != f"/{HUB}"
}
CREATED = {f"{api.root}{route.path}" for api in served_apis() for route in api.routes if route.verb == "POST"}
pytestmark = pytest.mark.slow
RESOURCES = pytest.mark.parametrize("path", LISTS)


@pytest.fixture
def web(federation: Federation) -> WebCaller:
    """An operator system in Guangdong that nobody else is."""
    return web_caller(federation, "region/guangdong/operator/conformance")


def values(told: object, path: str = "") -> Iterator[tuple[str, str]]:
    """The texts, numbers and flags in what is told, each with its path."""
    match told:
        case bool():
            yield path, str(told).lower()
        case str() | int() | float():
            yield path, str(told)
        case list():
            for each in told:
                yield from values(each, path)
        case dict():
            for name, each in told.items():
                yield from values(each, f"{path}.{name}" if path else name)


def test_each_list_is_checked_and_nothing_else_is_named() -> None:
    assert LISTS.keys() == MANDATORY.keys() == KNOWN.keys()


@RESOURCES
async def test_a_resource_has_what_the_kits_want_and_each_of_its_attributes_is_told_alone(
    federation: Federation, web: WebCaller, guangdong: Counter, path: str
) -> None:
    known, wanted = await KNOWN[path](federation, web, guangdong), MANDATORY[path] | ALWAYS
    web, name = web.saying(known.headers), known.id
    if str(known.created.get("href")).startswith(path):  # resources of version 5 are made by version 4
        assert not wanted - known.created.keys()
    one = await web.ask("GET", below(path, name))
    assert (one.status, wanted - one.body.keys(), one.body["id"]) == (HTTPStatus.OK, set(), name)
    slashed = await web.ask("GET", f"{path}/{name}")
    assert slashed.body["id"] == name, "an id with a slash was not read"
    listed = await web.ask("GET", f"{path}?limit=500")
    assert (listed.status, [each for each in listed.bodies if wanted - each.keys()]) == (HTTPStatus.OK, [])
    (entry,) = (each for each in listed.bodies if each["id"] == name)
    wrong = []
    for attribute in sorted(one.body):
        query, told = f"fields={attribute}", {*ALWAYS, attribute}
        alone = await web.ask("GET", f"{below(path, name)}?{query}")
        if alone.status != HTTPStatus.OK or set(alone.body) != told:
            wrong.append(f"{query}: {alone.text}")
        few = await web.ask("GET", f"{path}?id={quote(name)}&{query}")
        if few.status != HTTPStatus.OK or [set(each) for each in few.bodies] != [told & entry.keys()]:
            wrong.append(f"the list by {query}: {few.text}")
    assert not wrong, "\n".join(wrong)


@RESOURCES
async def test_each_attribute_of_an_entry_selects_those_with_its_value_alone(
    federation: Federation, web: WebCaller, guangdong: Counter, path: str
) -> None:
    known, route = await KNOWN[path](federation, web, guangdong), LISTS[path]
    web = web.saying(known.headers)
    (entry,) = (each for each in (await web.ask("GET", f"{path}?limit=500")).bodies if each["id"] == known.id)
    wrong, selecting = [], {*route.paths, *route.selection.filters}
    for attribute, value in dict.fromkeys(values(entry)):
        if attribute not in selecting:
            wrong.append(f"{attribute} selects nothing")
            continue
        query = f"{quote(attribute)}={quote(value)}&fields={attribute.partition('.')[0]}&limit=500"
        found = await web.ask("GET", f"{path}?{query}")
        # Commas stand between several values, any of which selects.
        meant = {(attribute, each.strip()) for each in (value, *value.split(","))}
        if found.status != HTTPStatus.OK or known.id not in [each["id"] for each in found.bodies]:
            wrong.append(f"{attribute}={value} has lost the entry: {found.text}")
        elif any(meant.isdisjoint(values(each)) for each in found.bodies):
            wrong.append(f"{attribute}={value} has found another one: {found.text}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", [path for path in LISTS if path in CREATED])
async def test_a_broken_body_makes_nothing_and_is_a_wrong_request(web: WebCaller, path: str) -> None:
    for body in (b"", b"{", b"[]", b"{}", b'{"state": 1}', b'{"@type": "Nonsense"}', b'{"nonsense": 1}', b"\xff"):
        refused = await web.ask("POST", path, body, Idempotency_Key="broken")
        assert (refused.status, refused.body["@type"]) == (HTTPStatus.BAD_REQUEST, "Error"), (body, refused.text)


@RESOURCES
async def test_what_is_not_there_is_not_found_and_what_is_no_attribute_selects_nothing(
    federation: Federation, web: WebCaller, guangdong: Counter, path: str
) -> None:
    web = web.saying((await KNOWN[path](federation, web, guangdong)).headers)
    missing = await web.ask("GET", below(path, "guangdong/none"))
    assert (missing.status, missing.body["@type"]) == (HTTPStatus.NOT_FOUND, "Error")
    none = await web.ask("GET", f"{path}?id=guangdong/none")
    assert (none.status, none.bodies) == (HTTPStatus.OK, [])
    for query in ("nonsense=1", "id.nonsense=1"):
        unknown = await web.ask("GET", f"{path}?{query}")
        assert (unknown.status, unknown.body["code"]) == (HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED")


@pytest.mark.parametrize("path", [path for path, route in LISTS.items() if route.selection.is_counted])
async def test_a_list_is_counted_and_a_part_of_it_begins_at_the_number_of_a_place(
    federation: Federation, web: WebCaller, guangdong: Counter, path: str
) -> None:
    for _ in range(2):
        await KNOWN[path](federation, web, guangdong)
    whole = await web.ask("GET", f"{path}?limit=500")
    names = [each["id"] for each in whole.bodies]
    assert whole.headers["x-total-count"] == str(len(names)), "nothing else is in this federation"
    part = await web.ask("GET", f"{path}?offset=1&limit=1")
    assert [each["id"] for each in part.bodies] == names[1:2]
    assert part.headers["x-total-count"] == str(len(names))


@RESOURCES
async def test_a_list_comes_in_each_of_its_orders_and_the_refusal_of_another_one_names_them(
    federation: Federation, web: WebCaller, guangdong: Counter, path: str
) -> None:
    await KNOWN[path](federation, web, guangdong)
    known = await KNOWN[path](federation, web, guangdong)
    web, orders = web.saying(known.headers), LISTS[path].selection.orders
    names = [each["id"] for each in (await web.ask("GET", f"{path}?limit=500")).bodies]
    for order, wanted in zip(orders, (names, names[::-1]), strict=False):
        target = f"{path}?sort={quote(order)}&limit={max(1, len(names) // 2)}&fields=id"
        found: list[object] = []
        while target:
            page = await web.ask("GET", target)
            found += [each["id"] for each in page.bodies]
            target = page.headers.get("link", "").partition(">; ")[0].removeprefix("<")
        if len(orders) > 1:
            assert found == wanted
        if LISTS[path].selection.is_counted:
            part = await web.ask("GET", f"{path}?sort={quote(order)}&offset=1&limit=1")
            assert [each["id"] for each in part.bodies] == wanted[1:2]
            assert part.headers["x-total-count"] == str(len(names))
    refused = await web.ask("GET", f"{path}?sort=nonsense")
    assert (refused.status, refused.body["code"]) == (HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED")
    assert all(each in str(refused.body["reason"]) for each in orders)


@pytest.mark.parametrize("path", [path for path, route in LISTS.items() if route.selection.is_sortable])
async def test_a_list_comes_by_any_attribute_by_which_it_is_selected_and_fills_pages(
    federation: Federation, web: WebCaller, guangdong: Counter, path: str
) -> None:
    await KNOWN[path](federation, web, guangdong)
    web = web.saying((await KNOWN[path](federation, web, guangdong)).headers)
    names = [str(each["id"]) for each in (await web.ask("GET", f"{path}?limit=500")).bodies]
    for order, wanted in (("@type,-id", sorted(names, reverse=True)), ("@type", names)):
        target, found = f"{path}?sort={quote(order)}&limit={max(1, len(names) // 2)}&fields=href", list[str]()
        while target:
            page = await web.ask("GET", target)
            assert page.headers["x-total-count"] == str(len(names))
            found += [str(each["id"]) for each in page.bodies]
            target = page.headers.get("link", "").partition(">; ")[0].removeprefix("<")
        assert found == wanted


@pytest.mark.parametrize("path", [path for path, route in LISTS.items() if route.selection.is_counted])
async def test_what_an_attribute_selects_is_all_of_the_list_and_counted_and_fills_pages(
    federation: Federation, web: WebCaller, guangdong: Counter, path: str
) -> None:
    for _ in range(3):
        await KNOWN[path](federation, web, guangdong)
    whole = (await web.ask("GET", f"{path}?limit=500")).bodies
    lasting = {each for each in LISTS[path].paths if each.partition(".")[0] in {"id", *MANDATORY[path]} - {"state"}}
    held = [{each for each in values(entry) if each[0] in lasting and "," not in each[1]} for entry in whole]
    name, value = max(set().union(*held), key=lambda each: sum(each in one for one in held) % len(whole))
    wanted = [each["id"] for each, one in zip(whole, held, strict=True) if (name, value) in one]
    query = f"{path}?{quote(name)}={quote(value)}"
    first = await web.ask("GET", f"{query}&limit=1")
    assert [each["id"] for each in first.bodies] == wanted[:1]
    assert first.headers["x-total-count"] == str(len(wanted))
    part = await web.ask("GET", f"{query}&limit=2&offset=1")
    assert [each["id"] for each in part.bodies] == wanted[1:3]
    assert part.headers["x-total-count"] == str(len(wanted))
    if len(wanted) > 1:
        following = await web.ask("GET", first.headers["link"].partition(">; ")[0].removeprefix("<"))
        assert [each["id"] for each in following.bodies] == wanted[1:2]
