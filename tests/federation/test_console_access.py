"""Every route of the consoles serves the people of its console whom the RPCs behind it serve, and nobody else."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import cast

import pytest
from google.protobuf.message import Message

from gateway.rpc.in_process import InProcess
from gateway.rpc.interceptor import BorderPorts
from gateway.web.console.application import ConsoleApplication
from gateway.web.console.pages import ACT, EVENTS, Form, Rpc, View, WebConsole
from tests.federation.browser import ROOT, Browser, hidden_fields
from tests.federation.databases import Databases
from tests.federation.event_stream import event_stream
from tests.federation.running import Federation
from tests.federation.test_access import answer
from tests.federation.test_open_api_access import method
from tests.federation.test_operator_scopes import MISSING, scoped
from tests.federation.web_caller import NO_CONNECTION
from tests.unit.console_pages import CONSOLE as OF_A_REGION
from tests.unit.test_coordinator_console import CONSOLE as OF_A_COORDINATOR

CONSOLES = {"guangdong": OF_A_REGION, "coordinator": OF_A_COORDINATOR}
PEOPLE = {"guangdong": "region/guangdong/staff/asks-consoles", "coordinator": "admin/asks-consoles"}
"""The people of each console. Of these tests alone, as all callers but nodes and coordinators, which have one name."""
PATHS = (
    "region/guangdong",
    "region/henan",
    "region/guangdong/operator/asks-consoles",
    "region/henan/operator/asks-consoles",
    "region/henan/staff/asks-consoles",
    "coordinator/0",
    "monitor/asks-consoles",
    *PEOPLE.values(),
)
DENIALS = ("PERMISSION_DENIED", MISSING)
OPEN = re.compile(r"/?|/assets/[^/]+")
"""The routes for all who may connect: the way to the first page, and files without secrets."""
SCOPES = """
["staff/auditor"]
services = ["AuditService"]
"""


@dataclass(frozen=True)
class Route:
    """A route of a console, and the page to which it belongs; None for one of the session, or one that is open."""

    verb: str
    path: str
    view: View | None

    @property
    def forms(self) -> Sequence[Form]:
        """The forms that it takes."""
        return () if self.view is None or self.verb == "GET" else self.view.forms

    @property
    def rpcs(self) -> Collection[Rpc[Message]]:
        """The RPCs behind it. A form that is refused is shown on its page."""
        return () if self.view is None else [*self.view.rpcs, *(each.rpc for each in self.forms)]

    @property
    def address(self) -> str:
        """A path that it has."""
        return ROOT + self.path.replace("{language}", "en").replace("{id}", "any")


def routes(console: WebConsole) -> Iterator[Route]:
    """Every route by which a console reads a page or takes a form."""
    views = {re.sub(r"{(\w+):[^}]*}", r"{\1}", each.path): each for each in console.views}
    served = ConsoleApplication(console, cast("InProcess", None), cast("BorderPorts", None)).served()
    for each in served.router.routes():
        assert each.resource is not None
        path = each.resource.canonical
        for verb in ("GET", "POST") if each.method == "*" else (each.method,):
            if verb in ("GET", "POST"):
                yield Route(verb, path, views.get(path.removesuffix(EVENTS)))


def denials(page: str) -> set[str]:
    """The reasons on a page by which its reader is denied something; a row of the audit chain may have one, too."""
    return {each for each in DENIALS if f'<p class="soft">{each}</p>' in page}


async def asked(browser: Browser, route: Route) -> tuple[int, set[str]]:
    """The status of the answer to a route, and the denials in it; none in an open stream."""
    if route.verb == "POST":
        answer = await browser.send(route.address, {})
    elif route.path.endswith(EVENTS) and browser.cookies:
        async with event_stream(browser, route.address.removeprefix(f"{ROOT}/")) as stream:
            return stream.answer.status, set()
    else:
        answer = await browser.open(route.address)
    return answer.status, denials(answer.text)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("server", CONSOLES)
async def test_without_a_session_a_route_leads_the_people_of_its_console_to_the_sign_in_and_denies_all_others(
    federation: Federation, server: str, path: str
) -> None:
    is_of_console, wrong = path == PEOPLE[server], []
    for route in routes(CONSOLES[server]):
        browser = Browser.of(federation, path, server)
        status, denied = await asked(browser, route)
        if OPEN.fullmatch(route.path):
            is_right = status < HTTPStatus.BAD_REQUEST and not browser.cookies
        elif not is_of_console:
            is_right = (status, denied, browser.cookies) == (HTTPStatus.FORBIDDEN, {"PERMISSION_DENIED"}, {})
        elif route.verb == "GET" or route.path == "/sign-in":
            is_right = status < HTTPStatus.BAD_REQUEST
        else:
            is_right = status == HTTPStatus.UNAUTHORIZED
        if not is_right:
            wrong.append(f"{route.verb} {route.path}: {status} {denied}")
    assert not wrong


@pytest.mark.parametrize("server", CONSOLES)
async def test_nobody_without_a_certificate_reaches_a_route(federation: Federation, server: str) -> None:
    known = Browser.of(federation, PATHS[0], server)
    browser = Browser(replace(known.caller, credentials=None))
    for route in routes(CONSOLES[server]):
        with pytest.raises(NO_CONNECTION):
            await browser.ask(route.verb, route.address)


@pytest.mark.parametrize(("server", "path"), PEOPLE.items())
async def test_a_page_and_a_form_serve_their_people_as_their_rpcs_do(
    federation: Federation, server: str, path: str
) -> None:
    await requires_what_grpc_denies(federation, server, path, set())


@pytest.mark.parametrize(("name", "denied"), [("clerk", {"ListAuditRows"}), ("auditor", set())])
async def test_a_page_denies_staff_without_a_scope_as_its_rpc_does(
    databases: Databases, tmp_path: Path, name: str, denied: set[str]
) -> None:
    async with scoped(tmp_path, databases, SCOPES) as federation:
        await requires_what_grpc_denies(federation, "guangdong", f"region/guangdong/staff/{name}", denied)


async def requires_what_grpc_denies(federation: Federation, server: str, path: str, denied: set[str]) -> None:
    """Fails where a page or a form of a person denies other than gRPC, which denies the RPCs of these names alone."""
    is_coordinator = server == "coordinator"
    channel = federation.dial_coordinator(path) if is_coordinator else federation.dial_node(server, path)
    served = [each for each in routes(CONSOLES[server]) if each.view is not None]
    refused: dict[str, str] = {}
    for each in {rpc.path for route in served for rpc in route.rpcs}:
        told = await answer(channel, method(each))
        if told is not None and told.reason in DENIALS:
            refused[each] = told.reason
    assert {each.rpartition("/")[2] for each in refused} == denied
    browser = Browser.of(federation, path, server)
    token = hidden_fields((await browser.sign_in()).text, "")["token"]
    wrong = []
    for route in served:
        expected = {refused[each.path] for each in route.rpcs if each.path in refused}
        if route.verb == "GET":
            found = [await asked(browser, route)]
        else:
            found = [await sent(browser, route, token, form, federation.next_id()) for form in route.forms]
        if any(each != expected or status == HTTPStatus.INTERNAL_SERVER_ERROR for status, each in found):
            wrong.append(f"{route.verb} {route.path}: {found}")
    assert not wrong


async def sent(browser: Browser, route: Route, token: str, form: Form, request_id: str) -> tuple[int, set[str]]:
    """The status of the answer to a form of a page that has nothing but its hidden fields, and the denials in it."""
    hidden = {"token": token, ACT: form.act, "request_id": request_id}
    page = await browser.send(route.address, hidden)
    return page.status, denials(page.text)
