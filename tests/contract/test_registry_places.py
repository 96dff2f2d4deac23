"""Calls that wait for the registry, which may not answer, hold nobody up at the coordinator."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from coordinator.registry.port import Registry
from deploy.local.etcd import LocalEtcd
from gateway.auditing.audit import Head
from gateway.auditing.audit_heads import KeptHead
from gateway.rpc.admission import Admission
from tests.contract.registries import NOW, EtcdRegistries, Registries, heartbeat, run

Ask = Callable[[Registry], Awaitable[object]]


async def waits_elsewhere(opened: Registries, ask: Ask) -> None:
    """Lets a call ask a registry, and looks at its place meanwhile."""
    admission = Admission()

    async def call(registry: Registry) -> None:
        with await admission.begin("region/sichuan", 1):
            await ask(registry)

    async with opened() as registry:
        calling = asyncio.create_task(call(registry))
        await asyncio.sleep(0)
        assert (calling.done(), admission._served.count) == (False, 0)
        await calling


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry: registry.beat("sichuan", heartbeat()),
        lambda registry: registry.keep_audit_head("sichuan", KeptHead(Head(1, bytes(32)), b"signature", NOW)),
    ],
    ids=["beat", "audit head"],
)
def test_a_heartbeat_that_waits_for_the_registry_leaves_its_place_to_others(opened: Registries, ask: Ask) -> None:
    run(waits_elsewhere(opened, ask))


def test_a_call_that_reads_from_etcd_leaves_its_place_to_others(etcd_cluster: LocalEtcd, tmp_path: Path) -> None:
    run(waits_elsewhere(EtcdRegistries.of(etcd_cluster, tmp_path), lambda registry: registry.audit_head("sichuan")))
