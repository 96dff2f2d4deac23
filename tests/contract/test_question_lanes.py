"""Questions over a transport that the test holds in its hands: which share a batch, and the outcome of each."""

import asyncio
import gc
import random
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.relay.v1.relay_pb2 import BatchAnswer, DeliverResult, NotDelivered
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.relay.envelopes import BATCH_LIMIT, CONTENT_LIMIT, Answer
from gateway.relay.in_flight import BATCHES_IN_FLIGHT, LONG_ON_THE_WAY
from gateway.relay.lanes import BATCH_BYTES
from gateway.relay.queries import ATTEMPTS, Asker
from gateway.relay.question_lanes import ENOUGH
from tests.contract.lane_scene import NoWaiting, quiet, until
from tests.contract.question_way import (
    CALL,
    ELSEWHERE,
    FILLED,
    LONG,
    MOVED,
    NO_CALL,
    REFUSED,
    Delivery,
    Way,
    outcome,
    pair,
    play_way,
)
from tests.contract.relay_pair import ORIGIN, FixedClock
from tests.simulation.virtual_time import Process


def test_a_single_question_leaves_before_any_time_has_passed() -> None:
    async def scenario(way: Way) -> None:
        asking = way.ask("1")
        await quiet()
        assert (way.sent, asyncio.get_running_loop().time()) == ([["1"]], 0.0)
        [stamp] = way.batches[0].batch.journey.stamps
        assert (stamp.party, stamp.event) == (ORIGIN, "asked")
        way.batches[0].accept()
        assert await asking == b"told 1"

    play_way(scenario)


def test_questions_of_one_moment_share_the_first_batch_with_their_traces() -> None:
    async def scenario(way: Way) -> None:
        way.ask("1", "2", "3")
        await quiet()
        assert way.sent == [["1", "2", "3"]]
        assert list(way.batches[0].batch.traceparents) == ["00-1"] * 3
        way.batches[0].accept()
        assert await way.outcomes() == ["told 1", "told 2", "told 3"]

    play_way(scenario)


def test_forty_questions_behind_two_batches_leave_as_one_when_the_first_returns() -> None:
    async def scenario(way: Way) -> None:
        await way.fill()
        names = [str(number) for number in range(40)]
        for name in names:
            way.ask(name)
            await quiet()
        assert len(way.sent) == BATCHES_IN_FLIGHT
        way.batches[1].accept()
        await quiet()
        assert way.sent[BATCHES_IN_FLIGHT:] == [names]

    play_way(scenario)


