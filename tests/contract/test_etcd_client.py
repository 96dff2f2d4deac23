"""How long calls to etcd may take, and what becomes of members that leave them unanswered."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd import client
from coordinator.registry.etcd.client import (
    ATTEMPT_SECONDS,
    CALL_SECONDS,
    PUT,
    RANGE,
    SHORTEST_ATTEMPT_SECONDS,
    EtcdClient,
    Forgotten,
    Method,
    Request,
    Response,
    Unanswered,
)
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.leases import Leases, lease_of
from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.etcd import LocalEtcd
from gateway.time.clock import SystemClock
from tests.contract.registries import PATIENCE_S, run
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

SLOWNESS_S = 0.2
SHORT_S = ATTEMPT_SECONDS / 2


class SlowClient(EtcdClient):
    """Answers each call after a while, and keeps how long each might have taken, from when on."""

    def __init__(self, settings: EtcdSettings) -> None:
        super().__init__(settings, SystemClock())
        self.ends: list[float] = []

    async def call(
        self, method: Method[Request, Response], request: Request, seconds: float = CALL_SECONDS
    ) -> Response:
        """See EtcdClient."""
        await self._note(seconds)
        return await super().call(method, request)

    async def keep_alive(self, lease: int, seconds: float = CALL_SECONDS) -> bool:
        """See EtcdClient."""
        await self._note(seconds)
        return await super().keep_alive(lease)

    async def _note(self, seconds: float) -> None:
        self.ends.append(asyncio.get_running_loop().time() + seconds)
        await asyncio.sleep(SLOWNESS_S)


def test_all_that_a_heartbeat_asks_of_etcd_ends_by_one_deadline(etcd_cluster: LocalEtcd) -> None:
    async def scenario() -> None:
        client = SlowClient(EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials()))
        try:
            keys = Keys(f"{uuid4().hex}.example")
            leases, lease = Leases(client, timedelta(minutes=1)), lease_of(keys.federation, "sichuan", "a:1")
            end = asyncio.get_running_loop().time() + PATIENCE_S
            await leases.put(keys.live("sichuan", "a:1"), b"{}", lease, PATIENCE_S)
            assert len(client.ends) == 3, "whether the lease is there, the lease, and the value"
            assert max(client.ends) <= end + SLOWNESS_S
            end = asyncio.get_running_loop().time() + PATIENCE_S
            await leases.end(keys.live("sichuan", "a:1"), lease, PATIENCE_S)
            assert max(client.ends) <= end + SLOWNESS_S
        finally:
            await client.close()

    run(scenario())


@pytest.fixture
def silent(etcd_cluster: LocalEtcd) -> Iterator[FaultProxy]:
    """Before the first member; it swallows everything once a test says so."""
    background = Background()
    proxy = FaultProxy(background, lambda: etcd_cluster.endpoints[0])
    yield proxy
    proxy.close()
    background.close()


async def unanswered(client: EtcdClient, seconds: float) -> int:
    """How many of four attempts are left unanswered."""
    failures = 0
    for _ in range(4):
        try:
            await client.keep_alive(1, seconds)
        except Unanswered:
            failures += 1
    return failures


def test_only_a_member_that_had_time_to_answer_is_left_out(etcd_cluster: LocalEtcd, silent: FaultProxy) -> None:
    async def scenario() -> None:
        settings = EtcdSettings((silent.endpoint, etcd_cluster.endpoints[1]), etcd_cluster.credentials())
        client = EtcdClient(settings, SystemClock())
        try:
            while await unanswered(client, ATTEMPT_SECONDS):
                pass  # until both connections stand, and nobody is left out
            silent.blackhole()
            assert await unanswered(client, SHORT_S) == 2, "they take turns"
            assert await unanswered(client, ATTEMPT_SECONDS) == 1
        finally:
            await client.close()

    run(scenario())


def test_each_answer_is_compared_before_anyone_acts_by_it(etcd_cluster: LocalEtcd) -> None:
    clusters: list[int] = []
    is_other = False

    def compare(header: rpc_pb2.ResponseHeader) -> None:
        clusters.append(header.cluster_id)
        if is_other:
            raise Forgotten("another cluster")

    async def scenario() -> None:
        nonlocal is_other
        client = EtcdClient(EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials()), SystemClock())
        client.compare(compare)
        keys = Keys(f"{uuid4().hex}.example")
        try:
            async with client.watching(keys.everything, 0) as stream:
                is_other = True
                for answer in (
                    client.call(RANGE, rpc_pb2.RangeRequest(key=b"key")),
                    client.once(RANGE, rpc_pb2.RangeRequest(key=b"key")),
                    client.keep_alive(1),
                    client.read([keys.everything]),
                    client.revision(b"key", CALL_SECONDS),
                    client.watching(keys.everything, 0).__aenter__(),
                ):
                    with pytest.raises(Unanswered, match="another cluster"):
                        await answer
                await stream.write(rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest()))
                with pytest.raises(Forgotten):
                    await stream.read()
        finally:
            await client.close()

    run(scenario())
    assert len(set(clusters)) == 1


def test_more_values_than_one_answer_holds_are_read_at_one_revision(
    etcd_cluster: LocalEtcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_VALUES_AT_ONCE", 3)
    keys = Keys(f"pages-{uuid4()}.example")
    names = [f"sichuan/alarm/{number:02}" for number in range(10)]

    class Writing(EtcdClient):
        """Another client writes a value behind the first page of each reading."""

        async def call(
            self, method: Method[Request, Response], request: Request, seconds: float = CALL_SECONDS
        ) -> Response:
            answer = await super().call(method, request, seconds)
            if method is not PUT:
                later = rpc_pb2.PutRequest(key=keys.network_event(names[-1]), value=b"later")
                await super().call(PUT, later)
            return answer

    async def scenario() -> None:
        reading = Writing(EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials()), SystemClock())
        try:
            for each in names:
                await reading.call(PUT, rpc_pb2.PutRequest(key=keys.network_event(each), value=each.encode()))
            read = await reading.read([keys.cases, keys.network_events])
        finally:
            await reading.close()
        assert [read.entries[each].value for each in sorted(read.entries)] == [each.encode() for each in names]
        assert all(each.revision <= read.revision for each in read.entries.values())

    run(scenario())


def test_no_attempt_is_begun_that_has_no_time(etcd_cluster: LocalEtcd) -> None:
    async def scenario() -> None:
        client = EtcdClient(EtcdSettings(etcd_cluster.endpoints, etcd_cluster.credentials()), SystemClock())
        too_short = SHORTEST_ATTEMPT_SECONDS / 2
        try:
            with pytest.raises(Unanswered, match="no time is left"):
                await client.keep_alive(1, too_short)
            with pytest.raises(Unanswered, match="no time is left"):
                await client.read([Keys("demo.example").everything], too_short)
        finally:
            await client.close()

    run(scenario())
