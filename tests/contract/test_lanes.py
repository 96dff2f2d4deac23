"""Lanes over a transport that the test holds in its hands."""

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from gateway.api.relay.v1.relay_pb2 import (
    BatchAnswer,
    DeliverResult,
    Journey,
    Receipt,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.relay.envelopes import BATCH_LIMIT
from gateway.relay.in_flight import BATCHES_IN_FLIGHT
from gateway.relay.lanes import Lane, Lanes
from gateway.time.clock import SystemClock
from tests.contract.lane_scene import DESTINATION, ORIGIN, PATIENCE_S, Delivery, Way, quiet, run, sealed, until


def test_an_idle_lane_sends_at_once() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("1"))
        await until(lambda: way.sent == [["1"]])
        assert way.batches[0].request.destination == DESTINATION
        way.batches[0].accept()
        await until(lambda: way.settled == ["1"])
        assert len(lane) == 0

    run(scenario)


def test_what_arrives_while_a_batch_travels_leaves_together_as_soon_as_it_returns() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        for name in "0abc":
            lane.add(sealed(name))
            await quiet()
        assert way.sent == [["0"]]
        way.batches[0].accept()
        await until(lambda: len(way.sent) == 2)
        assert way.sent[1] == ["a", "b", "c"]

    run(scenario)


def test_the_next_envelope_of_a_subject_leaves_when_the_receipt_of_the_one_before_is_committed() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        committed = asyncio.Event()

        async def commit() -> None:
            await committed.wait()

        way.settle_when = commit
        lane.add(sealed("1", subject="order"))
        lane.add(sealed("2", subject="order"))
        await until(lambda: way.sent == [["1"]])
        way.batches[0].accept()
        await quiet()
        assert way.sent == [["1"]], "answered, and the answer is not committed"
        committed.set()
        await until(lambda: way.sent == [["1"], ["2"]])

    run(scenario)


def test_what_the_transport_offered_to_another_replica_by_itself_is_counted() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("1"))
        await until(lambda: way.sent == [["1"]])
        again = way.batches[0].before_attempt
        assert again is not None
        again()
        assert lane.counts.repeated == 1, "before it is known what becomes of it"
        way.batches[0].accept()
        await until(lambda: way.settled == ["1"])
        assert [each.queued.attempts for each in way.delivered] == [2]
        assert (lane.counts.sent, lane.counts.repeated, lane.counts.trips) == (2, 1, 0)

    run(scenario)


def test_deliveries_and_envelopes_are_counted_by_the_status_of_their_failure_whatever_a_destination_says() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("1"))
        await until(lambda: len(way.batches) == 1)
        way.batches[0].fail(Refused(Reason.REASON_CALLS_TOO_MANY, caller=ORIGIN, calls="1"))
        await until(lambda: len(way.batches) == 2)
        way.batches[1].fail(Unreachable("late", "DEADLINE_EXCEEDED"))
        for reason in (Reason.REASON_STORE_UNAVAILABLE, Reason.ValueType(98_765), Reason.ValueType(98_766)):
            await until(lambda: len(way.batches) > 2 and not way.batches[-1].answer.done())
            way.batches[-1].turn_away(reason)
        await until(lambda: not way.batches[-1].answer.done())
        way.batches[-1].accept()
        await until(lambda: way.settled == ["1"])
        await quiet()
        assert lane.counts.failed == {"RESOURCE_EXHAUSTED": 1, "DEADLINE_EXCEEDED": 1}
        assert lane.counts.not_taken == {"UNAVAILABLE": 1, "FAILED_PRECONDITION": 2}, "a number is no label"
        assert (lane.counts.answered, lane.counts.delivered) == (4, 1)
        assert lane.counts.seconds > 0

    run(scenario)


def test_operators_take_turns_and_bulk_comes_last() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        for number in range(2 * BATCH_LIMIT):
            lane.add(sealed(f"bulk {number}", operator="migration", bulk=True))
        for number in range(BATCH_LIMIT):
            lane.add(sealed(f"flood {number}", operator="app"))
        lane.add(sealed("walk-in", operator="counter"))
        await until(lambda: len(way.sent) == BATCHES_IN_FLIGHT)
        first, second = way.sent
        assert first[:3] == ["flood 0", "walk-in", "flood 1"]
        assert not any(name.startswith("bulk") for name in first)
        assert second == [f"flood {BATCH_LIMIT - 1}", *(f"bulk {number}" for number in range(BATCH_LIMIT - 1))]

    run(scenario)


