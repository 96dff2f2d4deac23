"""Watches: what has changed is read once for all who watch, and nobody watches without end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeVar, cast

import pytest

from gateway.api.region.v1.alarm_service_pb2 import WatchAlarmsRequest, WatchAlarmsResponse
from gateway.api.region.v1.joint_order_pb2 import JointOrder
from gateway.api.region.v1.joint_order_service_pb2 import WatchJointOrderRequest, WatchJointOrderResponse
from gateway.api.region.v1.order_event_service_pb2 import (
    OrderEvent,
    StreamOrderEventsRequest,
    StreamOrderEventsResponse,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.calls import Call, enter
from gateway.rpc.pages import encode_token
from gateway.security.identity import Identity
from gateway.store.port import Operation, Store, Transaction, store_unavailable
from gateway.time.clock import Clock
from region_node.business.joint import service as joint_service
from region_node.business.joint import working
from region_node.business.joint.application import JointApplication
from region_node.business.orders import events_service
from region_node.network.measurements import alarm_service
from region_node.node.context import RegionContext
from region_node.records.watches import Change, Feed, Follower, SharedReads
from region_node.requests.changes import WATCHES, Changes

if TYPE_CHECKING:
    import grpc

T = TypeVar("T")
COUNTER = Identity("china", Role.ROLE_OPERATOR, "sichuan", "counter")
APP = Identity("china", Role.ROLE_OPERATOR, "sichuan", "app")


class Log:
    """A store with a list of changes, that counts how often it is read."""

    is_shared = False

    def __init__(self) -> None:
        self.changes: list[Change[str]] = []
        self.reads = 0
        self.fails = False

    async def read(self, operation: Operation[T]) -> T:
        self.reads += 1
        await asyncio.sleep(0)  # as an engine over a network
        if self.fails:
            raise store_unavailable()
        return operation(cast("Transaction", None))

    write = read

    def subscribe(self, event: type[T], listener: Callable[[T], None]) -> None:
        """Nothing is published."""

    def add(self, name: str) -> None:
        self.changes.append(Change(len(self.changes) + 1, name, f"{name} as it is now"))

    def feed(self) -> Feed[str]:
        def after(_: Transaction, sequence: int, name: str) -> Sequence[Change[str]]:
            return [each for each in self.changes[sequence:] if name in ("", each.name)][:2]

        return Feed(after, lambda _: len(self.changes))


class Scene:
    """The shared parts of one process's watches."""

    def __init__(self) -> None:
        self.log = Log()
        store = cast("Store", self.log)
        self.changes = Changes(store)
        self.follower = Follower(store, self.changes, self.log.feed())
        self.seen: dict[int, list[int]] = {}

    async def watch(self, number: int, sequence: int = 0, name: str = "") -> None:
        identity = Identity("china", Role.ROLE_OPERATOR, "sichuan", f"app-{number}")
        with self.changes.watch(identity) as changed:
            async for change in self.follower.follow(changed, sequence, name):
                self.seen.setdefault(number, []).append(change.sequence)

    def change(self, name: str) -> None:
        self.log.add(name)
        self.changes.wake_watchers()


