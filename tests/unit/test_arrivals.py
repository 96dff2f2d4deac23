"""Messages that are awaited for long: a caller, and a connection of it, has few of them while the memory grows."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.arrivals import LATE, OF_CALLER, OF_CONNECTION, Arrivals, Arriving
from gateway.rpc.calls import Call, enter
from gateway.rpc.request_streams import RequestReader, RequestStreams
from gateway.security.identity import Identity

IDENTITY = Identity("test", Role.ROLE_OPERATOR, "sichuan", "counter")
NOW = 100.0
PATIENCE_S = 60.0


class Scene:
    """Messages that are awaited."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self.ended: list[str] = []
        """The names of those whose wait has ended, by the order of their ends."""

    def wait(self, name: str, caller: str = "one", connection: str = "a", since: float = NOW) -> Arriving:
        call = Call(IDENTITY, "/Submit", None, share=caller, connection=connection)
        return self.arrivals.add(call, since, lambda _: self.ended.append(name))

    def wait_for_many(self, count: int, caller: str = "one", connection: str = "a") -> None:
        for number in range(count):
            self.wait(f"{caller} {connection} {number}", caller, connection)


@pytest.fixture(name="scene")
def empty_scene() -> Scene:
    return Scene()


def test_the_longest_of_too_many_waits_on_one_connection_end_and_those_on_others_go_on(scene: Scene) -> None:
    scene.wait_for_many(OF_CALLER - OF_CONNECTION, connection="b")
    scene.wait_for_many(OF_CONNECTION + 2)
    assert scene.arrivals.end_many(NOW + LATE)
    assert sorted(scene.ended) == ["one a 0", "one a 1"]
    assert not scene.arrivals.end_many(NOW + LATE)


def test_a_caller_has_few_waits_on_all_its_connections_and_another_one_keeps_its_own(scene: Scene) -> None:
    scene.wait_for_many(OF_CONNECTION, "two", "x")
    for connection in "abcd":
        scene.wait_for_many(OF_CONNECTION, connection=connection)
    assert scene.arrivals.end_many(NOW + LATE)
    assert len(scene.ended) == 4 * OF_CONNECTION - OF_CALLER
    assert {each.split()[1] for each in scene.ended} == {"a", "b"}


def test_messages_that_come_soon_count_as_none(scene: Scene) -> None:
    coming = [scene.wait(str(number)) for number in range(2 * OF_CONNECTION)]
    assert not scene.arrivals.end_many(NOW + LATE / 2)
    for each in coming[OF_CONNECTION:]:
        scene.arrivals.remove(each)
    assert not scene.arrivals.end_many(NOW + LATE)


def test_a_call_within_the_process_keeps_nothing_of_grpc_and_its_wait_never_ends(scene: Scene) -> None:
    scene.wait_for_many(2 * OF_CALLER, connection="")
    assert not scene.arrivals.end_many(NOW + LATE)


async def never() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize("streams", [False, True], ids=["one request", "a stream of requests"])
def test_a_call_whose_wait_ends_is_refused_for_too_many_calls_and_can_be_made_again(
    monkeypatch: pytest.MonkeyPatch, streams: bool
) -> None:
    monkeypatch.setattr("gateway.rpc.request_streams.SOON", 0)
    monkeypatch.setattr("gateway.rpc.arrivals.LATE", 0)
    monkeypatch.setattr("gateway.rpc.arrivals.OF_CONNECTION", 0)
    arrivals = Arrivals()
    reader = RequestReader(1024, StringValue.DESCRIPTOR, StringValue.FromString, arrivals)

    async def serve() -> None:
        enter(Call(IDENTITY, "/Submit", None, share="one", connection="a"))
        if streams:
            await anext(RequestStreams().read(never(), reader, lambda each: each, None))
        else:
            await reader.read_only(asyncio.Event().wait())

    async def scenario() -> Refused:
        serving = asyncio.ensure_future(serve())
        end_many = partial(arrivals.end_many, asyncio.get_running_loop().time() + LATE)
        async with asyncio.timeout(PATIENCE_S):
            while not end_many():  # noqa: ASYNC110 - the call gives way by a timer of its own
                await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await serving
        assert serving.cancelling() == 0
        return refused.value

    refused = asyncio.run(scenario())
    assert refused.reason == Reason.REASON_CALLS_TOO_MANY
    assert refused.parameters == {"caller": "one", "calls": "1"}
