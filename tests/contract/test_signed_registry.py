"""A registry with an anchor, on each adapter: what is in force was signed, whatever else stands in its store."""

import sqlite3
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from etcd3.etcdrpc import rpc_pb2
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import DELETE, PUT, EtcdClient
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.packing import pack
from coordinator.registry.port import Registry
from coordinator.registry.rules import Suspension
from coordinator.registry.signed import described
from coordinator.registry.validity import observe_configuration
from deploy.local.etcd import LocalEtcd
from gateway.api.coordinator.v1.administration_pb2 import SignedConfiguration
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import (
    RevisionStatement,
    SignedRevision,
    SignedSuspension,
    SuspensionStatement,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.revisions import digest
from gateway.federation.suspensions import LATEST_US, ProvenSuspension, proven, signed_suspension
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock, dated
from tests.administrators import Administrators
from tests.contract.large_number_plan import with_segments
from tests.contract.registries import (
    ADMIN,
    EmbeddedRegistries,
    EtcdRegistries,
    Registries,
    audit_rows,
    changed,
    heartbeat,
    run,
)

SOON = 600  # seconds
FEDERATION = "demo.example"
POISON = 10**12


class Machine(SystemClock):
    """A machine on which some seconds more have passed."""

    passed = 0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.passed)

    def steady(self) -> float:
        return super().steady() + self.passed


class StandingMachine(SystemClock):
    """A machine on which no time passes, however busy it is."""

    def __init__(self) -> None:
        self._time, self._seconds = super().now(), super().steady()

    def now(self) -> datetime:
        return self._time

    def steady(self) -> float:
        return self._seconds


@pytest.fixture(name="people")
def two_administrators(tmp_path: Path) -> Administrators:
    return Administrators(tmp_path, FEDERATION)


@pytest.fixture(name="opened")
def opened_with_an_anchor(opened: Registries, people: Administrators) -> Registries:
    opened.anchor = people.anchor
    return opened


def named(name: str) -> Configuration:
    configuration = with_segments(5000)
    configuration.regions[0].name.en = name
    return configuration


async def put(registry: Registry, signed: SignedConfiguration) -> int:
    """Applies a signed configuration."""
    configuration = Configuration.FromString(signed.content)
    return await registry.apply(configuration, expected_revision=0, actor=ADMIN, signed=signed)


def next_of(registry: Registry, people: Administrators, name: str) -> SignedConfiguration:
    """A configuration that follows the one in force."""
    chain = registry.snapshot().chain
    assert chain is not None
    return people.signed(chain.place, named(name), datetime.now(UTC))


async def refusal(applied: Awaitable[int]) -> Reason.ValueType:
    """Why a configuration is not applied, or a statement not kept."""
    with pytest.raises(Refused) as refused:
        await applied
    return refused.value.reason


def test_signed_configurations_follow_each_other_and_come_back_byte_for_byte(
    opened: Registries, people: Administrators
) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            unsigned = registry.apply(named("unsigned"), expected_revision=0, actor=ADMIN)
            assert await refusal(unsigned) == Reason.REASON_CONFIGURATION_UNSIGNED
            first = next_of(registry, people, "first")
            rival = next_of(registry, people, "rival")
            assert await put(registry, first) == 1
            assert await put(registry, first) == 1, "repeated"
            assert await refusal(put(registry, rival)) == Reason.REASON_CONFIGURATION_CHANGED
            second = next_of(registry, people, "second")
            assert await put(registry, second) == 2
            assert registry.snapshot().content == second.content
        async with opened() as registry:
            snapshot = registry.snapshot()
            assert (snapshot.revision, snapshot.content) == (2, second.content)
            assert snapshot.chain is not None
            assert [each.statement for each in snapshot.chain.revisions] == [
                first.revision.statement,
                second.revision.statement,
            ]
            told = described(snapshot.chain, (2, 1, 0), {})
            assert [[*each.signers] for each in told] == [["li", "wang"], ["li", "wang"], []]
            assert [each.previous_digest for each in told] == [digest(first.revision.statement), b"", b""]
            assert await registry.configuration_at(1) == Configuration.FromString(first.content)

    run(scenario())