def run(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def ran() -> None:
        scene = Scene()
        try:
            await scenario(scene)
        finally:
            scene.changes.close()

    asyncio.run(ran())


async def quiet() -> None:
    """Returns once all pending work is done."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_change_is_read_once_however_many_watch() -> None:
    async def scenario(scene: Scene) -> None:
        tasks = [asyncio.create_task(scene.watch(number)) for number in range(1000)]
        await quiet()
        before = scene.log.reads
        scene.change("one")
        await quiet()
        assert scene.seen == {number: [1] for number in range(1000)}
        assert scene.log.reads - before == 2, "the change, and that no other follows"
        for task in tasks:
            task.cancel()

    run(scenario)


def test_watchers_of_one_record_share_each_read_of_it() -> None:
    async def scenario(scene: Scene) -> None:
        reads = SharedReads[str, str](cast("Store", scene.log), scene.changes, lambda _, name: f"{name} is read")
        for _ in range(2):
            scene.changes.wake_watchers()
            seen = await asyncio.gather(*(reads.of(name) for name in ("one", "two") * 100))
            assert seen == ["one is read", "two is read"] * 100
        assert scene.log.reads == 4

    run(scenario)


def test_a_watch_of_one_thing_catches_up_with_it_and_then_follows_it_alone() -> None:
    async def scenario(scene: Scene) -> None:
        for name in ("one", "two", "one", "two", "one"):
            scene.log.add(name)
        task = asyncio.create_task(scene.watch(1, 1, "one"))
        await quiet()
        assert scene.seen == {1: [5]}, "once, since both changes read the same state"
        scene.change("two")
        scene.change("one")
        await quiet()
        assert scene.seen == {1: [5, 7]}
        task.cancel()

    run(scenario)


def test_a_reading_that_fails_is_the_end_of_those_who_waited_for_it_alone() -> None:
    async def scenario(scene: Scene) -> None:
        scene.log.fails = True
        results = await asyncio.gather(scene.watch(1), scene.watch(2), return_exceptions=True)
        assert [isinstance(each, Refused) for each in results] == [True, True]
        scene.log.fails = False
        scene.log.add("one")
        task = asyncio.create_task(scene.watch(3))
        await quiet()
        assert scene.seen == {3: [1]}
        task.cancel()

    run(scenario)


def test_whoever_asked_first_may_go_before_the_others() -> None:
    async def scenario(scene: Scene) -> None:
        scene.log.add("one")
        first, second = asyncio.create_task(scene.watch(1)), asyncio.create_task(scene.watch(2))
        await asyncio.sleep(0)
        first.cancel()
        await quiet()
        assert scene.seen == {2: [1]}
        second.cancel()

    run(scenario)


def test_a_certificate_has_so_many_watches_and_no_more_until_it_ends_one() -> None:
    async def scenario(scene: Scene) -> None:
        with contextlib.ExitStack() as most:
            for _ in range(WATCHES - 1):
                most.enter_context(scene.changes.watch(COUNTER))
            with scene.changes.watch(COUNTER), scene.changes.watch(APP):
                with pytest.raises(Refused) as caught, scene.changes.watch(COUNTER):
                    pass
                assert caught.value.reason == Reason.REASON_WATCHES_TOO_MANY
                assert caught.value.parameters == {"watches": str(WATCHES)}
            with scene.changes.watch(COUNTER):
                pass

    run(scenario)


def test_a_stream_that_ends_by_itself_ends_with_an_error_where_the_node_stops_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def see(*_: object) -> working.Seen:
        return working.Seen(JointOrder(id="1"), is_at_home=True, refused=None)

    def events(_tx: Transaction, after: int) -> list[OrderEvent]:
        return [OrderEvent(sequence=after + 1)]

    monkeypatch.setattr(working, "see", see)
    monkeypatch.setattr(joint_service, "audited_call", lambda *_: SimpleNamespace(record=lambda *_: None))
    monkeypatch.setattr(events_service, "_start", lambda _, token: (0, 2))
    monkeypatch.setattr(events_service, "order_events", events)

    async def scenario(scene: Scene) -> None:
        enter(Call(COUNTER, "Watch", None))
        store = cast("Store", scene.log)
        context, application, clock = cast("RegionContext", None), cast("JointApplication", None), cast("Clock", None)
        joint = joint_service.JointOrderService(context, application, store, scene.changes, clock)
        feed = events_service.OrderEventService(store, scene.changes)
        joint_call = cast("grpc.aio.ServicerContext[WatchJointOrderRequest, WatchJointOrderResponse]", None)
        feed_call = cast("grpc.aio.ServicerContext[StreamOrderEventsRequest, StreamOrderEventsResponse]", None)
        past = StreamOrderEventsRequest(only_past=True)
        assert [len(each.events) async for each in feed.StreamOrderEvents(past, feed_call)] == [0, 1, 1], "all"
        watching = joint.WatchJointOrder(WatchJointOrderRequest(), joint_call)
        half, endless = (
            feed.StreamOrderEvents(past, feed_call),
            feed.StreamOrderEvents(StreamOrderEventsRequest(), feed_call),
        )
        assert (await anext(watching)).order.id == "1"
        assert [len((await anext(half)).events) for _ in range(2)] == [0, 1]
        await anext(endless)
        scene.changes.close()
        for stream in (watching, half):
            with pytest.raises(Refused) as refused:
                await anext(stream)
            assert refused.value.reason == Reason.REASON_TOO_BUSY
        assert [each async for each in endless] == []

    run(scenario)


def test_a_watch_of_alarms_does_not_go_on_after_a_change_that_is_yet_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_service, "last_change", lambda _: 5)

    async def scenario(scene: Scene) -> None:
        enter(Call(COUNTER, "WatchAlarms", None))
        store, context, clock = cast("Store", scene.log), cast("RegionContext", None), cast("Clock", None)
        service = alarm_service.AlarmService(context, store, scene.changes, clock)
        call = cast("grpc.aio.ServicerContext[WatchAlarmsRequest, WatchAlarmsResponse]", None)

        async def begun(token: str) -> str:
            return (await anext(aiter(service.WatchAlarms(WatchAlarmsRequest(token=token), call)))).token

        last = encode_token("alarm-changes", "5")
        assert [await begun(""), await begun(last)] == [last, last]
        with pytest.raises(Refused) as refused:
            await begun(encode_token("alarm-changes", "6"))
        assert refused.value.reason == Reason.REASON_TOKEN_INVALID

    run(scenario)
