"""Risks in the registry: durable, decided once by several coordinators, with an audit row for people alone."""

import asyncio
from pathlib import Path

import pytest

from coordinator.registry.port import Registry
from coordinator.registry.problem_port import Administered
from deploy.local.etcd import LocalEtcd
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from tests.contract.registries import EtcdRegistries, Registries, audit_rows, run

BY = Administered("admin/root", "RISK_ASSESSED", "risk/region-lost/sichuan")
LOST = "region-lost/sichuan"


def counted(before: Risk | None) -> Risk:
    return Risk(id=LOST, signals=(before.signals if before is not None else 0) + 1)


def refused(before: Risk | None) -> Risk | None:
    raise Refused(Reason.REASON_RISK_NOT_FOUND, risk=LOST)


def test_a_risk_outlives_its_registry_and_only_decisions_of_people_leave_an_audit_row(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert list(await registry.risks.all()) == []
            assert await registry.risks.change(LOST, counted) == Risk(id=LOST, signals=1)
            assert not await audit_rows(registry), "a signal is no change by anybody"
            assert await registry.risks.change(LOST, lambda _: None, BY) == Risk(id=LOST, signals=1)
            with pytest.raises(Refused):
                await registry.risks.change(LOST, refused, BY)
            assert not await audit_rows(registry), "nothing was changed"
            await registry.risks.change(LOST, counted, BY)
        async with opened() as registry:
            assert list(await registry.risks.all()) == [Risk(id=LOST, signals=2)]
            (row,) = await audit_rows(registry)
            assert (row.actor, row.action, row.subject) == (BY.actor, BY.action, BY.subject)

    run(scenario())


def test_no_change_of_two_coordinators_at_the_same_time_is_lost(etcd_cluster: LocalEtcd, tmp_path: Path) -> None:
    opened = EtcdRegistries.of(etcd_cluster, tmp_path)

    async def changes(registry: Registry) -> None:
        for _ in range(5):
            await registry.risks.change(LOST, counted)

    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            await asyncio.gather(changes(a), changes(b))
            assert list(await a.risks.all()) == [Risk(id=LOST, signals=10)]

    run(scenario())