def test_a_batch_has_a_limit_of_questions_and_one_of_bytes() -> None:
    async def many(way: Way) -> None:
        way.ask(*(str(number) for number in range(BATCH_LIMIT + ENOUGH)))
        await quiet()

    async def large(way: Way) -> None:
        way.ask(*(str(number) for number in range(100)), size=CONTENT_LIMIT - 1000)
        await quiet()

    assert [len(names) for names in play_way(many).sent] == [BATCH_LIMIT, ENOUGH]
    batches = play_way(large).batches
    assert all(each.batch.ByteSize() < BATCH_BYTES + CONTENT_LIMIT for each in batches)
    assert [len(each.names) for each in batches[:1]] == [BATCH_BYTES // (CONTENT_LIMIT - 1000)]


def test_a_question_alone_waits_for_no_batch_and_takes_no_neighbours() -> None:
    async def scenario(way: Way) -> None:
        await way.fill()
        way.ask("shared")
        asking = way.ask("slow", alone=True)
        await quiet()
        assert way.sent[BATCHES_IN_FLIGHT:] == [["slow"]]
        way.batches[-1].accept()
        assert await asking == b"told slow"
        assert len(way.sent) == BATCHES_IN_FLIGHT + 1, "its return makes no room for another batch"
        way.ask("slow", "slower", alone=True)
        await quiet()
        assert way.sent[-2:] == [["slow"], ["slower"]]

    play_way(scenario)


def test_few_questions_wait_for_the_batch_in_flight_unless_it_takes_long() -> None:
    async def scenario(way: Way) -> None:
        way.ask("first")
        await quiet()
        way.ask("1", "2")
        await quiet()
        assert way.sent == [["first"]]
        await asyncio.sleep(LONG_ON_THE_WAY)
        await quiet()
        assert way.sent == [["first"], ["1", "2"]]

    play_way(scenario)


def test_a_destination_waits_for_no_other_destination() -> None:
    async def scenario(way: Way) -> None:
        await way.fill()
        way.ask("1", destination=ELSEWHERE)
        await quiet()
        assert (way.sent[-1], way.batches[-1].batch.destination) == (["1"], ELSEWHERE)

    play_way(scenario)


def test_a_question_given_up_before_it_leaves_is_not_sent_and_one_given_up_later_harms_nobody() -> None:
    async def scenario(way: Way) -> None:
        await way.fill()
        way.ask("1", "2", "3")
        await quiet()
        way.asked[-2].cancel()
        way.batches[0].accept()
        way.batches[1].accept()
        await quiet()
        assert way.sent[-1] == ["1", "3"]
        way.asked[-1].cancel()
        await quiet()
        way.batches[2].accept()
        assert await way.outcomes() == [*FILLED, "told 1", "CancelledError", "CancelledError"]

    play_way(scenario)


def test_each_question_has_an_answer_or_a_refusal_of_its_own() -> None:
    locked = Answer(REFUSED, reason=Reason.REASON_VERIFICATION_LOCKED)
    turned_away = DeliverResult(not_delivered=NotDelivered(reason=Reason.REASON_STORE_UNAVAILABLE))

    async def scenario(way: Way) -> None:
        way.ask("refused", "answered", "moved", "turned away", "forged", "swapped", "empty", "answered too")
        await quiet()
        [batch] = way.batches
        batch.accept(
            {
                "refused": batch.receipt("refused", locked),
                "moved": batch.receipt("moved", Answer(MOVED, moved_to=ELSEWHERE)),
                "turned away": turned_away,
                "forged": batch.receipt("forged", signed_by=ORIGIN),
                "swapped": batch.receipt("answered"),
                "empty": DeliverResult(),
            }
        )
        assert await way.outcomes() == [
            "VERIFICATION_LOCKED",
            "told answered",
            "NOT_HOME",
            "STORE_UNAVAILABLE",
            "ENVELOPE_SIGNATURE_INVALID",
            "ENVELOPE_INVALID",
            "ENVELOPE_SIGNATURE_INVALID",
            "told answered too",
        ]
        assert len(way.sent) == 1, "no answer of the destination is a reason to repeat"

    play_way(scenario)


def unanswered(batch: Delivery) -> None:
    """No answer."""
    batch.answer.set_exception(Unreachable("cut"))


def cut_short(batch: Delivery) -> None:
    """An answer with too few results."""
    batch.answer.set_result(BatchAnswer(results=[batch.receipt(batch.names[0])]))


def test_an_answer_for_which_its_neighbours_left_no_room_is_asked_for_alone_and_refused_where_it_never_fits() -> None:
    no_room = DeliverResult(not_delivered=NotDelivered(reason=Reason.REASON_MESSAGE_TOO_LARGE))

    async def scenario(way: Way) -> None:
        way.ask("1", "large", "largest", attempts=1)
        await quiet()
        way.batches[0].accept({"large": no_room, "largest": no_room})
        await quiet()
        assert way.sent[1:] == [["large"], ["largest"]]
        way.batches[1].accept()
        way.batches[2].accept({"largest": no_room})
        assert await way.outcomes() == ["told 1", "told large", "MESSAGE_TOO_LARGE"]

    play_way(scenario)


@pytest.mark.parametrize("fail", [unanswered, cut_short])
def test_a_batch_without_an_answer_is_repeated_question_by_question_within_the_attempts_of_each(
    fail: Callable[[Delivery], None],
) -> None:
    async def scenario(way: Way) -> None:
        way.ask("once", attempts=1)
        way.ask("twice")
        gone = way.ask("gone")
        await quiet()
        gone.cancel()
        fail(way.batches[0])
        await quiet()
        assert way.sent == [["once", "twice", "gone"], ["twice"]]
        assert way.batches[1].batch.envelopes[0] == way.batches[0].batch.envelopes[1], "the same bytes"
        way.ask("later")
        unanswered(way.batches[1])
        await quiet()
        way.batches[2].accept()
        told = ["REGION_UNREACHABLE", "REGION_UNREACHABLE", "CancelledError", "told later"]
        assert await way.outcomes() == told
        assert len(way.sent) == 3

    play_way(scenario)


@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (lambda batch: batch.answer.set_exception(Refused(Reason.REASON_REGION_SUSPENDED)), "REGION_SUSPENDED"),
        (lambda batch: batch.answer.set_exception(ZeroDivisionError()), "ZeroDivisionError"),
        (lambda batch: batch.answer.cancel(), "REGION_UNREACHABLE"),
    ],
    ids=["refusal", "defect", "cancelled call"],
)
def test_a_failure_of_another_kind_ends_all_questions_of_the_batch_and_no_later_ones(
    happens: Callable[[Delivery], object], told: str
) -> None:
    async def scenario(way: Way) -> None:
        await way.fill()
        way.ask("1", "2")
        await quiet()
        happens(way.batches[0])
        way.batches[1].accept()
        await quiet()
        way.batches[2].accept()
        assert await way.outcomes() == [told, *FILLED[1:], "told 1", "told 2"]

    play_way(scenario)