def test_another_coordinator_that_writes_into_etcd_puts_nothing_in_force(
    etcd_cluster: LocalEtcd, tmp_path: Path, people: Administrators
) -> None:
    opened = EtcdRegistries.of(etcd_cluster, tmp_path)
    keys = Keys(opened.federation)

    async def scenario() -> None:
        opened.anchor = people.anchor
        async with opened(name="a") as honest:
            await put(honest, next_of(honest, people, "first"))
            opened.anchor = None
            async with opened(name="false") as false:
                await false.apply(named("poisoned"), expected_revision=1, actor=ADMIN)
                value = values.encode_packed(POISON, pack(named("more").SerializeToString()), ADMIN, 1)
                statement = values.encode_revision(SignedRevision(statement=b"\xff"))
                await write(opened, {keys.configuration: value, keys.revision(2): statement})
                await changed(false, lambda: false.snapshot().revision == POISON)
                await write(opened, {keys.joined("probe"): values.encode_joined(values.Joined(1, b""))})
                await changed(honest, lambda: honest.snapshot().facts("probe").ever_joined)
                assert honest.snapshot().revision == 1
                opened.anchor = people.anchor
                async with opened(name="b") as started:
                    assert started.snapshot().configuration is None, "nothing unsigned is in force after a restart"
                    assert await put(started, next_of(started, people, "mended")) == 2
                    await changed(honest, lambda: honest.snapshot().revision == 2)
                    assert started.snapshot().content == honest.snapshot().content

    run(scenario())


def test_a_coordinator_that_restarts_beside_a_poisoned_etcd_serves_what_it_last_verified(
    etcd_cluster: LocalEtcd, tmp_path: Path, people: Administrators
) -> None:
    opened = EtcdRegistries.of(etcd_cluster, tmp_path)
    opened.anchor, keys = people.anchor, Keys(opened.federation)

    async def scenario() -> None:
        async with opened() as registry:
            first = next_of(registry, people, "first")
            await put(registry, first)
            second = next_of(registry, people, "second")
            await put(registry, second)
        poisoned = values.encode_packed(2, pack(named("poisoned").SerializeToString()), ADMIN, 1)
        earlier = values.encode_packed(1, pack(first.content), ADMIN, 1)
        for value in (poisoned, earlier, None):
            await write(opened, {keys.configuration: value})
            for _ in range(2):  # what the first restart keeps on disk serves the second one
                async with opened() as registry:
                    snapshot = registry.snapshot()
                    assert (snapshot.revision, snapshot.content) == (2, second.content)
                    assert snapshot.unverified
        async with opened() as registry:
            assert await put(registry, second) == 2, "the same revision once more mends etcd"
            await changed(registry, lambda: not registry.snapshot().unverified)
        async with opened(name="new") as fresh:
            assert (fresh.snapshot().content, fresh.snapshot().unverified) == (second.content, None)
            assert await put(fresh, next_of(fresh, people, "third")) == 3

    run(scenario())


def test_the_same_revision_once_more_mends_a_registry_whose_configuration_was_altered(
    tmp_path: Path, people: Administrators
) -> None:
    opened = EmbeddedRegistries(tmp_path)
    opened.anchor = people.anchor

    async def scenario() -> None:
        async with opened() as registry:
            first = next_of(registry, people, "first")
            await put(registry, first)
        with sqlite3.connect(tmp_path / "registry.db") as database:
            database.execute("UPDATE configurations SET content = ?", (named("altered").SerializeToString(),))
        async with opened() as registry:
            assert (registry.snapshot().configuration, bool(registry.snapshot().unverified)) == (None, True)
            altered = SignedConfiguration(revision=first.revision, content=named("altered").SerializeToString())
            assert await refusal(put(registry, altered)) == Reason.REASON_CONFIGURATION_SIGNATURES_INVALID
            assert await put(registry, first) == 1
            assert registry.snapshot().unverified is None
        async with opened() as registry:
            assert (registry.snapshot().content, registry.snapshot().unverified) == (first.content, None)

    run(scenario())


