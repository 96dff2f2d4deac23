"""What TM Forum's conformance kits check, at a real node: statuses, mandatory attributes, `fields`, and filters."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from urllib.parse import quote

import pytest

from gateway.web.routes import Api
from region_node.open_api.served import served_apis
from tests.federation.counter import Counter
from tests.federation.open_api_resources import KNOWN
from tests.federation.running import Federation
from tests.federation.web_caller import WebCaller, below, web_caller

ALWAYS = {"id", "href", "@type"}
MANDATORY: Mapping[str, set[str]] = {
    "/tmf-api/productOrderingManagement/v4": {"productOrderItem", "orderDate", "relatedParty", "state"},
    "/tmf-api/troubleTicket/v4": {"description", "severity", "ticketType"},
    "/tmf-api/customerManagement/v4": {"engagedParty", "name"},
    "/tmf-api/serviceProblemManagement/v4": {"category", "description", "priority", "reason"},
    "/tmf-api/alarm/v4": {
        "alarmRaisedTime",
        "alarmType",
        "alarmedObject",
        "perceivedSeverity",
        "probableCause",
        "sourceSystemId",
        "state",
    },
    "/tmf-api/productCatalogManagement/v4": {"name", "lifecycleStatus"},
    "/tmf-api/productOrdering/v5": {"productOrderItem", "creationDate", "relatedParty", "state"},
    "/tmf-api/troubleTicket/v5": {"description", "severity", "ticketType"},
    "/tmf-api/customerManagement/v5": {"engagedParty", "name"},
}
"""The attributes that the kits want of each resource of an API, by its path, beside those of all."""
pytestmark = pytest.mark.slow
APIS = pytest.mark.parametrize("api", served_apis(), ids=lambda api: api.root)


@pytest.fixture
def web(federation: Federation) -> WebCaller:
    """An operator system in Guangdong that nobody else is."""
    return web_caller(federation, "region/guangdong/operator/conformance")


def values(told: object, path: str = "") -> Iterator[tuple[str, str]]:
    """The texts in what is told, each with its path."""
    match told:
        case str():
            yield path, told
        case list():
            for each in told:
                yield from values(each, path)
        case dict():
            for name, each in told.items():
                yield from values(each, f"{path}.{name}" if path else name)


@APIS
async def test_a_resource_has_what_the_kits_want_and_is_selected_by_each_of_its_attributes(
    federation: Federation, web: WebCaller, guangdong: Counter, api: Api
) -> None:
    name, route = await KNOWN[api.root](federation, web, guangdong), api.routes[0]
    resources, wanted = f"{api.root}{route.path}", MANDATORY[api.root] | ALWAYS
    one = await web.ask("GET", below(resources, name))
    told = one.body
    assert (one.status, wanted - told.keys(), told["id"]) == (HTTPStatus.OK, set(), name)
    assert (await web.ask("GET", f"{resources}/{name}")).body["id"] == name, "an id with a slash was not read"
    listed = await web.ask("GET", f"{resources}?limit=500")
    assert (listed.status, [each for each in listed.bodies if wanted - each.keys()]) == (HTTPStatus.OK, [])
    wrong = []
    for attribute in sorted(wanted):
        few = await web.ask("GET", f"{resources}?fields={attribute}&limit=5")
        if few.status != HTTPStatus.OK or any(set(each) != {*ALWAYS, attribute} for each in few.bodies):
            wrong.append(f"fields={attribute}: {few.text}")
    selecting = {*route.paths, *route.selection.filters}
    (entry,) = (each for each in listed.bodies if each["id"] == name)
    for path, value in dict(values(entry)).items():
        if path not in selecting or "," in value:
            continue
        found = await web.ask("GET", f"{resources}?{path}={quote(value)}&fields=id&limit=500")
        if found.status != HTTPStatus.OK or name not in [each["id"] for each in found.bodies]:
            wrong.append(f"{path}={value}: {found.text}")
    assert not wrong
    assert {path for path in ("id", "href", "@type", *wanted) if isinstance(told.get(path), str)} <= selecting


@APIS
async def test_what_is_not_there_is_not_found_and_what_is_no_attribute_selects_nothing(
    web: WebCaller, api: Api
) -> None:
    resources = f"{api.root}{api.routes[0].path}"
    missing = await web.ask("GET", below(resources, "guangdong/none"))
    assert (missing.status, missing.body["@type"]) == (HTTPStatus.NOT_FOUND, "Error")
    none = await web.ask("GET", f"{resources}?id=guangdong/none")
    assert (none.status, none.bodies) == (HTTPStatus.OK, [])
    for query in ("nonsense=1", "id.nonsense=1"):
        unknown = await web.ask("GET", f"{resources}?{query}")
        assert (unknown.status, unknown.body["code"]) == (HTTPStatus.BAD_REQUEST, "ATTRIBUTE_UNSUPPORTED")
