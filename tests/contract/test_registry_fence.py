"""The fence of a coordinator at a store: after a fail-over, where nothing can be written, and under another number."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from coordinator.registry.fence import RegistryFence
from coordinator.schema import PACKAGES
from deploy.local.postgresql import LocalPostgresql
from gateway.api.federation.v1.federation_pb2 import ChainHead
from gateway.auditing import audit
from gateway.errors import Refused, reason_name
from gateway.store import losses
from gateway.store.port import Operation, Store, Transaction, store_unavailable
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from tests.contract.postgresql_scene import Database, opened
from tests.contract.relay_pair import FixedClock
from tests.contract.stores import run
from tests.empty_database import empty_file
from tests.faults.put_back import Copy

T = TypeVar("T")
CLOCK = FixedClock()
NAME, HENAN, SICHUAN = "coordinator/0", "henan", "sichuan"


class Failing(SqliteStore):
    """A store that takes no writes at times, and whose database lacks commits at times."""

    lost, takes_writes = 0, True

    @property
    def lost_commits(self) -> int:
        return self.lost

    def forget_lost_commits(self, count: int) -> None:
        self.lost -= count

    def write(self, operation: Operation[T]) -> asyncio.Future[T]:
        if self.takes_writes:
            return super().write(operation)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        future.set_exception(store_unavailable())
        return future


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "coordinator.db"
    made.write_bytes(empty_file(*PACKAGES))
    return made


def suspended(tx: Transaction) -> None:
    audit.append(
        tx, now=CLOCK.now(), actor="admin/li", action="REGION_SUSPENDED", subject=f"region/{SICHUAN}", detail=""
    )


async def refused(fence: RegistryFence) -> str:
    """Why no state can be told."""
    with pytest.raises(Refused) as refusal:
        await fence.head()
    return reason_name(refusal.value.reason)


@asynccontextmanager
async def failing(file: Path, name: str = NAME) -> AsyncIterator[tuple[Failing, RegistryFence]]:
    store = Failing(file, migrations_of(*PACKAGES))
    try:
        yield store, await RegistryFence.open(name, store, CLOCK)
    finally:
        store.takes_writes = True
        await store.close()


def forgotten(tx: Transaction) -> None:
    """The database loses its last row, as an older one has it."""
    tx.execute("DELETE FROM audit WHERE sequence = :sequence", sequence=audit.head(tx).sequence)


def test_lost_commits_close_the_fence_before_a_region_is_told_another_head(file: Path) -> None:
    async def scenario() -> None:
        async with failing(file) as (store, fence):
            await store.write(suspended)
            await fence.look(HENAN, await fence.head())
            store.lost = 2
            assert not fence.is_open
            assert await refused(fence) == "REGISTRY_BEHIND"
            assert fence.loss is not None
            assert (fence.loss.witness, fence.loss.commits, store.lost) == (NAME, 2, 0)

    run(scenario())


def test_lost_commits_are_found_by_the_next_heartbeat_too_and_stored_once(file: Path) -> None:
    async def scenario() -> None:
        async with failing(file) as (store, fence):
            await store.write(suspended)
            head = await fence.head()
            await fence.look(HENAN, head)
            store.lost = 2
            await asyncio.gather(*(fence.look(region, head) for region in (HENAN, SICHUAN)))
            (loss,) = await store.read(losses.losses)
            assert (loss.commits, store.lost, fence.loss) == (2, 0, loss)

    run(scenario())


def test_a_database_that_does_not_answer_tells_no_head(file: Path) -> None:
    async def scenario() -> None:
        async with failing(file) as (store, fence):
            store.takes_writes = False
            assert await refused(fence) == "STORE_UNAVAILABLE"
            assert fence.is_open

    run(scenario())


def test_a_loss_that_cannot_be_written_closes_the_fence_and_is_stored_by_whoever_comes_next(file: Path) -> None:
    async def scenario() -> None:
        async with failing(file) as (store, fence):
            await store.write(suspended)
            head = await fence.head()
            await store.write(forgotten)
            store.takes_writes = False
            with pytest.raises(Refused):
                await fence.look(HENAN, head)
            with pytest.raises(Refused) as behind:
                fence.require_open()
            assert (reason_name(behind.value.reason), fence.is_open) == ("REGISTRY_BEHIND", False)
            assert behind.value.parameters["seen"] == str(head.sequence)
            store.takes_writes = True
            await fence.look(SICHUAN, ChainHead())
            assert fence.loss is not None
            assert (fence.loss.witness, fence.loss.seen_sequence) == (f"region/{HENAN}", head.sequence)
            await fence.accept(1, "INC-2041", "admin/li")
            assert fence.is_open

    run(scenario())


def test_an_older_database_under_another_number_is_found(file: Path) -> None:
    async def scenario() -> None:
        async with failing(file) as (store, fence):
            await store.write(suspended)
            head = await fence.head()
            await store.write(forgotten)
        async with failing(file, "coordinator/1") as (_, fence):
            await fence.look(HENAN, head)
            assert not fence.is_open

    run(scenario())


def test_a_head_cut_at_another_place_is_no_head_of_the_coordinator(file: Path) -> None:
    async def scenario() -> None:
        async with failing(file) as (store, fence):
            await store.write(suspended)
            head = await fence.head()
            rest = head.sequence.to_bytes(8, "big")[1:] + head.hash
            sequence = int.from_bytes(rest[:8], "big")
            await fence.look(HENAN, ChainHead(chain=f"{NAME}\0", sequence=sequence, hash=rest[8:], proof=head.proof))
            assert fence.is_open

    run(scenario())


def test_a_fail_over_under_a_running_coordinator_is_found_before_regions_are_told_anything(
    postgresql_server: LocalPostgresql, postgresql_database: str
) -> None:
    database = Database(postgresql_server, postgresql_database)
    migrations = migrations_of(*PACKAGES)
    database.migrate(migrations)
    copy = Copy(database.server, database.name)

    async def head_of(store: Store) -> ChainHead:
        return await (await RegistryFence.open(NAME, store, CLOCK)).head()

    async def scenario() -> None:
        async with opened(database.conninfo, migrations=migrations) as store:
            before = await head_of(store)
        copy.take()
        async with opened(database.conninfo, migrations=migrations) as store:
            fence = await RegistryFence.open(NAME, store, CLOCK)
            await store.write(suspended)
            told = await fence.head()
            await fence.look(HENAN, told)
            assert told.sequence > before.sequence
            copy.put_back()
            assert await refused(fence) == "REGISTRY_BEHIND"
            assert fence.loss is not None
            assert (fence.loss.last_sequence, fence.loss.commits) == (before.sequence, 1)
            await fence.look(HENAN, told)
            assert fence.loss.number == 1

    run(scenario())