def test_an_envelope_that_was_not_taken_is_sent_again_before_the_later_ones_of_its_subject() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("1", subject="order"))
        lane.add(sealed("2", subject="order"))
        await until(lambda: way.sent == [["1"]])
        way.batches[0].turn_away()
        await until(lambda: way.sent == [["1"], ["1"]])
        assert way.batches[1].request.envelopes == way.batches[0].request.envelopes, "the same bytes"
        way.batches[1].accept()
        await until(lambda: way.sent[2:] == [["2"]])
        assert [each.queued.attempts for each in way.delivered] == [2, 2], "one queued envelope, sent twice"
        assert lane.counts.trips == 0, "the destination answers: the lane goes on"
        assert (lane.counts.sent, lane.counts.repeated) == (3, 1)

    run(scenario)


def test_the_journey_of_a_batch_is_kept_with_its_receipts() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("1"))
        await until(lambda: len(way.batches) == 1)
        way.batches[0].accept()
        await until(lambda: way.settled == ["1"])

    [delivered] = run(scenario).delivered
    stamps = Journey.FromString(delivered.journey).stamps
    assert [(stamp.party, stamp.event) for stamp in stamps] == [
        (ORIGIN, "sent"),
        (DESTINATION, "committed"),
        (ORIGIN, "receipt received"),
    ]


FAILURES = [Unreachable("cut"), Refused(Reason.REASON_REGION_UNREACHABLE, region=DESTINATION)]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_lane_without_an_answer_sends_nothing_but_empty_probes_until_one_is_answered(failure: Exception) -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        way.reachable = False
        lane.add(sealed("1"))
        await until(lambda: way.sent == [["1"]])
        way.batches[0].fail(failure)
        await until(lambda: way.probes >= 3)
        for number in range(2, 20):
            lane.add(sealed(f"{number}"))
        await until(lambda: way.probes >= 10)
        assert way.sent == [["1"]], "no envelope travels while the breaker is open"
        stop = lane.stopped
        assert stop is not None
        assert stop.waiting == 19
        assert stop.since <= SystemClock().now()
        way.reachable = True
        await until(lambda: len(way.sent) == 2)
        assert way.sent[1] == [f"{number}" for number in range(1, 20)]
        assert (lane.counts.trips, lane.counts.repeated) == (1, 1)
        assert lane.counts.probes == way.probes
        assert lane.stopped == stop._replace(waiting=0), "empty batches alone were answered"
        way.batches[1].fail(failure)
        await until(lambda: len(way.sent) == 3)
        assert lane.stopped is not None
        assert lane.stopped.since == stop.since, "the alarm counts from the first failure"
        way.batches[2].accept()
        await until(lambda: lane.stopped is None)

    run(scenario)


def test_a_stopped_lane_counts_the_envelopes_that_wait_without_those_that_its_destination_has_refused() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        def waiting() -> int | None:
            return None if lane.stopped is None else lane.stopped.waiting

        way.reachable = False
        lane.add(sealed("1"))
        await until(lambda: way.sent == [["1"]])
        way.batches[0].fail(Unreachable("cut"))
        await until(lambda: waiting() == 1)
        lane.add(sealed("2"))
        lane.add_perhaps_sent(sealed("3"), Reason.REASON_TOO_BUSY)
        assert waiting() == 2
        queued = lane.withdraw("2")
        assert queued is not None
        assert waiting() == 1
        lane.give_back(queued)
        assert waiting() == 2
        way.reachable = True
        await until(lambda: len(way.batches) == 2)
        assert (way.sent[1], waiting()) == (["1", "3", "2"], 0), "all are in flight"
        way.batches[1].accept()
        await until(lambda: waiting() is None)

    run(scenario)


def test_a_stopped_lane_tells_its_last_failure_by_the_name_of_a_reason_or_of_a_status() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        def told() -> str:
            return lane.stopped.failure if lane.stopped is not None else ""

        way.reachable, way.failure = False, Unreachable("a text of a peer", "DEADLINE_EXCEEDED")
        lane.add(sealed("1"))
        await until(lambda: len(way.batches) == 1)
        assert told() == ""
        way.batches[0].fail(Refused(Reason.REASON_REGION_UNREACHABLE, region=DESTINATION))
        await until(lambda: told() == "REGION_UNREACHABLE")
        await until(lambda: told() == "DEADLINE_EXCEEDED")
        way.failure = Refused(Reason.REASON_REGION_SUSPENDED, region=DESTINATION)
        await until(lambda: told() == "REGION_SUSPENDED")
        way.reachable = True
        await until(lambda: len(way.batches) == 2)
        way.batches[1].accept()
        await until(lambda: lane.stopped is None)

    run(scenario)


