"""A loss that no heartbeat can show: receipts that another region keeps name rows of the audit chain."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1.recovery_envelopes_pb2 import AnsweredCommand, CatchUpAnswer, CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import DeliverResult, EnvelopeContent, Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.auditing.incarnations import BEFORE
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border, SlowQuery
from gateway.relay.envelopes import Answer, OutgoingEnvelope, unsigned_receipt
from gateway.relay.queries import Asker
from gateway.security.signing import RECEIPT
from gateway.store import losses
from gateway.store.fenced import FencedStore
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.lifecycle.recovery import questions
from region_node.lifecycle.recovery.keeper import FenceKeeper, KeeperPorts
from region_node.lifecycle.recovery.operations import Finding
from region_node.lifecycle.recovery.questions import ReceiptQuestion
from region_node.lifecycle.recovery.receipts import ReceiptComparison, ReceiptPorts
from region_node.lifecycle.recovery.telling import CATCH_UP, CatchUpEnvelopes
from tests.contract.relay_pair import DESTINATION, NOW, ORIGIN, QUERY
from tests.contract.relay_scene import HENAN, PATIENCE_S, Scene, know_a_third, play

ACCEPTED = Outcome.OUTCOME_ACCEPTED
pytestmark = pytest.mark.usefixtures("patient_rounds")


@dataclass
class Keeping:
    """Guangdong, as it answers the question for the furthest receipt."""

    answer: CatchUpAnswer
    refused: Refused | None = None
    asked: list[CatchUpQuestion] = field(default_factory=list)
    by_start: dict[int, CatchUpAnswer] = field(default_factory=dict)
    """Other answers, to the questions about some starts in microseconds."""

    async def ask(self, outgoing: OutgoingEnvelope, *_: object, **__: object) -> bytes:
        """See Asker."""
        assert (outgoing.kind, outgoing.destination) == (CATCH_UP, ORIGIN)
        self.asked.append(CatchUpQuestion.FromString(outgoing.payload))
        if self.refused is not None:
            raise self.refused
        start = to_microseconds(from_timestamp(self.asked[-1].start_time))
        return self.by_start.get(start, self.answer).SerializeToString()


class Endless(Keeping):
    """Guangdong, each of whose pages names a further one."""

    async def ask(self, outgoing: OutgoingEnvelope, *_: object, **__: object) -> bytes:
        """See Asker."""
        self.asked.append(CatchUpQuestion.FromString(outgoing.payload))
        return CatchUpAnswer(next_place=f"{len(self.asked)} a").SerializeToString()


async def none_kept() -> AsyncIterator[AuditHead | None]:
    """The heads that coordinators keep: none of the last seconds."""
    yield None


async def started(
    scene: Scene, keeping: object, border: Border | None = None, *, is_told: bool = True
) -> tuple[FencedStore, ReceiptComparison]:
    """A process of Sichuan that has just started, and the comparison with what Guangdong keeps."""
    fence, border = FencedStore(scene.store), border or scene.pair.borders[DESTINATION]
    finding = Finding(DESTINATION, ())
    opens = (lambda: None), no_work, no_work
    keeper = FenceKeeper(KeeperPorts(border, scene.store, fence, scene.clock, finding, none_kept, *opens))
    await keeper.start()
    ports = ReceiptPorts(border, scene.store, cast(Asker, keeping), scene.clock, keeper, lambda: is_told)
    comparison = ReceiptComparison(ports)
    await comparison.keep_questions()
    return fence, comparison


async def no_work() -> None:
    """Does nothing around the opening of the fence."""


async def lose_after(scene: Scene, kept: Head) -> None:
    """Sichuan's database is put back to a row of its audit chain."""
    end = kept.sequence
    await scene.store.write(lambda tx: tx.execute("DELETE FROM audit WHERE sequence > :end", end=end))
    await scene.store.write(lambda tx: tx.execute("DELETE FROM inbox WHERE envelope_id = 'last'"))


