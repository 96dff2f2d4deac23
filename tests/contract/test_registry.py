"""What every registry must do; written against the port, so that each adapter is held to the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coordinator.membership.rules import Heartbeat, standing
from coordinator.registry.embedded import EmbeddedRegistry
from coordinator.registry.port import KeptHead, Registry
from gateway import audit
from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.audit import Head
from gateway.clock import SystemClock
from gateway.errors import Refused
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore, open_read_only

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LONG, SHORT = timedelta(minutes=10), timedelta(milliseconds=150)
ADMIN = "admin/root"
# Reached only where a test fails.
PATIENCE_S = 20.0

Open = Callable[..., AbstractAsyncContextManager[Registry]]
Scenario = Callable[[Open], Awaitable[None]]


@asynccontextmanager
async def embedded(directory: Path, lease: timedelta = LONG) -> AsyncIterator[Registry]:
    store = SqliteStore(directory / "registry.db", migrations_of("gateway", "coordinator"))
    registry = await EmbeddedRegistry.open(store, SystemClock(), lease)
    try:
        yield registry
    finally:
        await registry.close()
        await store.close()


ADAPTERS = {"embedded": embedded}


@pytest.fixture(params=sorted(ADAPTERS), name="opened")
def opened_on_one_directory(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a registry on the same durable state each time; `lease` is how long a heartbeat counts."""
    adapter: str = request.param
    return lambda lease=LONG: ADAPTERS[adapter](tmp_path, lease)


