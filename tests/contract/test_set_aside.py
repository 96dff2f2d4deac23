"""Envelopes that no waiting brings to their destination, on a real store: set aside, and neither lost nor overtaken."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.relay.v1.relay_pb2 import Batch, DeliverResult, NotDelivered, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.relay import outbox, setting_aside
from gateway.relay.claims import adopt, own
from gateway.relay.envelopes import Answer, Sealed
from gateway.relay.fair_queue import FairQueue, QueuedEnvelope
from gateway.relay.lanes import Delivered
from gateway.relay.outbox import Enqueued
from gateway.store import quarantine
from gateway.store.opening import DatabasePlace
from gateway.store.port import Transaction
from gateway.store.quarantine import ATTEMPTS, PATIENCE, QuarantinedWork
from gateway.store.schema import migrations_of
from region_node.care.quarantine.counting import WaitingWork
from region_node.cli.node.quarantine_checks import check_quarantine
from tests.at_rest import open_envelopes
from tests.contract.relay_pair import DESTINATION, EFFECTS, ORIGIN, OUTGOING, Desk, FixedClock, Pair, open_store
from tests.contract.relay_scene import Scene, outgoing_named
from tests.contract.stores import Adapter

PATIENCE_S = 60.0  # reached only where a test fails
WAITING = QuarantineState.QUARANTINE_STATE_WAITING
Scenario = Callable[[Scene], Coroutine[object, object, None]]


def refusal(reason: Reason.ValueType) -> DeliverResult:
    """The destination's answer that it has not taken an envelope."""
    return DeliverResult(not_delivered=NotDelivered(reason=reason))


REUSED = refusal(Reason.REASON_ENVELOPE_ID_REUSED)


def play(adapter: Adapter, scenario: Scenario) -> None:
    """Runs a scenario on the store of an adapter."""
    files = [*migrations_of("gateway"), EFFECTS]
    adapter.migrate(files)

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S), adapter.open(files) as store:
            await scenario(Scene(Pair(), Desk(), store, FixedClock()))

    asyncio.run(bounded())


async def attempt(scene: Scene, queued: QueuedEnvelope, result: DeliverResult) -> bool:
    """One answer about an envelope; whether it is done."""
    [done] = await scene.settler.settle([Delivered(queued, result, b"")])
    return done


async def set_aside(scene: Scene, sent: Sealed, result: DeliverResult = REUSED) -> QueuedEnvelope:
    """Answers about an envelope alike, until it is left to people."""
    queued = QueuedEnvelope(sent, attempts=1)
    for _ in range(ATTEMPTS):
        assert not await attempt(scene, queued, result)
        assert not queued.is_set_aside
    scene.clock.instant += PATIENCE
    assert not await attempt(scene, queued, result)
    assert queued.is_set_aside
    return queued


async def send(scene: Scene, name: str, about: str, destination: str = DESTINATION) -> None:
    """Guangdong sends an envelope about a subject."""
    border = scene.pair.borders[ORIGIN]
    outgoing = replace(OUTGOING, envelope_id=name, payload=name.encode(), subject=about, destination=destination)
    await scene.store.write(lambda tx: outbox.send(tx, border, outgoing, now=scene.clock.now(), traceparent=""))
    scene.clock.instant += timedelta(microseconds=1)


def enqueued(scene: Scene) -> list[tuple[str, bool]]:
    """The envelopes that leave from here on, each with whether it may have left before."""
    told: list[tuple[str, bool]] = []
    scene.store.subscribe(Enqueued, lambda event: told.append((event.sealed.content.id, event.perhaps_sent)))
    return told


async def works(scene: Scene) -> list[QuarantinedWork]:
    """All work that is or was in quarantine."""
    return await scene.store.read(lambda tx: quarantine.work_after(tx, (-1, ""), 10, is_all=True))


