"""The door: calls of another owner begin ahead of a flood, and a call that would wait too long is refused at once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process.limit import ROUND
from gateway.rpc.admission import (
    AMONG_OTHERS,
    BESIDE_FEW,
    BUSY,
    FEW,
    LOOK,
    PATIENCE,
    Admission,
    Place,
    current_place,
    elsewhere,
)
from gateway.rpc.request_streams import RequestReader
from gateway.rpc.shares import BYTES, Shares
from gateway.security.identity import parse

FLOOD = 200
COMING = 32  # calls, one after the other
PATIENCE_S = 60.0


class Scene:
    """Calls at one door, which end when they are let."""

    def __init__(self) -> None:
        self.admission = Admission()
        self.begun: list[str] = []
        self.refused: list[Refused] = []
        self.may_end = asyncio.Event()

    async def call(self, owner: str) -> None:
        try:
            place = await self.admission.begin(owner, 7)
        except Refused as refused:
            self.refused.append(refused)
            return
        with place:
            self.begun.append(owner)
            await self.may_end.wait()

    def come(self, owner: str, count: int = 1) -> list["asyncio.Task[None]"]:
        return [asyncio.get_running_loop().create_task(self.call(owner)) for _ in range(count)]


@pytest.fixture
def nobody_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call is many: the owners of a scene have equal shares."""
    monkeypatch.setattr("gateway.rpc.admission.FEW", 0)


