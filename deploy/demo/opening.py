"""The first chapters: the processes start and join, and the customers are loaded."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from deploy.customers import generate
from deploy.demo.cast import Administrator, Counter, Reviewer
from deploy.demo.client import Client
from deploy.demo.stage import Stage
from deploy.demo.world import REGIONS, REVIEWERS, People, World
from deploy.local.federation import FEDERATION_FILES, OPERATOR, LocalFederation
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.customer_service_pb2 import Customer, ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.files import load
from gateway.rpc.channels import Replicas
from gateway.time.clock import from_timestamp

CUSTOMERS = 1000  # in each region
_SEED = 20240601
_BATCH = 100
_PATIENCE = 20.0  # seconds until a node has the configuration


async def start(stage: Stage, federation: LocalFederation) -> None:
    """Starts coordinators and nodes, each with its own process and new certificates, and their databases."""
    stage.chapter(
        "A federation starts",
        f"{_shape(federation)} All of them speak mTLS only: the authorities and their certificates are made now.",
    )
    begin = time.perf_counter()
    federation.prepare()
    for name in REVIEWERS:
        federation.issue_staff("sichuan", name)
    await asyncio.to_thread(federation.start_stores)
    for store in federation.stores.running():
        stage.say(f"{store.name} on {store.endpoint}, process {store.pid}")
    await asyncio.to_thread(federation.start_coordinator)
    revision = await federation.apply_configuration(FEDERATION_FILES)
    for replica in federation.coordinators:
        stage.say(f"{replica.name} on {replica.endpoint}, process {replica.process.pid}")
    stage.say(f"federation configuration in force: revision {revision}")
    for provider in federation.providers.values():
        provider.process.launch()
    for provider in federation.providers.values():
        await asyncio.to_thread(provider.process.await_port)
        stage.say(
            f"{provider.name} on {provider.endpoint}, process {provider.process.pid}: a system of the region's own"
        )
    for region in REGIONS:
        federation.launch_region(region)
    for region in REGIONS:
        await asyncio.to_thread(federation.await_region, region)
        for replica in federation.nodes[region]:
            stage.say(f"{replica.name} on {replica.endpoint}, process {replica.process.pid}")
    await federation.wait_joined(REGIONS)
    members = await _members(federation)
    joined = sorted(region for region, state in members.items() if state == MemberState.MEMBER_STATE_JOINED)
    stage.check(
        "joined over mTLS",
        ", ".join(sorted(REGIONS)),
        ", ".join(joined),
        f"{len(members) - len(joined)} others have not; {time.perf_counter() - begin:.1f} s",
    )


async def _members(federation: LocalFederation) -> dict[str, MemberState.ValueType]:
    async with AsyncExitStack() as stack:
        administrator = Administrator(_client(stack, federation.coordinator_replicas()))
        return {member.region: member.state for member in await administrator.members()}


def _client(stack: AsyncExitStack, replicas: Replicas) -> Client:
    client = Client(replicas)
    stack.push_async_callback(client.close)
    return client


def _shape(federation: LocalFederation) -> str:
    """The parts of the federation, in a sentence or two."""
    coordinators, processes = len(federation.coordinators), sum(len(each) for each in federation.nodes.values())
    if coordinators == 1:
        return "One coordinator and three region nodes, each a process with its own database."
    return (
        f"Three etcd members, PostgreSQL, {coordinators} coordinators and {processes} processes of three regions: two"
        " of Guangdong share a PostgreSQL database."
    )


@asynccontextmanager
async def populated(stage: Stage, federation: LocalFederation) -> AsyncIterator[World]:
    """The world with its people; at the end all channels are closed."""
    configuration = load(FEDERATION_FILES)
    async with AsyncExitStack() as stack:
        counters = {
            region: Counter(region, _client(stack, federation.region_replicas(region, f"{region}-{OPERATOR}")))
            for region in REGIONS
        }
        reviewers = {
            name: Reviewer(name, _client(stack, federation.region_replicas("sichuan", f"sichuan-{name}")))
            for name in REVIEWERS
        }
        administrator = Administrator(_client(stack, federation.coordinator_replicas()))
        customers = await _load(stage, configuration, counters)
        yield World(stage, federation, configuration, counters, reviewers, administrator, People(customers))


async def _load(
    stage: Stage, configuration: Configuration, counters: Mapping[str, Counter]
) -> dict[str, list[Customer]]:
    stage.chapter(
        f"{CUSTOMERS * len(REGIONS):,} customers",
        "Invented people from a fixed seed, loaded through the same API that a region's own systems use. Only a"
        " customer's home region ever stores the customer.",
    )
    now = datetime.now(UTC).replace(microsecond=0)
    customers = {region: generate(configuration, region, CUSTOMERS, _SEED, now) for region in REGIONS}
    progress = Progress(
        TextColumn("  {task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=stage.console,
    )
    with progress:
        tasks = {region: progress.add_task(region, total=CUSTOMERS) for region in REGIONS}

        async def fill(region: str) -> int:
            await _until_configured(counters[region])
            created = 0
            for begin in range(0, CUSTOMERS, _BATCH):
                created += await counters[region].take_over(customers[region][begin : begin + _BATCH])
                progress.update(tasks[region], completed=created)
            return created

        created = await asyncio.gather(*(fill(region) for region in REGIONS))
    everybody = [customer for people in customers.values() for customer in people]
    stage.check("customers loaded", str(CUSTOMERS * len(REGIONS)), str(sum(created)), _remarks(everybody, now))
    return customers


async def _until_configured(counter: Counter) -> None:
    """Returns when the node has the federation configuration, which the coordinator pushes once it has joined."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                await counter.plans_of(counter.region)
                return
            except Refused as refused:
                if refused.reason != Reason.REASON_CONFIGURATION_MISSING:
                    raise
            await asyncio.sleep(0.05)


def _remarks(customers: Sequence[Customer], now: datetime) -> str:
    arrears = sum(each.billing_account.balance.minor_units < 0 for each in customers)
    contract = sum(
        each.product.HasField("contract_end_time") and from_timestamp(each.product.contract_end_time) > now
        for each in customers
    )
    suspended = sum(each.product.status == ProductStatus.PRODUCT_STATUS_SUSPENDED for each in customers)
    return f"{arrears} in arrears, {contract} under contract, {suspended} suspended"
