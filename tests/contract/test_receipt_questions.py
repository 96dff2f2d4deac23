"""Questions for receipts outlive the process that asks: a region that was away shows a lost row to a later one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.recovery_envelopes_pb2 import CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import DeliverResult, EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.auditing.incarnations import BEFORE
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay import inbox
from gateway.relay.border import SlowQuery
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.store import losses
from gateway.store.fenced import FencedStore
from gateway.store.losses import Loss
from gateway.store.port import Transaction
from gateway.time.clock import BETWEEN_TRUSTED, from_microseconds, to_microseconds
from region_node.lifecycle.recovery import questions
from region_node.lifecycle.recovery.operations import Finding
from region_node.lifecycle.recovery.questions import LastRow
from region_node.lifecycle.recovery.receipts import ReceiptComparison
from region_node.lifecycle.recovery.telling import CATCH_UP, CatchUpEnvelopes
from tests.contract.relay_pair import DESTINATION, NOW, ORIGIN, Desk, open_store
from tests.contract.relay_scene import Scene, play
from tests.contract.test_kept_receipts import lose_after, started

MINUTE = timedelta(minutes=1)
FINDING = Finding(DESTINATION, ())
LAST = LastRow(7, NOW)
pytestmark = pytest.mark.usefixtures("patient_rounds")


@dataclass
class Guangdong:
    """A region with a database of its own, which commands Sichuan, and shows the receipts that it keeps."""

    sichuan: Scene
    own: Scene
    is_away: bool = True
    asked: int = 0
    places: list[tuple[int, str]] = field(default_factory=list)
    """Of the questions that it has answered."""

    async def exchange(self, *names: str) -> None:
        """Sichuan acts on commands, and Guangdong keeps the receipts."""
        for name in names:
            sent = await self.own.send(name)
            await self.own.settle((sent, DeliverResult(receipt=await self.sichuan.receive(sent))))

    async def ask(self, outgoing: OutgoingEnvelope, *_: object, **__: object) -> bytes:
        """See Asker."""
        self.asked += 1
        if self.is_away:
            raise Refused(Reason.REASON_REGION_UNREACHABLE, region=outgoing.destination)
        question = CatchUpQuestion.FromString(outgoing.payload)
        self.places.append((question.start_time.ToMicroseconds(), question.place))
        query = CatchUpEnvelopes(self.own.store).kinds()[CATCH_UP]
        assert isinstance(query, SlowQuery)
        content = EnvelopeContent(origin=DESTINATION, payload=outgoing.payload)
        return (await query.answer(content, self.own.clock.now())).result

    async def restart(self) -> tuple[FencedStore, ReceiptComparison]:
        """Sichuan's process starts again a minute later, and asks."""
        self.sichuan.clock.instant += MINUTE
        fence, comparison = await started(self.sichuan, self)
        assert await comparison.compare() != self.is_away
        self.sichuan.clock.instant += MINUTE
        return fence, comparison

    async def show_loss(self) -> Loss:
        """Guangdong answers from the next start of Sichuan's process on, and shows it a lost row."""
        self.is_away = False
        fence, _ = await self.restart()
        assert fence.loss is not None
        return fence.loss

    async def lose_last(self) -> None:
        """Sichuan's database lacks the last of two commands."""
        await self.exchange("first")
        kept = await self.sichuan.store.read(audit.head)
        await self.exchange("last")
        await lose_after(self.sichuan, kept)

    async def left(self) -> list[tuple[str, datetime]]:
        """The questions that Sichuan has still to ask: whom, and about which start."""
        found = await self.sichuan.store.read(questions.left)
        return [(each.region, from_microseconds(each.start_time)) for each in found]


def play_both(directory: Path, scenario: Callable[[Guangdong], Awaitable[None]]) -> None:
    """Runs a scenario with Guangdong beside Sichuan."""

    async def both(scene: Scene) -> None:
        async with open_store(beside) as store:
            await scenario(Guangdong(scene, Scene(scene.pair, Desk(), store, scene.clock)))

    beside = directory / "guangdong"
    beside.mkdir()
    play(directory, both)


