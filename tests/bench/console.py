"""`python -m tests.bench.console`: the pages of both consoles with many open orders and complaints.

Each page is opened in turns with the RPCs of which it is made, called by gRPC one after the other: both have one
caller. Orders come from another region in packs and wait for the staff of their home; complaints come in by an import.
"""

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import click
import grpc
import uvloop
from google.protobuf.message import Message
from rich.table import Table

from coordinator.console import console as of_coordinator
from deploy.local.administrator import NAME as ADMINISTRATOR
from deploy.local.federation import COORDINATOR, FEDERATION, OPERATOR, LocalFederation
from gateway.api.region.v1.complaint_import_service_pb2_grpc import ComplaintImportServiceStub
from gateway.api.region.v1.complaint_service_pb2 import ListComplaintsRequest
from gateway.api.region.v1.complaint_service_pb2_grpc import ComplaintServiceStub
from gateway.api.region.v1.order_pb2 import OrderRequest, Party
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, SubmitOrdersRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.errors import from_rpc_error
from gateway.security.identity import Identity, server_name
from gateway.time.clock import SystemClock
from gateway.web.console.cookies import COOKIE
from gateway.web.console.fields import Fields
from gateway.web.console.pages import A, Calling, Rpc, View, Visit, WebConsole
from region_node.console import console as of_region
from tests.bench.bulk import in_packs, received, until_done
from tests.bench.chain import credentials_in
from tests.bench.comparing import turns
from tests.bench.complaints import complaint_pieces, import_complaints
from tests.bench.https import HttpCaller, https_context
from tests.bench.load import CALL_TIMEOUT
from tests.bench.orders import HANDLING, HOME, all_lines, identity_document, requester
from tests.bench.processor_time import processor_seconds
from tests.bench.report import percentile
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import circumstances, write_report
from tests.bench.running import running
from tests.bench.table import console

GOAL = 50.0
"""The longest time for a page of a region, in ms."""
_STAFF = "li"
_LINK = "chengdu-guangzhou-1"
_PACKED = 2_048  # orders submitted before their home region has to have them
_NAMED = re.compile(r"{(\w+):?[^}]*}")