def run(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def ran() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await scenario(Scene())

    asyncio.run(ran())


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - it waits for what other tasks do
        await asyncio.sleep(0)


async def quiet() -> None:
    """Returns once all that can go on has gone on."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_the_calls_of_one_owner_begin_at_once() -> None:
    async def scenario(scene: Scene) -> None:
        calls = scene.come("one", FLOOD)
        await quiet()
        assert scene.begun == ["one"] * FLOOD
        scene.may_end.set()
        await asyncio.gather(*calls)

    run(scenario)


@pytest.mark.usefixtures("nobody_is_small")
def test_the_door_tells_how_many_calls_wait_are_served_and_may_be() -> None:
    async def scenario(scene: Scene) -> None:
        calls = [*scene.come("small"), *scene.come("big", FLOOD)]
        await quiet()
        door = scene.admission
        assert door.places == AMONG_OTHERS
        assert (door.served, door.waiting) == (len(scene.begun), len(calls) - len(scene.begun))
        assert door.waiting > 0
        scene.may_end.set()
        await asyncio.gather(*calls)
        assert (door.served, door.waiting) == (0, 0)

    run(scenario)


def test_a_call_of_another_owner_begins_at_once_beside_a_flood_that_came_before_it() -> None:
    async def scenario(scene: Scene) -> None:
        first = scene.come("small")
        flood = scene.come("big", FLOOD)
        await quiet()
        assert len(scene.begun) <= AMONG_OTHERS
        last = scene.come("small")
        await quiet()
        assert scene.begun.count("small") == 2
        scene.may_end.set()
        await asyncio.gather(*first, *flood, *last)
        assert scene.begun.count("big") == FLOOD
        assert scene.refused == []

    run(scenario)


def test_a_flood_beside_few_calls_has_few_places_and_as_many_as_they_have_while_they_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.rpc.admission.LONG", 60.0)

    async def scenario(scene: Scene) -> None:
        small = await scene.admission.begin("small", 1)
        calls = scene.come("big", FLOOD)
        await quiet()
        assert scene.begun == ["big"] * FEW, "before they are many"
        scene.may_end.set()
        await until(lambda: len(scene.begun) > FLOOD // 2)
        scene.may_end.clear()
        await quiet()
        assert scene.admission.served == 1 + 1
        small.close()
        await quiet()
        assert scene.admission.served == BESIDE_FEW
        begun = len(scene.begun)
        calls += scene.come("small", FEW)
        await quiet()
        assert scene.begun[begun:] == ["small"] * FEW, "few calls begin at once"
        scene.may_end.set()
        await asyncio.gather(*calls)
        assert scene.refused == []

    run(scenario)


def test_one_call_after_the_other_that_lasts_holds_up_no_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(scene: Scene) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: now)  # it passes by looks alone, however busy the machine is

        def looks(is_so: bool) -> bool:
            nonlocal now
            now += LOOK
            return is_so

        slow = await scene.admission.begin("slow", 1)
        calls = scene.come("big", FLOOD)
        await quiet()
        scene.may_end.set()
        await until(lambda: looks(len(scene.begun) > FLOOD // 2))
        scene.may_end.clear()
        await quiet()
        assert scene.admission.served == 1 + 1, "its owner has few calls"
        await until(lambda: looks(scene.admission.served > BESIDE_FEW))
        slow.close()
        slow = await scene.admission.begin("slow", 1)
        assert scene.admission.places == AMONG_OTHERS, "the next one is none of few calls from its beginning"
        scene.may_end.set()
        await until(lambda: looks(all(each.done() for each in calls)))
        assert scene.refused == []

    run(scenario)


def test_calls_that_last_take_no_places_from_a_flood_beside_few_other_calls() -> None:
    async def scenario(scene: Scene) -> None:
        for _ in range(FEW):
            await scene.admission.begin("slow", 1)
        calls = scene.come("big", FLOOD)
        await until(lambda: scene.admission.places == AMONG_OTHERS)
        scene.may_end.set()
        while scene.admission.waiting:
            (await scene.admission.begin("small", 1)).close()
            await quiet()
        await asyncio.gather(*calls)
        assert scene.refused == []

    run(scenario)


def test_two_floods_share_all_places_of_several_owners() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.admission.begin("one", 1)
        calls = [*scene.come("one", FLOOD), *scene.come("two", FLOOD)]
        await until(lambda: scene.admission.waiting + scene.admission.served > 2 * FLOOD)
        for each in ("one", "two"):
            calls += scene.come(each)
        await quiet()
        assert scene.admission.places == AMONG_OTHERS
        scene.may_end.set()
        await asyncio.gather(*calls)

    run(scenario)


@pytest.mark.usefixtures("nobody_is_small")
def test_calls_that_keep_coming_hold_up_those_that_wait_for_a_short_time_alone() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.admission.begin("small", 1)
        served = [await scene.admission.begin("big", 1) for _ in range(AMONG_OTHERS - 1)]
        calls = scene.come("big", FLOOD)
        await quiet()
        for each in served[BUSY - 1 :]:
            each.close()
        await quiet()
        assert not scene.begun
        for _ in range(COMING):
            calls += scene.come("big")
            await asyncio.sleep(LOOK)
        assert len(scene.begun) == AMONG_OTHERS - BUSY
        scene.may_end.set()
        await asyncio.gather(*calls)

    run(scenario)


@pytest.mark.usefixtures("nobody_is_small")
def test_while_the_door_looks_few_calls_begin_so_that_the_process_is_never_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.rpc.admission.LOOK", PATIENCE_S)

    async def scenario(scene: Scene) -> None:
        await scene.admission.begin("small", 1)
        served = [await scene.admission.begin("big", 1) for _ in range(AMONG_OTHERS - 1)]
        calls = scene.come("big", FLOOD)
        await quiet()
        while 1 + len(served) >= BUSY:
            assert not scene.begun
            served.pop().close()
            await quiet()
        assert scene.begun == ["big"]
        scene.may_end.set()
        await asyncio.gather(*calls)

    run(scenario)


@pytest.mark.usefixtures("nobody_is_small")
def test_calls_that_go_away_while_they_wait_or_just_then_hold_nobody_up() -> None:
    async def scenario(scene: Scene) -> None:
        calls = scene.come("one") + scene.come("two", FLOOD)
        await quiet()
        scene.may_end.set()
        await until(lambda: len(scene.begun) > AMONG_OTHERS)  # some have their turn, and do not know it yet
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        scene.begun.clear()
        scene.may_end.clear()
        later = scene.come("two", AMONG_OTHERS)
        await until(lambda: len(scene.begun) >= AMONG_OTHERS)
        scene.may_end.set()
        await asyncio.gather(*later)

    run(scenario)


def test_a_call_that_would_wait_too_long_is_refused_at_once_and_one_of_another_owner_is_not() -> None:
    async def scenario(scene: Scene) -> None:
        admission, now = scene.admission, asyncio.get_running_loop().time()
        for owner in ("small", "big"):
            await admission.begin(owner, 1)
        for each in range(FLOOD):  # calls that took very long
            admission.note(now + each, 60.0, now + each + 60.0)
        calls = scene.come("big", FLOOD)
        await quiet()
        assert scene.refused
        refused = scene.refused[0]
        assert refused.reason == Reason.REASON_CALLS_TOO_MANY
        assert refused.parameters == {"caller": "big", "calls": "7"}
        count = len(scene.refused)
        calls += scene.come("small")
        await quiet()
        assert (scene.begun.count("small"), len(scene.refused)) == (1, count)
        scene.may_end.set()
        await asyncio.gather(*calls)

    run(scenario)


@pytest.mark.usefixtures("nobody_is_small")
def test_beside_another_owner_too_no_call_waits_longer_than_its_caller_has_patience() -> None:
    async def scenario(scene: Scene) -> None:
        admission, now = scene.admission, asyncio.get_running_loop().time()
        for owner in ("small", "big"):
            await admission.begin(owner, 1)
        for each in range(ROUND):  # two at a time, a hundred a second
            admission.note(now + each, 0.02, now + each + 0.02)
        calls = scene.come("big", FLOOD)
        await quiet()
        waiting = FLOOD - len(scene.begun) - len(scene.refused)
        assert waiting == 100 * PATIENCE + 1, "the last one waits for all others"
        scene.may_end.set()
        await asyncio.gather(*calls)

    run(scenario)


def test_a_call_that_waits_for_somebody_else_leaves_its_place_to_others() -> None:
    async def scenario(scene: Scene) -> None:
        is_answered = asyncio.Event()

        async def ask(owner: str) -> None:
            with await scene.admission.begin(owner, 1):

                async def wait() -> None:
                    with elsewhere():
                        await is_answered.wait()

                await asyncio.gather(wait(), wait())
                scene.begun.append("answered")

        await scene.admission.begin("two", 1)
        asking = [asyncio.ensure_future(ask("one")) for _ in range(FLOOD)]
        later = scene.come("one")
        await until(lambda: "one" in scene.begun)
        is_answered.set()
        await asyncio.gather(*asking)
        assert scene.begun.count("answered") == FLOOD
        scene.may_end.set()
        await asyncio.gather(*later)

    run(scenario)


def test_calls_show_how_busy_the_process_is_and_so_do_streams_that_are_refused_at_their_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(scene: Scene) -> None:
        noted: list[bool] = []
        monkeypatch.setattr(scene.admission, "note", lambda *_, is_refused: noted.append(is_refused))
        for served in (lambda place: place, Place.at_its_beginning):
            with pytest.raises(Refused), served(await scene.admission.begin("one", 1)):
                raise Refused(Reason.REASON_WATCHES_TOO_MANY)
        assert noted == [True, True]
        with await scene.admission.begin("one", 1):
            pass
        assert noted == [True, True, False]
        with Place.at_its_beginning(await scene.admission.begin("one", 1)):
            pass
        for served in (lambda place: place, Place.at_its_beginning):
            with pytest.raises(asyncio.CancelledError), served(await scene.admission.begin("one", 1)):
                raise asyncio.CancelledError
        assert len(noted) == 3, "one that has ended otherwise may have waited for its caller"

    run(scenario)


@pytest.mark.usefixtures("nobody_is_small")
def test_a_stream_has_a_place_at_its_beginning_alone() -> None:
    async def scenario(scene: Scene) -> None:
        async def stream() -> None:
            with (await scene.admission.begin("one", 1)).at_its_beginning():
                await scene.may_end.wait()

        await scene.admission.begin("two", 1)
        streams = [asyncio.ensure_future(stream()) for _ in range(2 * AMONG_OTHERS)]
        later = scene.come("one")
        await quiet()
        assert not scene.begun, "each place is taken by a stream that begins"
        await until(lambda: "one" in scene.begun)
        scene.may_end.set()
        await asyncio.gather(*streams, *later)
        calls = scene.come("one", AMONG_OTHERS - 1)
        await quiet()
        assert scene.begun == ["one"] * AMONG_OTHERS, "each stream has given its place back, once"
        await asyncio.gather(*calls)

    run(scenario)


def test_a_stream_that_has_ended_gives_its_place_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.rpc.admission.BEGINNING", PATIENCE_S)

    async def scenario(scene: Scene) -> None:
        await scene.admission.begin("two", 1)
        for _ in range(2 * AMONG_OTHERS):
            with (await scene.admission.begin("one", 1)).at_its_beginning():
                pass

    run(scenario)


@pytest.mark.usefixtures("nobody_is_small")
def test_what_goes_on_behind_a_call_that_has_ended_takes_no_place() -> None:
    async def scenario(scene: Scene) -> None:
        may_go_on = asyncio.Event()

        async def go_on() -> None:
            with elsewhere():
                await may_go_on.wait()
            with elsewhere():
                pass

        behind = []
        for _ in range(2 * AMONG_OTHERS):
            with await scene.admission.begin("one", 1):
                behind.append(asyncio.ensure_future(go_on()))
                await asyncio.sleep(0)
        may_go_on.set()
        await asyncio.gather(*behind)
        calls = scene.come("two", AMONG_OTHERS)
        await quiet()
        assert len(scene.begun) == AMONG_OTHERS
        scene.may_end.set()
        await asyncio.gather(*calls)

    run(scenario)


def test_a_call_whose_request_does_not_come_leaves_its_place_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.rpc.request_streams.PATIENCE", 0.2)
    monkeypatch.setattr("gateway.rpc.request_streams.SOON", 0.001)
    reader = RequestReader(1, None, lambda _: pytest.fail("nothing came"))

    async def scenario(scene: Scene) -> None:
        async def silent() -> None:
            with await scene.admission.begin("one", 1):
                assert current_place() is not None
                await reader.read_only(asyncio.Event().wait())

        await scene.admission.begin("two", 1)
        waiting = [asyncio.ensure_future(silent()) for _ in range(FLOOD)]
        later = scene.come("one")
        await until(lambda: "one" in scene.begun)
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        reasons = {each.reason for each in ended if isinstance(each, Refused)}
        assert reasons == {Reason.REASON_REQUEST_NOT_SENT}
        scene.may_end.set()
        await asyncio.gather(*later)

    run(scenario)


def test_the_bytes_of_requests_are_shared_by_callers_who_hold_some() -> None:
    shares = Shares()
    with shares.holding("one") as one, shares.holding("two") as two, shares.holding("three") as empty:
        empty.hold(0, 0.0)
        one.hold(BYTES, 0.0)
        with pytest.raises(Refused, match="REQUEST_BYTES_TOO_MANY"):
            one.hold(1, 0.0)
        two.hold(BYTES // 2, 0.0)
        two.release()
    with shares.holding("one") as one:
        one.hold(BYTES, 0.0)


def test_a_caller_has_calls_on_so_many_connections_and_any_number_on_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.rpc.shares.CONNECTIONS", 2)
    shares, caller = Shares(), parse("spiffe://crossregion.cn/region/sichuan/operator/crm", "crossregion.cn")
    key = ""
    for connection in ("a", "a", "b"):
        key = shares.enter(caller, connection, is_stranger=False)
    with pytest.raises(Refused, match="CONNECTIONS_TOO_MANY"):
        shares.enter(caller, "c", is_stranger=False)
    shares.leave(key, "a")
    with pytest.raises(Refused, match="CONNECTIONS_TOO_MANY"):
        shares.enter(caller, "c", is_stranger=False)
    shares.leave(key, "a")
    shares.enter(caller, "c", is_stranger=False)
    for connection in ("b", "c"):
        shares.leave(key, connection)
    assert shares.of(key) == 0
