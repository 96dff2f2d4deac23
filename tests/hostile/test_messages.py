"""Large messages that a caller begins in many calls and never ends: the server keeps few, and others are served."""

import asyncio
import struct
from contextlib import suppress

import pytest

from deploy.local.federation import LocalFederation
from gateway.process.resident import resident_bytes
from gateway.rpc.arrivals import OF_CALLER
from gateway.rpc.connections import GROWTH
from gateway.security.tls import MAX_MESSAGE_BYTES
from tests.bench.orders import HOME
from tests.hostile.conftest import OF_STREAM, SECONDS, Target
from tests.hostile.frames import DATA, END_HEADERS, END_STREAM, HEADERS, Connection, call_headers, frame
from tests.hostile.served import KEPT, Served, require_served
from tests.hostile.test_heartbeats import end_of_delivery

CONNECTIONS = 2
CALLS = 256  # of each, at a time: where one ends, another begins
LENGTH = struct.pack(">BI", 0, MAX_MESSAGE_BYTES)  # of a message that never ends
SENT = 1536 * 1024 * 1024  # bytes, of which a server without a bound keeps all
LONGEST = 60.0  # seconds in which they are sent, or fewer where a server takes them slowly
REST = 0.01  # seconds until another look at windows that are closed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS)]


class Swelling:
    """A connection of the attacker, whose calls have all sent most of a message."""

    def __init__(self, connection: Connection, target: Target) -> None:
        self.connection = connection
        self._paths = (target.port.unary, target.port.stream)
        self._left: dict[int, int] = {}
        self.sent = 0

    async def swell(self) -> None:
        """Begins calls in place of those that have ended, and sends what their windows take."""
        for each in self.connection.over & self._left.keys():
            del self._left[each]
        while len(self._left) < CALLS:
            stream = next(self.connection.streams)
            path = self._paths[len(self._left) % 2]
            self._left[stream] = MAX_MESSAGE_BYTES - 1
            await self.connection.send(
                frame(HEADERS, stream, call_headers(path), END_HEADERS) + frame(DATA, stream, LENGTH)
            )
        # A connection without a call that begins would be closed for the bytes that it sends.
        small, headers = next(self.connection.streams), call_headers(self._paths[0])
        await self.connection.send(
            frame(HEADERS, small, headers, END_HEADERS) + frame(DATA, small, bytes(5), END_STREAM)
        )
        before = sum(self._left.values())
        if not await self.connection.fill(self._left):
            await asyncio.sleep(REST)
        self.sent += before - sum(self._left.values())


@pytest.fixture(name="target", params=["node", "coordinator"])
def each_port(request: pytest.FixtureRequest) -> Target:
    """The ports of members, one after the other."""
    found: Target = request.getfixturevalue(request.param)
    return found


def test_large_messages_that_are_begun_and_never_ended_leave_the_server_its_memory_and_others_their_calls(
    target: Target, coordinator: Target, federation: LocalFederation
) -> None:
    swelling, memory = list[Swelling](), list[int]()

    async def hold() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                while sum(each.sent for each in swelling) < SENT:
                    await asyncio.sleep(REST)
                    memory.append(resident_bytes(target.pid))

    async def scenario() -> Served:
        await federation.wait_joined([HOME])
        async with coordinator.dial_honest() as relaying, target.honest() as served:
            quiet = await end_of_delivery(relaying)

            async def act() -> None:
                await hold()
                assert await end_of_delivery(relaying) == quiet

            swelling.extend([Swelling(await target.connect(), target) for _ in range(CONNECTIONS)])
            await served.hold(*(each.swell for each in swelling), act=act)
            await asyncio.gather(*(each.connection.close() for each in swelling))
        return served

    served = asyncio.run(scenario())
    sent = sum(each.sent for each in swelling)
    grown = max(memory) - served.memory
    growth = KEPT + GROWTH + OF_CALLER * MAX_MESSAGE_BYTES + CONNECTIONS * CALLS * OF_STREAM
    told = f"{sent / 2**20:.0f} MiB in messages without end, memory {grown / 2**20:+.0f} MiB"
    print(f"{told}; {served} of {growth / 2**20:.0f}")
    assert grown < growth
    require_served(served, growth)
