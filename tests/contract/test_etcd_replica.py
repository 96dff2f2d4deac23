"""The entry of a coordinator in a real etcd, of which there is one for each number."""

import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.registry.etcd import values
from coordinator.registry.etcd.client import EtcdClient
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.leases import Leases
from coordinator.registry.etcd.registry import EtcdRegistry
from coordinator.registry.etcd.replica import LEASE_FILE
from deploy.local.etcd import LocalEtcd
from gateway.time.clock import SystemClock
from tests.contract.coordinators import eventually
from tests.contract.registries import EtcdRegistries, changed, run

NAME, ENDPOINT = "coordinator/0", "127.0.0.1:7443"


@pytest.fixture
def opened(etcd_cluster: LocalEtcd, tmp_path: Path) -> EtcdRegistries:
    return EtcdRegistries.of(etcd_cluster, tmp_path)


def test_a_second_process_of_one_number_enters_once_the_first_has_left(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(name="b") as b:
            async with opened(name="a") as a:
                await a.enter(NAME, ENDPOINT)
                await b.enter(NAME, "127.0.0.1:7444")
                assert b.lease_seconds() < 0 < a.lease_seconds()
                await changed(b, lambda: NAME in b.snapshot().replicas)
                assert b.snapshot().replicas[NAME].endpoint == ENDPOINT
            await eventually(lambda: b.lease_seconds() > 0)
            assert b.snapshot().replicas[NAME].endpoint == "127.0.0.1:7444"

    run(scenario())


def test_the_lease_of_a_process_that_was_killed_ends_when_it_is_started_again_and_that_of_a_copied_directory_does_not(
    opened: EtcdRegistries, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a:
            await a.enter(NAME, ENDPOINT)
            kept = (tmp_path / "a" / LEASE_FILE).read_bytes()
            copied = tmp_path / "b"
            copied.mkdir()
            (copied / LEASE_FILE).write_bytes(kept)
            async with opened(name="b") as b:
                await b.enter(NAME, "127.0.0.1:7444")
                assert b.lease_seconds() < 0 < a.lease_seconds()
            release(a)
            async with opened(name="a") as again:
                await again.enter(NAME, "127.0.0.1:7445")
                assert again.lease_seconds() > 0
                assert again.snapshot().replicas[NAME].endpoint == "127.0.0.1:7445"

    run(scenario())


def test_a_coordinator_that_cannot_write_to_its_directory_enters(opened: EtcdRegistries, tmp_path: Path) -> None:
    (tmp_path / "a" / f"{LEASE_FILE}.lock").mkdir(parents=True)

    async def scenario() -> None:
        async with opened(name="a") as a:
            await a.enter(NAME, ENDPOINT)
            assert a.lease_seconds() > 0

    run(scenario())


@pytest.mark.parametrize("endpoint", [ENDPOINT, "127.0.0.1:7444"])
def test_a_coordinator_whose_entry_was_taken_by_one_of_an_earlier_version_proves_nothing_until_that_has_left(
    opened: EtcdRegistries, endpoint: str
) -> None:
    async def scenario() -> None:
        keys, client = Keys(opened.federation), EtcdClient(opened.settings, SystemClock())
        leases, lease = Leases(client, timedelta(minutes=10)), 7_000_000 + secrets.randbits(20)
        async with opened(name="a") as a:
            await a.enter(NAME, ENDPOINT)
            taken = replace(a.snapshot().replicas[NAME], endpoint=endpoint)
            await leases.put(keys.replica(NAME), values.encode_replica(taken), lease)
            await eventually(lambda: a.lease_seconds() < 0)
            assert not await a._own.renew()
            assert a.lease_seconds() < 0
            await leases.revoke(lease)
            await eventually(lambda: a.lease_seconds() > 0)
        await client.close()

    run(scenario())


def test_the_lease_of_an_etcd_that_has_forgotten_changes_proves_nothing(opened: EtcdRegistries) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a:
            await a.enter(NAME, ENDPOINT)
            copy, client = a._copy, a._parts.client
            stood = (await client.read([a._keys.everything])).entries
            # To go back, etcd itself would have to be restored; to the coordinator it is the same. Nothing looks at
            # etcd before the entry is written.
            a._contact._interval = 1000.0
            await a._contact.look()
            copy.take((), copy.revision + 1_000_000, SystemClock().now())
            await a.confirm(copy.revision)
            assert not await a._own.renew()
            assert a.lease_seconds() < 0
            assert (await client.read([a._keys.everything])).entries == stood

    run(scenario())


def release(registry: EtcdRegistry) -> None:
    """Gives up the lock of its directory, as the kernel does for a process that was killed."""
    place = registry._own._place
    assert place is not None
    place.release()
    registry._own._place = None
