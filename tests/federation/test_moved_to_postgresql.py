"""Regions whose database is moved from SQLite to PostgreSQL while orders between them are under way."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.maintenance.moving import move
from gateway.store.opening import PostgresqlSettings
from gateway.store.schema import migrations_of
from region_node.app.process import start as start_node
from region_node.node.settings import RegionSettings
from region_node.schema import PACKAGES
from tests.federation.counter import Counter
from tests.federation.databases import Database, Databases
from tests.federation.running import Federation, running

OPEN = "SELECT COUNT(*) FROM outbox WHERE closed IS NULL"
CREDITS = "SELECT COUNT(*) FROM ledger_entries WHERE posting_id = ? AND amount > 0"


class Unwatched:
    """Progress that nobody looks at."""

    def start(self, rows: int) -> None:
        """See Progress."""

    def advance(self, doing: str, rows: int) -> None:
        """See Progress."""


@pytest.fixture(name="empty")
def empty_databases(postgresql_server: LocalPostgresql) -> Iterator[dict[str, PostgresqlSettings]]:
    """An empty PostgreSQL database for each region."""
    names = {region: f"moved_{uuid4().hex}" for region in ("guangdong", "sichuan")}
    for name in names.values():
        postgresql_server.create_database(name)
    yield {region: PostgresqlSettings(postgresql_server.conninfo(name)) for region, name in names.items()}
    for name in names.values():
        postgresql_server.drop_database(name)


async def move_region(federation: Federation, region: str, postgresql: PostgresqlSettings) -> RegionSettings:
    """Moves the database of a node that has stopped; the settings by which it goes on."""
    settings = replace(federation.region_settings(region), postgresql=postgresql)
    moved = await asyncio.to_thread(move, settings.database, migrations_of(*PACKAGES), Unwatched())
    assert moved.head.sequence > 0
    return settings


async def test_orders_under_way_go_on_after_the_move_and_happen_once(
    tmp_path: Path, empty: dict[str, PostgresqlSettings]
) -> None:
    async with running(tmp_path, Databases(None), ("guangdong", "sichuan")) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)
        done = await guangdong.order("PAY", number)
        assert done.state == OrderState.ORDER_STATE_COMPLETED
        await federation.stop_node("sichuan")
        request = guangdong.request("PAY", number)
        under_way = await guangdong.submit(request, request_id="while-away", wait=0)
        assert federation.database("guangdong").rows(OPEN) == [(1,)]
        await federation.stop_node("guangdong")

        for region, postgresql in empty.items():
            settings = await move_region(federation, region, postgresql)
            federation.nodes[region] = await start_node(settings, federation.clock)

        finished = await guangdong.reaches(under_way.id, OrderState.ORDER_STATE_COMPLETED)
        assert not finished.HasField("error")
        again = await guangdong.submit(request, request_id="while-away")
        assert (again.id, again.state) == (under_way.id, OrderState.ORDER_STATE_COMPLETED)
        at_home = Database(tmp_path / "nowhere", empty["sichuan"])
        assert [at_home.rows(CREDITS, f"{order.id}#credit") for order in (done, under_way)] == [[(1,)], [(1,)]]
        assert Database(tmp_path / "nowhere", empty["guangdong"]).rows(OPEN) == [(0,)]
