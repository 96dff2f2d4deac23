"""A node that is given a number plan of half a million prefixes while it works."""

import asyncio
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from tests.contract.large_number_plan import segments, with_segments
from tests.contract.membership_node import PATIENCE_S, eventually, node, running
from tests.contract.small_federation import NOTHING_LISTENS, Certificates, coordinator

PEER = "henan"


@pytest.fixture(name="certificates")
def certificates_of_a_federation(tmp_path: Path) -> Certificates:
    (tmp_path / "data").mkdir()
    return Certificates(tmp_path / "certificates")


async def longest_pause(of: "asyncio.Task[None]") -> tuple[float, float]:
    """The longest time for which the event loop did nothing else while a task ran, and how long that was; seconds."""
    loop = asyncio.get_running_loop()
    begun = last = loop.time()
    longest = 0.0
    while not of.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, loop.time() - last), loop.time()
    await of
    return longest, last - begun


@pytest.mark.slow
def test_it_works_on_while_it_takes_the_plan_over_and_starts_by_it_again(
    certificates: Certificates, tmp_path: Path
) -> None:
    large, sample = with_segments(), segments()

    async def story() -> None:
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 1)
            hub.change(2, configuration=large)
            taken = asyncio.create_task(eventually(lambda: under_test.current.revision == 2))
            longest, whole = await longest_pause(taken)
            assert longest < whole / 2, "most of the work is done beside the event loop"
            plan = under_test.current.federation.number_plan
            assert {plan.home_of(f"{owned[0]}1234") for owned in sample.values()} == set(sample)
            before = under_test.current.federation
            hub.change(2, Member(region=PEER, state=MemberState.MEMBER_STATE_SUSPENDED), configuration=large)
            suspended = MemberState.MEMBER_STATE_SUSPENDED
            await eventually(lambda: under_test.current.state().member_state(PEER) == suspended)
            assert under_test.current.federation is before, "what is in force is not built again"
        async with node(certificates, tmp_path / "data", NOTHING_LISTENS) as again:
            assert again.current.federation.configuration == large
            assert again.current.state().member_state(PEER) == suspended

    async def bounded() -> None:
        async with asyncio.timeout(3 * PATIENCE_S):
            await story()

    asyncio.run(bounded())
