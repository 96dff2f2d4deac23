"""What several tests of coordinators, and those of the store, begin with."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd.client import DELETE, EtcdClient
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.etcd import LocalEtcd
from gateway.time import agreed_clock
from tests.contract.registries import EmbeddedRegistries, EtcdRegistries, Registries
from tests.contract.relay_scene import PATIENCE_S
from tests.contract.small_federation import CLOCK, FEDERATION, Certificates
from tests.contract.stores import ADAPTERS, Adapter, adapter_for
from tests.engines import ETCD, require_engine


@pytest.fixture(params=sorted(ADAPTERS), name="adapter")
def one_adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    """The store of a test, on one engine after the other."""
    return adapter_for(request.param, request, tmp_path)


@pytest.fixture(name="certificates")
def certificates_of_a_federation(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def settled_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator goes by its own clock from the start: no region that would confirm it joins."""
    monkeypatch.setattr(agreed_clock, "LISTENING", 0.0)


@pytest.fixture
def patient_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of questions to regions end with their last answers, and pauses outlast a test, on a busy machine too."""
    for each in ("ROUND_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(f"region_node.lifecycle.recovery.asking.{each}", PATIENCE_S)


@pytest.fixture(params=["embedded", "etcd"], name="opened")
def opened_on_one_state(request: pytest.FixtureRequest, tmp_path: Path) -> Registries:
    """Opens a registry on the same durable state each time."""
    if request.param == "embedded":
        return EmbeddedRegistries(tmp_path)
    return EtcdRegistries.of(request.getfixturevalue("etcd_cluster"), tmp_path)


@pytest.fixture(name="etcd")
def empty_registry(etcd_cluster: LocalEtcd) -> Iterator[EtcdSettings]:
    """A registry in which nothing stands of the federation that the certificates are of."""
    settings = EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials())
    asyncio.run(_empty(settings))
    yield settings
    asyncio.run(_empty(settings))


@pytest.fixture
def etcd_alone(tmp_path: Path) -> Iterator[LocalEtcd]:
    """A cluster of one member for a test alone: that of the other tests is never lost."""
    require_engine(ETCD)
    cluster = LocalEtcd(tmp_path / "etcd", members=1)
    try:
        cluster.prepare()
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


async def _empty(etcd: EtcdSettings) -> None:
    client = EtcdClient(etcd, CLOCK)
    try:
        whole = Keys(FEDERATION).everything
        await client.call(DELETE, rpc_pb2.DeleteRangeRequest(key=whole.first, range_end=whole.end))
    finally:
        await client.close()
