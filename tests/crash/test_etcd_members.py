"""Coordinators while members of etcd are killed, frozen and lost: real members, real signals."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.registry.etcd.registry import EtcdRegistry
from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.etcd import LocalEtcd
from gateway.api.federation.v1.federation_pb2 import AuditHead, GetAuditHeadRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.rpc.channels import invoke
from tests.contract.coordinators import eventually, federation, join_request, keys_of
from tests.contract.registries import ADMIN, EtcdRegistries, audit_rows, changed, configuration, heartbeat, run, state
from tests.contract.small_federation import Certificates

pytestmark = pytest.mark.slow

PATIENCE_S = 90.0  # elections and starts of members on a busy machine
MEMBERS = range(3)
TEMPORARY = frozenset({Reason.REASON_REGISTRY_UNAVAILABLE, Reason.REASON_OUTCOME_UNKNOWN})


@pytest.fixture(name="cluster")
def cluster_that_is_well_again_at_the_end(etcd_cluster: LocalEtcd) -> Iterator[LocalEtcd]:
    etcd_cluster.start()
    yield etcd_cluster
    for member in MEMBERS:
        etcd_cluster.thaw_member(member)
    etcd_cluster.start()


@pytest.fixture
def opened(cluster: LocalEtcd, tmp_path: Path) -> EtcdRegistries:
    return EtcdRegistries.of(cluster, tmp_path)


async def insist(registry: EtcdRegistry, region: str, note: str) -> None:
    """Suspends like an administrator who retries after a temporary refusal."""
    while True:
        try:
            await registry.suspend(region, note=note, actor=ADMIN)
        except Refused as refused:
            if refused.reason not in TEMPORARY:
                raise
        else:
            return


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_while_one_member_is_dead_nothing_is_noticed(cluster: LocalEtcd, opened: EtcdRegistries, role: str) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            await a.beat("sichuan", heartbeat())
            leader = await asyncio.to_thread(cluster.leader)
            member = leader if role == "leader" else (leader + 1) % 3
            await asyncio.to_thread(cluster.kill_member, member)
            await a.suspend("sichuan", note="why", actor=ADMIN)
            await changed(b, lambda: state(b, "sichuan") == "SUSPENDED")
            await b.reinstate("sichuan", actor=ADMIN)
            await changed(a, lambda: state(a, "sichuan") == "JOINED")
            await b.beat("sichuan", heartbeat("127.0.0.1:2"))
            await changed(a, lambda: len(a.snapshot().facts("sichuan").live) == 2)
            assert [row.action for row in await audit_rows(a)] == [
                "REGION_JOINED",
                "REGION_SUSPENDED",
                "REGION_REINSTATED",
            ]

    run(scenario(), PATIENCE_S)


def test_without_a_majority_the_last_good_copy_serves_and_changes_are_refused_until_it_is_back(
    cluster: LocalEtcd, opened: EtcdRegistries, caplog: pytest.LogCaptureFixture
) -> None:
    def alarms() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name.endswith("etcd.contact")]

    async def scenario() -> None:
        async with opened(opened.short, name="a") as a:
            revision = await a.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await a.beat("sichuan", heartbeat())
            for member in (0, 1):
                await asyncio.to_thread(cluster.kill_member, member)
            await eventually(lambda: bool(alarms()))
            silent_since = a.answered()
            # That took longer than a lease: what was live stays so, and may be acted on.
            assert state(a, "sichuan") == "JOINED"
            assert a.is_current()
            await a.beat("sichuan", heartbeat())
            for change in (
                a.beat("henan", heartbeat("127.0.0.1:3")),
                a.suspend("sichuan", note="why", actor=ADMIN),
                a.apply(configuration("henan"), expected_revision=revision, actor=ADMIN),
            ):
                with pytest.raises(Refused) as refusal:
                    await change
                assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE
            assert a.answered() == silent_since
            assert a.snapshot().configuration == configuration("sichuan")
            await asyncio.to_thread(cluster.start)
            await eventually(lambda: a.answered() > silent_since)
            await insist(a, "sichuan", "why")
            assert alarms()[0].startswith("etcd has not answered since")
            assert alarms()[-1] == "etcd answers again: the registry is as of now"
            assert len(alarms()) == 2

    run(scenario(), PATIENCE_S)


def test_without_a_majority_the_heartbeats_of_joined_regions_are_taken(
    cluster: LocalEtcd, opened: EtcdRegistries, tmp_path: Path
) -> None:
    async def scenario() -> None:
        certificates = Certificates(tmp_path / "certificates")
        keys = keys_of(certificates, "sichuan")
        async with federation(certificates, tmp_path / "data", etcd=opened.settings) as one:
            request = join_request(keys)
            request.audit_head.CopyFrom(keys.audit_head(1))
            await one.join(keys, request)
            for member in (0, 1):
                await asyncio.to_thread(cluster.kill_member, member)
            request.audit_head.CopyFrom(keys.audit_head(2))
            assert (await one.join(keys, request)).HasField("interval")
            await asyncio.to_thread(cluster.start)
            kept = AuditHead()
            while kept != keys.audit_head(2):
                await one.join(keys, request)
                stub = FederationServiceStub(one.as_("region/sichuan"))
                kept = (await invoke(stub.GetAuditHead, GetAuditHeadRequest(), PATIENCE_S)).audit_head

    run(scenario(), PATIENCE_S)


def test_a_leader_that_is_frozen_for_longer_than_a_lease_costs_no_region_its_place(
    cluster: LocalEtcd, opened: EtcdRegistries
) -> None:
    async def scenario() -> None:
        lease = timedelta(seconds=4)
        async with opened(lease, name="a") as a, opened(lease, name="b") as b:
            for each, name in ((a, "coordinator/0"), (b, "coordinator/1")):
                await each.enter(name, "127.0.0.1:7443")
            await a.beat("sichuan", heartbeat())
            await changed(b, lambda: state(b, "sichuan") == "JOINED")
            frozen = await asyncio.to_thread(cluster.leader)
            await asyncio.to_thread(cluster.freeze_member, frozen)
            begun = asyncio.get_running_loop().time()
            turn = 0
            while asyncio.get_running_loop().time() - begun < 1.5 * lease.total_seconds():
                turn += 1
                await (a, b)[turn % 2].beat("sichuan", heartbeat())
                await insist(a, "henan", f"note {turn}")
                await changed(b, lambda: b.snapshot().facts("henan") == a.snapshot().facts("henan"))
                assert (state(a, "sichuan"), state(b, "sichuan")) == ("JOINED", "JOINED")
            await asyncio.to_thread(cluster.thaw_member, frozen)
            await asyncio.to_thread(cluster.await_member, frozen)
            await a.beat("sichuan", heartbeat())
            await insist(b, "henan", "the last note")
            await changed(a, lambda: suspension_note(a) == "the last note")
            assert (state(a, "sichuan"), state(b, "sichuan")) == ("JOINED", "JOINED")
            await changed(b, lambda: b.snapshot().replicas.keys() == {"coordinator/0", "coordinator/1"})
            chain = await audit_rows(a)
            assert audit.verify(chain).sequence == len(chain) == turn + 2

    run(scenario(), PATIENCE_S)


def suspension_note(registry: EtcdRegistry) -> str:
    suspension = registry.snapshot().facts("henan").suspension
    return suspension.note if suspension is not None else ""


def test_a_member_that_lost_its_disk_joins_again_and_knows_everything(
    cluster: LocalEtcd, opened: EtcdRegistries, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a:
            await a.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await asyncio.to_thread(cluster.wipe_member, 2)
            await a.suspend("sichuan", note="why", actor=ADMIN)
            await asyncio.to_thread(cluster.rejoin_member, 2)
            await a.suspend("henan", note="why", actor=ADMIN)
            settings = EtcdSettings(cluster.endpoints[2:], opened.settings.credentials)
            async with EtcdRegistries(settings, tmp_path, opened.federation)(name="b") as b:
                assert b.snapshot() == a.snapshot()
                await b.reinstate("henan", actor=ADMIN)
                await changed(a, lambda: state(a, "henan") == "ABSENT")

    run(scenario(), PATIENCE_S)
