"""Every route of the Open APIs serves those whom its RPC serves, and nobody else."""

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from google.protobuf.descriptor import MethodDescriptor

from gateway.api.types.v1 import access_pb2
from gateway.web.openapi_pages import HTML_PATH, JSON_PATH
from gateway.web.refusing import TYPE
from gateway.web.routes import Route
from region_node.open_api.served import served_apis
from tests.federation.running import Federation
from tests.federation.test_access import SERVICES, answer, may_call
from tests.federation.web_caller import web_caller

PATHS = (
    "region/guangdong",
    "region/henan",
    # Of these tests alone: a denial of theirs is in the audit rows of no other test.
    "region/guangdong/operator/asks-all",
    "region/henan/operator/asks-all",
    "region/guangdong/staff/asks-all",
    "region/henan/staff/asks-all",
    "coordinator/0",
    "admin/root",
)
"""A caller of each kind that `test_access.py` has."""
OWN = "region/guangdong/"
DENIED = "PERMISSION_DENIED"


def routes() -> Iterator[tuple[str, Route]]:
    """Every route, with a path that it has."""
    for api in served_apis():
        for route in api.routes:
            yield api.root + route.path.replace("{id}", "any"), route


def method(path: str) -> MethodDescriptor:
    """The RPC at a path."""
    _, service, name = path.split("/")
    return SERVICES[service].methods_by_name[name]


def test_a_route_names_rpcs_of_one_service_of_the_contract_and_of_the_least_restricted_first() -> None:
    for path, route in routes():
        found = [method(each) for each in (route.rpc, *route.others)]
        assert len({each.containing_service.full_name for each in found}) == 1, path
        for caller in PATHS:
            assert may_call(caller, "guangdong", found[0]) or not any(
                may_call(caller, "guangdong", each) for each in found
            ), path
        alone = [each.GetOptions().Extensions[access_pb2.without_staff] for each in found]
        assert alone[0] or not any(alone), path


@pytest.mark.parametrize("caller", PATHS)
async def test_a_description_is_read_by_the_callers_of_its_api_and_nobody_else(
    federation: Federation, caller: str
) -> None:
    web, wrong = web_caller(federation, caller), []
    for api in served_apis():
        may = caller.startswith(OWN)
        for path, kind in ((JSON_PATH, TYPE), (HTML_PATH, "text/html")):
            answer = await web.ask("GET", f"{api.root}/{path}")
            is_shown = answer.status == HTTPStatus.OK and answer.headers["content-type"].startswith(kind)
            if is_shown != may or (not may and DENIED not in answer.text):
                wrong.append(f"{api.root}/{path}: {answer.status}")
            elif may and not all(f"{api.root}{route.path}" in answer.text for route in api.routes if kind != TYPE):
                wrong.append(f"{api.root}/{path} leaves out a route")
    assert not wrong


@pytest.mark.parametrize("caller", PATHS)
async def test_a_route_serves_whom_its_rpc_serves_and_nobody_else(federation: Federation, caller: str) -> None:
    web, channel = web_caller(federation, caller), federation.dial_node("guangdong", caller)
    wrong = []
    for path, route in routes():
        by_http = await web.ask(route.verb, path, b"{}" if route.verb in ("POST", "PATCH") else None)
        found = "SERVED" if by_http.status < HTTPStatus.BAD_REQUEST else by_http.body["code"]
        by_grpc = await answer(channel, method(route.rpc))
        told = "SERVED" if by_grpc is None else by_grpc.reason
        may = [may_call(caller, "guangdong", method(each)) for each in (route.rpc, *route.others)]
        is_right = found != DENIED if all(may) else found == DENIED or any(may)
        if not is_right or (told == DENIED) == may[0] or found in ("METHOD_UNKNOWN", "INTERNAL"):
            wrong.append(f"{route.verb} {path}: {found}, and {told} by gRPC")
    assert not wrong
