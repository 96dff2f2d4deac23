"""The systems that a bench loads: a federation of the present or of an older tree, and a bare chain."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

import grpc

from deploy.local.federation import COORDINATOR, FEDERATION_FILES, OPERATOR, LocalFederation
from deploy.local.postgresql_access import PostgresqlAccess
from deploy.local.process import Launcher, Program, Started, launch_anew
from deploy.local.profiles import EMBEDDED, Profile
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.catalogue_service_pb2 import SearchBusinessesRequest
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import from_rpc_error
from gateway.federation.body import BILL_READINGS
from tests.bench.chain import Chain
from tests.bench.load import CALL_TIMEOUT, LoadClient
from tests.bench.orders import CUSTOMERS, HANDLING, HOME, create_customers
from tests.rolling.trees import knows_signatures, read_by, readable

_PATIENCE = 60.0  # seconds until a region has its first configuration
_LOOK = 0.05
_BILLS = 100_000_000


@contextmanager
def running(
    directory: Path,
    profile: Profile = EMBEDDED,
    tree: Path | None = None,
    customers: int = CUSTOMERS,
    regions: Sequence[str] = (HANDLING, HOME),
    operators: Sequence[str] = (OPERATOR,),
    postgresql: PostgresqlAccess | None = None,
    launcher: Launcher = launch_anew,
    web: Mapping[str, str] | None = None,
    provided: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[LocalFederation]:
    """A federation with the customers of the bench; of another tree where one is given. It ends with the context.

    `web` maps a region, or `coordinator`, to what its first process serves by HTTPS: `open_apis` or `console`.
    `provided` maps regions to the businesses of their own system, which also brings texts to customers.
    """
    started = launcher if tree is None else launcher_of(tree)
    federation = LocalFederation(directory, regions, profile, postgresql, provided, launcher=started)
    federation.operators = tuple(operators)
    files, read = FEDERATION_FILES, federation.load
    if tree is not None:
        files, read = tree / "deploy" / "federation", partial(read_by, tree)
        federation.is_signed = knows_signatures(tree)
    federation.load = with_room_for_bills(read)
    processes = {COORDINATOR: federation.coordinators, **federation.nodes}
    for member, part in (web or {}).items():
        federation.open_web(processes[member][0], part)
    try:
        federation.prepare()
        federation.start(configuration=files)
        asyncio.run(fill(federation, customers))
        yield federation
    finally:
        federation.kill()


def with_room_for_bills(read: Callable[[Path], Configuration]) -> Callable[[Path], Configuration]:
    """Reads a configuration in which a region may read as many bills by papers as a load asks for."""

    def read_with_room(files: Path) -> Configuration:
        configuration = read(files)
        for each in configuration.policies:
            if each.name == BILL_READINGS:
                each.figure.value = _BILLS
        return configuration

    return read_with_room


async def fill(federation: LocalFederation, customers: int) -> None:
    """Gives the home region its customers, once all regions have a configuration: a node may join before it has one.

    Raises TimeoutError.
    """
    for region in federation.regions:
        async with federation.dial_region(region, f"{region}-{OPERATOR}") as channel:
            await until_configured(channel)
    await create_customers(federation, customers=customers)


async def until_configured(channel: grpc.aio.Channel) -> None:
    """Returns once a region, dialled as an operator, has a configuration. Raises TimeoutError."""
    async with asyncio.timeout(_PATIENCE):
        while not await _is_configured(channel):  # noqa: ASYNC110 - it waits for another process
            await asyncio.sleep(_LOOK)


async def _is_configured(channel: grpc.aio.Channel) -> bool:
    request = SearchBusinessesRequest(query="SUSPEND")
    try:
        await CatalogueServiceStub(channel).SearchBusinesses(request, timeout=CALL_TIMEOUT, wait_for_ready=True)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is None or refused.reason != Reason.REASON_CONFIGURATION_MISSING:
            raise
        return False
    return True


@contextmanager
def chain_client(directory: Path, sizes: Mapping[str, int]) -> Iterator[LoadClient]:
    """A load client of a bare chain, whose messages have the sizes of an order's. Both end with the context."""
    chain = Chain(directory, sizes["answer_bytes"])
    try:
        arguments = ["chain", f"--endpoint={chain.start()}", f"--request-bytes={sizes['request_bytes']}"]
        client = LoadClient(arguments, chain.pids, directory / "client.log")
        try:
            yield client
        finally:
            client.close()
    finally:
        chain.kill()


def launcher_of(tree: Path) -> Launcher:
    """Starts programs of another tree by this interpreter, with the packages that are installed here."""
    found = {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}  # and nothing from the directory of this process

    def launch(program: Program, environment: Mapping[str, str], log: IO[bytes]) -> Started:
        arguments = list(program.arguments)
        if arguments[-2:-1] == ["--settings"]:
            arguments[-1] = str(readable(Path(arguments[-1]), tree))
        return launch_anew(replace(program, arguments=arguments), {**environment, **found}, log)

    return launch
