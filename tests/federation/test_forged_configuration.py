"""A coordinator that was replaced: it owns every key of a coordinator, and none of an administrator."""

import sqlite3
from pathlib import Path

import pytest

from coordinator.app import start as start_coordinator
from coordinator.settings import CoordinatorSettings
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.process.running import Running
from tests.administrators import Administrators
from tests.federation.certificates import FEDERATION
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.running import Federation, running, until
from tests.shipped import shipped_configuration

POISON = 10**12


def given_to_henan(configuration: Configuration) -> Configuration:
    """The configuration with all numbers of Sichuan given to Henan."""
    for owned in configuration.number_plan.prefixes:
        owned.region = "henan" if owned.region == "sichuan" else owned.region
    return configuration


async def replaced_by_a_false_one(
    federation: Federation, path: str = "coordinator/0", name: str = "false"
) -> tuple[Running, int]:
    """A coordinator without an anchor in the place of the honest one, with a database of its own, and their port."""
    assert federation.coordinator is not None
    (federation.directory / name).mkdir()
    port = federation.coordinator.port
    await federation.coordinator.stop()
    settings = CoordinatorSettings(
        FEDERATION,
        f"127.0.0.1:{port}",
        federation.directory / name,
        federation.certificates.credentials(path),
        heartbeat_interval=0.1,
        allow_unsigned_configuration=True,
        number=int(path.rpartition("/")[2]),
    )
    first = await start_coordinator(settings, federation.clock)
    await first.stop()
    content = given_to_henan(shipped_configuration()).SerializeToString()
    with sqlite3.connect(settings.database.file) as database:
        database.execute(
            "INSERT INTO configurations (revision, content, actor, applied) VALUES (?, ?, 'admin/root', 0)",
            (POISON, content),
        )
    return await start_coordinator(settings, federation.clock), port


@pytest.mark.long("a federation of its own, whose coordinator is replaced twice")
async def test_a_false_coordinator_gives_no_region_the_customers_of_another(
    tmp_path: Path, databases: Databases
) -> None:
    administrators = Administrators(tmp_path, FEDERATION)
    async with running(tmp_path / "federation", databases, administrators=administrators) as federation:
        counter, home = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await home.new_customer()
        false, port = await replaced_by_a_false_one(federation)
        try:
            regions = ("guangdong", "sichuan", "henan")
            federation.coordinator = false

            async def all_have_asked() -> bool:
                members = await federation.members()
                return all(members[region].endpoints for region in regions)

            await until(all_have_asked, "every region is a member at the false coordinator")
            assert {(await federation.members())[region].federation_revision for region in regions} == {1}
        finally:
            await false.stop()
        await federation.restart_coordinator(port)
        wanted = shipped_configuration()
        wanted.regions[0].name.en = "renamed"
        assert await federation.apply(wanted) == 2, "honest revisions are taken as before"
        order = await counter.order("SUSPEND", number)
        done = await counter.reaches(order.id, OrderState.ORDER_STATE_COMPLETED)
        assert done.home_region == "sichuan"
