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
    "/tmf-api/serviceProblemManagement/v4/serviceProblem": {"category", "description", "priority", "reason"},
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
async def test_a_resource_has_what_the_kits_want_and_is_selected_by_each_of_its_attributes(
    federation: Federation, web: WebCaller, guangdong: Counter, path: str
) -> None:
    known, route = await KNOWN[path](federation, web, guangdong), LISTS[path]
    web = web.saying(known.headers)
    name, wanted = known.id, MANDATORY[path] | ALWAYS
    one = await web.ask("GET", below(path, name))
    told = one.body
    assert (one.status, wanted - told.keys(), told["id"]) == (HTTPStatus.OK, set(), name)
    slashed = await web.ask("GET", f"{path}/{name}")
    assert slashed.body["id"] == name, "an id with a slash was not read"
    listed = await web.ask("GET", f"{path}?limit=500")
    assert (listed.status, [each for each in listed.bodies if wanted - each.keys()]) == (HTTPStatus.OK, [])
    wrong = []
    for attribute in sorted(wanted):
        few = await web.ask("GET", f"{path}?fields={attribute}&limit=5")
        if few.status != HTTPStatus.OK or any(set(each) != {*ALWAYS, attribute} for each in few.bodies):
            wrong.append(f"fields={attribute}: {few.text}")
    selecting = {*route.paths, *route.selection.filters}
    (entry,) = (each for each in listed.bodies if each["id"] == name)
    shown = dict(values(entry))
    for attribute, value in shown.items():
        if attribute not in selecting or "," in value:
            continue
        found = await web.ask("GET", f"{path}?{attribute}={quote(value)}&fields=id&limit=500")
        if found.status != HTTPStatus.OK or name not in [each["id"] for each in found.bodies]:
            wrong.append(f"{attribute}={value}: {found.text}")
    assert not wrong
    plain = {each for each in shown if each.partition(".")[0] in wanted}
    assert plain <= selecting, "an attribute that the kits want selects nothing"


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
