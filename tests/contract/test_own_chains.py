"""A coordinator tells regions the heads of its own chain and of the registry's, and verifies both by itself."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader

from coordinator.auditing.rules import TURN, has_turn
from coordinator.auditing.watch import ChainWatch
from coordinator.registry.own_chains import OwnChains
from coordinator.registry.port import Registry
from deploy.local.etcd import LocalEtcd
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict
from gateway.api.federation.v1.federation_pb2 import ChainHead, GetChainHeadsRequest
from gateway.api.region.v1.audit_service_pb2 import ChainProblem, ChainProblemKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.auditing.audit import GENESIS, Head
from gateway.auditing.chain_heads import REGISTRY, HeadSigner, head_signer
from gateway.auditing.denial_log import DenialLog
from gateway.security.member_proofs import proof_of_member
from gateway.security.signing import COORDINATOR_HEAD, TrustedKeys
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.clock import Clock, SystemClock
from tests.contract.registries import (
    ADMIN,
    NOW,
    EmbeddedRegistries,
    EtcdRegistries,
    Registries,
    audit_rows,
    configuration,
)
from tests.contract.relay_pair import FixedClock
from tests.contract.small_federation import FEDERATION, Certificates

NAME = "coordinator/0"
CUT = ChainProblem(kind=ChainProblemKind.CHAIN_PROBLEM_KIND_CUT, sequence=7, witness="region/henan")


@asynccontextmanager
async def opened_store(directory: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(directory / "coordinator.db", migrations_of("gateway", "coordinator"))
    try:
        yield store
    finally:
        await store.close()


async def add_row(store: SqliteStore) -> None:
    await store.write(lambda tx: audit.append(tx, now=NOW, actor=ADMIN, action="DENIED", subject="-", detail=""))


def chains_of(directory: Path, store: SqliteStore, shared: Registry | None) -> tuple[OwnChains, TrustedKeys]:
    """The chains of a coordinator with a certificate, and the keys of a region beside it."""
    certificates, clock = Certificates(directory), SystemClock()
    own = certificates.credentials(NAME)
    signer = HeadSigner(proof_of_member(own, clock, COORDINATOR_HEAD), clock)
    return OwnChains(NAME, store, shared, signer), TrustedKeys(own.authority.read_bytes(), FEDERATION)


async def told(of: tuple[OwnChains, TrustedKeys], *known: ChainHead) -> tuple[dict[str, int], Sequence[ChainHead]]:
    """The last row of each chain, which the coordinator has signed, and the known rows."""
    chains, keys = of
    answer = await chains.told(GetChainHeadsRequest(known=known))
    assert {head_signer(each, keys) for each in answer.heads} == {NAME}
    return {each.chain: each.sequence for each in answer.heads}, answer.known


def test_a_coordinator_tells_the_end_of_its_chain_and_the_rows_that_others_keep(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened_store(tmp_path) as store:
            chains = chains_of(tmp_path, store, None)
            for _ in range(3):
                await add_row(store)
            first, second, _ = await store.read(lambda tx: list(audit.rows(tx)))
            kept = ChainHead(chain=NAME, sequence=2, hash=b"another")
            assert await told(chains, kept, ChainHead(chain=NAME, sequence=9), ChainHead(chain="x", sequence=1)) == (
                {NAME: 3},
                [ChainHead(chain=NAME, sequence=2, hash=second.hash)],
            )
            assert first.hash != second.hash

    asyncio.run(scenario())


def test_the_chain_of_a_shared_registry_is_told_beside_the_coordinators_own(
    tmp_path: Path, etcd_cluster: LocalEtcd
) -> None:
    async def scenario() -> None:
        async with opened_store(tmp_path) as store, EtcdRegistries.of(etcd_cluster, tmp_path)() as registry:
            chains = chains_of(tmp_path, store, registry)
            await registry.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await registry.suspend("sichuan", note="a test", actor=ADMIN)
            head = await registry.chain_head()
            known = ChainHead(chain=REGISTRY, sequence=head.sequence, hash=head.hash)
            assert await told(chains, known) == ({NAME: 0, REGISTRY: head.sequence}, [known])

    asyncio.run(scenario())


@pytest.mark.parametrize("adapter", ["embedded", "etcd"])
def test_the_head_of_the_registrys_chain_is_the_row_of_its_last_change(
    request: pytest.FixtureRequest, tmp_path: Path, adapter: str
) -> None:
    embedded = adapter == "embedded"
    opened: Registries = EmbeddedRegistries(tmp_path) if embedded else etcd_registries(request, tmp_path)

    async def scenario() -> None:
        async with opened() as registry:
            assert await registry.chain_head() == Head(0, GENESIS)
            await registry.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await registry.suspend("sichuan", note="a test", actor=ADMIN)
            assert await registry.chain_head() == (await audit_rows(registry))[-1].head

    asyncio.run(scenario())


def etcd_registries(request: pytest.FixtureRequest, directory: Path) -> EtcdRegistries:
    """Registries in a cluster that is started where a test needs it."""
    return EtcdRegistries.of(request.getfixturevalue("etcd_cluster"), directory)


class Verifier:
    """Verdicts as a test sets them, and who was asked for."""

    def __init__(self) -> None:
        self.verdicts: list[ChainVerdict] = []
        self.asked: list[bool] = []

    async def __call__(self, region: str = "", *, is_coordinator_only: bool = False) -> AsyncIterator[ChainVerdict]:
        self.asked.append(is_coordinator_only)
        for each in self.verdicts:
            yield each


@asynccontextmanager
async def watch_of(
    directory: Path, verifier: Verifier, clock: Clock | None = None
) -> AsyncIterator[tuple[ChainWatch, SqliteStore, Registry]]:
    clock = clock or SystemClock()
    async with EmbeddedRegistries(directory)() as registry, opened_store(directory) as store:
        yield ChainWatch(NAME, registry, verifier, DenialLog(store, clock), clock), store, registry


async def alarms(store: SqliteStore) -> list[tuple[str, str, str]]:
    rows = await store.read(lambda tx: list(audit.rows(tx)))
    return [(each.actor, each.subject, each.detail) for each in rows if each.action == "AUDIT_CHAIN_BROKEN"]


def judged(watch: ChainWatch) -> dict[str, bool]:
    """Whether the chain of each region was whole."""
    return {region: is_whole for region, (_, is_whole) in watch.judged_regions().items()}


def test_a_broken_chain_is_one_alarm_until_it_is_whole_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        verifier = Verifier()
        verifier.verdicts = [
            ChainVerdict(region="sichuan", problems=[CUT]),
            ChainVerdict(chain=NAME, problems=[CUT]),
            ChainVerdict(region="henan"),
        ]
        async with watch_of(tmp_path, verifier) as (watch, store, _):
            for _ in range(2):
                await watch.look()
            said = "row 7 cut, seen by region/henan"
            assert await alarms(store) == [(NAME, "region/sichuan", said), (NAME, f"chain/{NAME}", said)]
            assert judged(watch) == {"sichuan": False, "henan": True}
            verifier.verdicts = [ChainVerdict(region="sichuan", reason=Reason.REASON_REGION_UNREACHABLE)]
            await watch.look()
            assert judged(watch) == {"sichuan": False}, (
                "a silent region proves nothing, and one that has left has no chain"
            )
            verifier.verdicts = [ChainVerdict(region="sichuan")]
            await watch.look()
            assert judged(watch) == {"sichuan": True}

    asyncio.run(scenario())


def test_a_whole_chain_counts_from_the_begin_of_its_verification_and_a_broken_one_from_its_end(tmp_path: Path) -> None:
    clock = FixedClock()
    before = clock.now()

    class Stretched(Verifier):
        async def __call__(self, region: str = "", *, is_coordinator_only: bool = False) -> AsyncIterator[ChainVerdict]:
            clock.instant += timedelta(minutes=1)
            for each in self.verdicts:
                yield each

    async def scenario() -> None:
        verifier = Stretched()
        verifier.verdicts = [ChainVerdict(region="sichuan", problems=[CUT]), ChainVerdict(region="henan")]
        async with watch_of(tmp_path, verifier, clock) as (watch, _, _):
            await watch.look()
            assert watch.judged_regions() == {"sichuan": (clock.now(), False), "henan": (before, True)}

    asyncio.run(scenario())


@pytest.mark.parametrize(("live", "is_own_alone"), [(NAME, False), ("coordinator/-", True)])
def test_the_coordinator_whose_turn_it_is_verifies_all_chains_and_every_other_one_its_own(
    tmp_path: Path, live: str, is_own_alone: bool
) -> None:
    async def scenario() -> None:
        verifier = Verifier()
        async with watch_of(tmp_path, verifier) as (watch, _, registry):
            await registry.enter(live, "127.0.0.1:1")
            await watch.look()
            assert verifier.asked == [is_own_alone]

    asyncio.run(scenario())


def test_each_live_coordinator_has_its_turn_for_an_hour() -> None:
    names = [f"coordinator/{number}" for number in range(3)]
    turns = [[each for each in names if has_turn(each, names, NOW + hour * TURN)] for hour in range(6)]
    assert sorted(turns[:3]) == [[each] for each in names]
    assert turns[3:] == turns[:3]
    assert all(has_turn(NAME, (), NOW + hour * TURN) for hour in range(3)), "before any is known as live"


def test_the_gauges_name_broken_chains_and_those_that_nobody_has_verified_for_long(tmp_path: Path) -> None:
    async def scenario() -> None:
        verifier, clock, reader = Verifier(), SimpleNamespace(now=lambda: NOW), InMemoryMetricReader()
        heads = {"hunan": (NOW, False), "henan": (NOW, True)}
        async with watch_of(tmp_path, verifier, clock) as (watch, _, _):
            watch.observe(MeterProvider([reader]).get_meter("test"), lambda: heads)
            assert gauges(reader, "crossregion.audit.verification.age") == {f"chain/{NAME}": 0.0}
            verifier.verdicts = [
                ChainVerdict(region="henan"),
                ChainVerdict(region="sichuan", problems=[CUT]),
                ChainVerdict(region="zhejiang", reason=Reason.REASON_PERMISSION_DENIED),
                ChainVerdict(chain=NAME),
            ]
            await watch.look()
            clock.now = lambda: NOW + TURN
            verifier.verdicts = verifier.verdicts[1:]
            await watch.look()
            regions = {"region/sichuan": 0.0, "region/zhejiang": 3600.0}
            assert gauges(reader, "crossregion.audit.verification.age") == {f"chain/{NAME}": 0.0, **regions}
            broken = {"region/sichuan": 1.0, "region/hunan": 1.0, "region/zhejiang": 0.0}
            assert gauges(reader, "crossregion.audit.broken") == {f"chain/{NAME}": 0.0, **broken}

    asyncio.run(scenario())


def gauges(reader: InMemoryMetricReader, name: str) -> dict[object, float]:
    """The values of a metric, by chain."""
    read = reader.get_metrics_data()
    assert read is not None
    data = [each.data for each in read.resource_metrics[0].scope_metrics[0].metrics if each.name == name]
    points = [point for each in data if isinstance(each, Gauge) for point in each.data_points]
    return {(point.attributes or {})["chain"]: float(point.value) for point in points}