def test_envelopes_are_in_flight_from_their_departure_until_their_receipts_are_kept() -> None:
    async def scenario() -> None:
        way, committed = Way(), asyncio.Event()

        async def commit() -> None:
            await committed.wait()

        way.settle_when = commit
        lanes = Lanes(way.ports())
        assert lanes.in_flight() == {}
        for number in range(3):
            lanes.to(DESTINATION).add(sealed(f"{number}"))
        await until(lambda: len(way.batches) == 1)
        lanes.to(DESTINATION).add(sealed("3"))
        await until(lambda: len(way.batches) == 2)
        lanes.to(DESTINATION).add(sealed("4"))
        assert lanes.in_flight() == {DESTINATION: 4}, "the last one waits for a batch to return"
        way.batches[1].fail(Unreachable("cut"))
        await until(lambda: lanes.in_flight() == {DESTINATION: 3})
        way.batches[0].accept()
        await quiet()
        assert lanes.in_flight() == {DESTINATION: 3}, "answered, and the answer is not committed"
        committed.set()
        way.answers_by_itself = True
        await until(lambda: len(way.settled) == 5)
        await until(lambda: lanes.in_flight() == {})
        await lanes.close()

    asyncio.run(scenario())


def test_when_both_batches_fail_the_lane_trips_once_and_every_envelope_is_sent_once_more() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        for number in range(BATCHES_IN_FLIGHT * BATCH_LIMIT):
            lane.add(sealed(f"{number}"))
        await until(lambda: len(way.sent) == BATCHES_IN_FLIGHT)
        before = [name for batch in way.sent for name in batch]
        for batch in way.batches:
            batch.fail(Unreachable("cut"))
        await until(lambda: len(way.sent) == 2 * BATCHES_IN_FLIGHT)
        again = [name for batch in way.sent[BATCHES_IN_FLIGHT:] for name in batch]
        assert sorted(again) == sorted(before)
        assert lane.counts.trips == 1
        assert lane.counts.repeated == len(before)

    run(scenario)


def test_the_other_batch_is_awaited_before_the_lane_probes() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("1"))
        await until(lambda: len(way.sent) == 1)
        lane.add(sealed("2"))
        await until(lambda: len(way.sent) == 2)
        way.batches[0].fail(Unreachable("cut"))
        await quiet()
        assert way.probes == 0
        way.batches[1].accept()
        await until(lambda: way.sent[2:] == [["1"]])
        assert way.settled == ["2"]

    run(scenario)


@pytest.mark.guarantee("G12")
def test_orders_of_a_long_outage_are_sent_once_after_it(caplog: pytest.LogCaptureFixture) -> None:
    """G12: an outage does not multiply what is sent, however long it is and however much is waiting."""
    count = 2_000

    async def scenario(way: Way, lane: Lane) -> None:
        way.reachable = False
        for number in range(count):
            lane.add(sealed(f"{number}"))
        await until(lambda: len(way.sent) == BATCHES_IN_FLIGHT)
        for batch in list(way.batches):
            batch.fail(Unreachable("cut"))
        await until(lambda: way.probes >= 100)
        way.reachable = way.answers_by_itself = True
        await until(lambda: len(way.settled) == count)
        assert sorted(way.settled, key=int) == [f"{number}" for number in range(count)]
        assert lane.counts.sent == count + BATCHES_IN_FLIGHT * BATCH_LIMIT
        assert max(each.queued.attempts for each in way.delivered) == 2

    run(scenario)
    assert [record.getMessage() for record in caplog.records] == [
        f"the lane to {DESTINATION} stops sending: cut",
        f"the lane to {DESTINATION} sends again",
    ]


def short_answer(batch: Delivery) -> None:
    """An answer for fewer envelopes than were sent."""
    batch.answer.set_result(BatchAnswer(results=[DeliverResult(receipt=Receipt())]))


@pytest.mark.parametrize(
    "happens",
    [
        short_answer,
        lambda batch: batch.fail(RuntimeError("a defect in the transport")),
        lambda batch: batch.answer.cancel(),
    ],
    ids=["short answer", "defect", "cancelled call"],
)
def test_whatever_happens_to_a_batch_none_of_it_is_lost(happens: Callable[[Delivery], object]) -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("1", subject="order"))
        lane.add(sealed("2", subject="another"))
        lane.add(sealed("3", subject="order"))
        await until(lambda: way.sent == [["1", "2"]])
        happens(way.batches[0])
        await until(lambda: way.sent[1:] == [["1", "2"]])
        way.batches[1].accept()
        await until(lambda: way.sent[2:] == [["3"]])

    run(scenario)


