"""Metrics and the doctor tell of regions that have not told everything after a loss, and of lost commands."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader

from gateway.maintenance.doctor.findings import State
from gateway.store import catch_ups, losses
from gateway.store.catch_ups import CatchUp, LostCommand
from gateway.store.losses import Loss
from gateway.store.opening import DatabasePlace
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.clock import to_microseconds
from region_node.app.metrics import observe_recovery
from region_node.cli.node.loss_checks import check_catching_up
from region_node.lifecycle.recovery.watching import RecoveryWatch
from region_node.node.context import RegionContext
from region_node.node.settings import RegionSettings
from region_node.schema import PACKAGES
from tests.contract.relay_pair import FixedClock
from tests.keys import region_keys

ACCEPTED = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = ACCEPTED + timedelta(hours=1)


def lose(tx: Transaction) -> None:
    """Two accepted losses and an open one: Henan has not told everything after either, Guangdong after the second."""
    for number, accepted in ((1, ACCEPTED), (2, LATER), (3, None)):
        time = None if accepted is None else to_microseconds(accepted)
        losses.keep(tx, Loss(number, 5, "coordinator", 1, 9, 0, 10_009 * number, time, "staff", "INC-1", 3))
    for each in (
        CatchUp(1, "guangdong", finish_time=7),
        CatchUp(2, "guangdong", failure="UPGRADE_REQUIRED"),
        CatchUp(1, "henan"),
        CatchUp(2, "henan"),
        CatchUp(2, "beijing", finish_time=7),
    ):
        catch_ups.keep(tx, each)
    for name in ("1", "2"):
        catch_ups.list_lost(tx, LostCommand(1, "henan", "henan", name, 1, f"order {name}", "COMMAND_LOST", 5))


def end(tx: Transaction) -> None:
    """All regions have told everything, and nothing is listed any more."""
    for each in catch_ups.catch_ups(tx):
        catch_ups.keep(tx, each._replace(finish_time=7))
    catch_ups.forget_lost(tx, catch_ups.lost_after(tx, (0, "", "", ""), 10))


def values(reader: InMemoryMetricReader) -> dict[str, dict[str, float]]:
    """The present values by metric and region."""
    read = reader.get_metrics_data()
    assert read is not None
    found = dict[str, dict[str, float]]()
    for metric in read.resource_metrics[0].scope_metrics[0].metrics:
        assert isinstance(metric.data, Gauge)
        by_region = {str((each.attributes or {}).get("region", "")): each.value for each in metric.data.data_points}
        found[f"{metric.name} {metric.unit}"] = by_region
    return found


def test_metrics_tell_for_how_long_each_region_has_not_told_everything_and_how_many_lost_commands_are_listed(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        store, clock = SqliteStore(tmp_path / "node.db", migrations_of(*PACKAGES), region_keys()), FixedClock()
        reader = InMemoryMetricReader()
        gone = set[str]()
        context = cast("RegionContext", SimpleNamespace(region="sichuan", takes_part=lambda each: each not in gone))
        watch = RecoveryWatch(context, store)
        observe_recovery(MeterProvider([reader]).get_meter("test"), watch, clock)
        clock.instant = LATER + timedelta(seconds=30)
        await store.write(lose)
        await watch.look()
        assert values(reader) == {
            "crossregion.recovery.unfinished s": {"guangdong": 30.0, "henan": 3630.0},
            "crossregion.recovery.lost {command}": {"": 2},
        }
        gone.add("henan")
        await watch.look()
        assert watch.unfinished.keys() == {"guangdong"}, "nobody can end the report of a region that has left"
        await store.write(end)
        await watch.look()
        assert values(reader) == {"crossregion.recovery.lost {command}": {"": 0}}
        await store.close()

    asyncio.run(scenario())


def test_the_doctor_names_regions_that_have_not_told_everything_and_counts_lost_commands(tmp_path: Path) -> None:
    file, keys = tmp_path / "node.db", tmp_path / "region.keys"
    shown = SimpleNamespace(region="sichuan", keys=keys, database=DatabasePlace(file))
    settings = cast("RegionSettings", shown)
    assert check_catching_up(settings) == [], "there is nothing to read"
    region_keys().set.save(keys)

    async def change() -> None:
        store = SqliteStore(file, migrations_of(*PACKAGES), region_keys())
        await store.write(lose)
        await store.close()

    asyncio.run(change())
    unfinished, lost = check_catching_up(settings)
    assert (unfinished.state, lost.state) == (State.WARNING, State.WARNING)
    assert "guangdong, henan" in unfinished.found
    assert "`region-node recovery show`" in unfinished.todo
    assert lost.found.startswith("2 commands")
    assert "`region-node recovery losses`" in lost.todo
