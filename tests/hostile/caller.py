"""An honest caller, a process of its own: what the tests' process does for an attack does not slow it down.

It calls from when it is told to begin until it has made so many calls more, and answers with the fate of all of them.
"""

import asyncio
import dataclasses
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path

import click
import grpc
import uvloop

from gateway.api.coordinator.v1.enrolment_service_pb2 import EnrolRequest
from gateway.api.coordinator.v1.enrolment_service_pb2_grpc import JoiningServiceStub
from gateway.api.federation.v1.federation_pb2 import GetAuditHeadRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1.catalogue_service_pb2 import SearchBusinessesRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import from_rpc_error
from gateway.process.resident import resident_bytes
from gateway.security.enrolling import SECRET_BYTES
from gateway.security.tls import Credentials, client_credentials, client_options, joiner_credentials
from tests.bench.chain import credentials_in
from tests.bench.load import ClientProcess
from tests.bench.processor_time import processor_seconds
from tests.hostile.lines import client_context, dial_https, request_of, statuses

CALL_SECONDS = 200.0  # reached only where a call is not served
PAUSE = 0.02  # seconds between two calls
Call = Callable[[], Awaitable[object]]


@dataclass
class Fate:
    """The fate of calls."""

    waits: list[float] = field(default_factory=list)
    """For each call, the time until its answer: seconds."""
    processor: list[float] = field(default_factory=list)
    """For each call, the processor time that the server took until then: seconds.

    Unlike the time that passed, it does not depend on what else the machine does.
    """
    memory: int = 0
    """The most bytes of the server in memory, as seen after each call."""
    failures: list[str] = field(default_factory=list)

    def add(self, later: "Fate") -> None:
        """Counts later calls in."""
        self.waits += later.waits
        self.processor += later.processor
        self.memory = max(self.memory, later.memory)
        self.failures += later.failures


class HonestCaller(ClientProcess):
    """An honest caller, as the tests see it."""

    def __init__(self, kind: str, endpoint: str, name: str, certificate: Path, server: int, log: Path) -> None:
        """`kind` is that of a call, `server` the process id of the server.

        `name` is that of the server; of one that speaks HTTPS it is the path of a page.
        """
        arguments = [kind, endpoint, name, str(certificate), str(server)]
        super().__init__("tests.hostile.caller", arguments, log)

    def call(self, count: int, pause: float = PAUSE) -> Fate:
        """Makes so many calls, and one perhaps, with so many seconds between two calls."""
        self.begin(pause)
        return self.finish(count)

    def begin(self, pause: float = PAUSE) -> None:
        """Calls until `finish`."""
        self.tell({"pause": pause})

    def finish(self, count: int) -> Fate:
        """Makes so many calls more; the fate of all calls since `begin`."""
        self.tell({"calls": count})
        return Fate(**json.loads(self.answer()))


def dial(endpoint: str, name: str, credentials: Credentials) -> grpc.aio.Channel:
    """A channel as operator systems have it; that of a member would give up a busy server sooner."""
    own = client_credentials(credentials, datetime.now(UTC))
    return grpc.aio.secure_channel(endpoint, own, client_options(name))


def dial_without_certificate(endpoint: str, name: str, credentials: Credentials) -> grpc.aio.Channel:
    """A channel of a joiner, who has only the authority of the credentials."""
    trusted = joiner_credentials(credentials.authority.read_bytes())
    return grpc.aio.secure_channel(endpoint, trusted, client_options(name))


async def ask_node(channel: grpc.aio.Channel) -> None:
    """A call of an operator system at a node."""
    request = SearchBusinessesRequest(query="SUSPEND")
    await CatalogueServiceStub(channel).SearchBusinesses(request, timeout=CALL_SECONDS, wait_for_ready=True)


async def ask_coordinator(channel: grpc.aio.Channel) -> None:
    """A call of a region at a coordinator."""
    request = GetAuditHeadRequest()
    await FederationServiceStub(channel).GetAuditHead(request, timeout=CALL_SECONDS, wait_for_ready=True)


async def ask_to_enrol(channel: grpc.aio.Channel) -> None:
    """A call of a joiner, whose token has ended."""
    request = EnrolRequest(secret=bytes(SECRET_BYTES))
    try:
        await JoiningServiceStub(channel).Enrol(request, timeout=CALL_SECONDS, wait_for_ready=True)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is None or refused.reason != Reason.REASON_ENROLMENT_TOKEN_INVALID:
            raise


async def read_page(port: int, path: str, context: ssl.SSLContext) -> None:
    """A request of a page, on a connection of its own. Raises OSError where it is not answered with OK."""
    async with asyncio.timeout(CALL_SECONDS):
        line = await dial_https(port, context)
        await line.send(request_of(path, "Connection: close"))
        found = statuses(await line.rest())
    line.cut()
    if found != [HTTPStatus.OK]:
        raise OSError(f"the page is answered with {found}")


ENROLMENT, HTTPS = "enrolment", "https"


@asynccontextmanager
async def _calling(kind: str, endpoint: str, name: str, credentials: Credentials) -> AsyncIterator[Call]:
    """Gives the call of a kind."""
    if kind == HTTPS:
        yield partial(read_page, int(endpoint.rpartition(":")[2]), name, client_context(credentials))
        return
    connect = dial_without_certificate if kind == ENROLMENT else dial
    async with connect(endpoint, name, credentials) as channel:
        yield partial(_RPCS[kind], channel)


_RPCS = {"node": ask_node, "coordinator": ask_coordinator, ENROLMENT: ask_to_enrol}


async def _obey(call: Call, server: int) -> None:
    async def told() -> str:
        return await asyncio.to_thread(sys.stdin.readline)

    while line := await told():
        fate = await _fate_until(asyncio.create_task(told()), call, server, json.loads(line)["pause"])
        print(json.dumps(dataclasses.asdict(fate)), flush=True)


async def _fate_until(last: asyncio.Task[str], call: Call, server: int, pause: float) -> Fate:
    fate = Fate()

    async def note() -> None:
        fate.add(await _fate_of(call(), server))
        await asyncio.sleep(pause)

    while not last.done():
        await note()
    for _ in range(json.loads(last.result())["calls"]):
        await note()
    return fate


async def _fate_of(call: Awaitable[object], server: int) -> Fate:
    failures, began, processor = [], time.perf_counter(), processor_seconds([server])
    try:
        await call
    except grpc.aio.AioRpcError as error:
        failures.append(f"{error.code().name}: {error.details()}")
    except OSError as error:
        failures.append(str(error) or type(error).__name__)
    waited = time.perf_counter() - began
    return Fate([waited], [processor_seconds([server]) - processor], resident_bytes(server), failures)


@click.command()
@click.argument("kind", type=click.Choice(sorted([*_RPCS, HTTPS])))
@click.argument("endpoint")
@click.argument("name")
@click.argument("certificate", type=click.Path(path_type=Path))
@click.argument("server", type=int)
def main(kind: str, endpoint: str, name: str, certificate: Path, server: int) -> None:
    """Calls a server as it is told."""

    async def run() -> None:
        async with _calling(kind, endpoint, name, credentials_in(certificate)) as call:
            await _obey(call, server)

    uvloop.run(run())


if __name__ == "__main__":
    main()
