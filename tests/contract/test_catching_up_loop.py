"""A region catches up after a loss by what another one reports: done again once, listed for people, or not believed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.recovery_envelopes_pb2 import CatchUpAnswer, CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import DeliverResult, Envelope, EnvelopeContent, Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.relay import outbox
from gateway.relay.at_rest import envelope_subject
from gateway.relay.border import Command, Refiled, RevisionAwaited, SlowQuery
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.relay.outcomes import outcomes
from gateway.security.signing import ENVELOPE
from gateway.store import catch_ups, vault
from gateway.store.catch_ups import CatchUp, LostCommand
from gateway.store.port import Store, Transaction
from gateway.store.timers import due_timers
from gateway.time.clock import BETWEEN_TRUSTED
from gateway.values.choices import Choice, UnknownChoice
from region_node.business.reconciliation.nightly import DAY_TIMER
from region_node.lifecycle.recovery.asking import LONGEST_PLACE
from region_node.lifecycle.recovery.operations import lost_commands
from region_node.lifecycle.recovery.telling import CATCH_UP, CatchUpEnvelopes
from tests.contract.catching_up import Reporter, catch_up, loop_of, lose, lost, page, progress
from tests.contract.relay_pair import COMMAND, DESTINATION, HOUR, NOW, ORIGIN
from tests.contract.relay_scene import HENAN, Scene, know_a_third, outgoing_named, play
from tests.unit.situations import FEDERATION

LATER_KIND = 4_999  # of an envelope
pytestmark = pytest.mark.usefixtures("patient_rounds")


@dataclass(frozen=True)
class Distant:
    """A store that answers a little later."""

    store: Store

    async def read(self, query: Callable[[Transaction], CatchUpAnswer]) -> CatchUpAnswer:
        """See Store."""
        await asyncio.sleep(0)
        return await self.store.read(query)


def unsigned(content: EnvelopeContent) -> Sealed:
    """A command that nobody has signed."""
    return Sealed(Envelope(content=content.SerializeToString()), content)


def test_pages_are_done_again_once_however_often_they_are_reported(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = [scene.pair.seal(envelope_id=each, payload=each.encode()) for each in ("1", "2", "3")]
        first = [(each, await scene.receive(each)) for each in sent]
        await lose(scene, NOW - HOUR, NOW + HOUR)
        reporter = Reporter({"": page(*first[:2], then="2"), "2": page(*first)})
        done = await catch_up(scene, reporter)
        assert (done.taken, done.failure) == (3, "")
        assert done.finish_time is not None
        assert await scene.effects() == ["1", "2", "3"]
        assert [await scene.receive(each) for each in sent] == [receipt for _, receipt in first]
        assert await lost(scene) == []

    play(tmp_path, scenario)


def test_a_command_is_done_again_of_which_the_origin_has_only_the_refusal_of_a_forgotten_repeat(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.desk.is_soon_forgotten = True
        sent = scene.pair.seal()
        await scene.receive(sent)
        await scene.store.write(lambda tx: vault.destroy(tx, [envelope_subject(sent.content.subject)]))
        repeat = await scene.receive(sent)
        assert scene.opened(repeat, sent).reason == Reason.REASON_ENVELOPE_FORGOTTEN
        await lose(scene, NOW - HOUR, NOW + HOUR)
        assert (await catch_up(scene, Reporter({"": page((sent, repeat))}))).taken == 1
        assert await scene.effects() == ["one"]
        assert await scene.receive(sent) == repeat, "the origin has this receipt"
        assert await lost(scene) == []

    play(tmp_path, scenario)


def test_nothing_is_done_again_that_was_answered_outside_of_the_lost_part(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        first = await scene.receive(sent)
        for number, (begin, end) in enumerate(((NOW + HOUR, NOW + 2 * HOUR), (NOW - 2 * HOUR, NOW - HOUR))):
            await lose(scene, begin, end)
            await scene.store.write(lambda tx: tx.execute("DELETE FROM catch_ups"))
            await catch_up(scene, Reporter({"": page((sent, first))}))
            assert await scene.effects() == [], number
            assert [each.failure for each in await lost(scene)] == ["ENVELOPE_FORGOTTEN"]

    play(tmp_path, scenario)


def test_a_command_that_is_refused_now_or_fails_is_left_to_people_and_the_next_one_is_done(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = [scene.pair.seal(envelope_id=each, payload=each.encode()) for each in ("1", "2")]
        first = [(each, await scene.receive(each)) for each in sent]
        await lose(scene, NOW - HOUR, NOW + HOUR)
        scene.desk.before_effect = Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)
        await catch_up(scene, Reporter({"": page(*first)}))
        assert [each.failure for each in await lost(scene)] == ["SUBSCRIPTION_NOT_FOUND"] * 2
        scene.desk.before_effect = None
        await scene.store.write(lambda tx: tx.execute("DELETE FROM catch_ups"))
        await catch_up(scene, Reporter({"": page(*first)}))
        assert await scene.effects() == ["1", "2"], "what was refused has left nothing behind"

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("further", "effects"), [(timedelta(), ["one"]), (timedelta(microseconds=1), [])], ids=["within", "beyond"]
)
def test_a_command_may_have_been_answered_by_a_process_whose_clock_is_ahead_of_the_finding(
    tmp_path: Path, further: timedelta, effects: list[str]
) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        receipt = await scene.receive(sent)
        await lose(scene, NOW - HOUR, NOW - BETWEEN_TRUSTED - further)
        await catch_up(scene, Reporter({"": page((sent, receipt))}))
        assert await scene.effects() == effects
        assert [each.failure for each in await lost(scene)] == ["ENVELOPE_FORGOTTEN"][len(effects) :]

    play(tmp_path, scenario)


def test_a_region_that_cannot_report_holds_up_nothing_and_one_that_is_away_is_waited_for(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await lose(scene, NOW - HOUR, NOW + timedelta(minutes=5))
        away = await catch_up(scene, Reporter(refused=Refused(Reason.REASON_REGION_UNREACHABLE, region=ORIGIN)))
        assert (away.failure, away.finish_time) == ("", None)
        assert await scene.store.read(catch_ups.catch_ups) == [CatchUp(1, ORIGIN)], "people see for whom it waits"
        assert await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, ORIGIN))
        older = await catch_up(
            scene, Reporter(refused=Refused(Reason.REASON_UPGRADE_REQUIRED, region=ORIGIN, field="kind"))
        )
        assert (older.failure, older.finish_time) == ("UPGRADE_REQUIRED", None)
        assert not await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, ORIGIN))
        round_about = await catch_up(scene, Reporter({"": page(then="1"), "1": page(then="1")}))
        assert round_about.failure == "ENVELOPE_INVALID", "an answer that leads to itself"
        upgraded = await catch_up(scene, Reporter({"1": page()}))
        assert upgraded.finish_time is not None
        assert upgraded.failure == ""

    play(tmp_path, scenario)


@pytest.mark.parametrize(("then", "places"), [("1", ["1", ""]), ("2", ["1", "", "2"])], ids=["the same", "another"])
def test_a_region_that_refuses_the_places_that_it_gives_is_a_failure_and_no_endless_question(
    tmp_path: Path, then: str, places: list[str]
) -> None:
    async def scenario(scene: Scene) -> None:
        await lose(scene, NOW - HOUR, NOW + HOUR)
        await scene.store.write(lambda tx: catch_ups.keep(tx, CatchUp(1, ORIGIN, place="1")))
        reporter = Reporter({"": page(then=then)})
        known = await catch_up(scene, reporter)
        assert (known.failure, known.finish_time, reporter.places) == ("ENVELOPE_INVALID", None, places)
        assert not await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, ORIGIN))

    play(tmp_path, scenario)


def test_a_page_that_nobody_can_believe_is_its_regions_failure_and_ends_no_process(tmp_path: Path) -> None:
    """Nothing of such a page is done or listed, and the other regions go on."""

    async def scenario(scene: Scene) -> None:
        know_a_third(scene)
        sent = [scene.pair.seal(envelope_id=each, payload=each.encode()) for each in ("1", "2")]
        first = [(each, await scene.receive(each)) for each in sent]
        await lose(scene, NOW - HOUR, NOW + HOUR)
        forged = Receipt(content=first[1][1].content, signature=b"forged")
        kind = sent[0].content.kind
        foreign = unsigned(EnvelopeContent(id="3", origin=HENAN, destination=DESTINATION, kind=kind))
        acting = unsigned(EnvelopeContent(id="\0", origin=ORIGIN, destination=DESTINATION, kind=kind))
        unbelieved: list[tuple[str, CatchUpAnswer]] = [
            ("ENVELOPE_INVALID", CatchUpAnswer(purge_time=Timestamp(seconds=2**60))),
            ("ENVELOPE_INVALID", page(first[0], then="1" * (LONGEST_PLACE + 1))),
            ("CHARACTER_NOT_ALLOWED", page(first[0], then="1\0")),
            ("ENVELOPE_SIGNATURE_INVALID", page(first[0], (sent[1], forged))),
            (
                "ENVELOPE_SENDER_WRONG",
                page(first[0], (foreign, forged)),
            ),
            (
                "CHARACTER_NOT_ALLOWED",
                page(first[0], (acting, forged)),
            ),
        ]
        for number, (reason, answer) in enumerate(unbelieved):
            await scene.store.write(lambda tx: tx.execute("DELETE FROM catch_ups"))
            failed = await catch_up(scene, Reporter({"": answer}))
            assert (failed.failure, failed.place, failed.finish_time) == (reason, "", None), number
            assert (await progress(scene, region=HENAN)).finish_time is not None, number
        assert await scene.effects() == []
        assert await lost(scene) == []
        assert (await catch_up(scene, Reporter({"": page(*first)}))).finish_time is not None
        assert await scene.effects() == ["1", "2"]

    play(tmp_path, scenario)


def test_the_state_of_another_region_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        know_a_third(scene)
        await lose(scene, NOW - HOUR, NOW + HOUR)
        for reason in (
            Reason.REASON_DATABASE_BEHIND,
            Reason.REASON_CLOCK_UNTRUSTED,
            Reason.REASON_STORE_UNAVAILABLE,
            Reason.REASON_CONFIGURATION_MISSING,
        ):
            await scene.store.write(lambda tx: tx.execute("DELETE FROM catch_ups"))
            assert not await loop_of(scene, Reporter(refused=Refused(reason))).catch_up()
            assert ((await progress(scene)).failure, (await progress(scene)).finish_time) == ("", None)
            assert (await progress(scene, region=HENAN)).finish_time is not None

    play(tmp_path, scenario)


def test_a_command_that_a_later_version_of_this_region_had_sent_waits_for_its_own_upgrade(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await lose(scene, NOW - HOUR, NOW + HOUR)
        signer = scene.pair.borders[DESTINATION].signer
        later = EnvelopeContent(id="1", origin=DESTINATION, destination=ORIGIN)
        later.kind = LATER_KIND  # type: ignore[assignment]  # this version has no such kind
        data = later.SerializeToString()
        sent = Sealed(Envelope(content=data, signature=signer.sign(ENVELOPE, data)), later)
        known = await catch_up(scene, Reporter({"": page((sent, Receipt()))}))
        assert (known.failure, known.finish_time) == ("", None), "the other region has nothing to mend"
        assert await scene.store.read(lambda tx: catch_ups.is_catching_up(tx, ORIGIN))

    play(tmp_path, scenario)


def test_a_refusal_with_a_record_of_a_later_version_waits_for_the_process_that_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(scene: Scene) -> None:
        sent, signer = scene.pair.seal(), scene.pair.borders[DESTINATION].signer
        refused = Answer(Outcome.OUTCOME_REFUSED, result=b"record", reason=Reason.REASON_LOAN_STATE_FORBIDS)
        reporter = Reporter({"": page((sent, seal_receipt(sent, refused, signer, now=NOW, revision=1)))})
        await lose(scene, NOW - HOUR, NOW + HOUR)
        later, kind = scene.desk.kinds(), scene.desk.kinds()[COMMAND]
        assert isinstance(kind, Command)

        def read(tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime) -> None:
            raise UnknownChoice(Choice("state", "api.LoanState", 9))

        for kinds, taken, is_done in (({COMMAND: replace(kind, refused_again=read)}, 0, False), (later, 1, True)):
            monkeypatch.setattr(scene.desk, "kinds", lambda kinds=kinds: kinds)
            known = await catch_up(scene, reporter)
            assert (known.taken, known.finish_time is not None) == (taken, is_done)
            assert (known.failure, await lost(scene)) == ("", [])

    play(tmp_path, scenario)


@pytest.mark.parametrize("later", [UnknownChoice(Choice("state", "OrderState", 9)), RevisionAwaited("revision 8")])
def test_a_filing_of_this_region_waits_for_the_upgrade_or_the_configuration_by_which_it_can_take_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: Exception
) -> None:
    """The store is Guangdong's here, which has lost what it had sent."""

    async def scenario(scene: Scene) -> None:
        sent, kind = scene.pair.seal(), scene.desk.kinds()[COMMAND]
        assert isinstance(kind, Command)
        known = kind.answered

        def refile(tx: Transaction, content: EnvelopeContent, now: datetime) -> Refiled:
            tx.execute("INSERT INTO effects (effect) VALUES ('filed again')")
            return Refiled.RESTORED

        def answered(tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime) -> None:
            known(tx, content, first, now)
            raise later

        await lose(scene, NOW - HOUR, NOW + HOUR)
        reporter = Reporter({"": page((sent, scene.answer(sent)))}, region=DESTINATION)
        for take, effects in ((answered, []), (known, ["filed again", "answered 1"])):
            kinds = {COMMAND: replace(kind, refile=refile, answered=take)}
            monkeypatch.setattr(scene.desk, "kinds", lambda kinds=kinds: kinds)
            await loop_of(scene, reporter, ORIGIN).catch_up()
            assert await scene.effects() == effects
            assert await lost(scene, ORIGIN) == []

    play(tmp_path, scenario)


