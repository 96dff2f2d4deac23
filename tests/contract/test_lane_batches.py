"""How large the batches of a lane are, and when a second one leaves."""

import asyncio

import pytest

from gateway.errors import Unreachable
from gateway.relay.envelopes import BATCH_LIMIT, CONTENT_LIMIT
from gateway.relay.in_flight import BATCHES_IN_FLIGHT, LONG_ON_THE_WAY
from gateway.relay.lanes import BATCH_BYTES, DELIVER_TIMEOUT, Lane
from tests.contract.lane_scene import Way, quiet, run, sealed, until


def test_a_batch_has_a_limit_of_envelopes() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        for number in range(BATCH_LIMIT + 1):
            lane.add(sealed(f"{number}"))
        await until(lambda: len(way.sent) == 2)
        assert [len(batch) for batch in way.sent] == [BATCH_LIMIT, 1]

    run(scenario)


def test_a_batch_of_large_envelopes_stays_within_what_a_server_takes() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        for number in range(100):
            lane.add(sealed(f"{number}", size=CONTENT_LIMIT - 200))
        await until(lambda: len(way.sent) == 2)
        assert all(batch.request.ByteSize() < BATCH_BYTES + 2 * CONTENT_LIMIT for batch in way.batches)
        assert way.sent[0] == [str(number) for number in range(len(way.sent[0]))]

    run(scenario)


@pytest.mark.guarantee("G12")
def test_a_destination_that_is_too_slow_for_whole_batches_gets_everything_in_smaller_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever has no answer in time, the destination does not do."""
    monkeypatch.setattr("tests.contract.lane_scene.PATIENCE_S", 3_600.0)
    count, seconds_of_envelope, now = 3 * BATCH_LIMIT, 0.3, 0.0

    async def scenario(way: Way, lane: Lane) -> None:
        nonlocal now
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        for number in range(count):
            lane.add(sealed(f"{number}"))
        handled, began = 0, list[float]()
        while len(way.settled) < count:
            await quiet()
            began += [now] * (len(way.batches) - len(began))
            for batch, sent in zip(way.batches[handled:], began[handled:], strict=True):
                handled += 1
                end = now + seconds_of_envelope * len(batch.ids)
                now = min(end, max(now, sent + DELIVER_TIMEOUT))
                if now < end:
                    batch.fail(Unreachable("no answer in time", "DEADLINE_EXCEEDED"))
                else:
                    batch.accept()
                await quiet()
        assert lane.counts.sent < 3 * count

    run(scenario)


def test_a_lane_comes_back_to_whole_batches_once_its_destination_is_quick_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    async def scenario(way: Way, lane: Lane) -> None:
        nonlocal now
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        for number in range(2 * BATCH_LIMIT):
            lane.add(sealed(f"{number}"))
        await until(lambda: len(way.sent) == BATCHES_IN_FLIGHT)
        now += DELIVER_TIMEOUT
        way.answers_by_itself = True
        for batch in list(way.batches):
            batch.fail(Unreachable("no answer in time", "DEADLINE_EXCEEDED"))
        await until(lambda: len(way.settled) == 2 * BATCH_LIMIT)
        assert len(way.sent[BATCHES_IN_FLIGHT]) == BATCH_LIMIT // 2
        for number in range(2 * BATCH_LIMIT, 8 * BATCH_LIMIT):
            lane.add(sealed(f"{number}"))
        await until(lambda: len(way.settled) == 8 * BATCH_LIMIT)
        assert max(len(batch) for batch in way.sent[BATCHES_IN_FLIGHT:]) == BATCH_LIMIT

    run(scenario)


def test_beside_a_batch_that_is_long_on_its_way_others_leave_one_after_the_other() -> None:
    async def scenario(way: Way, lane: Lane) -> None:
        lane.add(sealed("slow"))
        await until(lambda: way.sent == [["slow"]])
        for number in range(1, 4):
            lane.add(sealed(f"{number}"))
            await until(lambda number=number: way.sent[number:] == [[f"{number}"]])  # type: ignore[misc]
            lane.add(sealed(f"behind {number}"))
            await quiet()
            assert len(way.sent) == number + 1, "two are on their way"
            lane.withdraw(f"behind {number}")
            way.batches[number].accept()
            await until(lambda number=number: len(way.settled) == number)  # type: ignore[misc]

    run(scenario)


def test_after_a_long_delivery_a_second_batch_leaves_at_once_and_after_a_quick_one_it_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    async def scenario(way: Way, lane: Lane) -> None:
        nonlocal now
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        lane.add(sealed("slow"))
        await quiet()
        lane.add(sealed("quick"))
        await quiet()
        assert way.sent == [["slow"]]
        now += LONG_ON_THE_WAY
        await until(lambda: way.sent == [["slow"], ["quick"]])
        for index in (1, 0):
            way.batches[index].accept()
            await until(lambda index=index: len(way.settled) == 2 - index)  # type: ignore[misc]
        for name in "ab":
            lane.add(sealed(name))
            await quiet()
        assert way.sent[2:] == [["a"], ["b"]]
        for index in (2, 3):
            way.batches[index].accept()
        await until(lambda: len(way.settled) == 4)
        for name in "cd":
            lane.add(sealed(name))
            await quiet()
        assert way.sent[4:] == [["c"]]

    run(scenario)
