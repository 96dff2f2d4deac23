"""A coordinator at an etcd that is another cluster than before: restored from a backup, or made anew."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd.client import GRANT, PUT, Compare, EtcdClient, Read
from coordinator.registry.etcd.copy import Copy
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.etcd.last_good import LastGood
from coordinator.registry.etcd.plans import Plans
from coordinator.registry.etcd.registry import EtcdRegistry, Parts
from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.etcd import LocalEtcd
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import SystemClock
from tests.contract.coordinators import eventually
from tests.contract.programs import COORDINATOR, Installation
from tests.contract.registries import ADMIN, LONG, EtcdRegistries, audit_rows, heartbeat, run, state
from tests.contract.test_doctor_stores import checks, use
from tests.engines import ETCD, require_engine
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

NAME, ENDPOINT, PROCESS = "coordinator/0", "127.0.0.1:7443", "127.0.0.1:1"
AHEAD = 100
"""The changes of another cluster by which its revision is the higher one."""


class Nameless(EtcdClient):
    """A client whose answers do not name the cluster."""

    def compare(self, compare: Compare) -> None:
        """See EtcdClient."""
        super().compare(lambda header: compare(rpc_pb2.ResponseHeader(revision=header.revision)))


class Restorable:
    """A federation's registry in an etcd that can be replaced while its coordinators cannot reach it."""

    def __init__(self, etcd: LocalEtcd, proxy: FaultProxy, directory: Path) -> None:
        self._etcd = etcd
        self.proxy = proxy
        self._direct = EtcdSettings(etcd.endpoints, etcd.credentials())
        settings = EtcdSettings((proxy.endpoint,), self._direct.credentials)
        self.opened = EtcdRegistries(settings, directory, "demo.example")
        self.keys = Keys(self.opened.federation)
        self.last_good = LastGood(directory / "a")

    def kept(self) -> Read:
        """The copy on disk."""
        kept = self.last_good.load()
        assert kept is not None
        return kept

    async def whole(self) -> Read:
        """The whole content of etcd."""
        async with self._administrator() as client:
            return await client.read([KeyRange(b"\0", b"\0")])

    async def restore(self) -> None:
        """Makes another cluster with the same content and a higher revision."""
        before = await self.whole()
        self.proxy.cut()
        await asyncio.to_thread(self._etcd.remake)
        async with self._administrator() as client:
            for lease in {entry.lease for entry in before.entries.values()} - {0}:
                await client.call(GRANT, rpc_pb2.LeaseGrantRequest(ID=lease, TTL=round(LONG.total_seconds())))
            for key, entry in before.entries.items():
                await client.call(PUT, rpc_pb2.PutRequest(key=key, value=entry.value, lease=entry.lease))
            while (await client.read([])).revision < before.revision + AHEAD:
                await client.call(PUT, rpc_pb2.PutRequest(key=b"other", value=b"change"))
        self.proxy.heal()

    @asynccontextmanager
    async def _administrator(self) -> AsyncIterator[EtcdClient]:
        client = EtcdClient(self._direct, SystemClock())
        try:
            yield client
        finally:
            await client.close()


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[LocalEtcd]:
    """A cluster of its own: that of the other tests is never replaced."""
    require_engine(ETCD)
    cluster = LocalEtcd(tmp_path / "etcd", members=1)
    try:
        cluster.prepare()
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def scene(etcd: LocalEtcd, tmp_path: Path) -> Iterator[Restorable]:
    background = Background()
    proxy = FaultProxy(background, partial(str, etcd.endpoints[0]))
    yield Restorable(etcd, proxy, tmp_path)
    proxy.close()
    background.close()


async def refuse_changes(registry: EtcdRegistry) -> None:
    """Fails unless each kind of change is refused."""
    for change in (
        registry.suspend("henan", note="why", actor=ADMIN),
        registry.beat("henan", heartbeat("127.0.0.1:2")),
        registry.leave("sichuan", PROCESS),
    ):
        with pytest.raises(Refused) as refusal:
            await change
        assert refusal.value.reason == Reason.REASON_REGISTRY_UNAVAILABLE


