"""What heartbeats may write into etcd: a region beyond it stays joined, and others have theirs."""

from datetime import timedelta
from pathlib import Path

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry import shares
from coordinator.registry.etcd.client import REVOKE, EtcdClient
from coordinator.registry.etcd.leases import lease_of
from deploy.local.etcd import LocalEtcd
from gateway.api.federation.v1.federation_pb2 import GetAuditHeadRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.errors import Refused
from gateway.rpc.channels import invoke
from gateway.time.clock import SystemClock
from tests.contract.coordinators import PATIENCE_S, federation, join_request, keys_of
from tests.contract.registries import EtcdRegistries, changed, heartbeat, run, state
from tests.contract.small_federation import Certificates

KIB = 1024
ENDPOINT = "127.0.0.1:1"


@pytest.fixture(name="opened")
def registries(etcd_cluster: LocalEtcd, tmp_path: Path) -> EtcdRegistries:
    return EtcdRegistries.of(etcd_cluster, tmp_path)


def test_a_region_whose_reports_have_written_enough_lives_on_with_the_report_before(
    opened: EtcdRegistries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "HEARTBEAT_WRITES", 2 * KIB)

    async def scenario() -> None:
        async with opened() as registry:
            seen = list[timedelta]()
            for second in range(20):
                await registry.beat("sichuan", heartbeat(later=timedelta(seconds=second)))
                live = registry.snapshot().facts("sichuan").live[ENDPOINT]
                seen.append(live.time - heartbeat().time)
            assert seen == sorted(seen)
            assert 2 <= len(set(seen)) <= 9
            client = EtcdClient(opened.settings, SystemClock())
            lease = lease_of(opened.federation, "sichuan", ENDPOINT)
            await client.call(REVOKE, rpc_pb2.LeaseRevokeRequest(ID=lease))
            await client.close()
            await changed(registry, lambda: state(registry, "sichuan") == "LOST")
            await registry.beat("sichuan", heartbeat())
            assert state(registry, "sichuan") == "JOINED", "without its lease it is a new process"

    run(scenario())


def test_a_region_whose_reports_have_written_enough_is_heard_with_the_news_of_a_known_process(
    opened: EtcdRegistries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "HEARTBEAT_WRITES", KIB)

    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat(reads=[1]))
            await registry.beat("sichuan", heartbeat("127.0.0.1:2", reads=[1, 2]))
            for second in range(1, 20):
                await registry.beat("sichuan", heartbeat(reads=[1], later=timedelta(seconds=second)))
            upgraded = heartbeat(reads=[1, 2], later=timedelta(seconds=20))
            await registry.beat("sichuan", upgraded)
            assert registry.snapshot().facts("sichuan").live[ENDPOINT].capabilities == upgraded.capabilities

    run(scenario())


def test_a_region_that_begins_processes_without_end_is_refused_and_another_one_is_not(
    opened: EtcdRegistries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "NEWCOMER_WRITES", 4 * KIB)

    async def scenario() -> None:
        async with opened() as registry:

            async def begin() -> None:
                for _ in range(30):
                    await registry.beat("sichuan", heartbeat())
                    await registry.leave("sichuan", ENDPOINT)

            with pytest.raises(Refused, match="TOO_BUSY"):
                await begin()
            await registry.beat("henan", heartbeat())
            assert state(registry, "henan") == "JOINED"

    run(scenario())


def test_audit_heads_of_a_region_beyond_their_number_are_left_to_later_heartbeats(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "HEAD_WRITES", 600)

    async def scenario() -> None:
        async with federation(certificates, tmp_path) as it:
            await it.apply()
            for keys in (keys_of(certificates, "sichuan"), keys_of(certificates, "henan")):
                for sequence in (1, 2, 3):
                    request = join_request(keys)
                    request.audit_head.CopyFrom(keys.audit_head(sequence))
                    await it.join(keys, request)
                stub = FederationServiceStub(it.as_(f"region/{keys.region}"))
                kept = await invoke(stub.GetAuditHead, GetAuditHeadRequest(), PATIENCE_S)
                assert kept.audit_head == keys.audit_head(2)

    run(scenario())
