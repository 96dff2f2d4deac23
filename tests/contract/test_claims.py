"""The process that sends an envelope, on both engines; and on one database, two processes of which one falls silent."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from deploy.local.postgresql import LocalPostgresql
from gateway.api.relay.v1.relay_pb2 import Batch, BatchAnswer, DeliverResult, Receipt
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import claims, outbox
from gateway.relay.border import Border
from gateway.relay.claims import Claims, Waiting, adopt, beat, leave, own, take_handed_over, take_over
from gateway.relay.lanes import Delivered, LanePorts, Lanes
from gateway.relay.outbox import Enqueued, HandedOver
from gateway.relay.transport import BeforeAttempt
from gateway.store import postgresql_connection
from gateway.store.port import Operation, Store, Transaction
from gateway.store.schema import migrations_of
from tests.contract.postgresql_scene import Database, opened, until
from tests.contract.relay_pair import NOW, ORIGIN, OUTGOING, FixedClock, Pair
from tests.contract.stores import Adapter, run
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy

MIGRATIONS = migrations_of("gateway")


@pytest.fixture(scope="module")
def border() -> Border:
    return Pair().borders[ORIGIN]


@pytest.fixture
def database(postgresql_server: LocalPostgresql, postgresql_database: str) -> Database:
    made = Database(postgresql_server, postgresql_database)
    made.migrate(MIGRATIONS)
    return made


@pytest.fixture
def proxy(database: Database) -> Iterator[FaultProxy]:
    """The line to the server."""
    background = Background()
    made = FaultProxy(background, lambda: f"127.0.0.1:{database.server.port}")
    yield made
    made.close()
    background.close()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(claims, "LEASE_SECONDS", 1.0)


def sending(border: Border, name: str, *, about: str, by: int) -> Operation[None]:
    """The process with a number enqueues an envelope about a subject."""
    outgoing = replace(OUTGOING, envelope_id=name, subject=about)
    return partial(outbox.send, border=replace(border, number=by), outgoing=outgoing, now=NOW, traceparent="")


def close(tx: Transaction, envelope_id: str) -> bool:
    return outbox.close_answered(tx, envelope_id, Receipt(content=b"first"), journey=b"", attempts=1, now=NOW)


def ids(envelopes: Sequence[Waiting]) -> list[str]:
    return [waiting.sealed.content.id for waiting in envelopes]


def claimants(tx: Transaction) -> dict[str, tuple[int, int]]:
    """The claimant of each open envelope, and whether it was handed over."""
    return dict(
        tx.all(
            lambda name, number, handed_over: (name, (number, handed_over)),
            "SELECT envelope_id, claimed_by, handed_over FROM outbox WHERE closed IS NULL",
        )
    )


def test_an_envelope_is_claimed_by_the_process_that_enqueued_it(adapter: Adapter, border: Border) -> None:
    async def scenario() -> None:
        async with adapter.open(MIGRATIONS) as store:
            told: list[object] = []
            store.subscribe(Enqueued, told.append)
            await store.write(sending(border, "1", about="a", by=0))
            await store.write(sending(border, "2", about="b", by=1))
            assert await store.read(claimants) == {"1": (0, 0), "2": (1, 0)}
            assert len(told) == 2

    run(scenario())


def test_envelopes_of_one_subject_are_claimed_by_the_process_that_has_the_open_ones(
    adapter: Adapter, border: Border
) -> None:
    async def scenario() -> None:
        async with adapter.open(MIGRATIONS) as store:
            told: list[object] = []
            store.subscribe(HandedOver, told.append)
            await store.write(sending(border, "1", about="a", by=0))
            await store.write(sending(border, "2", about="a", by=1))
            assert await store.read(claimants) == {"1": (0, 0), "2": (0, 1)}
            assert told == [HandedOver(0)]
            await store.write(sending(border, "2a", about="a", by=0))
            assert await store.read(claimants) == {"1": (0, 0), "2": (0, 1), "2a": (0, 1)}, "it does not overtake"
            assert ids(await store.write(partial(take_handed_over, number=1))) == []
            assert ids(await store.write(partial(take_handed_over, number=0))) == ["2", "2a"]
            assert ids(await store.write(partial(take_handed_over, number=0))) == [], "once"
            for name in ("1", "2", "2a"):
                await store.write(partial(close, envelope_id=name))
            await store.write(sending(border, "3", about="a", by=1))
            assert await store.read(claimants) == {"3": (1, 0)}, "nothing of the subject was open"

    run(scenario())


def test_envelopes_of_one_commit_and_subject_are_claimed_by_one_process(adapter: Adapter, border: Border) -> None:
    async def scenario() -> None:
        async with adapter.open(MIGRATIONS) as store:
            sent = (("1", "a", 0), ("2", "a", 1), ("3", "b", 1), ("4", "a", 0))
            await asyncio.gather(*(store.write(sending(border, name, about=about, by=by)) for name, about, by in sent))
            assert await store.read(claimants) == {"1": (0, 0), "2": (0, 1), "3": (1, 0), "4": (0, 1)}

    run(scenario())


def test_what_is_open_is_taken_up_oldest_first_and_what_is_closed_never(adapter: Adapter, border: Border) -> None:
    async def scenario() -> None:
        async with adapter.open(MIGRATIONS) as store:
            for name, number in (("3", 0), ("1", 0), ("2", 1), ("4", 0), ("5", 0)):
                await store.write(sending(border, name, about=name, by=number))
            await store.write(partial(close, envelope_id="4"))
            await store.write(partial(outbox.note_not_taken, envelope_id="3", reason=Reason.REASON_TOO_BUSY))
            found = await store.read(partial(own, number=0, after=None))
            assert ids(found) == ["1", "3", "5"]
            assert [each.not_taken for each in found] == [0, Reason.REASON_TOO_BUSY, 0]
            first = await store.read(partial(own, number=0, after=None, limit=2))
            assert ids(first) == ["1", "3"]
            assert ids(await store.read(partial(own, number=0, after=first[-1], limit=2))) == ["5"]
            assert ids(await store.read(partial(own, number=1, after=None))) == ["2"]
            await store.write(partial(adopt, number=7))
            assert ids(await store.read(partial(own, number=7, after=None))) == ["1", "2", "3", "5"]
            assert set((await store.read(claimants)).values()) == {(7, 0)}

    run(scenario())


def test_what_silent_processes_and_those_that_are_gone_claimed_is_taken_over_and_nothing_else(
    adapter: Adapter, border: Border
) -> None:
    async def scenario() -> None:
        async with adapter.open(MIGRATIONS) as store:
            for number in (0, 1, 2, 3):
                await store.write(partial(beat, number=number))
                await store.write(sending(border, f"{number}", about=f"{number}", by=number))
            assert ids(await store.write(partial(take_over, number=0, silent={}))) == []
            await store.write(partial(leave, number=3))
            assert ids(await store.write(partial(take_over, number=0, silent={2: 1}))) == ["2", "3"]
            assert await store.read(claimants) == {"0": (0, 0), "1": (1, 0), "2": (0, 0), "3": (0, 0)}
            assert (await store.write(partial(beat, number=1))).by_number == {0: 1, 1: 2}

    run(scenario())


def test_a_process_that_has_counted_since_it_was_found_silent_keeps_its_envelopes(
    adapter: Adapter, border: Border
) -> None:
    async def scenario() -> None:
        async with adapter.open(MIGRATIONS) as store:
            for number in (0, 1):
                await store.write(partial(beat, number=number))
            await store.write(sending(border, "1", about="a", by=1))
            await store.write(partial(beat, number=1))
            assert ids(await store.write(partial(take_over, number=0, silent={1: 1}))) == []
            assert await store.read(claimants) == {"1": (1, 0)}
            assert ids(await store.write(partial(take_over, number=0, silent={1: 2}))) == ["1"]

    run(scenario())


def test_what_was_left_behind_is_taken_over_in_pages(adapter: Adapter, border: Border) -> None:
    async def scenario() -> None:
        async with adapter.open(MIGRATIONS) as store:
            for name, number in (("1", 1), ("2", 1), ("3", 2)):
                await store.write(sending(border, name, about=name, by=number))
            await store.write(partial(beat, number=0))
            assert ids(await store.write(partial(take_over, number=0, silent={}, limit=2))) == ["1", "2"]
            assert ids(await store.write(partial(take_over, number=0, silent={}, limit=2))) == ["3"]

    run(scenario())


def test_an_envelope_that_another_process_took_over_cannot_be_dropped_as_never_sent(
    adapter: Adapter, border: Border
) -> None:
    async def scenario() -> None:
        async with adapter.open(MIGRATIONS) as store:
            await store.write(partial(beat, number=0))
            await store.write(sending(border, "1", about="a", by=1))
            await store.write(partial(take_over, number=0, silent={}))
            former, present = replace(border, number=1), replace(border, number=0)
            assert not await store.write(partial(outbox.drop_unsent, border=former, envelope_id="1", now=NOW))
            assert await store.write(partial(outbox.drop_unsent, border=present, envelope_id="1", now=NOW))
            assert await store.read(claimants) == {}

    run(scenario())


class Process:
    """A process that keeps claims and sends. `sent` holds its envelopes, which are answered while `answers` is set."""

    def __init__(self, store: Store, border: Border, number: int) -> None:
        self.number = number
        self.store = store
        self.sent: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self._border = border
        self._lanes = Lanes(LanePorts(ORIGIN, self, self._settle, FixedClock(), random.Random(1)))
        self._claims = Claims(store, number, self._lanes)
        self._running: asyncio.Task[None] | None = None
        store.subscribe(Enqueued, lambda event: self._lanes.to(event.sealed.content.destination).add(event.sealed))

    async def start(self, *, beats: bool = True) -> None:
        """Takes up what was left; without beats it falls silent at once."""
        await self._claims.start()
        if beats:
            self.beat()

    def beat(self) -> None:
        """Shows from here on that it lives."""
        self._running = asyncio.get_running_loop().create_task(self._claims.run())

    async def send(self, name: str, about: str) -> None:
        """Enqueues an envelope."""
        await self.store.write(sending(self._border, name, about=about, by=self.number))

    async def deliver(self, batch: Batch, timeout: float, before_attempt: BeforeAttempt | None = None) -> BatchAnswer:
        """The transport of its lanes."""
        self.sent += [sealed_id(envelope.content) for envelope in batch.envelopes]
        await self.answers.wait()
        return BatchAnswer(results=[DeliverResult() for _ in batch.envelopes])

    async def end(self, *, leaving: bool = False) -> None:
        """Ends; as if it was killed, unless it leaves in order."""
        await self._lanes.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if leaving:
            await self._claims.stop()

    async def _settle(self, batch: Sequence[Delivered]) -> list[bool]:
        for delivered in batch:
            await self.store.write(partial(close, envelope_id=delivered.queued.envelope_id))
        return [True for _ in batch]


def sealed_id(content: bytes) -> str:
    return outbox.sealed_from(content, b"").content.id


@asynccontextmanager
async def process(conninfo: str, border: Border, number: int) -> AsyncIterator[Process]:
    async with opened(conninfo, number, migrations=MIGRATIONS) as store:
        made = Process(store, border, number)
        try:
            yield made
        finally:
            await made.end()


def nothing_is_open(database: Database) -> Callable[[], bool]:
    def look() -> bool:
        with database.session() as session:
            return session.execute("SELECT FROM outbox WHERE closed IS NULL").rowcount == 0

    return look


def test_envelopes_of_one_subject_leave_through_one_process_in_their_order(
    database: Database, border: Border, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LEASE_SECONDS", 60.0)  # a busy machine makes nobody silent

    async def scenario() -> None:
        async with process(database.conninfo, border, 0) as zero, process(database.conninfo, border, 1) as one:
            zero.answers.clear()
            await zero.start()
            await one.start()
            await zero.send("1", "a")
            for name in ("2", "3", "4"):
                await (one if name != "3" else zero).send(name, "a")
            await one.send("5", "b")
            zero.answers.set()
            await until(nothing_is_open(database))
            assert zero.sent == ["1", "2", "3", "4"]
            assert one.sent == ["5"]

    run(scenario())


@pytest.mark.parametrize("leaving", [True, False])
def test_what_a_process_left_behind_is_sent_by_another(database: Database, border: Border, *, leaving: bool) -> None:
    async def scenario() -> None:
        async with process(database.conninfo, border, 0) as zero, process(database.conninfo, border, 1) as one:
            one.answers.clear()
            await one.start()
            await one.send("1", "a")
            await one.send("2", "a")
            await one.end(leaving=leaving)
            await zero.start()
            await until(nothing_is_open(database))
            assert sorted(zero.sent) == ["1", "2"]

    run(scenario())


def test_a_process_that_starts_again_with_its_number_goes_on_with_what_it_had(
    database: Database, border: Border
) -> None:
    async def scenario() -> None:
        async with process(database.conninfo, border, 1) as one:
            one.answers.clear()
            await one.start()
            await one.send("1", "a")
            await until(lambda: one.sent == ["1"])
        async with process(database.conninfo, border, 1) as again:
            await again.start()
            await until(nothing_is_open(database))
            assert again.sent == ["1"]

    run(scenario())


def test_a_process_that_was_taken_for_dead_and_goes_on_does_no_harm(
    database: Database, border: Border, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with process(database.conninfo, border, 0) as zero, process(database.conninfo, border, 1) as one:
            one.answers.clear()
            await one.start(beats=False)
            await one.send("1", "a")
            await until(lambda: one.sent == ["1"])
            await zero.start()
            await until(nothing_is_open(database))
            assert zero.sent == ["1"]
            monkeypatch.setattr(claims, "LEASE_SECONDS", 60.0)  # a busy machine makes nobody else silent
            zero.answers.clear()
            await zero.send("2", "a")
            # It wakes: its answer comes second, and what it has to say about the subject goes behind the other's.
            one.beat()
            one.answers.set()
            await one.send("3", "a")
            await one.send("4", "b")
            await until(lambda: one.sent == ["1", "4"])
            zero.answers.set()
            await until(nothing_is_open(database))
            assert [name for name in zero.sent if name != "4"] == ["1", "2", "3"]

    run(scenario())


def test_an_envelope_of_a_commit_of_which_the_outcome_was_lost_leaves_all_the_same(
    database: Database, border: Border, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_connection, "OUTCOME_SECONDS", 0.1)

    def breaking(tx: Transaction) -> None:
        sending(border, "1", about="a", by=0)(tx)
        rows = tx.first(int, "SELECT COUNT(*) FROM outbox, data_keys")
        assert rows, "they are written: only the COMMIT has no answer"
        proxy.hold_answers()

    async def scenario() -> None:
        async with process(database.through(proxy), border, 0) as zero:
            await zero.start(beats=False)
            await until(lambda: database.listens(0))
            write = asyncio.ensure_future(zero.store.write(breaking))
            await until(lambda: not nothing_is_open(database)())
            proxy.cut()
            with pytest.raises(Refused) as refused:
                await write
            assert refused.value.reason == Reason.REASON_OUTCOME_UNKNOWN
            assert zero.sent == []
            proxy.heal()
            zero.beat()
            await until(nothing_is_open(database))
            assert zero.sent == ["1"]

    run(scenario())