def stated(registry: Registry, people: Administrators, *, suspended: bool, after: int = 0) -> ProvenSuspension:
    """A statement of an administrator about Sichuan, so many seconds from now."""
    chain = registry.snapshot().chain
    assert chain is not None
    now = datetime.now(UTC) + timedelta(seconds=after)
    note = "under suspicion" if suspended else ""
    signed = signed_suspension(people.signers["li"], chain.place, "sichuan", now, suspended=suspended, note=note)
    return proven(signed, chain)


def test_a_signed_suspension_holds_until_a_later_statement_ends_it_and_no_earlier_one_counts_again(
    opened: Registries, people: Administrators
) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await put(registry, next_of(registry, people, "first"))
            wanted = stated(registry, people, suspended=True)
            change = await registry.keep_suspension(wanted, actor=ADMIN)
            assert (found := suspension(registry)) is not None
            assert (found.note, found.actor) == ("under suspicion", "admin/li")
            assert change <= registry.snapshot().change
            await registry.keep_suspension(wanted, actor=ADMIN)
            assert registry.snapshot().suspensions["sichuan"].signed == wanted.signed
        async with opened() as registry:
            assert suspension(registry) == found, "after a restart"
            ended = stated(registry, people, suspended=False, after=1)
            await registry.keep_suspension(ended, actor=ADMIN)
            assert suspension(registry) is None
            with pytest.raises(Refused) as refused:
                await registry.keep_suspension(wanted, actor=ADMIN)
            assert refused.value.reason == Reason.REASON_SUSPENSION_OUTDATED
        async with opened() as registry:
            assert suspension(registry) is None
            assert registry.snapshot().suspensions["sichuan"].signed == ended.signed
            rows = [row for row in await audit_rows(registry) if row.subject == "region/sichuan"]
            assert [(row.action, row.detail) for row in rows] == [
                ("REGION_SUSPENDED", "signed by li: under suspicion"),
                ("REGION_REINSTATED", "signed by li"),
            ]

    run(scenario())


def test_another_coordinator_that_writes_into_etcd_neither_suspends_nor_reinstates_where_an_administrator_has_signed(
    etcd_cluster: LocalEtcd, tmp_path: Path, people: Administrators
) -> None:
    opened = EtcdRegistries.of(etcd_cluster, tmp_path)
    opened.anchor, keys = people.anchor, Keys(opened.federation)
    unsigned = values.encode_suspension(Suspension(datetime.now(UTC), "false", "admin/root"))

    async def scenario() -> None:
        async with opened() as honest:
            await put(honest, next_of(honest, people, "first"))
            await honest.keep_suspension(stated(honest, people, suspended=True), actor=ADMIN)
            latest = SuspensionStatement(
                federation=FEDERATION, region="sichuan", sign_time_us=LATEST_US, revision=1
            ).SerializeToString()
            forged = [
                values.encode_suspension_statement(SignedSuspension(statement=each)) for each in (b"\xff", latest)
            ]
            for statement in (None, *forged):
                entries = {keys.suspension("sichuan"): None, keys.suspension_statement("sichuan"): statement}
                await write(opened, {**entries, keys.joined("probe"): values.encode_joined(values.Joined(1, b""))})
                await changed(honest, lambda: honest.snapshot().facts("probe").ever_joined)
                await write(opened, {keys.joined("probe"): None})
                await changed(honest, lambda: not honest.snapshot().facts("probe").ever_joined)
                assert honest.snapshot().facts("sichuan").suspension is not None
        async with opened() as honest:
            assert honest.snapshot().facts("sichuan").suspension is not None, "by its own disk"
            await honest.keep_suspension(stated(honest, people, suspended=False, after=1), actor=ADMIN)
            await write(opened, {keys.suspension("sichuan"): unsigned, keys.suspension("henan"): unsigned})
            await changed(honest, lambda: honest.snapshot().facts("henan").suspension is not None)
            assert honest.snapshot().facts("sichuan").suspension is None

    run(scenario())


