"""Receipts of the rows behind a start: a lost row is among them, whatever the clock of the region did."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.recovery_envelopes_pb2 import CatchUpAnswer, CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Receipt
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.auditing.incarnations import BEFORE, MARGIN
from gateway.relay.border import SlowQuery
from gateway.relay.envelopes import Answer, unsigned_receipt
from gateway.security.signing import RECEIPT
from gateway.time.clock import to_timestamp
from region_node.lifecycle.recovery import questions
from region_node.lifecycle.recovery.questions import LastRow
from region_node.lifecycle.recovery.telling import CATCH_UP, PAGE, CatchUpEnvelopes
from tests.contract.relay_pair import DESTINATION, NOW, ORIGIN
from tests.contract.relay_scene import Scene, play
from tests.contract.test_kept_receipts import ACCEPTED, Keeping, kept_by_guangdong, lose_after, started
from tests.contract.test_receipt_questions import MINUTE, Guangdong, play_both

pytestmark = pytest.mark.usefixtures("patient_rounds")


@pytest.mark.guarantee("G2")
def test_a_lost_row_is_found_behind_receipts_that_a_clock_gone_back_has_given_since(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.lose_last()
        await peer.restart()
        peer.sichuan.clock.instant = NOW
        await peer.exchange("1", "2", "3")
        peer.sichuan.clock.instant = NOW + 5 * MINUTE
        await peer.show_loss()
        assert await peer.left() == []

    play_both(tmp_path, scenario)


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize("ahead", [timedelta(seconds=15), timedelta(days=400)])
def test_a_lost_row_is_found_whose_receipt_was_given_by_a_clock_that_was_ahead_of_that_of_the_start(
    tmp_path: Path, ahead: timedelta
) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.exchange("first")
        kept = await peer.sichuan.store.read(audit.head)
        peer.sichuan.clock.instant = NOW + MINUTE + ahead
        await peer.exchange("last")
        peer.sichuan.clock.instant = NOW
        await lose_after(peer.sichuan, kept)
        await peer.show_loss()

    play_both(tmp_path, scenario)


@pytest.mark.guarantee("G2")
def test_one_question_about_several_starts_asks_for_the_rows_behind_the_first_one(tmp_path: Path) -> None:
    async def scenario(peer: Guangdong) -> None:
        await peer.lose_last()
        store = peer.sichuan.store
        first = await store.read(audit.head)
        await peer.restart()
        await store.write(lambda tx: audit.append(tx, now=NOW, actor="a", action="b", subject="c"))
        last = await store.read(audit.head)
        await peer.restart()
        [asked] = await store.read(questions.left)
        assert (asked.first_head, asked.last_head) == (first.sequence, last.sequence)
        peer.sichuan.clock.instant = NOW
        await peer.exchange("1", "2", "3")
        peer.sichuan.clock.instant = NOW + 5 * MINUTE
        await peer.show_loss()

    play_both(tmp_path, scenario)


def test_a_question_of_a_former_version_is_asked_as_by_that_version_also_once_a_start_has_widened_it(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        former = questions.ReceiptQuestion(ORIGIN, 1, 1)
        await scene.store.write(lambda tx: tx.keep(questions.RECEIPT_QUESTIONS, former))
        keeping = Keeping(CatchUpAnswer())
        await scene.store.write(lambda tx: questions.ask(tx, [ORIGIN], NOW, LastRow(7, NOW), [former]))
        [asked] = await scene.store.read(questions.left)
        assert (asked.first_head, asked.last_head) == (None, 7)
        _, comparison = await started(scene, keeping)
        assert await comparison.compare()
        assert [each.wants_furthest_receipt for each in keeping.asked] == [True]
        assert not keeping.asked[0].HasField("after_sequence")

    play(tmp_path, scenario)


def signed(scene: Scene, row: Head, name: str) -> Receipt:
    """A receipt of Sichuan that names a row."""
    receipt = unsigned_receipt(scene.pair.seal(envelope_id=name), Answer(ACCEPTED), now=NOW, revision=7, row=row)
    receipt.signature = scene.pair.borders[DESTINATION].signer.sign(RECEIPT, receipt.content)
    return receipt


def test_each_receipt_of_a_page_is_compared_and_the_furthest_lost_row_is_told(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        found = await scene.receive(scene.pair.seal())
        head = await scene.store.read(audit.head)
        keeping = Keeping(CatchUpAnswer(receipts=[found]))
        fence, comparison = await started(scene, keeping)
        assert await comparison.compare()
        assert fence.is_open, "the chain has that row"
        [asked] = keeping.asked
        assert (asked.after_sequence, asked.last_sequence) == (head.sequence, head.sequence + MARGIN)
        rows = [Head(head.sequence + each, bytes(32)) for each in (1, 4, 2)]
        lost = [signed(scene, each, str(number)) for number, each in enumerate(rows)]
        fence, comparison = await started(scene, Keeping(CatchUpAnswer(receipts=[found, *lost])))
        assert await comparison.compare()
        assert fence.loss is not None
        assert fence.loss.seen_sequence == head.sequence + 4

    play(tmp_path, scenario)


def test_a_page_of_more_receipts_than_a_region_of_any_version_shows_is_not_looked_at(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        lost = signed(scene, Head(99, bytes(32)), "a")
        fence, comparison = await started(scene, Keeping(CatchUpAnswer(receipts=[lost] * (PAGE + 1))))
        assert not await comparison.compare(), "the region is asked again"
        assert fence.is_open

    play(tmp_path, scenario)


@dataclass(frozen=True)
class Asked:
    """A question of Sichuan for the receipts behind row 5, and above all for the next five."""

    scene: Scene
    start: Timestamp

    async def told(self, place: str = "") -> CatchUpAnswer:
        """Guangdong's answer."""
        query = CatchUpEnvelopes(self.scene.store).kinds()[CATCH_UP]
        assert isinstance(query, SlowQuery)
        question = CatchUpQuestion(
            begin_time=to_timestamp(NOW),
            place=place,
            wants_furthest_receipt=True,
            start_time=self.start,
            after_sequence=5,
            last_sequence=10,
        )
        content = EnvelopeContent(origin=DESTINATION, payload=question.SerializeToString())
        return CatchUpAnswer.FromString((await query.answer(content, self.scene.clock.now())).result)


