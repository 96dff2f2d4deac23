"""Resources of TM Forum's files that no API serves: the refusal says so, and what serves in their place."""

import asyncio
from collections.abc import Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from google.protobuf.message import Message
from yarl import URL

from gateway.rpc.in_process import Arrival
from gateway.web.routes import applications
from region_node.open_api.product_ordering import PRODUCT_ORDERING
from region_node.open_api.served import left_out_apis, served_apis


class NoCalls:
    """RPCs that none of these requests comes to."""

    async def call(self, path: str, _: Arrival) -> Message:
        raise AssertionError(path)


async def asked_of_all(verb: str, path: str, language: str) -> tuple[int, Mapping[str, str]]:
    """The status and the body with which the APIs of a node answer."""
    server = web.Application()
    for root, each in applications([*served_apis(), *left_out_apis()], NoCalls(), lambda _: {}).items():
        server.add_subapp(root, each)
    url, headers = URL(path, encoded=True), {"Accept-Language": language}
    async with TestClient(TestServer(server)) as client, client.request(verb, url, headers=headers) as told:
        return told.status, await told.json()


@pytest.mark.parametrize(
    ("verb", "path", "resource", "instead"),
    [
        ("GET", "/tmf-api/productCatalogManagement/v4/category", "category", "productOffering"),
        ("DELETE", "/tmf-api/productCatalogManagement/v4/category/x%2Fy", "category", "productOffering"),
        ("POST", "/tmf-api/alarm/v4/unGroupAlarms", "unGroupAlarms", "problem of the network"),
        ("GET", "/tmf-api/alarm/v4/ackAlarms/x", "ackAlarms", "GET of alarm"),
        ("POST", "/tmf-api/troubleTicket/v5/listener/troubleTicketCreateEvent", "listener", "POST of hub"),
        ("GET", "/tmf-api/customerBillManagement/v5/billCycle", "billCycle", "/tmf-api/customerBillManagement/v4"),
    ],
)
def test_a_resource_that_is_left_out_is_refused_by_its_name_with_what_serves_in_its_place(
    verb: str, path: str, resource: str, instead: str
) -> None:
    status, body = asyncio.run(asked_of_all(verb, path, "en"))
    assert (status, body["status"], body["code"], body["@type"]) == (501, "501", "RESOURCE_LEFT_OUT", "Error")
    assert f"resource: {resource}" in body["message"]
    assert resource in body["reason"]
    assert instead in body["reason"]
    _, chinese = asyncio.run(asked_of_all(verb, path, "zh"))
    assert chinese["reason"].startswith(f"此接口有意不提供{resource}：")


@pytest.mark.parametrize("root", ["/tmf-api/productCatalogManagement/v5", PRODUCT_ORDERING.root, "/tmf-api/nosuch/v4"])
def test_a_path_that_is_in_no_file_is_unknown_and_leads_to_no_version_that_is_left_out(root: str) -> None:
    status, body = asyncio.run(asked_of_all("GET", f"{root}/listeners", "en"))
    assert (status, body["code"]) == (404, "METHOD_UNKNOWN")
    assert "productCatalogManagement/v5," not in body["message"]
