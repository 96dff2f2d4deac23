"""The contract of every registry; written against the port, so that each adapter keeps the same."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from coordinator.membership.rules import membership_of
from coordinator.registry.port import Registry
from gateway.api.federation.v1.federation_pb2 import MemberState, ProcessVersion
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.api.region.v1.complaint_pb2 import WorkItem
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.time.clock import BETWEEN_TRUSTED, to_timestamp
from tests.contract.coordinators import eventually
from tests.contract.large_number_plan import in_two_sizes, with_segments
from tests.contract.registries import (
    ADMIN,
    NOW,
    Registries,
    audit_rows,
    changed,
    changes,
    configuration,
    heartbeat,
    kept,
    run,
    state,
)
from tests.contract.small_federation import CONFIGURATION


def test_a_registry_without_history_is_empty(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert registry.snapshot().revision == 0
            assert registry.snapshot().configuration is None
            assert state(registry, "sichuan") == "ABSENT"
            assert await registry.audit_head("sichuan") is None

    run(scenario())


@in_two_sizes
def test_a_large_number_plan_is_kept_and_a_change_of_the_rest_keeps_it(opened: Registries, count: int) -> None:
    large, renamed = with_segments(count), with_segments(count)
    renamed.regions[0].name.en = "Another name"

    async def scenario() -> None:
        async with opened() as registry:
            assert await registry.apply(configuration("a"), expected_revision=0, actor=ADMIN) == 1
            assert await registry.apply(large, expected_revision=1, actor=ADMIN) == 2
            assert await registry.apply(large, expected_revision=1, actor=ADMIN) == 2, "nothing changes"
            assert await registry.apply(renamed, expected_revision=2, actor=ADMIN) == 3
            with pytest.raises(Refused) as refusal:
                await registry.apply(large, expected_revision=2, actor=ADMIN)
            assert refusal.value.reason == Reason.REASON_CONFIGURATION_CHANGED
            details = [row.detail for row in await audit_rows(registry) if row.action == "CONFIGURATION_APPLIED"]
            assert details[2] == "1 changes"
        async with opened() as registry:
            assert registry.snapshot().configuration == renamed
            assert await registry.configuration_at(2) == large
            assert await registry.apply(configuration("a"), expected_revision=3, actor=ADMIN) == 4
            assert registry.snapshot().configuration == configuration("a")

    run(scenario(), 240)


@pytest.mark.slow
def test_what_is_asked_meanwhile_is_answered_while_a_large_number_plan_comes_into_force(opened: Registries) -> None:
    large = with_segments()

    async def scenario() -> None:
        async with opened() as registry:
            await registry.apply(CONFIGURATION, expected_revision=0, actor=ADMIN)
            begun = asyncio.get_running_loop().time()
            applying = asyncio.create_task(registry.apply(large, expected_revision=1, actor=ADMIN))
            longest, last = 0.0, begun
            while not applying.done():
                await asyncio.sleep(0.001)
                now = asyncio.get_running_loop().time()
                longest, last = max(longest, now - last), now
            assert await applying == 2
            assert longest < (last - begun) / 2, "most of the work is done beside the event loop"

    run(scenario(), 240)


def test_each_configuration_gets_a_higher_revision_and_old_ones_are_kept(opened: Registries) -> None:
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


def test_a_revision_is_never_used_twice_even_for_a_configuration_that_was_in_force_before(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.apply(configuration("a"), expected_revision=0, actor=ADMIN)
            await registry.apply(configuration("b"), expected_revision=1, actor=ADMIN)
        async with opened() as registry:
            assert registry.snapshot().revision == 2
            assert await registry.apply(configuration("a"), expected_revision=2, actor=ADMIN) == 3

    run(scenario())


def test_whoever_did_not_see_the_last_configuration_changes_nothing(opened: Registries) -> None:
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


def test_of_two_at_the_same_time_one_is_refused(opened: Registries) -> None:
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


def test_the_same_configuration_again_keeps_its_revision_whatever_was_expected(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.apply(configuration("a", "b"), expected_revision=0, actor=ADMIN)
            seen = changes(registry)
            # The answer may have been lost: whoever asks again still expects the revision before.
            assert await registry.apply(configuration("b", "a"), expected_revision=0, actor=ADMIN) == 1
            assert not seen

    run(scenario())


def test_a_caller_cannot_change_a_configuration_that_is_in_force(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            given = configuration("a")
            await registry.apply(given, expected_revision=0, actor=ADMIN)
            given.regions.add(id="b")
            assert registry.snapshot().configuration == configuration("a")

    run(scenario())


def test_a_region_is_joined_from_its_first_heartbeat(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            seen = changes(registry)
            await registry.beat("sichuan", heartbeat())
            facts = registry.snapshot().facts("sichuan")
            assert state(registry, "sichuan") == "JOINED"
            assert (dict(facts.live), facts.last) == ({"127.0.0.1:1": heartbeat()}, heartbeat())
            assert len(seen) == 1

    run(scenario())


def test_a_heartbeat_that_only_renews_a_lease_tells_nobody(opened: Registries) -> None:
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


def test_a_region_that_falls_silent_is_lost_and_whoever_listens_is_told(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened(opened.short) as registry:
            await registry.beat("sichuan", heartbeat())
            await changed(registry, lambda: state(registry, "sichuan") == "LOST")
            assert registry.snapshot().facts("sichuan").live == {}
            await registry.beat("sichuan", heartbeat())
            assert state(registry, "sichuan") == "JOINED"

    run(scenario())


async def once_the_first_is_gone(registry: Registry, lease: float) -> tuple[str, list[str]] | None:
    """The state and the live processes of a region where one process beats once, and another one goes on.

    None where the machine stood still. A beat counts from any time between its call and its answer.
    """
    loop, first, second = asyncio.get_running_loop(), "127.0.0.1:1", "127.0.0.1:2"
    await registry.beat("sichuan", heartbeat(first))
    gone = asyncio.create_task(changed(registry, lambda: first not in registry.snapshot().facts("sichuan").live))
    called, answered = list[float](), list[float]()
    while not gone.done():
        called.append(loop.time())
        await registry.beat("sichuan", heartbeat(second))
        answered.append(loop.time())
        await asyncio.wait([gone], timeout=lease / 10)
    renewed = [*answered[1:], loop.time()]
    stood_still = any(after - before > 0.8 * lease for before, after in zip(called, renewed, strict=True))
    return None if stood_still else (state(registry, "sichuan"), list(registry.snapshot().facts("sichuan").live))


def test_a_process_that_keeps_beating_outlives_one_that_does_not(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened(opened.short) as registry:
            lease = opened.short.total_seconds()
            while (found := await once_the_first_is_gone(registry, lease)) is None:
                pass
            assert found == ("JOINED", ["127.0.0.1:2"])

    run(scenario())


def test_a_process_that_leaves_is_gone_at_once_and_the_others_stay(opened: Registries) -> None:
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


def test_a_region_that_ever_joined_is_lost_after_a_restart_and_never_absent(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat(certificate=b"its certificate"))
            await registry.leave("sichuan", "127.0.0.1:1")
        async with opened() as registry:
            facts = registry.snapshot().facts("sichuan")
            assert state(registry, "sichuan") == "LOST"
            assert (facts.signing_certificate, facts.live) == (b"its certificate", {})
            await registry.beat("sichuan", heartbeat(certificate=b"its certificate"))
            assert state(registry, "sichuan") == "JOINED"

    run(scenario())


def test_a_suspension_outlives_heartbeats_and_restarts_until_it_is_ended(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.beat("sichuan", heartbeat())
            await registry.suspend("sichuan", note="key under suspicion", actor=ADMIN)
            await registry.beat("sichuan", heartbeat())
            assert state(registry, "sichuan") == "SUSPENDED"
            await registry.leave("sichuan", "127.0.0.1:1")
        async with opened() as registry:
            found = membership_of(registry.snapshot().facts("sichuan"))
            assert found.state == MemberState.MEMBER_STATE_SUSPENDED
            assert found.note == "key under suspicion (by admin/root)"
            await registry.reinstate("sichuan", actor=ADMIN)
            assert state(registry, "sichuan") == "LOST"
        async with opened() as registry:
            assert state(registry, "sichuan") == "LOST"

    run(scenario())


def test_a_second_suspension_changes_the_note_and_not_the_time(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.suspend("sichuan", note="first", actor=ADMIN)
            first = membership_of(registry.snapshot().facts("sichuan"))
            seen = changes(registry)
            await registry.suspend("sichuan", note="first", actor=ADMIN)
            assert not seen
            await registry.suspend("sichuan", note="second", actor="admin/li")
            second = membership_of(registry.snapshot().facts("sichuan"))
            assert (second.since, second.note) == (first.since, "second (by admin/li)")

    run(scenario())


def test_ending_a_suspension_that_is_none_changes_nothing(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            seen = changes(registry)
            await registry.reinstate("sichuan", actor=ADMIN)
            assert not seen
            assert state(registry, "sichuan") == "ABSENT"

    run(scenario())


def test_a_change_counts_although_its_caller_gave_up(opened: Registries) -> None:
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


def test_only_a_further_audit_head_replaces_the_one_kept(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert await registry.keep_audit_head("sichuan", kept(5))
            assert await registry.keep_audit_head("sichuan", kept(5))
            assert not await registry.keep_audit_head("sichuan", kept(5, b"b"))
            assert await registry.keep_audit_head("sichuan", kept(4)), "overtaken by another process's"
            by_another_clock = kept(4, later=BETWEEN_TRUSTED)
            assert await registry.keep_audit_head("sichuan", by_another_clock), "taken in by another coordinator"
            assert not await registry.keep_audit_head("sichuan", kept(4, later=timedelta(minutes=2)))
            assert await registry.audit_head("sichuan") == kept(5)
            assert await registry.keep_audit_head("sichuan", kept(6))
        async with opened() as registry:
            assert await registry.audit_head("sichuan") == kept(6)
            assert await registry.audit_head("henan") is None

    run(scenario())


def test_a_new_signature_of_the_kept_audit_head_takes_the_place_of_the_former_one(opened: Registries) -> None:
    async def scenario() -> None:
        former = kept(5)
        anew = replace(kept(5, later=timedelta(minutes=2)), signature=b"by another key")
        async with opened() as registry:
            for head in (former, anew, former):
                assert await registry.keep_audit_head("sichuan", head)
            assert await registry.audit_head("sichuan") == anew, "an earlier report that was late changes nothing"
            assert not await registry.keep_audit_head("sichuan", replace(kept(5, b"b"), signature=b"by another key"))
        async with opened() as registry:
            assert await registry.audit_head("sichuan") == anew

    run(scenario())


def test_a_listener_is_told_until_it_ends_that(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            told: list[str] = []
            end = registry.on_change(lambda: told.append("told"))
            await registry.suspend("sichuan", note="note", actor=ADMIN)
            end()
            await registry.reinstate("sichuan", actor=ADMIN)
            assert told == ["told"]

    run(scenario())


def test_every_change_leaves_one_row_in_a_chain_that_is_whole(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            await registry.apply(configuration("sichuan"), expected_revision=0, actor=ADMIN)
            await registry.apply(configuration("sichuan"), expected_revision=1, actor=ADMIN)
            await registry.beat("sichuan", heartbeat())
            await registry.beat("sichuan", heartbeat())
            await registry.beat("sichuan", heartbeat(certificate=b"new"))
            await registry.beat("sichuan", heartbeat(certificate=b"new", key=b"k"))
            await registry.suspend("sichuan", note="why", actor=ADMIN)
            await registry.suspend("sichuan", note="why", actor=ADMIN)
            await registry.reinstate("sichuan", actor=ADMIN)
            await registry.reinstate("sichuan", actor=ADMIN)
        async with opened() as registry:
            chain = await audit_rows(registry)
        assert audit.verify(chain).sequence == 6
        assert [(row.actor, row.action, row.subject) for row in chain] == [
            (ADMIN, "CONFIGURATION_APPLIED", "configuration/1"),
            ("region/sichuan", "REGION_JOINED", "region/sichuan"),
            ("region/sichuan", "SIGNING_CERTIFICATE_CHANGED", "region/sichuan"),
            ("region/sichuan", "SEALING_KEY_CHANGED", "region/sichuan"),
            (ADMIN, "REGION_SUSPENDED", "region/sichuan"),
            (ADMIN, "REGION_REINSTATED", "region/sichuan"),
        ]
        assert chain[4].detail == "why"

    run(scenario())


def test_a_suspension_says_by_which_change_it_is_so_and_replicas_confirm_that(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert registry.snapshot().replicas == {}
            version = ProcessVersion(version="0.3.0", schema_number=147)
            await registry.enter("coordinator/0", "127.0.0.1:7443", version)
            change = await registry.suspend("sichuan", note="why", actor=ADMIN)
            assert registry.snapshot().change >= change
            assert await registry.suspend("sichuan", note="why", actor=ADMIN) == change
            assert registry.snapshot().replicas["coordinator/0"].confirmed < change
            seen = changes(registry)
            await registry.confirm(change)
            assert seen
            (replica,) = registry.snapshot().replicas.values()
            assert (replica.name, replica.endpoint, replica.confirmed) == ("coordinator/0", "127.0.0.1:7443", change)
            assert replica.version == version
            later = await registry.suspend("sichuan", note="why else", actor=ADMIN)
            assert later > change

    run(scenario())


def test_a_registry_that_answers_may_be_acted_on(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert registry.is_current()
            before = registry.answered()
            await eventually(lambda: registry.answered() > before)

    run(scenario())


def case(ticket_id: str, version: int, ended: timedelta | None = None) -> CaseHeader:
    header = CaseHeader(ticket_id=ticket_id, version=version, items=[WorkItem(number=1, region="henan")])
    if ended is not None:
        header.end_time.CopyFrom(to_timestamp(NOW + ended))
    return header


def test_of_a_case_the_highest_version_is_kept_whatever_comes_when(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            assert await registry.cases() == []
            await registry.keep_case(case("sichuan/20261201-2", 1))
            await registry.keep_case(case("henan/20261201-1", 7))
            await registry.keep_case(case("henan/20261201-1", 6, ended=timedelta()))
            await registry.keep_case(case("henan/20261201-1", 7, ended=timedelta()))
            assert not await audit_rows(registry), "what regions tell of themselves is no change by anybody"
        async with opened() as registry:
            assert await registry.cases() == [case("henan/20261201-1", 7), case("sichuan/20261201-2", 1)]
            await registry.keep_case(case("henan/20261201-1", 8, ended=timedelta()))
            assert (await registry.cases())[0] == case("henan/20261201-1", 8, ended=timedelta())

    run(scenario())


def test_cases_that_are_named_are_forgotten_and_no_others(opened: Registries) -> None:
    async def scenario() -> None:
        async with opened() as registry:
            named = [case(f"henan/1-{each}", 1, ended=timedelta()) for each in range(100, 350)]
            for each in (*named, case("henan/2-1", 1)):
                assert await registry.keep_case(each)
            assert await registry.forget_cases(lambda kept: kept[:250]) == 250
            assert await registry.cases() == [case("henan/2-1", 1)]

    run(scenario())


def test_the_cases_of_one_region_are_forgotten_without_a_look_at_others(opened: Registries) -> None:
    names = ("hena/1-1", "henan-2/1-1", "henan/1-1", "henan/1-2", "henana/1-1")

    async def scenario() -> None:
        async with opened() as registry:
            for each in names:
                await registry.keep_case(case(each, 1))
            seen = list[str]()

            def decide(kept: Sequence[CaseHeader]) -> Sequence[CaseHeader]:
                seen.extend(each.ticket_id for each in kept)
                return kept[:1]

            assert await registry.forget_cases(decide, "henan") == 1
            assert seen == ["henan/1-1", "henan/1-2"]
            assert [each.ticket_id for each in await registry.cases()] == [
                "hena/1-1",
                "henan-2/1-1",
                "henan/1-2",
                "henana/1-1",
            ]

    run(scenario())
