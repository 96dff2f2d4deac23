"""Work that goes on to its end though its caller goes away."""

import asyncio

import pytest

from gateway.process.finishing import Finishing


def test_work_ends_though_its_caller_is_cancelled_and_a_close_waits_for_it() -> None:
    async def story() -> list[str]:
        done, begun, go_on, finishing = list[str](), asyncio.Event(), asyncio.Event(), Finishing()

        async def work() -> None:
            begun.set()
            await go_on.wait()
            done.append("work")

        caller = asyncio.create_task(finishing.run(work()))
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        go_on.set()
        await finishing.all_done()
        return done

    assert asyncio.run(story()) == ["work"]


def test_a_failure_is_told_to_the_caller_and_apart_from_it() -> None:
    async def story() -> list[str]:
        told = list[str]()
        finishing = Finishing(lambda error: told.append(str(error)))

        async def work() -> None:
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            await finishing.run(work())
        return told

    assert asyncio.run(story()) == ["broken"]