def test_a_defect_at_the_origin_does_not_lose_the_batch() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        async def fail() -> None:
            way.settle_when = None
            raise ZeroDivisionError

        way.settle_when = fail
        lane.add(sealed("1"))
        await until(lambda: way.sent == [["1"]])
        way.batches[0].accept()
        await until(lambda: way.sent == [["1"], ["1"]])
        way.batches[1].accept()
        await until(lambda: way.settled == ["1"])

    run(scenario)


def test_what_waits_can_be_withdrawn_and_does_not_leave() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("1", subject="order"))
        lane.add(sealed("2", subject="order"))
        await until(lambda: way.sent == [["1"]])
        queued = lane.withdraw("2")
        assert queued is not None
        way.batches[0].accept()
        await until(lambda: way.settled == ["1"])
        await quiet()
        assert way.sent == [["1"]]
        lane.give_back(queued)
        await until(lambda: way.sent == [["1"], ["2"]])

    run(scenario)


def test_what_may_have_left_cannot_be_withdrawn() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        way.reachable = False
        lane.add(sealed("1"))
        lane.add_perhaps_sent(sealed("2"))
        assert lane.withdraw("2") is None, "an earlier process may have sent it"
        await until(lambda: len(way.sent) == 1)
        assert lane.withdraw("1") is None, "on its way"
        way.batches[0].fail(Unreachable("cut"))
        await until(lambda: way.probes > 0)
        assert len(lane) == 2
        assert lane.withdraw("1") is None, "waits again, and may have arrived"

    run(scenario)


def test_destinations_have_lanes_of_their_own() -> None:
    async def scenario() -> None:
        way = Way()
        lanes = Lanes(way.ports())
        async with asyncio.timeout(PATIENCE_S):
            lanes.to("sichuan").add(sealed("1"))
            lanes.to("henan").add(sealed("2"))
            await until(lambda: len(way.batches) == 2)
            assert {batch.request.destination: batch.ids for batch in way.batches} == {"sichuan": ["1"], "henan": ["2"]}
            way.reachable = False
            way.batches[0].fail(Unreachable("cut"))
            await until(lambda: way.probes > 0)
            way.batches[1].accept()
            lanes.to("henan").add(sealed("3"))
            await until(lambda: way.sent[2:] == [["3"]])
            assert [lane.destination for lane in lanes.all()] == ["sichuan", "henan"]
            await lanes.close()

    asyncio.run(scenario())


def test_after_a_loss_lanes_send_only_what_the_database_has() -> None:
    async def scenario() -> None:
        way = Way()
        lanes = Lanes(way.ports())
        for name in "acd":
            lanes.to(DESTINATION).add(sealed(name, subject="order" if name in "cd" else ""))
            await quiet()
        assert way.sent == [["a"]], "the others wait"
        lanes.begin_anew()
        await quiet()
        assert all(batch.answer.cancelled() for batch in way.batches)
        way.answers_by_itself = True
        lanes.to(DESTINATION).add_perhaps_sent(sealed("c", subject="order"))
        await until(lambda: len(way.settled) == 1)
        await quiet()
        assert (way.settled, lanes.in_flight()) == (["c"], {})
        await lanes.close()

    asyncio.run(scenario())


def test_lanes_keep_nothing_of_before_a_loss() -> None:
    async def scenario() -> None:
        way = Way()
        lanes = Lanes(way.ports())
        lanes.to(DESTINATION).add(sealed("a"))
        await quiet()
        before = [weakref.ref(each) for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        assert before
        lanes.begin_anew()
        await quiet()
        way.batches.clear()
        gc.collect()
        assert [each() for each in before if each() is not None] == []
        await lanes.close()

    asyncio.run(scenario())


def test_a_closed_lane_sends_nothing_more() -> None:
    async def scenario() -> None:
        way = Way()
        lanes = Lanes(way.ports())
        lane = lanes.to(DESTINATION)
        lane.add(sealed("1"))
        await until(lambda: len(way.batches) == 1)
        await lanes.close()
        await quiet()
        assert way.batches[0].answer.cancelled(), "what is on its way is sent again by the next process"
        lane.add(sealed("2"))
        await quiet()
        assert way.sent == [["1"]]

    asyncio.run(scenario())
