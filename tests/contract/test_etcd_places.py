"""While etcd answers, or does not, the calls of a coordinator that wait for it hold nobody up."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from coordinator.registry.etcd.registry import EtcdRegistry
from deploy.local.etcd import LocalEtcd
from gateway.rpc.admission import Admission, placed
from tests.contract.registries import EtcdRegistries, heartbeat, run


@pytest.mark.parametrize(
    "ask",
    [lambda registry: registry.audit_head("sichuan"), lambda registry: registry.beat("sichuan", heartbeat())],
    ids=["read", "change"],
)
def test_a_call_that_waits_for_etcd_leaves_its_place_at_the_coordinator_to_others(
    etcd_cluster: LocalEtcd, tmp_path: Path, ask: Callable[[EtcdRegistry], Awaitable[object]]
) -> None:
    async def scenario() -> None:
        admission = Admission()

        async def call(registry: EtcdRegistry) -> None:
            with placed(await admission.begin("region/sichuan", 1)):
                await ask(registry)

        async with EtcdRegistries.of(etcd_cluster, tmp_path)() as registry:
            calling = asyncio.create_task(call(registry))
            await asyncio.sleep(0)
            assert (calling.done(), admission._served.count) == (False, 0)
            await calling

    run(scenario())