@pytest.mark.long("etcd starts twice")
def test_another_cluster_ahead_of_the_former_is_not_followed_until_an_administrator_accepts_it(
    scene: Restorable, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        former = (await scene.whole()).cluster
        async with scene.opened() as registry:
            await registry.enter(NAME, ENDPOINT)
            await registry.beat("sichuan", heartbeat())
            await registry.suspend("sichuan", note="why", actor=ADMIN)
            await eventually(lambda: registry.lease_seconds() > 0)
            await registry.beat("sichuan", heartbeat())  # listeners need no change of it, and nothing is saved at once
            await scene.restore()
            restored = await scene.whole()
            await eventually(lambda: registry.lease_seconds() <= 0)
            await refuse_changes(registry)
            with pytest.raises(Refused):
                await audit_rows(registry)
            last = registry.snapshot().change
        kept = scene.kept()
        assert (kept.cluster, kept.revision) == (former, last)
        assert f"is cluster {restored.cluster:x} and was cluster {former:x}" in caplog.text

        saved = scene.last_good.path.stat()
        async with scene.opened() as registry:
            assert state(registry, "sichuan") == "SUSPENDED", "the copy is in use"
            await refuse_changes(registry)
            assert scene.last_good.path.stat() == saved
            scene.last_good.path.unlink()
        assert not scene.last_good.path.exists()
        assert await scene.whole() == restored, "nothing was written there"

        async with scene.opened() as registry:
            await registry.enter(NAME, ENDPOINT)
            await eventually(lambda: registry.lease_seconds() > 0)
            assert state(registry, "sichuan") == "SUSPENDED"
            await registry.suspend("henan", note="why", actor=ADMIN)
        assert scene.kept().cluster == restored.cluster

    with caplog.at_level(logging.ERROR):
        run(scenario())


def test_a_copy_that_names_no_cluster_takes_the_first_one(scene: Restorable) -> None:
    async def scenario() -> None:
        async with scene.opened() as registry:
            await registry.suspend("henan", note="why", actor=ADMIN)
        kept = scene.kept()
        scene.last_good.save(kept.entries, kept.revision, 0)
        async with scene.opened() as registry:
            await eventually(lambda: scene.kept().cluster == kept.cluster)
            await registry.reinstate("henan", actor=ADMIN)

    run(scenario())


def test_nothing_more_is_taken_from_an_etcd_that_has_gone_back(scene: Restorable) -> None:
    async def scenario() -> None:
        async with scene.opened(name="a") as a, scene.opened(name="b") as b:
            await b.suspend("sichuan", note="why", actor=ADMIN)
            await eventually(lambda: state(a, "sichuan") == "SUSPENDED")
            # To go back, etcd itself would have to be restored; to the coordinator it is the same.
            a._copy.take((), a._copy.revision + AHEAD, SystemClock().now())
            with pytest.raises(Refused):
                await a.suspend("henan", note="why", actor=ADMIN)
            await b.reinstate("sichuan", actor=ADMIN)
            await a._contact.look()
            assert state(a, "sichuan") == "SUSPENDED"
        async with scene.opened(name="a") as a:
            assert state(a, "sichuan") == "SUSPENDED"

    run(scenario())


@pytest.mark.long("a start waits for etcd as long as a call may take")
def test_a_copy_that_names_no_cluster_takes_none_that_is_behind_it(scene: Restorable) -> None:
    async def scenario() -> None:
        async with scene.opened() as registry:
            await registry.suspend("henan", note="why", actor=ADMIN)
        kept = scene.kept()
        scene.last_good.save(kept.entries, kept.revision + AHEAD, 0)
        saved = scene.last_good.path.stat()
        scene.proxy.cut()
        async with scene.opened() as registry:
            scene.proxy.heal()
            await eventually(lambda: scene.last_good.path.stat() != saved)
            with pytest.raises(Refused):
                await registry.reinstate("henan", actor=ADMIN)
        assert (scene.kept().cluster, scene.kept().revision) == (0, kept.revision + AHEAD)

    run(scenario())


def test_answers_that_name_no_cluster_change_nothing(scene: Restorable) -> None:
    async def scenario() -> None:
        async with scene.opened() as registry:
            await registry.suspend("henan", note="why", actor=ADMIN)
        kept, clock = scene.kept(), SystemClock()
        client = Nameless(scene.opened.settings, clock)
        parts = Parts(
            scene.keys, client, Plans(client, scene.keys), Copy(scene.keys), clock, LONG, scene.last_good, nobody
        )
        registry = await EtcdRegistry.started(parts)
        try:
            await registry.reinstate("henan", actor=ADMIN)
        finally:
            await registry.close()
        assert scene.kept().cluster == kept.cluster
        assert scene.kept().revision > kept.revision

    run(scenario())


def test_the_doctor_names_both_clusters_and_the_file_that_accepts_the_other(scene: Restorable, tmp_path: Path) -> None:
    installed = Installation.make(COORDINATOR, tmp_path)
    use(installed, scene.opened.settings.endpoints, scene.opened.settings.credentials)
    installed.settings["data"] = str(scene.last_good.path.parent)
    installed.settings["federation"] = scene.opened.federation

    async def suspended() -> None:
        async with scene.opened() as registry:
            await registry.suspend("henan", note="why", actor=ADMIN)

    run(suspended())
    assert "completeness" not in checks(installed.run("doctor", "--json"))
    former = scene.kept()
    run(scene.restore())
    state_of, found, todo = checks(installed.run("doctor", "--json"))["completeness"]
    assert state_of == "bad"
    assert f"was cluster {former.cluster:x}" in found
    assert str(scene.last_good.path) in todo
    scene.last_good.save(former.entries, former.revision + 10 * AHEAD, 0)
    assert f"was at {former.revision + 10 * AHEAD}" in checks(installed.run("doctor", "--json"))["completeness"][1]


async def nobody(_: object) -> bool:
    return False
