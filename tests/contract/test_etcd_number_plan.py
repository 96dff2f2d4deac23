"""A number plan of up to half a million prefixes among several coordinators on one registry in etcd."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from coordinator.registry.etcd.client import EtcdClient
from coordinator.registry.etcd.copy import Copy, Entry
from coordinator.registry.etcd.keys import KeyRange
from coordinator.registry.etcd.settings import EtcdSettings
from deploy.local.etcd import LocalEtcd
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import SystemClock
from tests.contract.large_number_plan import SEGMENTS, in_two_sizes, with_segments
from tests.contract.registries import ADMIN, EtcdRegistries, changed, configuration, run
from tests.contract.small_federation import NOTHING_LISTENS


@pytest.fixture
def opened(etcd_cluster: LocalEtcd, tmp_path: Path) -> EtcdRegistries:
    return EtcdRegistries.of(etcd_cluster, tmp_path)


async def stands(opened: EtcdRegistries, keys: KeyRange) -> Mapping[bytes, Entry]:
    """The values in etcd at these keys."""
    client = EtcdClient(opened.settings, SystemClock())
    try:
        return (await client.read([keys])).entries
    finally:
        await client.close()


@in_two_sizes
def test_a_large_number_plan_comes_to_every_coordinator_and_is_written_once(opened: EtcdRegistries, count: int) -> None:
    large = with_segments(count)
    plans = KeyRange(*(f"/crossregion/{opened.federation}/number-plans{end}".encode() for end in "/0"))

    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            await a.apply(large, expected_revision=0, actor=ADMIN)
            await changed(b, lambda: b.snapshot().configuration == large)
            written = await stands(opened, plans)
            assert (len(written) > 1) == (count == SEGMENTS), "the larger one takes several keys"
            large.regions[0].name.en = "Another name"
            assert await b.apply(large, expected_revision=1, actor=ADMIN) == 2
            await changed(a, lambda: a.snapshot().configuration == large)
            assert await stands(opened, plans) == written

    run(scenario(), 240)


@in_two_sizes
def test_a_coordinator_that_is_behind_compares_with_what_is_in_force_and_not_with_what_it_knew(
    opened: EtcdRegistries, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    large = with_segments(count)

    async def scenario() -> None:
        async with opened(name="a") as a, opened(name="b") as b:
            await a.apply(configuration("r"), expected_revision=0, actor=ADMIN)
            await changed(b, lambda: b.snapshot().revision == 1)
            behind = b.snapshot()
            await a.apply(large, expected_revision=1, actor=ADMIN)
            await changed(b, lambda: b.snapshot().revision == 2)
            with monkeypatch.context() as patched:
                patched.setattr(Copy, "snapshot", behind)
                with pytest.raises(Refused) as refusal:
                    await b.apply(configuration("r"), expected_revision=1, actor=ADMIN)
                assert refusal.value.reason == Reason.REASON_CONFIGURATION_CHANGED
                assert await b.apply(large, expected_revision=1, actor=ADMIN) == 2

    run(scenario(), 240)


@in_two_sizes
def test_a_coordinator_starts_with_a_large_number_plan_where_etcd_does_not_answer(
    opened: EtcdRegistries, tmp_path: Path, count: int
) -> None:
    large = with_segments(count)

    async def scenario() -> None:
        async with opened() as registry:
            await registry.apply(large, expected_revision=0, actor=ADMIN)
        nowhere = EtcdSettings((NOTHING_LISTENS,), opened.settings.credentials)
        async with EtcdRegistries(nowhere, tmp_path, opened.federation)() as registry:
            assert registry.snapshot().configuration == large

    run(scenario(), 240)
