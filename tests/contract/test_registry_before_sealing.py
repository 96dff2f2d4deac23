"""A registry of the version before sealing: joined regions without a sealing key and capabilities."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from coordinator.registry.embedded import EmbeddedRegistry
from coordinator.registry.etcd import values
from coordinator.schema import PACKAGES
from gateway.api.federation.v1.federation_pb2 import Capabilities, Capability, SealingKey
from gateway.store.schema import Migration, migrations_of
from gateway.store.sqlite import SqliteDatabase, SqliteStore
from gateway.store.sqlite_schema import apply
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import SystemClock, to_microseconds
from tests.contract.registries import NOW, heartbeat

LEASE = timedelta(minutes=10)


def before_sealing(migrations: Iterable[Migration]) -> list[Migration]:
    return [each for each in migrations if each.name not in ("0002_sealing_keys.sql", "0054_capabilities.sql")]


def test_a_database_of_before_knows_its_regions_and_takes_in_their_keys(tmp_path: Path) -> None:
    now = migrations_of(*PACKAGES)
    former = before_sealing(now)
    assert len(former) == len(now) - 2
    database = SqliteDatabase(str(tmp_path / "registry.db"))
    apply(database.connection, former)
    database.connection.execute(
        "INSERT INTO joined_regions (region, first_joined, signing_certificate) VALUES ('sichuan', ?, ?)",
        (to_microseconds(NOW), b"certificate"),
    )
    apply(database.connection, now)
    database.close()

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "registry.db", now)
        registry = await EmbeddedRegistry.open(store, AgreedClock(SystemClock()), LEASE)
        facts = registry.snapshot().facts("sichuan")
        assert (facts.signing_certificate, facts.sealing_key) == (b"certificate", SealingKey())
        assert facts.capabilities == Capabilities()
        await registry.beat("sichuan", heartbeat(key=b"key"))
        await registry.close()
        again = await EmbeddedRegistry.open(store, AgreedClock(SystemClock()), LEASE)
        assert again.snapshot().facts("sichuan").sealing_key.key == b"key"
        await again.close()
        await store.close()

    asyncio.run(scenario())


def test_values_of_before_are_read_from_etcd_and_those_of_now_come_back_whole() -> None:
    joined = values.decode_joined(b'{"version": 1, "first_joined": 5, "signing_certificate": "Yw=="}')
    assert joined == values.Joined(5, b"c")
    with_key = replace(
        joined,
        sealing_key=SealingKey(key=b"k", sign_time_us=7, signature=b"s"),
        capabilities=Capabilities(capabilities=[Capability(name="Enum", numbers=[1, 2])]),
    )
    assert values.decode_joined(values.encode_joined(with_key)) == with_key
    living = values.Living(heartbeat(key=b"k"), NOW)
    assert values.decode_living(values.encode_living(living)) == living