def suspension(registry: Registry) -> Suspension | None:
    return registry.snapshot().facts("sichuan").suspension


async def put_past(opened: Registries, tmp_path: Path, stated: ProvenSuspension) -> None:
    """Puts a statement into a store past every registry, in place of the former one."""
    if isinstance(opened, EtcdRegistries):
        key = Keys(opened.federation).suspension_statement("sichuan")
        await write(opened, {key: values.encode_suspension_statement(stated.signed)})
        return
    with sqlite3.connect(tmp_path / "registry.db") as database:
        row = ("sichuan", stated.signed.SerializeToString())
        database.execute("INSERT OR REPLACE INTO suspension_statements (region, content) VALUES (?, ?)", row)


def test_a_suspension_dated_ahead_that_somebody_puts_into_the_store_counts_for_nothing_and_blocks_no_other(
    opened: Registries, people: Administrators, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await put(registry, next_of(registry, people, "first"))
            ahead = stated(registry, people, suspended=True, after=SOON)
        await put_past(opened, tmp_path, ahead)
        async with opened() as registry:
            assert suspension(registry) is None
            assert "counts for nothing before its time" in caplog.text
            wanted = stated(registry, people, suspended=True)
            await registry.keep_suspension(wanted, actor=ADMIN)
            assert suspension(registry) is not None
            ended = stated(registry, people, suspended=False, after=1)
            await registry.keep_suspension(ended, actor=ADMIN)
            assert suspension(registry) is None
        async with opened() as registry:
            assert registry.snapshot().suspensions["sichuan"].signed == ended.signed

    run(scenario())


def test_a_suspension_dated_ahead_counts_once_its_time_has_come_unless_another_one_has_replaced_it(
    opened: Registries, people: Administrators, tmp_path: Path
) -> None:
    machine = Machine()
    opened.clock = AgreedClock(machine)

    async def scenario() -> None:
        async with opened() as registry:
            await put(registry, next_of(registry, people, "first"))
            ahead = stated(registry, people, suspended=True, after=SOON)
        await put_past(opened, tmp_path, ahead)
        async with opened() as registry:
            await registry.keep_suspension(stated(registry, people, suspended=False), actor=ADMIN)
            machine.passed = SOON
            await registry.beat("henan", heartbeat())
            await changed(registry, lambda: bool(registry.snapshot().facts("henan").live))
            assert suspension(registry) is None
            later = stated(registry, people, suspended=True, after=2 * SOON)
        await put_past(opened, tmp_path, later)
        async with opened() as registry:
            assert suspension(registry) is None
            machine.passed = 2 * SOON
            await registry.beat("henan", heartbeat("127.0.0.1:2"))
            await changed(registry, lambda: suspension(registry) is not None)

    run(scenario())


def test_a_coordinator_that_trusts_no_clock_yet_goes_by_the_last_suspension_until_it_does(
    opened: Registries, people: Administrators, tmp_path: Path
) -> None:
    machine = StandingMachine()

    async def scenario() -> None:
        async with opened() as registry:
            await put(registry, next_of(registry, people, "first"))
            ahead = stated(registry, people, suspended=True, after=SOON)
        await put_past(opened, tmp_path, ahead)
        opened.clock = AgreedClock(machine)
        opened.clock.start_from(None)
        async with opened() as registry:
            assert suspension(registry) is not None
            opened.clock.hear("node", machine.now())
            await registry.beat("henan", heartbeat())
            await changed(registry, lambda: suspension(registry) is None)
            assert not registry.snapshot().suspensions

    run(scenario())


def test_no_earlier_statement_counts_again_while_one_dated_ahead_stands_in_place_of_the_one_in_force(
    etcd_cluster: LocalEtcd, tmp_path: Path, people: Administrators
) -> None:
    opened = EtcdRegistries.of(etcd_cluster, tmp_path)
    opened.anchor = people.anchor

    async def scenario() -> None:
        async with opened() as registry:
            await put(registry, next_of(registry, people, "first"))
            first = stated(registry, people, suspended=True)
            ended = stated(registry, people, suspended=False, after=1)
            for each in (first, ended):
                await registry.keep_suspension(each, actor=ADMIN)
            await put_past(opened, tmp_path, stated(registry, people, suspended=True, after=SOON))
            assert await refusal(registry.keep_suspension(first, actor=ADMIN)) == Reason.REASON_SUSPENSION_OUTDATED
            await registry.keep_suspension(ended, actor=ADMIN)
            assert suspension(registry) is None
        async with opened(name="new") as other:
            assert other.snapshot().suspensions["sichuan"].signed == ended.signed, "it stands in etcd again"

    run(scenario())


def test_a_statement_dated_ahead_displaces_none_on_the_disk_of_a_coordinator_that_trusts_no_clock_yet(
    etcd_cluster: LocalEtcd, tmp_path: Path, people: Administrators
) -> None:
    opened = EtcdRegistries.of(etcd_cluster, tmp_path)
    opened.anchor = people.anchor

    async def scenario() -> None:
        async with opened() as registry:
            await put(registry, next_of(registry, people, "first"))
            honest = stated(registry, people, suspended=True)
            await registry.keep_suspension(honest, actor=ADMIN)
            ahead = stated(registry, people, suspended=False, after=SOON)
        await put_past(opened, tmp_path, ahead)
        trusted, opened.clock = opened.clock, AgreedClock(Machine())
        opened.clock.start_from(None)
        async with opened() as registry:
            assert suspension(registry) is None
        opened.clock = trusted
        async with opened() as registry:
            assert registry.snapshot().suspensions["sichuan"].signed == honest.signed

    run(scenario())


async def write(opened: EtcdRegistries, entries: Mapping[bytes, bytes | None]) -> None:
    """Writes into etcd past every registry, and deletes there."""
    client = EtcdClient(opened.settings, SystemClock())
    try:
        for key, value in entries.items():
            if value is None:
                await client.call(DELETE, rpc_pb2.DeleteRangeRequest(key=key))
            else:
                await client.call(PUT, rpc_pb2.PutRequest(key=key, value=value))
    finally:
        await client.close()


def test_the_time_until_the_signed_revision_ends_is_a_metric(opened: Registries, people: Administrators) -> None:
    def told(reader: InMemoryMetricReader) -> list[float]:
        read = reader.get_metrics_data()
        metrics = [] if read is None else read.resource_metrics[0].scope_metrics[0].metrics
        assert {(each.name, each.unit) for each in metrics} <= {
            ("crossregion.configuration.validity", "s"),
            ("crossregion.configuration.unverified", "1"),
        }
        gauges = [each.data for each in metrics if each.unit == "s" and isinstance(each.data, Gauge)]
        return [float(point.value) for gauge in gauges for point in gauge.data_points]

    async def scenario() -> None:
        async with opened() as registry:
            signed = next_of(registry, people, "first")
            ends = dated(RevisionStatement.FromString(signed.revision.statement).end_time)
            clock, reader = SimpleNamespace(now=lambda: ends - timedelta(hours=1)), InMemoryMetricReader()
            observe_configuration(MeterProvider([reader]).get_meter("test"), registry, clock)
            assert told(reader) == [], "nothing is signed yet"
            await put(registry, signed)
            assert told(reader) == [3600.0]
            clock.now = lambda: ends + timedelta(minutes=1)
            assert told(reader) == [-60.0]

    run(scenario())
