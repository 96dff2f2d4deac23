"""The description of each Open API tells what the node serves: every operation of its table, and nothing else."""

import asyncio
import html
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from google.protobuf.descriptor_pool import Default
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass

from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused
from gateway.web.html_pages import HtmlPages
from gateway.web.json_bodies import Attributes
from gateway.web.listed import Listed
from gateway.web.openapi import LEFT_OUT, openapi
from gateway.web.openapi_pages import HTML_PATH
from gateway.web.routes import TYPE_ATTRIBUTES, Api, Asked, Route
from region_node.open_api.samples import filled
from region_node.open_api.served import left_out_apis, served_apis
from tests.unit.open_api_schemas import DEVELOPMENT, FILES, document_of

APIS = pytest.mark.parametrize("api", served_apis(), ids=lambda api: api.root)


ALL = [*served_apis(), *left_out_apis()]
LISTS = [(api, route) for api in served_apis() for route in api.routes if route.selection.order]


def documented(api: Api) -> Mapping[str, Any]:
    """The document as its readers have it."""
    made = json.loads(json.dumps(openapi(api)))
    assert isinstance(made, dict)
    return made


@APIS
def test_each_route_is_described_with_its_parameters_and_no_other_is(api: Api) -> None:
    document = documented(api)
    told = {
        (verb.upper(), path): {each["name"] for each in operation["parameters"] if each["in"] != "header"}
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
    }
    assert told == {
        (route.verb, route.path): {
            "fields",
            *({"sort"} if route.selection.order else ()),
            *route.selection.paging,
            *route.selection.filters,
            *route.paths,
            *({"id"} if "{id}" in route.path else ()),
        }
        for route in api.routes
    }
    assert (document["servers"], document["info"]["title"]) == ([{"url": api.root}], api.title)
    ids = [each["operationId"] for operations in document["paths"].values() for each in operations.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("api", "route"), LISTS, ids=[f"{api.root}{route.path}" for api, route in LISTS])
def test_a_list_is_selected_and_sorted_by_attributes_alone_that_its_entries_have(api: Api, route: Route) -> None:
    service, method = route.rpc.split("/")[1:]
    kind = GetMessageClass(Default().FindServiceByName(service).methods_by_name[method].output_type)
    asked = Asked(api.root, {}, {}, "en", Requester(), "", Duration(), Attributes({}, ""))
    had = set[str]()
    for number in range(1, 60):  # the states of an order among them
        with suppress(Refused):  # of orders in most states there is no cancellation
            listed = route.answer(asked, filled(kind(), number))
            assert isinstance(listed, Listed)
            had |= {name for each in listed.items for name in each}
    assert {path.partition(".")[0] for path in route.paths} <= had


def test_headers_are_described_where_their_rpc_heeds_them() -> None:
    told = {
        operation["operationId"]: {each["name"] for each in operation["parameters"] if each["in"] == "header"}
        for api in served_apis()
        for operations in documented(api)["paths"].values()
        for operation in operations.values()
    }
    person = {"Requester-Staff-Id", "Requester-Channel"}
    assert told["listProductOffering"] == {"Accept-Language"}
    assert told["retrieveProductOrder"] == told["patchCustomer"] == {"Accept-Language", *person}
    assert told["createProductOrder"] == {"Accept-Language", *person, "Idempotency-Key", "Prefer"}
    assert told["listCustomerBill"] == {"Accept-Language", *person, "Idempotency-Key", "Identity-Verification"}
    assert [name for name, headers in told.items() if "Identity-Verification" in headers] == [
        "listCustomerBill",
        "retrieveCustomerBill",
    ]
    assert told["createServiceProblem"] == {"Accept-Language", *person, "Idempotency-Key"}


def test_a_filter_is_described_with_as_many_values_as_it_takes() -> None:
    told = {
        (operation["operationId"], each["name"]): each["schema"]["type"]
        for api in served_apis()
        for operations in documented(api)["paths"].values()
        for operation in operations.values()
        for each in operation["parameters"]
    }
    assert told["listProductOrder", "state"] == told["listAlarm", "perceivedSeverity"] == "array"
    assert told["listProductOrder", "awaiting.party"] == told["listAlarm", "sourceSystemId"] == "string"
    assert told["listAlarm", "alarmedObjectType"] == told["listTroubleTicket", "category"] == "string"


@APIS
def test_each_reference_of_a_description_leads_somewhere_and_its_schemas_are_schemas(api: Api) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason=DEVELOPMENT)
    document = documented(api)

    def references(value: object) -> list[str]:
        if isinstance(value, list):
            return [found for each in value for found in references(each)]
        if not isinstance(value, dict):
            return []
        return [*(value[name] for name in value if name == "$ref"), *references(list(value.values()))]

    for reference in references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@APIS