def test_a_batch_has_the_time_of_its_most_patient_question_and_each_question_its_own() -> None:
    async def scenario(way: Way) -> None:
        hurried, patient = way.ask("hurried", seconds=1.0), way.ask("patient", seconds=LONG)
        await quiet()
        assert way.batches[0].seconds == LONG
        with pytest.raises(Refused, match="REGION_UNREACHABLE"):
            await hurried
        way.batches[0].accept()
        assert await patient == b"told patient"
        alone = way.ask("alone", seconds=1.0, alone=True)
        await quiet()
        assert way.batches[1].seconds == 1.0
        with pytest.raises(Refused, match="REGION_UNREACHABLE"):
            await alone

    play_way(scenario)


def test_a_repeat_has_only_the_time_that_is_left() -> None:
    async def scenario(way: Way) -> None:
        way.asker = Asker(pair().borders[ORIGIN], way, FixedClock(), random.Random(7))
        way.ask("1")
        await quiet()
        unanswered(way.batches[0])
        while len(way.batches) < 2:  # noqa: ASYNC110 - the asker repeats by itself
            await asyncio.sleep(0.001)
        assert way.batches[1].seconds < way.batches[0].seconds == LONG
        way.batches[1].accept()
        assert await way.outcomes() == ["told 1"]

    play_way(scenario)


def test_a_closed_asker_leaves_no_question_without_an_end() -> None:
    async def scenario(way: Way) -> None:
        await way.fill()
        way.ask("1", "2")
        await quiet()
        await way.asker.close()
        way.ask("3")
        assert await way.outcomes() == ["REGION_UNREACHABLE"] * (len(FILLED) + 3)
        assert asyncio.get_running_loop().time() == 0.0, "none waits until its time is over"
        assert len(way.sent) == BATCHES_IN_FLIGHT

    play_way(scenario)


def test_nothing_of_a_lane_goes_on_after_its_process_is_killed() -> None:
    async def asking(way: Way) -> None:
        way.asker = Asker(pair().borders[ORIGIN], way, FixedClock(), NoWaiting())
        await way.fill()
        way.ask("1", "2")
        await asyncio.Event().wait()

    async def scenario(way: Way) -> None:
        process = Process("guangdong/1")
        process.spawn(asking(way))
        await until(lambda: len(way.asked) == len(FILLED) + 2)
        await quiet()
        process.kill()
        await quiet()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(way.sent) == BATCHES_IN_FLIGHT

    play_way(scenario)


def test_a_shared_batch_runs_outside_of_any_call_and_a_question_alone_within_its_own() -> None:
    async def scenario(way: Way) -> None:
        CALL.set("a call")
        way.ask("shared")
        await quiet()
        way.ask("slow", alone=True)
        await quiet()
        assert [each.call for each in way.batches] == [NO_CALL, "a call"]

    play_way(scenario)


Event = Callable[[Way, int], object]


def asks(*, alone: bool, seconds: float) -> Event:
    """Asks one more question, named by the events before it."""
    return lambda way, index: way.ask(str(len(way.asked)), alone=alone, seconds=seconds)


def gives_up(way: Way, index: int) -> None:
    """A caller gives up."""
    if way.asked:
        way.asked[index % len(way.asked)].cancel()


def lands(how: Callable[[Delivery], object]) -> Event:
    """A batch on its way gets an answer, or none."""

    def land(way: Way, index: int) -> None:
        if way.on_their_way:
            how(way.on_their_way[index % len(way.on_their_way)])

    return land


EVENTS: Sequence[Event] = [
    asks(alone=False, seconds=LONG),
    asks(alone=False, seconds=LONG),
    asks(alone=False, seconds=0.0),
    asks(alone=True, seconds=LONG),
    gives_up,
    lands(Delivery.accept),
    lands(unanswered),
    lands(cut_short),
    lands(lambda batch: batch.answer.cancel()),
]
AT_ONCE, LATER = 0, 4  # turns of the event loop after an event
story = st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 9), st.sampled_from([AT_ONCE, LATER])), max_size=40)


@given(story)
def test_whatever_happens_each_question_ends_once_and_with_its_own_answer(
    events: Sequence[tuple[Event, int, int]],
) -> None:
    complaints: list[Mapping[str, object]] = []

    async def scenario(way: Way) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        CALL.set("a call")
        way.ask("0")
        for event, index, turns in events:
            event(way, index)
            for _ in range(turns):
                await asyncio.sleep(0)
        await quiet()
        while way.on_their_way:
            lands(Delivery.accept)(way, 0)
            await quiet()
        assert all(each.done() for each in way.asked)

    way = play_way(scenario)
    assert way.most_shared <= BATCHES_IN_FLIGHT
    ended = [each.exception() or each.result() if not each.cancelled() else None for each in way.asked]
    for number, each in enumerate(ended):
        assert each is None or outcome(each) in (f"told {number}", "REGION_UNREACHABLE")
    times = [name for names in way.sent for name in names]
    assert all(times.count(name) <= ATTEMPTS for name in times)
    way.asked.clear()
    gc.collect()
    assert complaints == []
