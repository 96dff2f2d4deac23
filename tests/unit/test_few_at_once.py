"""Long work has a place until it ends, however often its caller is cancelled."""

import asyncio

import pytest

from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused
from gateway.rpc.calls import Call, enter
from gateway.rpc.few_at_once import FewAtOnce
from gateway.security.identity import Identity

PATIENCE_S = 60.0
ADMINISTRATOR = Identity("china", Role.ROLE_ADMIN, "", "li")


@pytest.mark.parametrize("cancels", [0, 1, 2, 3])
def test_work_in_threads_keeps_its_place_until_it_ends_and_then_gives_it_back(cancels: int) -> None:
    async def scenario() -> None:
        enter(Call(ADMINISTRATOR, "ApplyConfiguration", None))
        few, ends, begun, done = FewAtOnce(1, 0.0), asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            await ends.wait()
            done.set()

        caller = asyncio.create_task(few.whole(work))
        await begun.wait()
        for _ in range(cancels):
            caller.cancel()
            await asyncio.sleep(0)
        with pytest.raises(Refused, match="TOO_BUSY"):
            await few.whole(work)
        ends.set()
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        (outcome,) = await asyncio.gather(caller, return_exceptions=True)
        assert isinstance(outcome, asyncio.CancelledError) == bool(cancels)
        await few.whole(work)

    asyncio.run(scenario())