@pytest.mark.guarantee("G2")
def test_a_region_shows_a_lost_row_although_its_commands_and_restarts_come_before_its_answer(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.lose_last()
        for each in ("second", "third"):
            fence, _ = await peer.restart()
            assert fence.is_open
            await peer.exchange(each)
        loss = await peer.show_loss()
        assert loss.catch_up_from == to_microseconds(NOW - BEFORE), "what came since the first start is told"
        assert await peer.left() == []

    play_both(tmp_path, scenario)


@pytest.mark.guarantee("G2")
def test_a_loss_between_two_starts_is_shown_too_by_a_region_that_has_answered_about_neither(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.restart()
        await peer.lose_last()
        await peer.restart()
        await peer.exchange("later")
        await peer.show_loss()

    play_both(tmp_path, scenario)


def test_a_question_is_left_until_its_answer_is_applied_and_a_later_start_goes_on_with_it(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.restart()
        first = NOW + MINUTE
        assert await peer.left() == [(ORIGIN, first)]
        await peer.exchange("between")
        peer.is_away = False
        _, comparison = await started(peer.sichuan, peer)
        assert await peer.left() == [(ORIGIN, first), (ORIGIN, first + MINUTE)], "kept before anything is asked"
        assert await comparison.compare()
        assert (await peer.left(), peer.asked) == ([], 1 + 2)
        assert await comparison.compare()
        assert peer.asked == 1 + 2

    play_both(tmp_path, scenario)


def test_starts_without_a_command_of_the_region_in_between_have_one_question(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.lose_last()
        for _ in range(3):
            await peer.restart()
        await started(peer.sichuan, peer)
        await started(peer.sichuan, peer)
        assert await peer.left() == [(ORIGIN, NOW + 6 * MINUTE)]
        await peer.show_loss()

    play_both(tmp_path, scenario)


def test_the_questions_to_a_region_are_few_however_often_a_process_starts(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.lose_last()
        for number in range(questions.MOST + 2):
            await peer.restart()
            await peer.exchange(str(number))
        left = await peer.left()
        assert len(left) == questions.MOST
        assert left[0] == (ORIGIN, NOW + MINUTE), "the oldest one stays"
        await peer.show_loss()

    play_both(tmp_path, scenario)


def test_a_question_ends_with_the_membership_of_its_region_and_stays_while_that_is_away(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        _, comparison = await peer.restart()
        scene = peer.sichuan
        scene.pair.know(MemberState.MEMBER_STATE_ABSENT)
        assert await comparison.compare(), "nobody is to be asked"
        assert await peer.left() == [(ORIGIN, NOW + MINUTE)]
        unknowing = replace(scene.pair.borders[DESTINATION], current=CurrentFederation())
        _, without_members = await started(scene, peer, unknowing, is_told=False)
        assert await without_members.compare()
        assert await peer.left() == [(ORIGIN, NOW + MINUTE)], "without a configuration nobody is known to have left"
        know_alone(scene)
        assert await comparison.compare()
        assert await peer.left() == []
        scene.pair.know(MemberState.MEMBER_STATE_JOINED, revision=9)
        assert not await comparison.compare(), "a region that has come back is asked"
        assert await peer.left() == [(ORIGIN, NOW + MINUTE)]

    play_both(tmp_path, scenario)


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize("is_accepted", [False, True])
def test_what_a_later_loss_leaves_out_is_reported_once_its_region_answers(tmp_path: Path, is_accepted: bool) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.lose_last()
        await peer.restart()
        store, now = peer.sichuan.store, NOW + timedelta(hours=1)
        later = await store.write(lambda tx: _loss_of_commits(tx, now))
        assert later.catch_up_from == to_microseconds(now - BEFORE), "it concerns what came later"
        if is_accepted:
            await store.write(lambda tx: losses.accept(tx, later, "wang", "INC-1", now))
        peer.is_away = False
        await peer.restart()
        last = await store.read(losses.last_loss)
        assert last is not None
        assert (last.number, last.is_open) == (later.number + is_accepted, True)
        assert last.catch_up_from == to_microseconds(NOW - BEFORE)
        assert await peer.left() == []

    play_both(tmp_path, scenario)


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(
    ("beyond", "further"), [(timedelta(), 0), (timedelta(microseconds=1), 1)], ids=["by clocks that differ", "beyond"]
)
def test_what_a_known_loss_has_reported_anyway_is_no_further_loss(
    tmp_path: Path, beyond: timedelta, further: int
) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.lose_last()
        await peer.restart()
        store = peer.sichuan.store
        later = NOW + BEFORE - BETWEEN_TRUSTED + beyond
        known = await store.write(lambda tx: _loss_of_commits(tx, later))
        await store.write(lambda tx: losses.accept(tx, known, "wang", "INC-1", later))
        peer.is_away = False
        await peer.restart()
        assert len(await store.read(losses.losses)) == 1 + further

    play_both(tmp_path, scenario)


@pytest.mark.guarantee("G2")
def test_a_region_shows_a_lost_row_behind_more_receipts_of_after_the_start_than_a_page_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(peer: Guangdong) -> None:
        monkeypatch.setattr("region_node.lifecycle.recovery.telling.RECEIPTS", 2)
        await peer.lose_last()
        await peer.restart()
        await peer.exchange("1", "2", "3", "4", "5")
        await peer.show_loss()

    play_both(tmp_path, scenario)


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize("commands", [0, 1])
def test_a_long_search_for_receipts_goes_on_after_a_pause_and_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: int
) -> None:
    async def scenario(peer: Guangdong) -> None:
        monkeypatch.setattr("region_node.lifecycle.recovery.telling.RECEIPTS", 2)
        monkeypatch.setattr("region_node.lifecycle.recovery.receipts.PAGES", 2)
        await peer.lose_last()
        await peer.restart()
        await peer.exchange(*(str(each) for each in range(9)))
        peer.is_away = False
        first = NOW + MINUTE
        fences = list[FencedStore]()
        while (ORIGIN, first) in await peer.left():
            fence, comparison = await started(peer.sichuan, peer)
            fences.append(fence)
            await comparison.compare()
            peer.sichuan.clock.instant += MINUTE
            if commands:
                peer.own.clock.instant = peer.sichuan.clock.instant
                await peer.exchange(f"after {len(fences)}")
        assert len(fences) == 3
        assert fences[-1].loss is not None
        behind = [each for each in peer.places if each[1]]
        assert len(set(behind)) == len(behind), "no page is looked through again for the same question"

    play_both(tmp_path, scenario)


@pytest.mark.guarantee("G2")
def test_a_start_by_a_clock_that_was_ahead_takes_no_question_about_a_later_start(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        peer.sichuan.clock.instant = ahead = NOW + timedelta(hours=2)
        await started(peer.sichuan, peer)
        peer.sichuan.clock.instant = NOW
        await peer.restart()
        await peer.restart()
        assert await peer.left() == [(ORIGIN, NOW + 3 * MINUTE), (ORIGIN, ahead)]

    play_both(tmp_path, scenario)


def test_a_region_that_a_list_of_members_lacks_keeps_its_question_as_long_as_the_configuration_names_it(
    tmp_path: Path,
) -> None:
    async def scenario(peer: Guangdong) -> None:
        _, comparison = await peer.restart()
        scene = peer.sichuan
        current = scene.pair.borders[DESTINATION].current
        current.update(current.federation, [Member(region=DESTINATION, state=MemberState.MEMBER_STATE_JOINED)])
        assert await comparison.compare(), "nobody is to be asked"
        assert await peer.left() == [(ORIGIN, NOW + MINUTE)]

    play_both(tmp_path, scenario)


def test_the_last_file_of_the_configuration_ends_no_question_before_a_coordinator_has_answered(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.restart()
        know_alone(peer.sichuan)
        _, untold = await started(peer.sichuan, peer, is_told=False)
        assert await untold.compare()
        assert await peer.left() == [(ORIGIN, NOW + MINUTE)]
        _, told = await started(peer.sichuan, peer)
        assert await told.compare()
        assert await peer.left() == []

    play_both(tmp_path, scenario)


def test_a_start_widens_no_question_that_its_look_at_the_inbox_has_not_found(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        store, start = peer.sichuan.store, NOW + MINUTE
        found = await store.read(lambda tx: questions.quiet(tx, [ORIGIN], start))
        await store.write(lambda tx: questions.ask(tx, [ORIGIN], NOW, LAST, ()))
        await store.write(lambda tx: questions.ask(tx, [ORIGIN], start, LAST, found))
        assert await peer.left() == [(ORIGIN, NOW), (ORIGIN, start)], "another process has asked meanwhile"

    play_both(tmp_path, scenario)


def test_no_writer_waits_for_the_look_at_the_inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.restart()
        looks = list[int | None]()

        def look(tx: Transaction, *_: object) -> list[tuple[int, str]]:
            looks.append(tx.first(int, "PRAGMA query_only"))
            return []

        monkeypatch.setattr(inbox, "received_after", look)
        await peer.restart()
        assert looks == [1], "by the connection that reads"

    play_both(tmp_path, scenario)


def test_another_process_neither_repeats_nor_undoes_what_a_question_has_looked_through(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.restart()
        store = peer.sichuan.store
        [asked] = await store.read(questions.left)
        further = await store.write(lambda tx: questions.go_on(tx, asked, "7 a"))
        assert further == asked._replace(place="7 a")
        for place in ("", "9 a"):
            assert await store.write(lambda tx, place=place: questions.go_on(tx, asked, place)) == further  # type: ignore[misc]
        assert await store.read(questions.left) == [further]
        assert await store.write(lambda tx: questions.go_on(tx, further, "")) is None
        assert await store.read(questions.left) == []

    play_both(tmp_path, scenario)


def know_alone(scene: Scene) -> None:
    """The configuration names Sichuan alone."""
    configuration = Configuration(federation="demo.example", regions=[Region(id=DESTINATION)])
    member = Member(region=DESTINATION, state=MemberState.MEMBER_STATE_JOINED)
    scene.pair.borders[DESTINATION].current.update(Federation(8, configuration), [member])


def _loss_of_commits(tx: Transaction, now: datetime) -> Loss:
    audit.append(tx, now=now, actor="a", action="b", subject="c")
    return FINDING.lost_commits(tx, 0, 1, now)
