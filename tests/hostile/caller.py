"""An honest caller, a process of its own: what the tests' process does for an attack does not slow it down.

It makes a number of calls, or calls until it is told to end, and answers with the fate of these calls.
"""

import asyncio
import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
import grpc
import uvloop

from gateway.api.federation.v1.federation_pb2 import GetAuditHeadRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.region.v1.catalogue_service_pb2 import SearchBusinessesRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.security.tls import Credentials, client_credentials, client_options
from tests.bench.chain import credentials_in
from tests.bench.load import ClientProcess
from tests.bench.processor_time import processor_seconds

CALL_SECONDS = 200.0  # reached only where a call is not served
PAUSE = 0.02  # seconds between two calls
Call = Callable[[grpc.aio.Channel], Awaitable[object]]


@dataclass
class Fate:
    """The fate of calls."""

    waits: list[float] = field(default_factory=list)
    """For each call, the processor time that the server took until its answer: seconds.

    Unlike the time that passed, it does not depend on what else the machine does.
    """
    failures: list[str] = field(default_factory=list)


class HonestCaller(ClientProcess):
    """An honest caller, as the tests see it."""

    def __init__(self, kind: str, endpoint: str, name: str, certificate: Path, server: int, log: Path) -> None:
        """`kind` is that of a call in `CALLS`, `server` the process id of the server."""
        arguments = [kind, endpoint, name, str(certificate), str(server)]
        super().__init__("tests.hostile.caller", arguments, log)

    def call(self, count: int) -> Fate:
        """Makes so many calls, after one that nobody counts."""
        self.tell({"calls": count, "pause": PAUSE})
        return self._fate()

    def begin(self, pause: float) -> None:
        """Calls until `end`, at least once, with so many seconds between two calls."""
        self.tell({"pause": pause})

    def end(self) -> Fate:
        """The fate of the calls since `begin`."""
        self.tell({})
        return self._fate()

    def _fate(self) -> Fate:
        return Fate(**json.loads(self.answer()))


def dial(endpoint: str, name: str, credentials: Credentials) -> grpc.aio.Channel:
    """A channel as operator systems have it; that of a member would give up a busy server sooner."""
    own = client_credentials(credentials, datetime.now(UTC))
    return grpc.aio.secure_channel(endpoint, own, client_options(name))


async def ask_node(channel: grpc.aio.Channel) -> None:
    """A call of an operator system at a node."""
    request = SearchBusinessesRequest(query="SUSPEND")
    await CatalogueServiceStub(channel).SearchBusinesses(request, timeout=CALL_SECONDS, wait_for_ready=True)


async def ask_coordinator(channel: grpc.aio.Channel) -> None:
    """A call of a region at a coordinator."""
    request = GetAuditHeadRequest()
    await FederationServiceStub(channel).GetAuditHead(request, timeout=CALL_SECONDS, wait_for_ready=True)


CALLS: dict[str, Call] = {"node": ask_node, "coordinator": ask_coordinator}


async def _obey(channel: grpc.aio.Channel, call: Call, server: int) -> None:
    async def told() -> str:
        return await asyncio.to_thread(sys.stdin.readline)

    while line := await told():
        fate, command = Fate(), json.loads(line)
        end = None if "calls" in command else asyncio.create_task(told())
        count = command.get("calls", 1)
        await call(channel)  # until then the server may have the rest of an earlier attack to do
        while len(fate.waits) < count or not (end is None or end.done()):
            before = processor_seconds([server])
            try:
                await call(channel)
            except grpc.aio.AioRpcError as error:
                fate.failures.append(f"{error.code().name}: {error.details()}")
            fate.waits.append(processor_seconds([server]) - before)
            await asyncio.sleep(command["pause"])
        print(json.dumps(dataclasses.asdict(fate)), flush=True)


@click.command()
@click.argument("kind", type=click.Choice(sorted(CALLS)))
@click.argument("endpoint")
@click.argument("name")
@click.argument("certificate", type=click.Path(path_type=Path))
@click.argument("server", type=int)
def main(kind: str, endpoint: str, name: str, certificate: Path, server: int) -> None:
    """Calls a server as it is told."""

    async def run() -> None:
        async with dial(endpoint, name, credentials_in(certificate)) as channel:
            await _obey(channel, CALLS[kind], server)

    uvloop.run(run())


if __name__ == "__main__":
    main()