@pytest.mark.guarantee("G2")
def test_the_next_rows_are_shown_whenever_they_were_decided_and_further_ones_of_before_the_start(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        later = NOW + timedelta(days=1)
        await kept_by_guangdong(scene, "too early", 8, NOW - BEFORE)
        await kept_by_guangdong(scene, "a", 0, NOW)
        await kept_by_guangdong(scene, "b", 5, NOW)
        first = await kept_by_guangdong(scene, "c", 6, NOW)
        last = await kept_by_guangdong(scene, "d", 10, NOW, decided=later)
        further = await kept_by_guangdong(scene, "e", 12, NOW)
        await kept_by_guangdong(scene, "f", 11, NOW, decided=later)
        asked = Asked(scene, to_timestamp(NOW))
        assert await asked.told() == CatchUpAnswer(receipts=[further, last, first])

    play(tmp_path, scenario)


@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(("most", "size"), [(2, 2**20), (PAGE, 1)], ids=["by number", "by bytes"])
def test_pages_show_each_receipt_once_also_one_behind_a_page_of_earlier_rows_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, size: int
) -> None:
    async def scenario(scene: Scene) -> None:
        monkeypatch.setattr("region_node.lifecycle.recovery.telling.RECEIPTS", 3)
        monkeypatch.setattr("region_node.lifecycle.recovery.telling.PAGE", most)
        monkeypatch.setattr("region_node.lifecycle.recovery.telling.PAGE_BYTES", size)
        behind = await kept_by_guangdong(scene, "0", 6, NOW)
        for name in ("1", "2", "30", "31", "32"):
            await kept_by_guangdong(scene, name, 5, NOW)
        shown = [await kept_by_guangdong(scene, str(4 + each), 6 + each, NOW) for each in range(5)]
        for name in ("90", "91", "92"):
            await kept_by_guangdong(scene, name, 20, NOW, decided=NOW + timedelta(days=1))
        asked, told = Asked(scene, to_timestamp(NOW)), list[Receipt]()
        answer = await asked.told()
        while answer.next_place:
            assert len(answer.receipts) <= 2
            told += answer.receipts
            answer = await asked.told(answer.next_place)
        told += answer.receipts
        assert told == [*shown[::-1], behind], "the clock of Guangdong was ahead when it was told the earlier rows"

    play(tmp_path, scenario)