@pytest.mark.guarantee("G2")
def test_the_receipt_of_a_command_names_its_row_of_the_audit_chain_and_that_of_a_query_none(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        for name in ("1", "2"):
            sent = scene.pair.seal(envelope_id=name)
            receipt = scene.opened(await scene.receive(sent), sent)
            assert Head(receipt.audit_sequence, receipt.audit_hash) == await scene.store.read(audit.head)
        asked = scene.pair.seal(kind=QUERY, envelope_id="3")
        answer = scene.opened(await scene.receive(asked), asked)
        assert (answer.audit_sequence, answer.audit_hash) == (0, b"")

    play(tmp_path, scenario)


@pytest.mark.guarantee("G2")
def test_the_loss_of_the_last_commit_alone_is_found_by_its_receipt(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal(envelope_id="first"))
        kept = await scene.store.read(audit.head)
        receipt = await scene.receive(scene.pair.seal(envelope_id="last"))
        seen = await scene.store.read(audit.head)
        await lose_after(scene, kept)
        fence, comparison = await started(scene, Keeping(CatchUpAnswer(furthest_receipt=receipt)))
        before = fence.loss
        assert await comparison.compare()
        found = [each and (each.witness, each.last_sequence, each.seen_sequence) for each in (before, fence.loss)]
        assert found == [None, (f"region/{ORIGIN}", kept.sequence, seen.sequence)], "no coordinator was told of the row"

    play(tmp_path, scenario)


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(("first", "begin"), [((), 0), (("first",), to_microseconds(NOW - BEFORE))])
def test_the_loss_is_found_although_another_command_has_its_row_since(
    tmp_path: Path, first: tuple[str, ...], begin: int
) -> None:
    async def scenario(scene: Scene) -> None:
        for each in first:
            await scene.receive(scene.pair.seal(envelope_id=each))
        kept = await scene.store.read(audit.head)
        receipt = await scene.receive(scene.pair.seal(envelope_id="last"))
        await lose_after(scene, kept)
        fence, comparison = await started(scene, Keeping(CatchUpAnswer(furthest_receipt=receipt)))
        scene.clock.instant = NOW + timedelta(hours=1)
        await scene.receive(scene.pair.seal(envelope_id="later"))
        await comparison.compare()
        assert fence.loss is not None
        assert fence.loss.catch_up_from == begin, "others report what came after the last row of the start"

    play(tmp_path, scenario)


def test_a_receipt_whose_row_is_there_closes_no_fence(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = scene.pair.seal()
        receipt = await scene.receive(sent)
        former = unsigned_receipt(sent, Answer(ACCEPTED), now=NOW, revision=7)
        former.signature = scene.pair.borders[DESTINATION].signer.sign(RECEIPT, former.content)
        of_a_former_version = CatchUpAnswer(commands=[AnsweredCommand(envelope=sent.envelope, receipt=receipt)])
        for answer in (
            CatchUpAnswer(),
            of_a_former_version,
            *(CatchUpAnswer(furthest_receipt=each) for each in (receipt, former)),
        ):
            keeping = Keeping(answer)
            fence, comparison = await started(scene, keeping)
            assert await comparison.compare()
            assert await comparison.compare()
            assert fence.is_open
            assert len(keeping.asked) == 1, "a region that has answered is not asked again"

    play(tmp_path, scenario)


def test_a_receipt_that_somebody_else_has_signed_closes_no_fence_and_leaves_its_question_alone_open(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        invented = unsigned_receipt(scene.pair.seal(), Answer(ACCEPTED), now=NOW, revision=7, row=Head(99, bytes(32)))
        invented.signature = scene.pair.borders[ORIGIN].signer.sign(RECEIPT, invented.content)
        keeping = Keeping(CatchUpAnswer(furthest_receipt=invented))
        fence, comparison = await started(scene, keeping)
        assert not await comparison.compare()
        assert not await comparison.compare()
        assert fence.is_open
        assert len(keeping.asked) == 1, "not at once"
        [open_question] = await scene.store.read(questions.left)
        await scene.receive(scene.pair.seal())
        scene.clock.instant = NOW + timedelta(minutes=1)
        keeping.by_start = {open_question.start_time: keeping.answer}
        keeping.answer = CatchUpAnswer()
        _, later = await started(scene, keeping)
        assert not await later.compare()
        assert await scene.store.read(questions.left) == [open_question], "the later one has its answer"
        keeping.by_start = {}
        _, knowing = await started(scene, keeping)
        assert await knowing.compare()
        assert await scene.store.read(questions.left) == []

    play(tmp_path, scenario)


def test_a_region_whose_pages_never_end_is_left_and_asked_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(scene: Scene) -> None:
        monkeypatch.setattr("region_node.lifecycle.recovery.receipts.PAGES", 3)
        keeping = Endless(CatchUpAnswer())
        _, comparison = await started(scene, keeping)
        assert not await comparison.compare()
        assert [each.place for each in keeping.asked] == ["", "1 a", "2 a"]
        assert len(await scene.store.read(questions.left)) == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("minutes", "closings"), [(20, 0), (0, 1), (120, 1)], ids=["in its lost part", "of about the start", "of after it"]
)
def test_a_receipt_of_after_the_start_closes_no_fence_again_for_a_loss_that_people_have_accepted(
    tmp_path: Path, minutes: int, closings: int
) -> None:
    """The region shows it as one of a former version does, which reads no time of a start."""

    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal(envelope_id="first"))
        store, decided = scene.store, NOW + timedelta(minutes=minutes)
        row = await store.read(lambda tx: replace(audit.head(tx), sequence=audit.head(tx).sequence + 2))
        later = unsigned_receipt(scene.pair.seal(), Answer(ACCEPTED), now=decided, revision=7, row=row)
        later.signature = scene.pair.borders[DESTINATION].signer.sign(RECEIPT, later.content)
        _, comparison = await started(scene, Keeping(CatchUpAnswer(furthest_receipt=later)))
        scene.clock.instant = NOW + timedelta(minutes=19)
        await scene.receive(scene.pair.seal(envelope_id="second"))
        found = NOW + timedelta(minutes=21)
        loss = await store.write(lambda tx: Finding(DESTINATION, ()).lost_commits(tx, 0, 1, found))
        await store.write(lambda tx: losses.accept(tx, loss, "wang", "INC-1", found))
        assert await comparison.compare()
        assert [each.is_open for each in await store.read(losses.losses)] == [True] * closings + [False]

    play(tmp_path, scenario)


@dataclass
class Unequal(Keeping):
    """Guangdong, which answers once it is told to, beside Henan, which answers at once."""

    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    of_henan: int = 0

    async def ask(self, outgoing: OutgoingEnvelope, *_: object, **__: object) -> bytes:
        """See Asker."""
        if outgoing.destination != ORIGIN:
            self.of_henan += 1
            return b""
        self.asked.append(CatchUpQuestion.FromString(outgoing.payload))
        self.is_asked.set()
        await self.answers.wait()
        return self.answer.SerializeToString()


def test_a_region_that_answers_slowly_delays_no_other_and_its_answer_counts_whenever_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(scene: Scene) -> None:
        kept = await scene.store.read(audit.head)
        receipt = await scene.receive(scene.pair.seal(envelope_id="last"))
        await lose_after(scene, kept)
        know_a_third(scene)
        unequal = Unequal(CatchUpAnswer(furthest_receipt=receipt))
        fence, comparison = await started(scene, unequal)
        monkeypatch.setattr("region_node.lifecycle.recovery.asking.ROUND_SECONDS", 0.01)
        while await regions_asked(scene) != [ORIGIN]:
            assert not await comparison.compare()
        later = question(HENAN, NOW + timedelta(minutes=1))
        await scene.store.write(lambda tx: tx.keep(questions.RECEIPT_QUESTIONS, later))
        while await regions_asked(scene) != [ORIGIN]:
            assert not await comparison.compare()
        assert (len(unequal.asked), unequal.of_henan, fence.is_open) == (1, 2, True)
        unequal.answers.set()
        monkeypatch.setattr("region_node.lifecycle.recovery.asking.ROUND_SECONDS", PATIENCE_S)
        assert await comparison.compare()
        assert not fence.is_open

    play(tmp_path, scenario)


def test_a_loop_of_questions_ends_with_all_that_it_has_asked(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        unequal = Unequal(CatchUpAnswer())
        _, comparison = await started(scene, unequal)
        before = asyncio.all_tasks()
        running = asyncio.create_task(comparison.run())
        await unequal.is_asked.wait()
        running.cancel()
        await asyncio.wait((running,))
        assert asyncio.all_tasks() == before

    play(tmp_path, scenario)


def question(region: str, start: datetime) -> ReceiptQuestion:
    """A question to a region about a start."""
    return ReceiptQuestion(region, to_microseconds(start), to_microseconds(NOW))


async def regions_asked(scene: Scene) -> list[str]:
    """The regions that have not answered."""
    return [each.region for each in await scene.store.read(questions.left)]


def test_a_region_that_refuses_the_place_of_its_own_answer_is_asked_from_the_beginning(tmp_path: Path) -> None:
    class Forgetful(Keeping):
        async def ask(self, outgoing: OutgoingEnvelope, *_: object, **__: object) -> bytes:
            self.asked.append(CatchUpQuestion.FromString(outgoing.payload))
            if self.asked[-1].place:
                raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no place of an answer")
            return CatchUpAnswer().SerializeToString()

    async def scenario(scene: Scene) -> None:
        forgetful = Forgetful(CatchUpAnswer())
        _, comparison = await started(scene, forgetful)
        [left] = await scene.store.read(questions.left)
        await scene.store.write(lambda tx: questions.go_on(tx, left, "of a former version"))
        assert await comparison.compare()
        assert [each.place for each in forgetful.asked] == ["of a former version", ""]

    play(tmp_path, scenario)


def test_a_region_that_gives_the_place_again_that_it_has_refused_is_asked_later(tmp_path: Path) -> None:
    class Unsure(Keeping):
        async def ask(self, outgoing: OutgoingEnvelope, *_: object, **__: object) -> bytes:
            self.asked.append(CatchUpQuestion.FromString(outgoing.payload))
            if self.asked[-1].place:
                raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no place of an answer")
            return CatchUpAnswer(next_place="1 a").SerializeToString()

    async def scenario(scene: Scene) -> None:
        unsure = Unsure(CatchUpAnswer())
        _, comparison = await started(scene, unsure)
        for _ in range(2):
            assert not await comparison.compare()
            assert [each.place for each in unsure.asked] == ["", "1 a", ""], "not at once"

    play(tmp_path, scenario)


def test_a_process_without_a_configuration_asks_nobody_until_it_has_one(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        keeping = Keeping(CatchUpAnswer())
        _, comparison = await started(
            scene, keeping, replace(scene.pair.borders[DESTINATION], current=CurrentFederation())
        )
        assert await comparison.compare()
        assert not keeping.asked

    play(tmp_path, scenario)


def test_a_region_that_cannot_answer_now_is_asked_again_after_a_while(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        kept = await scene.store.read(audit.head)
        receipt = await scene.receive(scene.pair.seal(envelope_id="last"))
        await lose_after(scene, kept)
        busy = Refused(Reason.REASON_REGION_UNREACHABLE, region=ORIGIN)
        keeping = Keeping(CatchUpAnswer(furthest_receipt=receipt), busy)
        fence, comparison = await started(scene, keeping)
        assert not await comparison.compare()
        assert not await comparison.compare()
        assert len(keeping.asked) == 1, "not at once"
        keeping.refused = None
        _, later = await started(scene, keeping)
        assert await later.compare()
        assert not fence.is_open, "the fence is that of all processes"

    play(tmp_path, scenario)


def test_a_receipt_with_a_choice_of_a_later_version_is_compared_after_an_upgrade(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        later = ReceiptContent(origin=ORIGIN, destination=DESTINATION, audit_sequence=99, audit_hash=bytes(32))
        later.ParseFromString(later.SerializeToString() + b"\x28\x63")  # the outcome 99
        receipt = Receipt(content=later.SerializeToString())
        receipt.signature = scene.pair.borders[DESTINATION].signer.sign(RECEIPT, receipt.content)
        fence, comparison = await started(scene, Keeping(CatchUpAnswer(furthest_receipt=receipt)))
        assert not await comparison.compare(), "the region is asked again"
        assert fence.is_open

    play(tmp_path, scenario)


def test_receipts_are_asked_for_since_some_time_before_the_last_row_of_the_start(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.receive(scene.pair.seal(envelope_id="first"))
        keeping = Keeping(CatchUpAnswer())
        _, comparison = await started(scene, keeping)
        scene.clock.instant = NOW + BEFORE
        await scene.receive(scene.pair.seal(envelope_id="later"))
        await comparison.compare()
        asked = [(from_timestamp(each.begin_time), from_timestamp(each.start_time)) for each in keeping.asked]
        assert asked == [(NOW - BEFORE, NOW)], "no receipt of after the start counts"

    play(tmp_path, scenario)


async def kept_by_guangdong(
    scene: Scene, name: str, sequence: int, closed: datetime, decided: datetime = NOW
) -> Receipt:
    """Guangdong keeps a receipt of Sichuan."""
    sent = await scene.send(name)
    receipt = unsigned_receipt(sent, Answer(ACCEPTED), now=decided, revision=7, row=Head(sequence, bytes(32)))
    receipt.signature = scene.pair.borders[DESTINATION].signer.sign(RECEIPT, receipt.content)
    scene.clock.instant = closed
    await scene.settle((sent, DeliverResult(receipt=receipt)))
    return receipt


async def told(
    scene: Scene, region: str, since: datetime, start: Timestamp | None = None, place: str = ""
) -> CatchUpAnswer:
    """Guangdong's answer to a region whose process has started then."""
    query = CatchUpEnvelopes(scene.store).kinds()[CATCH_UP]
    assert isinstance(query, SlowQuery)
    begin = to_timestamp(since)
    question = CatchUpQuestion(begin_time=begin, wants_furthest_receipt=True, start_time=start, place=place)
    content = EnvelopeContent(origin=region, payload=question.SerializeToString())
    return CatchUpAnswer.FromString((await query.answer(content, scene.clock.now())).result)


def test_the_receipt_with_the_furthest_row_is_told_whenever_it_came(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        assert await told(scene, DESTINATION, NOW) == CatchUpAnswer()
        await kept_by_guangdong(scene, "early", 9, NOW - BEFORE)
        await kept_by_guangdong(scene, "a", 5, NOW)
        furthest = await kept_by_guangdong(scene, "b", 8, NOW)
        await kept_by_guangdong(scene, "c", 7, NOW + BEFORE)
        assert await told(scene, DESTINATION, NOW) == CatchUpAnswer(furthest_receipt=furthest)
        assert await told(scene, "henan", NOW) == CatchUpAnswer()

    play(tmp_path, scenario)


@pytest.mark.guarantee("G2")
def test_a_receipt_that_the_region_gave_after_its_start_hides_none_of_before(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        lost = await kept_by_guangdong(scene, "lost", 8, NOW)
        later = await kept_by_guangdong(scene, "later", 9, NOW, decided=NOW + timedelta(seconds=1))
        assert await told(scene, DESTINATION, NOW, to_timestamp(NOW)) == CatchUpAnswer(furthest_receipt=lost)
        assert await told(scene, DESTINATION, NOW) == CatchUpAnswer(furthest_receipt=later), "of a former version"
        before = to_timestamp(NOW - BEFORE)
        assert await told(scene, DESTINATION, NOW, before) == CatchUpAnswer(), "all are of after the start"
        with pytest.raises(Refused, match="a time that is none"):
            await told(scene, DESTINATION, NOW, Timestamp(nanos=-1))

    play(tmp_path, scenario)


@pytest.mark.guarantee("G2")
def test_a_page_of_receipts_of_after_the_start_leads_to_those_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(scene: Scene) -> None:
        monkeypatch.setattr("region_node.lifecycle.recovery.telling.RECEIPTS", 2)
        start, after = to_timestamp(NOW), NOW + timedelta(seconds=1)
        await kept_by_guangdong(scene, "0", 6, NOW)
        lost = await kept_by_guangdong(scene, "1", 9, NOW)
        await kept_by_guangdong(scene, "2", 8, NOW)
        near = await kept_by_guangdong(scene, "3", 7, NOW)
        for name in ("4", "5", "6"):
            await kept_by_guangdong(scene, name, 20, NOW, decided=after)
        newest = await told(scene, DESTINATION, NOW, start)
        assert not newest.HasField("furthest_receipt")
        mixed = await told(scene, DESTINATION, NOW, start, newest.next_place)
        assert mixed.furthest_receipt == near
        last = await told(scene, DESTINATION, NOW, start, mixed.next_place)
        assert last == CatchUpAnswer(furthest_receipt=lost), "a whole page of before the start is the last"
        for place in ("1", "1 a 1 a", "x a", f"{10**30} a"):
            with pytest.raises(Refused, match="no place of an answer"):
                await told(scene, DESTINATION, NOW, start, place)

    play(tmp_path, scenario)