def test_a_failure_does_not_undo_what_another_process_has_taken_meanwhile(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await lose(scene, NOW - HOUR, NOW + HOUR)
        for taken in (CatchUp(1, ORIGIN, place="1", taken=3), CatchUp(1, ORIGIN, taken=3, finish_time=7)):

            async def others(taken: CatchUp = taken) -> None:
                await scene.store.write(lambda tx: catch_ups.keep(tx, taken))

            await scene.store.write(lambda tx: tx.execute("DELETE FROM catch_ups"))
            refused = Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
            assert await catch_up(scene, Reporter(refused=refused, meanwhile=others)) == taken

    play(tmp_path, scenario)


def test_a_command_waits_while_this_region_cannot_do_it_and_for_hours_where_it_is_refused_for_now(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        first = (sent, await scene.receive(sent))
        await lose(scene, NOW - HOUR, NOW)
        loop = loop_of(scene, Reporter({"": page(first)}))

        async def tried(times: int, reason: Reason.ValueType) -> list[str]:
            scene.desk.before_effect = Refused(reason, region=DESTINATION, field="kind")
            for _ in range(times):
                await loop._after((await scene.store.read(catch_ups.begun))[0], ORIGIN)
            return [each.failure for each in await lost(scene)]

        assert await tried(20, Reason.REASON_REGION_UNREACHABLE) == []
        scene.clock.instant = NOW + catch_ups.PATIENCE
        for own in (Reason.REASON_TOO_BUSY, Reason.REASON_REGION_SUSPENDED, Reason.REASON_UPGRADE_REQUIRED):
            assert await tried(20, own) == []
        assert await tried(1, Reason.REASON_REGION_UNREACHABLE) == ["REGION_UNREACHABLE"]

    play(tmp_path, scenario)


def test_the_days_since_the_begin_of_the_lost_part_are_compared_with_a_region_that_has_told_everything(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        member = Member(region=ORIGIN, state=MemberState.MEMBER_STATE_JOINED)
        scene.pair.borders[DESTINATION].current.update(Federation(7, FEDERATION.configuration), [member])
        sent = [scene.pair.seal(envelope_id=each, payload=each.encode()) for each in ("1", "2")]
        first = [(each, await scene.receive(each)) for each in sent]
        await lose(scene, NOW - timedelta(days=10), NOW - HOUR)
        reporter = Reporter({"": page(first[0], then="1"), "1": page(first[1], then="1")})
        await catch_up(scene, reporter)
        assert await scene.store.read(compared) == [], "it may tell more"
        reporter.pages["1"] = page(first[1])
        await catch_up(scene, reporter)
        days = [f"{NOW.date() - timedelta(days=each)}" for each in range(10, 0, -1)]
        assert await scene.store.read(compared) == [f"{ORIGIN} {each}" for each in days]

    def compared(tx: Transaction) -> list[str]:
        return [each.subject for each in due_timers(tx, NOW + HOUR) if each.kind == DAY_TIMER]

    play(tmp_path, scenario)


def test_a_lost_command_stays_listed_until_the_other_region_has_accepted_its_repeat(tmp_path: Path) -> None:
    """The store is Guangdong's here, which has lost what it had sent."""

    async def scenario(scene: Scene) -> None:
        def listed(tx: Transaction, limit: int = 2) -> list[str]:
            return [each.envelope_id for each in lost_commands(tx, ORIGIN, (0, "", "", ""), limit)]

        reason = "COMMAND_LOST"
        for name in ("1", "2", "3", "4"):
            left = LostCommand(1, DESTINATION, ORIGIN, name, 1, f"order {name}", reason, 5)
            await scene.store.write(lambda tx, left=left: catch_ups.list_lost(tx, left))  # type: ignore[misc]
        refused = Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_COMMAND_LOST)
        for name, answer in (("1", None), ("2", refused), ("3", None)):
            sent = await scene.send(name)
            if name != "3":
                await scene.settle((sent, DeliverResult(receipt=scene.answer(sent, answer))))
        assert await scene.store.read(listed) == ["2", "3"]
        assert await scene.store.read(lambda tx: listed(tx, 9)) == ["2", "3", "4"]

    play(tmp_path, scenario)


def test_a_command_that_was_sent_with_other_content_under_the_id_of_a_lost_one_is_left_to_people(
    tmp_path: Path,
) -> None:
    """The store is Guangdong's here, which has lost what it had sent."""

    async def scenario(scene: Scene) -> None:
        before = [scene.pair.seal(outgoing_named(each)) for each in ("1", "2", "3")]
        before[1] = scene.pair.seal(outgoing_named("2"), payload=b"money back")
        await lose(scene, NOW - HOUR, NOW + HOUR)
        await scene.store.write(
            lambda tx: outbox.keep_answered(tx, scene.pair.borders[ORIGIN], before[2], scene.answer(before[2]), NOW)
        )
        for each in before[:2]:
            assert (await scene.send(each.content.id)).envelope.content != each.envelope.content
        told = page(*((each, scene.answer(each)) for each in before))
        await loop_of(scene, Reporter({"": told}, region=DESTINATION), ORIGIN).catch_up()
        found = await scene.store.read(lambda tx: lost_commands(tx, ORIGIN, (0, "", "", ""), 10))
        assert [(each.envelope_id, each.failure) for each in found] == [("2", "COMMAND_LOST")]

    play(tmp_path, scenario)


def test_a_region_is_given_one_page_at_a_time_and_none_for_a_question_without_sense(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        await scene.receive(sent)
        query = CatchUpEnvelopes(cast(Store, Distant(scene.store))).kinds()[CATCH_UP]
        assert isinstance(query, SlowQuery)

        def asked(question: CatchUpQuestion, origin: str = ORIGIN) -> Awaitable[Answer]:
            return query.answer(EnvelopeContent(origin=origin, payload=question.SerializeToString()), NOW)

        furthest = CatchUpQuestion(wants_furthest_receipt=True)
        several = [asked(CatchUpQuestion()), asked(CatchUpQuestion()), asked(CatchUpQuestion(), HENAN), asked(furthest)]
        first, second, other, beside = await outcomes(several)
        assert isinstance(first, Answer)
        assert [each.envelope.content for each in CatchUpAnswer.FromString(first.result).commands] == [
            sent.envelope.content
        ]
        assert isinstance(second, Refused)
        assert second.reason == Reason.REASON_TOO_BUSY
        assert isinstance(beside, Answer), "a search for receipts delays no report"
        assert isinstance(other, Answer)
        assert not CatchUpAnswer.FromString(other.result).commands
        beyond = CatchUpQuestion(begin_time=Timestamp(seconds=2**60))
        for question in (beyond, CatchUpQuestion(place=f"{2**70} a 1 b"), CatchUpQuestion(place="a")):
            (refused,) = await outcomes([asked(question)])
            assert isinstance(refused, Refused)
            assert refused.reason == Reason.REASON_ENVELOPE_INVALID

    play(tmp_path, scenario)