class OverGrpc(Calling):
    """The RPCs of a page, called from another process."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def ask(self, rpc: Rpc[A], request: Message) -> A:
        """See `Calling`."""
        method = self._channel.unary_unary(
            rpc.path, request_serializer=type(request).SerializeToString, response_deserializer=rpc.answer.FromString
        )
        try:
            return await method(request, timeout=CALL_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            refused = from_rpc_error(error)
            if refused is None:
                raise
            raise refused from None


@dataclass(frozen=True)
class Site:
    """The console of a process, open in a browser of a person; and a channel of the same person."""

    member: str
    process: int
    console: WebConsole
    person: Identity
    browser: HttpCaller
    cookie: str
    channel: grpc.aio.Channel

    async def open(self, address: str) -> None:
        """Opens a page. Raises NotAsExpected."""
        await self.browser.ask("GET", self.console.root + address, {"Cookie": self.cookie})

    async def ask(self, address: str) -> None:
        """Calls the RPCs of which the page is made."""
        path, _, query = address.partition("?")
        view, names = self._view(path)
        visit = Visit(
            root=self.console.root,
            names=names,
            query=Fields.parsed(query),
            form=Fields({}),
            person=self.person,
            now=self.console.now(),
            request_id="",
            drawn=secrets.token_hex(8),
        )
        await view.read(visit, OverGrpc(self.channel))

    def _view(self, path: str) -> tuple[View, Mapping[str, str]]:
        for view in self.console.views:
            if match := re.fullmatch(_NAMED.sub(r"(?P<\1>.+)", view.path), path):
                return view, match.groupdict()
        raise ValueError(f"the console has no page {path}")


class Taken(NamedTuple):
    """The time of one way, in ms: on the clock, and of the processors in the process that serves it."""

    clock: float
    processors: float


@dataclass(frozen=True)
class Opened:
    """A page and its RPCs, each asked for so often."""

    page: str
    ways: Sequence[Sequence[Taken]]
    """Of the page, and of its RPCs."""

    @property
    def figures(self) -> Mapping[str, float]:
        """The figures by their names: times in ms, and the ratio of the page to its RPCs."""
        found: dict[str, float] = {}
        for name, times in zip(("page", "RPCs"), self.ways, strict=True):
            clock = [each.clock for each in times]
            found |= {f"{name} p50": percentile(clock, 0.5), f"{name} p99": percentile(clock, 0.99)}
            found[f"{name} CPU"] = percentile([each.processors for each in times], 0.5)
        found["p50 page/RPCs"] = found["page p50"] / found["RPCs p50"]
        return found


async def fill_region(federation: LocalFederation, count: int) -> None:
    """Gives the home region so many orders that wait for its staff, and as many open complaints."""
    async with federation.dial_region(HOME, f"{HOME}-{OPERATOR}") as channel:
        await import_complaints(ComplaintImportServiceStub(channel), complaint_pieces(HOME, range(count)))
    waiting = [_corrected(line.number) for line in all_lines(customers=count)]
    async with federation.dial_region(HANDLING, f"{HANDLING}-{OPERATOR}") as channel:
        for first in range(0, count, _PACKED):
            packed, before = waiting[first : first + _PACKED], received(federation)
            await in_packs(OrderServiceStub(channel), packed)
            await until_done(federation, before + len(packed))


def _corrected(number: str) -> SubmitOrdersRequest:
    """A correction of personal data, which staff of the home region review."""
    face = identity_document()
    face.code = "FACE"
    order = OrderRequest(
        business="PROFILE_UPD",
        number=number,
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[identity_document(), face],
        characteristics={"email": "li@example.com"},
        requester=requester(),
        bulk=True,
    )
    return SubmitOrdersRequest(request_id=f"review-{number.lstrip('+')}", order=order)


async def opened_site(stack: AsyncExitStack, federation: LocalFederation, member: str) -> Site:
    """A console of a region or the coordinator, whose person has signed in."""
    if member == COORDINATOR:
        person, certificate = Identity(FEDERATION, Role.ROLE_ADMIN, "", ADMINISTRATOR), "admin"
        web, name = of_coordinator.console(SystemClock()), server_name(Role.ROLE_COORDINATOR, "", FEDERATION)
        replica, channel = federation.coordinators[0], federation.dial_coordinator()
    else:
        federation.issue_staff(member, _STAFF)
        person, certificate = Identity(FEDERATION, Role.ROLE_STAFF, member, _STAFF), f"{member}-{_STAFF}"
        web = of_region.console(member, SystemClock(), may_audit=lambda _: False)
        name = server_name(Role.ROLE_REGION, member, FEDERATION)
        replica, channel = federation.nodes[member][0], federation.dial_region(member, certificate)
    context = https_context(credentials_in(federation.directory / "certificates" / certificate))
    browser = HttpCaller("127.0.0.1", federation.web_port(replica), context, name)
    said = {"Origin": f"https://{name}", "Content-Type": "application/x-www-form-urlencoded"}
    answer = await browser.ask("POST", f"{web.root}/sign-in", said)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    if not cookie.startswith(COOKIE):
        raise ValueError(f"{member}: signing in gave no session")
    return Site(member, replica.process.pid, web, person, browser, cookie, await stack.enter_async_context(channel))


async def pages_of_region(site: Site) -> Sequence[str]:
    """The pages of a region, with those of its newest order and complaint and of their customer."""
    staff = Party.PARTY_HOME_STAFF
    orders = await OrderServiceStub(site.channel).ListOrders(ListOrdersRequest(awaiting=staff), timeout=CALL_TIMEOUT)
    complaints = await ComplaintServiceStub(site.channel).ListComplaints(ListComplaintsRequest(), timeout=CALL_TIMEOUT)
    order, complaint = orders.orders[0], complaints.complaints[0]
    number = f"%2B{order.request.number.lstrip('+')}"
    return (
        "/work",
        "/work?kind=complaints&within=24",
        "/orders",
        "/orders?awaiting=homeStaff",
        "/orders?awaiting=customer",
        "/orders?state=completed",
        "/orders?state=held",
        f"/orders?number={number}",
        "/orders/new",
        f"/orders/{order.id}",
        "/joint-orders",
        "/joint-orders/new?business=LEASED_LINE",
        "/complaints",
        "/complaints?only=overdue",
        "/complaints/new",
        f"/complaints/{complaint.ticket_id}",
        f"/customers?number={number}",
        "/faults",
        "/faults?only=overdue",
        "/faults/new",
        "/support",
        "/issues",
        "/network",
        f"/network/links/{_LINK}",
        "/imports",
    )


PAGES_OF_COORDINATOR = (
    "/board",
    f"/regions/{HOME}",
    f"/regions/{HOME}/membership",
    "/orders",
    "/joint-orders",
    "/complaints",
    "/complaints/report",
    "/network",
    "/network/paths?from=chengdu&to=beijing",
    "/problems",
    "/issues",
    "/risks",
    "/body",
    "/quality",
    "/reconciliation?days=31",
    "/settlement",
    "/configuration",
    "/configuration/revisions",
)


async def measure(federation: LocalFederation, times: int) -> Sequence[Opened]:
    """Each page of both consoles, so often in turns with its RPCs."""
    found: list[Opened] = []
    async with AsyncExitStack() as stack:
        region = await opened_site(stack, federation, HOME)
        coordinator = await opened_site(stack, federation, COORDINATOR)
        for site, pages in ((region, await pages_of_region(region)), (coordinator, PAGES_OF_COORDINATOR)):
            for address in pages:
                ways = (site.open, site.ask)
                for way in ways:  # the first time loads templates, and connects
                    await way(address)
                taken: tuple[list[Taken], list[Taken]] = ([], [])
                for turn in turns(2, times):
                    for place in turn:
                        taken[place].append(await _taken(ways[place], address, site.process))
                found.append(Opened(f"{site.member} {address}", taken))
    return found


async def _taken(way: Callable[[str], Awaitable[None]], address: str, process: int) -> Taken:
    used, started = processor_seconds([process]), time.perf_counter()
    await way(address)
    elapsed = time.perf_counter() - started
    return Taken(elapsed * 1e3, (processor_seconds([process]) - used) * 1e3)


def table(found: Sequence[Opened]) -> Table:
    """A row per page."""
    shown = Table(title="pages, ms", title_justify="left", caption=f"goal: {GOAL:g} ms", caption_justify="left")
    shown.add_column("page", no_wrap=True, max_width=44)
    for heading in found[0].figures:
        shown.add_column(heading, justify="right")
    for each in found:
        shown.add_row(each.page, *(f"{value:.{2 if '/' in name else 1}f}" for name, value in each.figures.items()))
    return shown


@click.command()
@click.option("--open", "count", default=10_000, show_default=True, help="orders that wait for staff, and complaints")
@click.option("--times", default=50, show_default=True, help="that each page is opened")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "console.json", show_default=True)
def main(count: int, times: int, output: Path, *, unsynced: bool) -> None:
    """Measures the pages of both consoles beside the RPCs of which they are made."""
    others = ready(Needs(output.parent, synced=not unsynced))
    with ExitStack() as stack:
        directory = stack.enter_context(working_directory(output.parent, "console"))
        conditions = circumstances(directory, others, open=count, times=times, goal_ms=GOAL)
        web = {HOME: "console", COORDINATOR: "console"}
        federation = stack.enter_context(running(directory / "federation", customers=count, web=web))
        uvloop.run(fill_region(federation, count))
        found = uvloop.run(measure(federation, times))
    console().print(table(found))
    write_report(output, {"pages": {each.page: dict(each.figures) for each in found}, "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