def test_an_envelope_that_the_destination_can_never_take_is_left_to_people(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(scene: Scene) -> None:
        await set_aside(scene, await scene.send())
        [work] = await works(scene)
        assert (work.work_id, work.kind, work.subject) == ("envelope/1", "ENVELOPE_KIND_ORDER_SUBMIT", "order 1")
        assert (work.destination, work.failure, work.state) == (DESTINATION, "ENVELOPE_ID_REUSED", WAITING)
        assert (work.attempts, work.is_answered) == (ATTEMPTS + 1, 0)
        await scene.store.write(partial(adopt, number=7))
        assert await scene.store.read(partial(own, number=7, after=None)) == []
        [waiting] = await scene.store.read(outbox.not_taken)
        assert waiting.count == 1

    play(adapter, scenario)
    assert len(caplog.records) == 2, "the first failure, and the end"


def test_a_command_that_a_region_has_sent_anew_before_it_found_its_loss_is_a_repeat_once_that_is_found(
    adapter: Adapter,
) -> None:
    async def scenario(scene: Scene) -> None:
        lost = scene.pair.seal(outgoing_named("1"))
        await scene.deliver(lost.envelope)
        queued = QueuedEnvelope(sent := await scene.send(), attempts=1)
        [result] = await scene.deliver(sent.envelope)
        assert result == REUSED, "to the destination it is another command"
        assert not await attempt(scene, queued, result)
        assert queued.sealed == sent, "a region without a loss has no other name for it"
        scene.pair.borders[ORIGIN] = replace(scene.pair.borders[ORIGIN], incarnation=lambda: 10_009)
        assert not await attempt(scene, queued, result)
        assert queued.sealed.content.incarnation == 10_009
        assert await scene.store.read(open_envelopes) == [queued.sealed], "the next process sends the same"
        [answered] = await scene.deliver(queued.sealed.envelope)
        assert await attempt(scene, queued, answered)
        assert scene.desk.answered == [("1", Outcome.OUTCOME_ACCEPTED)]
        assert await scene.effects() == ["1", "answered 1"], "the lost one alone has had an effect"
        assert not await attempt(scene, QueuedEnvelope(sent), result), "its row is closed"

    play(adapter, scenario)


@pytest.mark.parametrize("reason", [Reason.REASON_STORE_UNAVAILABLE, Reason.REASON_UPGRADE_REQUIRED])
def test_an_envelope_that_waits_for_something_is_sent_on_and_on(
    adapter: Adapter, caplog: pytest.LogCaptureFixture, reason: Reason.ValueType
) -> None:
    async def scenario(scene: Scene) -> None:
        queued = QueuedEnvelope(await scene.send(), attempts=1)
        for _ in range(2 * ATTEMPTS):
            assert not await attempt(scene, queued, refusal(reason))
            scene.clock.instant += PATIENCE
        for result in (REUSED, refusal(reason)):  # a defect that passes counts no more
            for _ in range(ATTEMPTS - 1):
                assert not await attempt(scene, queued, result)
        assert not await attempt(scene, queued, REUSED)
        assert not queued.is_set_aside
        assert await works(scene) == []

    play(adapter, scenario)
    assert len(caplog.records) == 4, "one for each change"


def test_later_envelopes_of_the_subject_wait_behind_one_that_waits_for_people_and_leave_behind_it(
    adapter: Adapter,
) -> None:
    async def scenario(scene: Scene) -> None:
        await set_aside(scene, await scene.send())
        told = enqueued(scene)
        for name, about, destination in (
            ("2", "order 1", DESTINATION),
            ("elsewhere", "order 1", "henan"),
            ("other", "order 2", DESTINATION),
            ("elsewhere again", "order 1", "henan"),
        ):
            await send(scene, name, about, destination)
        assert told == [("elsewhere", False), ("other", False), ("elsewhere again", False)]
        [work] = await works(scene)
        assert await scene.store.read(lambda tx: setting_aside.held_up(tx, work)) == 1
        told.clear()
        border, reasons = scene.pair.borders[ORIGIN], list[Reason.ValueType]()
        scene.store.subscribe(Enqueued, lambda event: reasons.append(event.not_taken))
        await scene.store.write(lambda tx: setting_aside.replay(tx, border, work))
        assert told == [("1", True), ("2", True)]
        assert reasons == [Reason.REASON_ENVELOPE_ID_REUSED, Reason.REASON_UNSPECIFIED]
        await send(scene, "3", "order 1")
        assert told[2:] == [("3", False)]

    play(adapter, scenario)


def test_the_record_of_an_envelope_that_is_given_up_is_refused_and_later_ones_leave(adapter: Adapter) -> None:
    async def scenario(scene: Scene) -> None:
        await set_aside(scene, await scene.send())
        await send(scene, "2", "order 1")
        told, border, now = enqueued(scene), scene.pair.borders[ORIGIN], scene.clock.now()
        [work] = await works(scene)

        def give_up(tx: Transaction) -> None:
            setting_aside.give_up(tx, border, scene.desk.kinds(), work, now)

        for _ in range(2):
            await scene.store.write(give_up)
        assert scene.desk.answered == [("1", Outcome.OUTCOME_REFUSED)]
        assert told == [("2", True)]
        assert not await scene.store.read(lambda tx: outbox.is_answered(tx, "1"))

    play(adapter, scenario)


def test_an_envelope_that_is_answered_after_all_waits_for_nobody_and_later_ones_leave(adapter: Adapter) -> None:
    async def scenario(scene: Scene) -> None:
        sent = await scene.send()
        queued = await set_aside(scene, sent)
        await send(scene, "2", "order 1")
        told = enqueued(scene)
        assert await attempt(scene, queued, DeliverResult(receipt=scene.answer(sent)))
        assert scene.desk.answered == [("1", Outcome.OUTCOME_ACCEPTED)]
        assert [each.state for each in await works(scene)] == [QuarantineState.QUARANTINE_STATE_DONE]
        assert told == [("2", True)]

    play(adapter, scenario)


def test_an_envelope_that_another_process_brought_to_its_end_is_not_left_to_people(adapter: Adapter) -> None:
    async def scenario(scene: Scene) -> None:
        sent = await scene.send()
        await send(scene, "2", "order 1")
        queued = QueuedEnvelope(sent, attempts=1)
        for _ in range(ATTEMPTS):
            await attempt(scene, queued, REUSED)
        assert await attempt(scene, QueuedEnvelope(sent, attempts=1), DeliverResult(receipt=scene.answer(sent)))
        scene.clock.instant += PATIENCE
        assert await attempt(scene, queued, REUSED), "it is done"
        assert await works(scene) == []
        assert [each.sealed.content.id for each in await scene.store.read(partial(own, number=0, after=None))] == ["2"]

    play(adapter, scenario)


def test_an_envelope_whose_receipt_cannot_be_kept_is_known_as_answered(adapter: Adapter) -> None:
    async def scenario(scene: Scene) -> None:
        sent = await scene.send()
        scene.desk.defect_when_answered = "1"
        await set_aside(scene, sent, DeliverResult(receipt=scene.answer(sent, Answer(Outcome.OUTCOME_ACCEPTED))))
        [work] = await works(scene)
        assert (work.failure, work.is_answered) == ("ZeroDivisionError", 1)

    play(adapter, scenario)


def test_a_defect_of_the_destination_is_logged_once_for_each_envelope(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(scene: Scene) -> None:
        receiver, poison, good = scene.receiver, scene.pair.seal(), scene.pair.seal(envelope_id="2", subject="order 2")
        scene.desk.before_effect = ZeroDivisionError()
        told = [
            (await receiver.deliver(_batch(poison), ORIGIN)).results[0].not_delivered.reason_parameters["incident"]
            for _ in range(3)
        ]
        assert len(set(told)) == 1
        scene.desk.before_effect = None
        assert (await receiver.deliver(_batch(good), ORIGIN)).results[0].HasField("receipt")

    play(adapter, scenario)
    assert len([each for each in caplog.records if "incident" in each.message]) == 1


def test_the_doctor_warns_of_work_that_waits_and_is_silent_about_a_database_that_it_cannot_read(
    tmp_path: Path,
) -> None:
    place = DatabasePlace(tmp_path / "node.db")
    assert check_quarantine(place) == []
    place.migrate([EFFECTS], dry_run=False)
    assert check_quarantine(place) == []
    place.migrate([*migrations_of("gateway"), EFFECTS], dry_run=False)
    assert check_quarantine(place) == []

    async def scenario(scene: Scene) -> None:
        await set_aside(scene, await scene.send())

    async def bounded() -> None:
        async with open_store(tmp_path) as store:
            await scenario(Scene(Pair(), Desk(), store, FixedClock()))

    asyncio.run(bounded())
    [warned] = check_quarantine(place)
    assert "1 timers, envelopes and runs" in warned.found


def test_a_queue_forgets_all_envelopes_of_a_subject_that_waits_for_people() -> None:
    pair, queue = Pair(), FairQueue()
    for name in ("1", "2", "3"):
        queue.put(QueuedEnvelope(pair.seal(envelope_id=name)))
    queue.put(QueuedEnvelope(pair.seal(envelope_id="4", subject="order 2")))
    [first, other] = queue.take(10, 1_000_000)
    assert (first.envelope_id, other.envelope_id) == ("1", "4")
    queue.drop("order 1")
    assert len(queue) == 0
    assert queue.waiting_of("counter") == 0
    queue.put(QueuedEnvelope(pair.seal(envelope_id="2")))
    assert [each.envelope_id for each in queue.take(10, 1_000_000)] == ["2"]


def _batch(*envelopes: Sealed) -> Batch:
    return Batch(destination=DESTINATION, envelopes=[each.envelope for each in envelopes])


def test_work_that_waits_for_people_is_counted_by_its_source(adapter: Adapter) -> None:
    async def scenario(scene: Scene) -> None:
        waiting = WaitingWork(scene.store)
        counting = asyncio.create_task(waiting.run())

        async def counts(envelopes: int) -> None:
            while waiting.by_source.get(quarantine.ENVELOPE) != envelopes:  # noqa: ASYNC110 - counted by a task
                await asyncio.sleep(0)

        await counts(0)
        sent = await scene.send()
        queued = await set_aside(scene, sent)
        await counts(1)
        await attempt(scene, queued, DeliverResult(receipt=scene.answer(sent)))
        await counts(0)
        counting.cancel()

    play(adapter, scenario)