def run(scenario: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario

    asyncio.run(bounded())


def heartbeat(endpoint: str = "127.0.0.1:1", certificate: bytes = b"certificate", revision: int = 1) -> Heartbeat:
    return Heartbeat(endpoint, NOW, revision, timedelta(milliseconds=3), certificate)


def configuration(*regions: str) -> Configuration:
    return Configuration(federation="demo.example", regions=[Region(id=region) for region in regions])


def kept(sequence: int, filler: bytes = b"a") -> KeptHead:
    return KeptHead(Head(sequence, filler * 32), b"s" * 64, NOW)


def state(registry: Registry, region: str) -> str:
    return MemberState.Name(standing(registry.snapshot().facts(region)).state).removeprefix("MEMBER_STATE_")


def changes(registry: Registry) -> list[int]:
    """Grows by the revision in force with every change from here on."""
    seen: list[int] = []
    registry.on_change(lambda: seen.append(registry.snapshot().revision))
    return seen


async def changed(registry: Registry, holds: Callable[[], bool]) -> None:
    """Waits for changes until it holds."""
    change = asyncio.Event()
    end = registry.on_change(change.set)
    while not holds():
        await change.wait()
        change.clear()
    end()


def test_a_registry_without_history_is_empty(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert registry.snapshot().revision == 0
            assert registry.snapshot().configuration is None
            assert state(registry, "sichuan") == "ABSENT"
            assert await registry.audit_head("sichuan") is None

    run(scenario())


def test_each_configuration_gets_a_higher_revision_and_old_ones_are_kept(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            seen = changes(registry)
            assert await registry.apply(configuration("a"), expected_revision=0, actor=ADMIN) == 1
            assert await registry.apply(configuration("a", "b"), expected_revision=1, actor=ADMIN) == 2
            assert seen == [1, 2]
            assert registry.snapshot().configuration == configuration("a", "b")
            assert await registry.configuration_at(1) == configuration("a")
            assert await registry.configuration_at(3) is None

    run(scenario())


def test_a_revision_is_never_used_twice_even_for_a_configuration_that_was_in_force_before(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.apply(configuration("a"), expected_revision=0, actor=ADMIN)
            await registry.apply(configuration("b"), expected_revision=1, actor=ADMIN)
        async with opened() as registry:
            assert registry.snapshot().revision == 2
            assert await registry.apply(configuration("a"), expected_revision=2, actor=ADMIN) == 3

    run(scenario())


def test_whoever_did_not_see_the_last_configuration_changes_nothing(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.apply(configuration("a"), expected_revision=0, actor=ADMIN)
            for expected in (0, 2):
                with pytest.raises(Refused) as refusal:
                    await registry.apply(configuration("b"), expected_revision=expected, actor=ADMIN)
                assert refusal.value.reason == Reason.REASON_CONFIGURATION_CHANGED
                assert refusal.value.parameters == {"revision": "1"}
            assert registry.snapshot().configuration == configuration("a")

    run(scenario())


def test_of_two_at_the_same_time_one_is_refused(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            results = await asyncio.gather(
                registry.apply(configuration("a"), expected_revision=0, actor=ADMIN),
                registry.apply(configuration("b"), expected_revision=0, actor=ADMIN),
                return_exceptions=True,
            )
            assert sorted(isinstance(result, Refused) for result in results) == [False, True]
            assert registry.snapshot().revision == 1

    run(scenario())


def test_the_same_configuration_again_keeps_its_revision_whatever_was_expected(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.apply(configuration("a", "b"), expected_revision=0, actor=ADMIN)
            seen = changes(registry)
            # The answer may have been lost: whoever asks again still expects the revision before.
            assert await registry.apply(configuration("b", "a"), expected_revision=0, actor=ADMIN) == 1
            assert not seen

    run(scenario())


def test_a_caller_cannot_change_a_configuration_that_is_in_force(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            given = configuration("a")
            await registry.apply(given, expected_revision=0, actor=ADMIN)
            given.regions.add(id="b")
            assert registry.snapshot().configuration == configuration("a")

    run(scenario())


def test_a_region_is_joined_from_its_first_heartbeat(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            seen = changes(registry)
            await registry.beat("sichuan", heartbeat())
            facts = registry.snapshot().facts("sichuan")
            assert state(registry, "sichuan") == "JOINED"
            assert (dict(facts.live), facts.last) == ({"127.0.0.1:1": heartbeat()}, heartbeat())
            assert len(seen) == 1

    run(scenario())


def test_a_heartbeat_that_only_renews_a_lease_tells_nobody(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat())
            seen = changes(registry)
            await registry.beat("sichuan", heartbeat(revision=7))
            assert not seen
            last = registry.snapshot().facts("sichuan").last
            assert last is not None
            assert last.federation_revision == 7

    run(scenario())


def test_a_region_that_falls_silent_is_lost_and_whoever_listens_is_told(opened: Open) -> None:
    async def scenario() -> None:
        async with opened(SHORT) as registry:
            await registry.beat("sichuan", heartbeat())
            await changed(registry, lambda: state(registry, "sichuan") == "LOST")
            assert registry.snapshot().facts("sichuan").live == {}
            await registry.beat("sichuan", heartbeat())
            assert state(registry, "sichuan") == "JOINED"

    run(scenario())


def test_a_process_that_keeps_beating_outlives_one_that_does_not(opened: Open) -> None:
    async def scenario() -> None:
        async with opened(SHORT) as registry:
            await registry.beat("sichuan", heartbeat("127.0.0.1:1"))
            gone = asyncio.create_task(
                changed(registry, lambda: "127.0.0.1:1" not in registry.snapshot().facts("sichuan").live)
            )
            while not gone.done():
                await registry.beat("sichuan", heartbeat("127.0.0.1:2"))
                await asyncio.wait([gone], timeout=SHORT.total_seconds() / 10)
            assert list(registry.snapshot().facts("sichuan").live) == ["127.0.0.1:2"]
            assert state(registry, "sichuan") == "JOINED"

    run(scenario())


def test_a_process_that_leaves_is_gone_at_once_and_the_others_stay(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat("127.0.0.1:1"))
            await registry.beat("sichuan", heartbeat("127.0.0.1:2"))
            await registry.leave("sichuan", "127.0.0.1:1")
            assert list(registry.snapshot().facts("sichuan").live) == ["127.0.0.1:2"]
            await registry.leave("sichuan", "127.0.0.1:2")
            assert state(registry, "sichuan") == "LOST"
            seen = changes(registry)
            await registry.leave("sichuan", "127.0.0.1:2")
            assert not seen

    run(scenario())


def test_a_region_that_ever_joined_is_lost_after_a_restart_and_never_absent(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat(certificate=b"its certificate"))
        async with opened() as registry:
            facts = registry.snapshot().facts("sichuan")
            assert state(registry, "sichuan") == "LOST"
            assert (facts.signing_certificate, facts.live) == (b"its certificate", {})
            await registry.beat("sichuan", heartbeat(certificate=b"its certificate"))
            assert state(registry, "sichuan") == "JOINED"

    run(scenario())


def test_the_certificate_that_came_last_counts_and_is_kept(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat(certificate=b"old"))
            seen = changes(registry)
            await registry.beat("sichuan", heartbeat(certificate=b"new"))
            assert registry.snapshot().facts("sichuan").signing_certificate == b"new"
            assert seen
        async with opened() as registry:
            assert registry.snapshot().facts("sichuan").signing_certificate == b"new"

    run(scenario())


def test_a_process_that_still_signs_by_the_old_certificate_does_not_bring_it_back(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat("127.0.0.1:1", b"old"))
            await registry.beat("sichuan", heartbeat("127.0.0.1:2", b"new"))
            seen = changes(registry)
            await registry.beat("sichuan", heartbeat("127.0.0.1:1", b"old"))
            assert registry.snapshot().facts("sichuan").signing_certificate == b"new"
            assert not seen

    run(scenario())


def test_a_suspension_outlives_heartbeats_and_restarts_until_it_is_ended(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat())
            await registry.suspend("sichuan", note="key under suspicion", actor=ADMIN)
            await registry.beat("sichuan", heartbeat())
            assert state(registry, "sichuan") == "SUSPENDED"
        async with opened() as registry:
            found = standing(registry.snapshot().facts("sichuan"))
            assert found.state == MemberState.MEMBER_STATE_SUSPENDED
            assert found.note == "key under suspicion (by admin/root)"
            await registry.reinstate("sichuan", actor=ADMIN)
            assert state(registry, "sichuan") == "LOST"
        async with opened() as registry:
            assert state(registry, "sichuan") == "LOST"

    run(scenario())


def test_a_second_suspension_changes_the_note_and_not_the_time(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.suspend("sichuan", note="first", actor=ADMIN)
            first = standing(registry.snapshot().facts("sichuan"))
            seen = changes(registry)
            await registry.suspend("sichuan", note="first", actor=ADMIN)
            assert not seen
            await registry.suspend("sichuan", note="second", actor="admin/li")
            second = standing(registry.snapshot().facts("sichuan"))
            assert (second.since, second.note) == (first.since, "second (by admin/li)")

    run(scenario())


def test_ending_a_suspension_that_is_none_changes_nothing(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            seen = changes(registry)
            await registry.reinstate("sichuan", actor=ADMIN)
            assert not seen
            assert state(registry, "sichuan") == "ABSENT"

    run(scenario())


def test_a_change_counts_although_its_caller_gave_up(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            told = asyncio.create_task(changed(registry, lambda: state(registry, "sichuan") == "SUSPENDED"))
            caller = asyncio.create_task(registry.suspend("sichuan", note="note", actor=ADMIN))
            await asyncio.sleep(0)
            caller.cancel()
            await told
            with pytest.raises(asyncio.CancelledError):
                await caller

    run(scenario())


def test_only_a_further_audit_head_replaces_the_one_kept(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert await registry.keep_audit_head("sichuan", kept(5))
            assert await registry.keep_audit_head("sichuan", kept(5))
            assert not await registry.keep_audit_head("sichuan", kept(5, b"b"))
            assert not await registry.keep_audit_head("sichuan", kept(4))
            assert await registry.audit_head("sichuan") == kept(5)
            assert await registry.keep_audit_head("sichuan", kept(6))
        async with opened() as registry:
            assert await registry.audit_head("sichuan") == kept(6)
            assert await registry.audit_head("henan") is None

    run(scenario())


def test_a_listener_is_told_until_it_ends_that(opened: Open) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            told: list[str] = []
            end = registry.on_change(lambda: told.append("told"))
            await registry.suspend("sichuan", note="note", actor=ADMIN)
            end()
            await registry.reinstate("sichuan", actor=ADMIN)
            assert told == ["told"]

    run(scenario())


def test_the_embedded_registry_leaves_an_audit_row_for_every_change(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with embedded(tmp_path) as registry:
            await registry.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await registry.apply(configuration("sichuan"), expected_revision=1, actor=ADMIN)
            await registry.beat("sichuan", heartbeat())
            await registry.beat("sichuan", heartbeat())
            await registry.suspend("sichuan", note="why", actor=ADMIN)
            await registry.suspend("sichuan", note="why", actor=ADMIN)
            await registry.reinstate("sichuan", actor=ADMIN)
            await registry.reinstate("sichuan", actor=ADMIN)

    run(scenario())
    with open_read_only(tmp_path / "registry.db") as tx:
        chain = audit.rows(tx)
    assert audit.verify(chain, None).sequence == 4
    assert [(row.actor, row.action, row.subject) for row in chain] == [
        (ADMIN, "CONFIGURATION_APPLIED", "configuration/1"),
        ("region/sichuan", "REGION_JOINED", "region/sichuan"),
        (ADMIN, "REGION_SUSPENDED", "region/sichuan"),
        (ADMIN, "REGION_REINSTATED", "region/sichuan"),
    ]
    assert chain[2].detail == "why"
