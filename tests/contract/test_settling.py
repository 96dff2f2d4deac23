"""A region's envelopes and their answers, on a real store: sent once, settled once, never overwritten."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import pytest

from gateway.api.federation.v1.federation_pb2 import Feature, MemberState
from gateway.api.relay.v1.relay_pb2 import (
    DeliverResult,
    EnvelopeContent,
    Journey,
    NotDelivered,
    Outcome,
    Receipt,
    ReceiptContent,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import outbox, settling
from gateway.relay.border import Command
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.relay.fair_queue import QueuedEnvelope
from gateway.relay.lanes import Delivered
from gateway.relay.outbox import Enqueued
from gateway.store.port import Operation, Store, Transaction
from gateway.store.quarantine import ATTEMPTS, PATIENCE
from gateway.time.clock import from_timestamp
from tests.at_rest import open_envelopes
from tests.contract.relay_pair import COMMAND, DESTINATION, NOW, ORIGIN, OUTGOING, Desk, FixedClock, Pair, open_store
from tests.contract.relay_scene import Scene, play

T = TypeVar("T")


def test_an_envelope_is_told_to_the_lane_with_the_bytes_that_were_stored(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = await scene.send()
        [kept] = await scene.store.read(open_envelopes)
        assert kept == sent
        assert sent.content.traceparent == "00-1"

    play(tmp_path, scenario)


def test_an_envelope_of_a_transaction_that_failed_never_leaves(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        told: list[Enqueued] = []
        scene.store.subscribe(Enqueued, told.append)
        border = scene.pair.borders[ORIGIN]

        def send_and_break(tx: Transaction) -> None:
            outbox.send(tx, border, OUTGOING, now=NOW, traceparent="")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await scene.store.write(send_and_break)
        assert told == []
        assert await scene.store.read(open_envelopes) == []

    play(tmp_path, scenario)


def test_an_id_can_be_sent_once_only(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = await scene.send()
        with pytest.raises(Exception, match="UNIQUE"):
            await scene.send()
        assert await scene.store.read(open_envelopes) == [sent]

    play(tmp_path, scenario)


def test_what_waits_for_a_receipt_is_found_again_oldest_first_by_the_next_process(tmp_path: Path) -> None:
    sent: list[Sealed] = []
    names = random.Random(1).sample([str(number) for number in range(20)], 20)

    async def scenario(scene: Scene) -> None:
        for name in names:
            sent.append(await scene.send(name))
            scene.clock.instant += timedelta(microseconds=1)
        assert await scene.settle((sent[3], DeliverResult(receipt=scene.answer(sent[3])))) == [True]

    async def next_process(scene: Scene) -> None:
        assert await scene.store.read(open_envelopes) == [*sent[:3], *sent[4:]]

    play(tmp_path, scenario)
    play(tmp_path, next_process)


@pytest.mark.parametrize("features", [[], [Feature.FEATURE_RECEIPT_DIFFERENCES]], ids=["as it is", "difference"])
def test_a_receipt_closes_its_envelope_once_with_its_journey_and_its_effect(
    tmp_path: Path, features: Sequence[Feature.ValueType]
) -> None:
    async def scenario(scene: Scene) -> None:
        scene.pair.know(MemberState.MEMBER_STATE_JOINED, features=features)
        sent = await scene.send()
        receipt = scene.answer(sent)
        for _ in range(2):
            assert await scene.settle((sent, DeliverResult(receipt=receipt))) == [True]
        assert scene.desk.answered == [("1", Outcome.OUTCOME_ACCEPTED)]
        assert await scene.audited() == [("region/sichuan", "Receipt")]
        assert await scene.store.read(open_envelopes) == []
        assert await scene.store.read(lambda tx: outbox.receipt_content(tx, "1")) == receipt.content
        [row] = await scene.store.read(lambda tx: outbox.rows_about(tx, "order 1"))
        assert (row.envelope_id, row.kind, row.destination, row.attempts) == ("1", COMMAND, DESTINATION, 2)
        assert row.journey is not None
        assert Journey.FromString(row.journey).stamps[0].event == "sent"

    play(tmp_path, scenario)


@pytest.mark.guarantee("G11")
def test_a_second_and_different_receipt_raises_an_alarm_and_never_overwrites_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(scene: Scene) -> None:
        sent = await scene.send()
        first = scene.answer(sent)
        other = scene.answer(sent, Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_IN_ARREARS))
        await scene.settle((sent, DeliverResult(receipt=first)))
        assert not caplog.records
        assert await scene.settle((sent, DeliverResult(receipt=other))) == [True]
        assert "different receipt" in caplog.text
        assert await scene.store.read(lambda tx: outbox.receipt_content(tx, "1")) == first.content
        assert scene.desk.answered == [("1", Outcome.OUTCOME_ACCEPTED)]

    play(tmp_path, scenario)


def test_what_is_no_good_receipt_closes_nothing(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent, other = await scene.send(), await scene.send("2")
        unsigned = Receipt(content=scene.answer(sent).content, signature=bytes(64))
        results = [
            DeliverResult(receipt=unsigned),
            DeliverResult(receipt=scene.answer(other)),
            DeliverResult(not_delivered=NotDelivered(reason=Reason.REASON_STORE_UNAVAILABLE)),
            DeliverResult(not_delivered=NotDelivered(reason=Reason.ValueType(9999))),
            DeliverResult(),
        ]
        assert await scene.settle(*((sent, result) for result in results)) == [False] * 5
        assert await scene.store.read(open_envelopes) == [sent, other]
        assert scene.desk.answered == []

    play(tmp_path, scenario)


def test_why_an_envelope_was_not_taken_is_kept_until_its_receipt_is(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = [await scene.send(name) for name in ("1", "2", "3")]
        upgrade = DeliverResult(not_delivered=NotDelivered(reason=Reason.REASON_UPGRADE_REQUIRED))
        assert await scene.settle(*((each, upgrade) for each in sent[:2])) == [False] * 2
        [waiting] = await scene.store.read(outbox.not_taken)
        assert (waiting.destination, waiting.reason, waiting.count) == (DESTINATION, Reason.REASON_UPGRADE_REQUIRED, 2)
        assert from_timestamp(waiting.create_time) == NOW
        [row] = await scene.store.read(lambda tx: outbox.rows_about(tx, "order 1"))
        assert row.not_taken == Reason.REASON_UPGRADE_REQUIRED
        assert await scene.settle(*((each, DeliverResult(receipt=scene.answer(each))) for each in sent)) == [True] * 3
        assert await scene.store.read(outbox.not_taken) == []

    play(tmp_path, scenario)


def test_an_answer_that_this_version_cannot_read_waits_for_the_upgrade_of_the_origin(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(scene: Scene) -> None:
        sent = await scene.send()
        later = scene.answer(sent, Answer(Outcome.ValueType(9999)))
        assert await scene.settle((sent, DeliverResult(receipt=later))) == [False]
        assert "guangdong runs an older version, which cannot read outcome = 9999" in caplog.text
        scene.desk.unknown_when_answered = sent.content.id
        receipt = scene.answer(sent)
        assert await scene.settle((sent, DeliverResult(receipt=receipt))) == [False]
        assert "the answer to 1 waits until this region is upgraded: state = 9" in caplog.text
        assert await scene.store.read(open_envelopes) == [sent]
        scene.desk.unknown_when_answered = ""
        assert await scene.settle((sent, DeliverResult(receipt=receipt))) == [True]

    play(tmp_path, scenario)


def test_an_answer_by_a_later_configuration_waits_for_that_however_often_it_comes_and_leaves_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(scene: Scene) -> None:
        border, kind = scene.pair.borders[ORIGIN], scene.desk.kinds()[COMMAND]
        assert isinstance(kind, Command)

        def answered(tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
            tx.execute("INSERT INTO effects (effect) VALUES ('booked')")
            border.await_revision_of(receipt)

        monkeypatch.setattr(scene.desk, "kinds", lambda: {COMMAND: replace(kind, answered=answered)})
        sent, signer = await scene.send(), scene.pair.borders[DESTINATION].signer
        accepted = Answer(Outcome.OUTCOME_ACCEPTED)
        result = DeliverResult(receipt=seal_receipt(sent, accepted, signer, now=NOW, revision=8))
        queued = QueuedEnvelope(sent, attempts=1)
        for _ in range(ATTEMPTS + 1):
            assert await scene.settler.settle([Delivered(queued, result, b"")]) == [False]
            scene.clock.instant += PATIENCE
        assert (queued.is_set_aside, await scene.effects()) == (False, [])
        assert "the answer to 1 waits for revision 8 of the configuration" in caplog.text
        scene.pair.know(MemberState.MEMBER_STATE_JOINED, revision=8)
        assert await scene.settler.settle([Delivered(queued, result, b"")]) == [True]
        assert await scene.effects() == ["booked"]

    play(tmp_path, scenario)


def test_a_defect_in_one_receipt_leaves_its_envelope_open_and_settles_the_others(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        sent = [await scene.send(name) for name in ("1", "2", "3")]
        scene.desk.defect_when_answered = "2"
        settled = await scene.settle(*((each, DeliverResult(receipt=scene.answer(each))) for each in sent))
        assert settled == [True, False, True]
        assert await scene.store.read(open_envelopes) == [sent[1]]
        assert await scene.effects() == ["answered 1", "answered 3"], "of the second nothing was written"
        scene.desk.defect_when_answered = ""
        assert await scene.settle((sent[1], DeliverResult(receipt=scene.answer(sent[1])))) == [True]
        assert await scene.store.read(open_envelopes) == []

    play(tmp_path, scenario)


class AwayStore:
    """A store that cannot write for a while."""

    def __init__(self, store: Store, *failures: Reason.ValueType) -> None:
        self._store = store
        self._failures = list(failures)

    async def write(self, operation: Operation[T]) -> T:
        if self._failures:
            raise Refused(self._failures.pop())
        return await self._store.write(operation)

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_receipts_that_the_store_cannot_keep_now_are_kept_once_it_can_and_nothing_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "KEEP_AGAIN", 0.0)

    async def scenario(scene: Scene) -> None:
        sent = [await scene.send(name) for name in ("1", "2", "3")]
        away = AwayStore(scene.store, *[Reason.REASON_STORE_UNAVAILABLE, Reason.REASON_OUTCOME_UNKNOWN] * 2)
        answers = [(each, DeliverResult(receipt=scene.answer(each))) for each in sent]
        assert await replace(scene, store=cast("Store", away)).settle(*answers) == [True] * 3
        assert sorted(scene.desk.answered) == [(name, Outcome.OUTCOME_ACCEPTED) for name in ("1", "2", "3")]
        assert await scene.store.read(open_envelopes) == []

    play(tmp_path, scenario)


def test_an_envelope_that_never_left_can_be_dropped_and_a_closed_one_stays_as_it_is(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.send("never left")
        await scene.store.write(
            partial(outbox.drop_unsent, border=scene.pair.borders[ORIGIN], envelope_id="never left", now=NOW)
        )
        assert await scene.store.read(open_envelopes) == []
        sent = await scene.send("answered")
        receipt = scene.answer(sent)
        await scene.settle((sent, DeliverResult(receipt=receipt)))
        await scene.store.write(
            partial(outbox.drop_unsent, border=scene.pair.borders[ORIGIN], envelope_id="answered", now=NOW)
        )
        assert await scene.store.read(lambda tx: outbox.receipt_content(tx, "answered")) == receipt.content
        assert await scene.store.read(lambda tx: outbox.receipt_content(tx, "never left")) is None

    play(tmp_path, scenario)


def test_an_order_travels_there_and_back_over_two_stores(tmp_path: Path) -> None:
    """The shipped halves together: sent at one region, acted on at the other, settled at the first."""

    async def scenario() -> None:
        pair = Pair()
        (tmp_path / ORIGIN).mkdir()
        (tmp_path / DESTINATION).mkdir()
        async with open_store(tmp_path / ORIGIN) as here, open_store(tmp_path / DESTINATION) as there:
            origin, destination = Scene(pair, Desk(), here, FixedClock()), Scene(pair, Desk(), there, FixedClock())
            sent = await origin.send()
            for _ in range(2):
                await destination.deliver(sent.envelope)  # and the answer is lost
            [result] = await destination.deliver(sent.envelope)
            assert await origin.settle((sent, result)) == [True]
            assert origin.desk.answered == [("1", Outcome.OUTCOME_ACCEPTED)]
            assert await destination.effects() == ["1"]

    asyncio.run(scenario())
