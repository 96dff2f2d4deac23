"""Each write to etcd counts in the share of its region, whatever becomes of its answer and its caller."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from coordinator.registry import shares
from coordinator.registry.etcd.cases import EtcdCases
from coordinator.registry.etcd.changes import Changes
from coordinator.registry.etcd.client import Read
from coordinator.registry.etcd.keys import KeyRange, Keys
from coordinator.registry.etcd.problems import EtcdProblems, ProblemPorts
from coordinator.registry.etcd.settings import EtcdSettings
from gateway.api.region.v1.case_service_pb2 import CaseHeader
from gateway.errors import Refused
from gateway.time.clock import SystemClock
from tests.contract.registries import run
from tests.contract.test_etcd_changes import Followed, Loss, LossyClient
from tests.unit.network_events import event

Keep = Callable[[int], Awaitable[bool]]
"""Stores a record of a number; False where the share has no room for it."""


class Scene:
    """The registry of one coordinator, which reaches etcd by a lossy client."""

    def __init__(self, client: LossyClient) -> None:
        self.client = client
        self.writes: asyncio.Queue[asyncio.Task[int]] = asyncio.Queue()
        keys = Keys(f"{uuid4().hex}.example")
        changes = Changes(client, keys, Followed())
        self.ports = ProblemPorts(changes, keys, SystemClock(), self._read, lambda: 5.0, self._to_the_end)

    def keep(self, records: str) -> Keep:
        """How a record of a kind is stored."""
        problems, cases = EtcdProblems(self.ports), EtcdCases(self.ports)
        if records == "events":
            return lambda number: problems.keep_event(event(f"sichuan/alarm/{number}", sites=["chengdu"]))
        return lambda number: cases.keep(case(number))

    async def _read(self, ranges: Sequence[KeyRange]) -> Read:
        return await self.client.read(ranges)

    async def _to_the_end(self, work: Coroutine[object, object, int]) -> int:
        task = asyncio.create_task(work)
        self.writes.put_nowait(task)
        return await asyncio.shield(task)


def case(number: int, *, version: int = 1) -> CaseHeader:
    return CaseHeader(ticket_id=f"sichuan/20261201-{number}", version=version)


@asynccontextmanager
async def scene(settings: EtcdSettings) -> AsyncIterator[Scene]:
    client = LossyClient(settings)
    try:
        yield Scene(client)
    finally:
        await client.close()


@pytest.fixture(autouse=True)
def room_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each share has room for one record."""
    monkeypatch.setattr(shares, "EVENTS", 8 * 1024)
    monkeypatch.setattr(shares, "CASES", 3 * 1024)


@pytest.mark.parametrize("records", ["events", "cases"])
def test_a_write_whose_caller_has_gone_counts(records: str, etcd: EtcdSettings) -> None:
    async def scenario() -> None:
        async with scene(etcd) as it:
            keep = it.keep(records)
            caller = asyncio.ensure_future(keep(1))
            write = await it.writes.get()
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
            await write
            assert caller.cancelled()
            assert not await keep(2)

    run(scenario())


@pytest.mark.parametrize("records", ["events", "cases"])
def test_a_write_whose_answer_is_lost_counts(records: str, etcd: EtcdSettings) -> None:
    async def scenario() -> None:
        async with scene(etcd) as it:
            keep = it.keep(records)
            it.client.losses = [Loss.ANSWER]
            assert await keep(1)
            assert not await keep(2)

    run(scenario())


@pytest.mark.parametrize("records", ["events", "cases"])
def test_a_write_of_which_nobody_knows_whether_it_was_made_counts(records: str, etcd: EtcdSettings) -> None:
    async def scenario() -> None:
        async with scene(etcd) as it:
            keep = it.keep(records)
            it.client.losses = [Loss.ANSWER_AND_RIGHTS]
            with pytest.raises(Refused, match="OUTCOME_UNKNOWN"):
                await keep(1)
            it.client.has_rights = True
            assert not await keep(2)

    run(scenario())


def test_a_case_that_changes_while_it_is_to_be_forgotten_stays_and_counts(
    etcd: EtcdSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "CASES", 4 * 1024)

    async def scenario() -> None:
        async with scene(etcd) as it:
            cases, loop = EtcdCases(it.ports), asyncio.get_running_loop()
            assert [await cases.keep(case(each)) for each in (1, 2, 3)] == [True, True, False]

            def decide(kept: Sequence[CaseHeader]) -> Sequence[CaseHeader]:
                changing = asyncio.run_coroutine_threadsafe(cases.keep(case(1, version=2)), loop)
                assert changing.result()
                return kept

            assert await cases.forget(decide, "sichuan") == 1
            assert await cases.all() == [case(1, version=2)]
            assert [await cases.keep(case(each)) for each in (4, 5)] == [True, False]

    run(scenario())