def test_a_body_is_described_by_the_attributes_that_its_route_takes(
    api: Api,
) -> None:
    document = documented(api)
    for route in api.routes:
        operation = document["paths"][route.path][route.verb.lower()]
        assert ("requestBody" in operation) == bool(route.attributes)
        for content in operation.get("requestBody", {"content": {}})["content"].values():
            schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
            assert set(schema["properties"]) == {*TYPE_ATTRIBUTES, *route.attributes}
            typed = ["@type"] if document["info"]["version"] == "v5" else []
            assert schema["required"] == [*typed, *route.required]


def test_the_attributes_without_which_no_order_is_taken_in_are_described_as_required() -> None:
    (api,) = (each for each in served_apis() if each.root.endswith("productOrderingManagement/v4"))
    schemas = documented(api)["components"]["schemas"]
    assert schemas["createProductOrderBody"]["required"] == ["productOrderItem", "relatedParty"]
    assert schemas["createCancelProductOrderBody"]["required"] == ["productOrder", "cancellationReason"]


@APIS
def test_each_attribute_that_is_required_of_a_type_is_described_and_so_is_each_way_to_call(api: Api) -> None:
    document = documented(api)
    schemas, schemes = document["components"]["schemas"], document["components"]["securitySchemes"]
    missing = {name: set(each.get("required", ())) - each["properties"].keys() for name, each in schemas.items()}
    assert not any(missing.values()), missing
    assert {frozenset(each) for each in document["security"]} == {
        frozenset({system, *person}) for system in ("certificate", "token") for person in ((), ("staff",))
    }
    assert {name for each in document["security"] for name in each} == schemes.keys()
    assert (schemes["token"]["scheme"], schemes["staff"]["name"]) == ("bearer", "Requester-Proof")


def test_what_nobody_keeps_is_described_without_an_id_and_without_a_place() -> None:
    (api,) = (each for each in served_apis() if "TMF642" in each.title)
    document = documented(api)
    assert document["components"]["schemas"]["AckAlarms"]["required"] == ["@type"]
    created = {path: document["paths"][path]["post"]["responses"]["201"] for path in ("/hub", "/clearAlarms")}
    assert {path: "Location" in each.get("headers", {}) for path, each in created.items()} == {
        "/hub": True,
        "/clearAlarms": False,
    }


def test_each_state_and_time_of_a_fault_is_in_the_description_of_a_problem() -> None:
    (api,) = (each for each in served_apis() if "TMF656" in each.title)
    told = documented(api)["components"]["schemas"]["CrossregionServiceProblem"]["properties"]
    # Only a fault that is repaired has this attribute.
    assert told["resolutionDate"] == {"type": "string", "format": "date-time"}
    assert told["stateChange"]["items"]["$ref"].startswith("#/components/schemas/gateway.api.region.v1.")
    assert told["affectedResource"]["items"]["properties"]["id"] == {"type": "string"}


def test_a_description_is_written_once_however_often_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    api, write = served_apis()[0], HtmlPages.written
    written: list[str] = []

    def counted(pages: HtmlPages, name: str, title: str, language: str, page: object) -> str:
        written.append(name)
        return write(pages, name, title, language, page)

    monkeypatch.setattr(HtmlPages, "written", counted)
    (page,) = (each for each in api.pages if each.path.endswith(HTML_PATH))

    async def twice() -> list[web.StreamResponse]:
        return [await page.show(make_mocked_request("GET", page.path)) for _ in range(2)]

    shown = asyncio.run(twice())
    assert written == ["openapi.html.j2"]
    assert all(isinstance(each, web.Response) and api.title in str(each.text) for each in shown)
    assert all(each.headers["Content-Security-Policy"].startswith(HtmlPages().policy()) for each in shown)


def test_the_policy_of_pages_renders_their_style_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pages, rendered = HtmlPages(), list[str]()

    def style(_: HtmlPages) -> str:
        rendered.append("style")
        return "body {}"

    monkeypatch.setattr(HtmlPages, "style", style)
    assert (pages.policy() == pages.policy(), len(rendered)) == (True, 1)


def test_every_file_of_tm_forum_is_compared_with_an_api() -> None:
    assert {api.root for api in ALL} == FILES.keys()


@pytest.mark.parametrize("api", ALL, ids=lambda api: api.root)
def test_each_path_of_tm_forum_is_served_or_its_resource_is_left_out_by_name(api: Api) -> None:
    served = {route.path for route in api.routes}
    missing = {path.split("/")[1] for path in document_of(FILES[api.root])["paths"] if path not in served}
    assert missing == {each.resource for each in api.left_out}


@APIS
def test_a_description_names_each_resource_that_is_left_out_with_what_serves_in_its_place(api: Api) -> None:
    told = {each["resource"]: each["reason"] for each in documented(api)["info"][LEFT_OUT]}
    assert told == {each.resource: each.instead for each in api.left_out}
    (page,) = (each for each in api.pages if each.path.endswith(HTML_PATH))

    async def read() -> web.StreamResponse:
        return await page.show(make_mocked_request("GET", page.path))

    shown = asyncio.run(read())
    assert isinstance(shown, web.Response)
    told_on_page = html.unescape(str(shown.text))
    assert [reason for reason in told.values() if reason not in told_on_page] == []
