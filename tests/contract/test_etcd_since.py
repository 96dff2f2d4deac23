"""Since when a region is joined, as coordinators on one etcd say it."""

import itertools
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.registry.etcd.copy import Event
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.registry import EtcdRegistry
from deploy.local.etcd import LocalEtcd
from tests.contract.registries import ADMIN, NOW, EtcdRegistries, changed, configuration, heartbeat, run, state


@pytest.fixture
def opened(etcd_cluster: LocalEtcd, tmp_path: Path) -> EtcdRegistries:
    return EtcdRegistries.of(etcd_cluster, tmp_path)


def since(registry: EtcdRegistry) -> tuple[str, timedelta]:
    """How sichuan stands, and since when."""
    facts = registry.snapshot().facts("sichuan")
    assert facts.presence_since is not None
    return state(registry, "sichuan"), facts.presence_since - NOW


def test_every_coordinator_and_one_that_starts_again_say_the_same_of_since_when_a_region_is_joined(
    opened: EtcdRegistries,
) -> None:
    joined = ("JOINED", timedelta())
    beats = (heartbeat(later=timedelta(seconds=seconds)) for seconds in itertools.count(2, 2))

    async def scenario() -> None:
        async with opened(name="a") as a:
            await a.beat("sichuan", heartbeat())
            async with opened(name="b") as b:
                for turn in range(4):
                    await (b, a)[turn % 2].beat("sichuan", next(beats))
                assert (since(a), since(b)) == (joined, joined)
            async with opened(name="b") as b:
                assert since(b) == joined
                # Another process carries on what the first one leaves.
                await b.beat("sichuan", heartbeat("127.0.0.1:2", later=timedelta(minutes=1)))
                await b.leave("sichuan", "127.0.0.1:1")
                assert since(b) == joined
            async with opened(name="c") as c:
                assert since(c) == joined
                await c.leave("sichuan", "127.0.0.1:2")
                await c.beat("sichuan", heartbeat(later=timedelta(hours=1)))
                assert since(c) == ("JOINED", timedelta(hours=1))
            await changed(a, lambda: since(a) == ("JOINED", timedelta(hours=1)))

    run(scenario())


def test_a_coordinator_that_has_yet_to_hear_of_a_process_carries_on_since_when_it_lives(
    opened: EtcdRegistries,
) -> None:
    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            await a.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await a.beat("sichuan", heartbeat(certificate=b""))
            await changed(b, lambda: state(b, "sichuan") == "JOINED")
            # As if the watch had not told it yet.
            b._copy.take([Event(Keys(opened.federation).live("sichuan", "127.0.0.1:1"), None)], b._copy.revision, NOW)
            assert state(b, "sichuan") == "LOST"
            await b.beat("sichuan", heartbeat(certificate=b"", later=timedelta(seconds=2)))
            assert since(b) == since(a) == ("JOINED", timedelta())

    run(scenario())
