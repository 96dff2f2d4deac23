"""PostgreSQL that Patroni leads, with real processes: what a kill of the primary costs, and what it never does."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.etcd import LocalEtcd
from deploy.local.patroni import LocalPatroni
from deploy.local.process import wait_until
from gateway.api.region.v1.order_pb2 import OrderState
from tests.bench.failover import measure, on_patroni
from tests.faults.primary import FAULTS
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.losses import Recovery
from tests.federation.running import running, until

COUNT = int(os.environ.get("FAILOVERS", str(len(FAULTS))))
PATIENCE = 120.0


@pytest.mark.slow
@pytest.mark.timeout(900 + 60 * COUNT)
@pytest.mark.long("the primary of a cluster of three fails in each way; a lease has to end four times of five")
def test_no_acknowledged_order_is_missing_or_doubled_after_faults_of_the_primary(
    tmp_path: Path, patroni_etcd: LocalEtcd
) -> None:
    with on_patroni(tmp_path, patroni_etcd) as scene:
        outcome = asyncio.run(measure(scene, COUNT, list(FAULTS)))
    assert len(outcome.failovers) == COUNT
    assert outcome.acknowledged > COUNT
    assert outcome.is_right, outcome


@pytest.fixture
def asynchronous(tmp_path: Path, patroni_etcd: LocalEtcd) -> Iterator[LocalPatroni]:
    """A primary and a standby, for which no commit waits."""
    cluster = LocalPatroni(tmp_path / "cluster", patroni_etcd, 2, synchronous=False)
    try:
        cluster.prepare()
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.mark.slow
@pytest.mark.long("a lease of Patroni has to end")
def test_where_no_standby_confirms_a_fail_over_closes_the_fence_and_recovery_names_the_loss(
    tmp_path: Path, asynchronous: LocalPatroni
) -> None:
    asyncio.run(lose_the_last_order(tmp_path / "federation", asynchronous))


async def lose_the_last_order(directory: Path, cluster: LocalPatroni) -> None:
    async with running(directory, Databases(cluster), ("guangdong", "sichuan")) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        kept = await guangdong.order("PAY", number)
        await guangdong.reaches(kept.id, OrderState.ORDER_STATE_COMPLETED)
        await asyncio.to_thread(wait_until, cluster.is_whole, PATIENCE, "the standby has it")
        primary = cluster.primary()
        assert primary is not None
        await asyncio.to_thread(cluster.kill_member, 1 - primary)
        lost = await sichuan.order("PAY", number)
        assert lost.state == OrderState.ORDER_STATE_COMPLETED, "nobody else has it"
        await asyncio.to_thread(cluster.kill_member, primary)
        cluster.launch_member(1 - primary)
        await asyncio.to_thread(wait_until, lambda: cluster.primary() == 1 - primary, PATIENCE, "the standby leads")
        recovery = Recovery(federation, "sichuan")
        await until(recovery.is_fenced, "the region knows that it has lost something")
        (loss,) = (await recovery.found()).losses
        assert loss.witness.startswith("process/")
        assert loss.commits > 0
        await recovery.accept()
        again = await sichuan.order("PAY", number)
        await sichuan.reaches(again.id, OrderState.ORDER_STATE_COMPLETED)
