"""Several coordinators on one registry in etcd, and what happens to leases, streams and answers between them."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd.client import CALL_SECONDS, RANGE, REVOKE, EtcdClient, Method
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.etcd.last_good import LastGood, RegistryUnreachable
from coordinator.registry.etcd.leases import lease_of
from coordinator.registry.etcd.packing import MAX_CONFIGURATION_BYTES
from coordinator.registry.etcd.registry import EtcdRegistry
from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.certificates import StoreAuthority
from deploy.local.etcd import LocalEtcd
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.security.tls import Credentials
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock
from tests.contract.coordinators import eventually
from tests.contract.registries import (
    ADMIN,
    LONG,
    EtcdRegistries,
    audit_rows,
    changed,
    changes,
    configuration,
    heartbeat,
    kept,
    run,
    state,
)
from tests.contract.small_federation import CONFIGURATION
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

COMPACT = Method("/etcdserverpb.KV/Compact", rpc_pb2.CompactionRequest, rpc_pb2.CompactionResponse)
NAME, ENDPOINT = "coordinator/0", "127.0.0.1:7443"


@pytest.fixture
def opened(etcd_cluster: LocalEtcd, tmp_path: Path) -> EtcdRegistries:
    return EtcdRegistries.of(etcd_cluster, tmp_path)


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


@pytest.fixture
def proxies(etcd_cluster: LocalEtcd, background: Background) -> Iterator[list[FaultProxy]]:
    """A proxy before each member."""
    made = [FaultProxy(background, partial(str, endpoint)) for endpoint in etcd_cluster.endpoints]
    yield made
    for proxy in made:
        proxy.close()


@asynccontextmanager
async def client(opened: EtcdRegistries) -> AsyncIterator[EtcdClient]:
    """An administrator of etcd."""
    made = EtcdClient(opened.settings, SystemClock())
    try:
        yield made
    finally:
        await made.close()


def behind(opened: EtcdRegistries, proxies: list[FaultProxy], directory: Path) -> EtcdRegistries:
    """Registries of the same federation that reach etcd through the proxies only."""
    settings = EtcdSettings(tuple(proxy.endpoint for proxy in proxies), opened.settings.credentials)
    return EtcdRegistries(settings, directory, opened.federation)


def on_its_own(opened: EtcdRegistries, directory: Path) -> Coroutine[object, object, EtcdRegistry]:
    """Opens a registry for whoever closes it."""
    directory.mkdir()
    return EtcdRegistry.open(opened.settings, opened.federation, directory, AgreedClock(SystemClock()), LONG)


def test_two_coordinators_see_each_others_changes(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            seen = changes(b)
            await a.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await changed(b, lambda: b.snapshot().configuration == configuration("sichuan"))
            await b.suspend("sichuan", note="why", actor=ADMIN)
            # Also where it was made: what comes later is else told together with it.
            await changed(b, lambda: state(b, "sichuan") == "SUSPENDED")
            await changed(a, lambda: state(a, "sichuan") == "SUSPENDED")
            await a.beat("sichuan", heartbeat())
            await changed(b, lambda: b.snapshot().facts("sichuan").live == {"127.0.0.1:1": heartbeat()})
            assert seen == [1, 1, 1]

    run(scenario())


def test_of_two_coordinators_the_one_with_a_stale_revision_is_refused(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            results = await asyncio.gather(
                a.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN),
                b.apply(configuration("henan"), expected_revision=0, actor=ADMIN),
                return_exceptions=True,
            )
            (refusal,) = [result for result in results if isinstance(result, Refused)]
            assert refusal.reason == Reason.REASON_CONFIGURATION_CHANGED
            await changed(a, lambda: a.snapshot().revision == 1)
            await changed(b, lambda: b.snapshot().configuration == a.snapshot().configuration)

    run(scenario())


def test_changes_at_several_coordinators_at_the_same_time_leave_one_whole_chain(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            regions = [f"region-{number}" for number in range(6)]
            await asyncio.gather(*(each.beat(region, heartbeat()) for each in (a, b) for region in regions))
            await asyncio.gather(*(a.suspend(region, note="why", actor=ADMIN) for region in regions))
            chain = await audit_rows(b)
            assert audit.verify(chain).sequence == 12
            told = [(row.action, row.subject) for row in chain]
            assert sorted(told) == sorted(
                (action, f"region/{region}") for action in ("REGION_JOINED", "REGION_SUSPENDED") for region in regions
            )

    run(scenario())


def test_a_process_lives_on_whichever_coordinator_it_beats_to(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(opened.short, name="a") as a, opened(opened.short, name="b") as b:
            await a.beat("sichuan", heartbeat("127.0.0.1:2"))
            gone = asyncio.create_task(changed(b, lambda: state(b, "henan") == "LOST"))
            await a.beat("henan", heartbeat())
            turn = 0
            while not gone.done():
                turn += 1
                await (a, b)[turn % 2].beat("sichuan", heartbeat("127.0.0.1:2"))
                await asyncio.wait([gone], timeout=opened.short.total_seconds() / 4)
            assert (state(a, "sichuan"), state(b, "sichuan")) == ("JOINED", "JOINED")

    run(scenario())


def test_a_region_whose_lease_was_revoked_is_back_at_its_next_heartbeat(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened() as registry, client(opened) as etcd:
            await registry.beat("sichuan", heartbeat())
            lease = lease_of(opened.federation, "sichuan", "127.0.0.1:1")
            await etcd.call(REVOKE, rpc_pb2.LeaseRevokeRequest(ID=lease))
            await changed(registry, lambda: state(registry, "sichuan") == "LOST")
            await registry.beat("sichuan", heartbeat())
            assert state(registry, "sichuan") == "JOINED"
            assert len(await audit_rows(registry)) == 1

    run(scenario())


def test_a_coordinator_whose_lease_was_lost_enters_again_by_itself(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b, client(opened) as etcd:
            await a.enter(NAME, ENDPOINT)
            await a.confirm(a.snapshot().change)
            confirmed = a.snapshot().replicas[NAME].confirmed
            key = Keys(opened.federation).replica(NAME)
            found = await etcd.call(RANGE, rpc_pb2.RangeRequest(key=key))
            gone = asyncio.create_task(changed(b, lambda: NAME not in b.snapshot().replicas))
            await changed(b, lambda: NAME in b.snapshot().replicas)
            await etcd.call(REVOKE, rpc_pb2.LeaseRevokeRequest(ID=found.kvs[0].lease))
            await gone
            await changed(b, lambda: NAME in b.snapshot().replicas)
            assert b.snapshot().replicas[NAME].confirmed == confirmed

    run(scenario())


def test_a_coordinator_that_closes_is_gone_for_the_others_at_once(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(name="b") as b:
            async with opened(name="a") as a:
                await a.enter(NAME, ENDPOINT)
                await changed(b, lambda: NAME in b.snapshot().replicas)
            await changed(b, lambda: NAME not in b.snapshot().replicas)

    run(scenario())


def test_what_etcd_compacted_away_under_a_watch_is_found_by_listing_again(
    opened: EtcdRegistries, proxies: list[FaultProxy], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        cut_off = behind(opened, proxies, tmp_path)
        async with opened(name="a") as a, cut_off(name="b") as b, client(opened) as etcd:
            await a.beat("henan", heartbeat())
            await a.suspend("henan", note="why", actor=ADMIN)
            await changed(b, lambda: state(b, "henan") == "SUSPENDED")
            for proxy in proxies:
                proxy.cut()
            await a.reinstate("henan", actor=ADMIN)
            await a.leave("henan", "127.0.0.1:1")
            await a.suspend("sichuan", note="why", actor=ADMIN)
            revision = await a.apply(configuration("sichuan", "henan"), expected_revision=0, actor=ADMIN)
            everything = await etcd.read([KeyRange(b"\0", b"\1")])
            await etcd.call(COMPACT, rpc_pb2.CompactionRequest(revision=everything.revision))
            seen = changes(b)
            for proxy in proxies:
                proxy.heal()
            await changed(b, lambda: b.snapshot().revision == revision)
            assert (state(b, "henan"), state(b, "sichuan")) == ("LOST", "SUSPENDED")
            # Henan was reinstated and left in what was compacted, and then the configuration came: told as one.
            assert seen == [revision]

    with caplog.at_level(logging.WARNING):
        run(scenario())
    told = [record.getMessage() for record in caplog.records if record.name.endswith("etcd.watch")]
    assert [each for each in told if "compacted" in each]


@pytest.mark.slow
def test_a_watch_that_falls_silent_goes_on_at_another_member(
    opened: EtcdRegistries, proxies: list[FaultProxy], tmp_path: Path
) -> None:
    async def scenario() -> None:
        cut_off = behind(opened, proxies, tmp_path)
        async with opened(name="a") as a, cut_off(name="b") as b:
            # One of them carries the watch.
            for proxy in proxies:
                proxy.blackhole()
                await a.suspend("sichuan", note="why", actor=ADMIN)
                await changed(b, lambda: state(b, "sichuan") == "SUSPENDED")
                await b.reinstate("sichuan", actor=ADMIN)
                assert state(b, "sichuan") == "ABSENT"
                proxy.heal()

    run(scenario())


def test_a_coordinator_that_was_stopped_for_longer_than_its_lease_acts_only_once_it_has_caught_up(
    opened: EtcdRegistries, background: Background, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with opened(opened.short, name="a") as a:
            await a.enter(NAME, ENDPOINT)
            assert a.is_current()
            # Here the loop of `a` stands still: the other has one of its own.
            b = background.run(on_its_own(opened, tmp_path / "b"))
            background.run(changed(b, lambda: NAME not in b.snapshot().replicas))
            background.run(b.suspend("sichuan", note="why", actor=ADMIN))
            assert not a.is_current()
            assert state(a, "sichuan") == "ABSENT"
            await eventually(a.is_current)
            assert state(a, "sichuan") == "SUSPENDED"
            await changed(a, lambda: NAME in a.snapshot().replicas)
            background.run(b.close())

    run(scenario())


def test_a_coordinator_that_was_stopped_and_finds_no_etcd_acts_by_its_last_good_copy(
    opened: EtcdRegistries, background: Background, proxies: list[FaultProxy], tmp_path: Path
) -> None:
    async def scenario() -> None:
        cut_off = behind(opened, proxies, tmp_path)
        async with cut_off(opened.short, name="a") as a:
            await a.beat("sichuan", heartbeat())
            await a.enter(NAME, ENDPOINT)
            for proxy in proxies:
                proxy.blackhole()
            b = background.run(on_its_own(opened, tmp_path / "b"))
            background.run(changed(b, lambda: NAME not in b.snapshot().replicas))
            assert not a.is_current()
            before = asyncio.get_running_loop().time()
            await eventually(a.is_current)
            assert asyncio.get_running_loop().time() - before < CALL_SECONDS, "it does not wait for a whole call"
            assert state(a, "sichuan") == "JOINED"
            background.run(b.close())
            for proxy in proxies:
                proxy.heal()

    run(scenario())


def test_an_etcd_that_has_forgotten_changes_is_not_followed(opened: EtcdRegistries, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.suspend("sichuan", note="why", actor=ADMIN)
        # To go back there, etcd itself would have to be restored; to the coordinator it is the same.
        last_good = LastGood(tmp_path / "a")
        saved = last_good.load()
        assert saved is not None
        last_good.save({}, saved.revision + 1_000_000, saved.cluster)
        async with opened() as registry:
            assert state(registry, "sichuan") == "ABSENT"
            for change in (
                registry.suspend("henan", note="why", actor=ADMIN),
                registry.keep_audit_head("sichuan", kept(1)),
                registry.beat("sichuan", heartbeat()),
            ):
                with pytest.raises(Refused) as refusal:
                    await change
                assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE
        last_good.path.unlink()
        async with opened() as registry:
            assert state(registry, "sichuan") == "SUSPENDED"
            assert len(await audit_rows(registry)) == 1

    run(scenario())


@pytest.mark.parametrize(
    "change",
    [
        lambda registry: registry.suspend("henan", note="why", actor=ADMIN),
        lambda registry: registry.beat("sichuan", heartbeat("127.0.0.1:2")),
        lambda registry: registry.leave("sichuan", "127.0.0.1:1"),
    ],
    ids=["suspend", "beat", "leave"],
)
def test_no_change_counts_that_comes_to_an_etcd_which_has_just_forgotten_changes(
    opened: EtcdRegistries, change: Callable[[EtcdRegistry], Awaitable[object]]
) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat())
            rows = await audit_rows(registry)
            # To go back, etcd itself would have to be restored; to the coordinator it is the same. Nothing looks at
            # etcd before the change.
            registry._contact._interval = 1000.0
            await registry._contact.look()
            copy = registry._copy
            copy.take((), copy.revision + 1_000_000, SystemClock().now())
            with pytest.raises(Refused) as refusal:
                await change(registry)
            assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE
            assert await audit_rows(registry) == rows

    run(scenario())


@pytest.mark.slow
def test_a_coordinator_with_a_certificate_of_another_authority_is_not_let_in(
    opened: EtcdRegistries, tmp_path: Path
) -> None:
    async def scenario() -> None:
        stranger = StoreAuthority("stranger")
        credentials = stranger.write(stranger.issue_client("coordinator"), tmp_path / "stranger")
        trusted = opened.settings.credentials.authority.read_bytes()
        credentials.authority.write_bytes(trusted)
        settings = EtcdSettings(opened.settings.endpoints, credentials)
        with pytest.raises(RegistryUnreachable):
            await EtcdRegistry.open(settings, opened.federation, tmp_path, AgreedClock(SystemClock()), opened.short)

    run(scenario())


@pytest.mark.slow
def test_certificate_files_that_are_replaced_are_used_without_a_restart(opened: EtcdRegistries, tmp_path: Path) -> None:
    def put(credentials: Credentials) -> None:
        for name in ("certificate", "key"):
            getattr(own, name).write_bytes(getattr(credentials, name).read_bytes())

    stranger = StoreAuthority("stranger")
    bad = stranger.write(stranger.issue_client("coordinator"), tmp_path / "stranger")
    own = Credentials(opened.settings.credentials.authority, tmp_path / "tls.crt", tmp_path / "tls.key")
    put(opened.settings.credentials)

    async def until(registry: EtcdRegistry, *, is_let_in: bool) -> None:
        """Suspends until that is taken, or refused."""
        for number in itertools.count():
            try:
                await registry.suspend("sichuan", note=f"{is_let_in} {number}", actor=ADMIN)
            except Refused:
                if not is_let_in:
                    return
            else:
                if is_let_in:
                    return

    async def scenario() -> None:
        replaceable = EtcdRegistries(EtcdSettings(opened.settings.endpoints, own), tmp_path, opened.federation)
        async with replaceable() as registry:
            await registry.suspend("sichuan", note="why", actor=ADMIN)
            put(bad)
            await until(registry, is_let_in=False)
            put(opened.settings.credentials)
            await until(registry, is_let_in=True)

    run(scenario())


@pytest.mark.long("etcd stops, and starts again")
def test_a_coordinator_starts_with_the_last_good_copy_and_catches_up_by_itself(
    opened: EtcdRegistries, proxies: list[FaultProxy], tmp_path: Path
) -> None:
    async def scenario() -> None:
        cut_off = behind(opened, proxies, tmp_path)
        async with opened(name="a") as a, cut_off(name="b") as b:
            await a.apply(CONFIGURATION, expected_revision=0, actor=ADMIN)
            await a.beat("sichuan", heartbeat())
            await a.suspend("henan", note="why", actor=ADMIN)
            await changed(b, lambda: state(b, "henan") == "SUSPENDED")
            before = b.answered()
        for proxy in proxies:
            proxy.cut()
        async with opened(name="a") as a, cut_off(name="b") as b:
            assert b.snapshot().configuration == CONFIGURATION
            assert (state(b, "sichuan"), state(b, "henan")) == ("JOINED", "SUSPENDED")
            assert b.is_current()
            assert b.answered() - before < timedelta(seconds=5)
            with pytest.raises(Refused) as refusal:
                await b.reinstate("henan", actor=ADMIN)
            assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE
            await b.enter(NAME, ENDPOINT)
            await a.reinstate("henan", actor=ADMIN)
            for proxy in proxies:
                proxy.heal()
            await changed(b, lambda: b.snapshot().facts("henan").suspension is None)
            await changed(a, lambda: NAME in a.snapshot().replicas)

    run(scenario())


@pytest.mark.parametrize(
    "content",
    [
        None,
        pytest.param(b"", marks=pytest.mark.slow, id="empty"),
        pytest.param(b"x" * 100, marks=pytest.mark.slow, id="garbled"),
    ],
)
def test_without_etcd_and_a_good_copy_a_coordinator_does_not_start(
    opened: EtcdRegistries, proxies: list[FaultProxy], tmp_path: Path, content: bytes | None
) -> None:
    async def scenario() -> None:
        cut_off = behind(opened, proxies, tmp_path)
        for proxy in proxies:
            proxy.cut()
        if content is not None:
            (tmp_path / "registry.bin").write_bytes(content)
        with pytest.raises(RegistryUnreachable, match=r"etcd does not answer .*registry\.bin"):
            await EtcdRegistry.open(
                cut_off.settings, opened.federation, tmp_path, AgreedClock(SystemClock()), opened.short
            )

    run(scenario())


def test_what_is_kept_on_disk_is_its_owners_alone(opened: EtcdRegistries, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a:
            await a.suspend("henan", note="why", actor=ADMIN)
        assert (tmp_path / "a" / "registry.bin").stat().st_mode & 0o777 == 0o600

    run(scenario())


def test_a_configuration_that_etcd_cannot_take_is_refused_and_the_largest_is_taken(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            largest = configuration("r")
            largest.regions[0].name.en = "n" * (MAX_CONFIGURATION_BYTES - largest.ByteSize() - 10)
            assert MAX_CONFIGURATION_BYTES - 10 < largest.ByteSize() <= MAX_CONFIGURATION_BYTES
            assert await registry.apply(largest, expected_revision=0, actor=ADMIN) == 1
            largest.regions[0].name.en += "n" * 10
            with pytest.raises(Refused) as refusal:
                await registry.apply(largest, expected_revision=1, actor=ADMIN)
            assert refusal.value.reason == Reason.REASON_REQUEST_INVALID

    run(scenario())


def test_the_furthest_audit_head_counts_whichever_coordinator_it_was_handed_to(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            assert await a.keep_audit_head("sichuan", kept(5))
            assert await b.keep_audit_head("sichuan", kept(6))
            assert not await a.keep_audit_head("sichuan", kept(5, later=timedelta(minutes=2)))
            assert await a.audit_head("sichuan") == kept(6)

    run(scenario())
