"""Planned outages in every registry: kept across restarts, and of two that conflict at the same time one is held."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from coordinator.planned_outages.rules import held_with
from coordinator.registry.port import Registry
from deploy.local.etcd import LocalEtcd
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import to_timestamp
from tests.contract.registries import NOW, EtcdRegistries, Registries, audit_rows, run
from tests.unit.test_planned_outages import DETOUR, DIRECT, NETWORK

HOUR = timedelta(hours=1)


def window(key: str, link: str) -> PlannedOutageHeader:
    start, end = to_timestamp(NOW + HOUR), to_timestamp(NOW + 2 * HOUR)
    return PlannedOutageHeader(id=key, links=[link], start_time=start, end_time=end, version=1)


def holding(
    wanted: PlannedOutageHeader,
) -> Callable[[Sequence[PlannedOutageHeader]], Sequence[PlannedOutageHeader] | None]:
    return lambda held: held_with(held, wanted, NETWORK, NOW)


async def hold(registry: Registry, wanted: PlannedOutageHeader) -> str:
    """Holds a window; why not, if it is refused."""
    try:
        await registry.change_planned_outages(holding(wanted))
    except Refused as refused:
        return Reason.Name(refused.reason).removeprefix("REASON_")
    return ""


def test_windows_are_kept_until_they_are_decided_away(opened: Registries) -> None:
    first, other = window("sichuan/planned/1", DIRECT), window("henan/planned/1", DETOUR)

    async def scenario() -> None:
        async with opened() as registry:
            assert list(await registry.planned_outages()) == []
            assert await hold(registry, first) == ""
            assert await hold(registry, first) == "", "once more"
            assert await hold(registry, other) == "PLANNED_OUTAGE_CONFLICT"
            assert not await audit_rows(registry), "what regions tell of themselves is no change by anybody"
        async with opened() as registry:
            assert list(await registry.planned_outages()) == [first]
            await registry.change_planned_outages(lambda _: [other])
            assert list(await registry.planned_outages()) == [other]

    run(scenario())


def test_of_two_conflicting_windows_at_two_coordinators_at_the_same_time_one_is_held(
    etcd_cluster: LocalEtcd, tmp_path: Path
) -> None:
    opened = EtcdRegistries.of(etcd_cluster, tmp_path)

    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            for each in range(5):
                first = window(f"sichuan/planned/{each}", DIRECT)
                other = window(f"henan/planned/{each}", DETOUR)
                told = await asyncio.gather(hold(a, first), hold(b, other))
                assert sorted(told) == ["", "PLANNED_OUTAGE_CONFLICT"]
                (held,) = await a.planned_outages()
                assert held == (first if told[0] == "" else other)
                await b.change_planned_outages(lambda _: [])

    run(scenario())
