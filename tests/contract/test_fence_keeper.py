"""The keeper of a process's fence, on a database of its own: it compares the chain with the heads that others keep."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.auditing.incarnations import BEFORE
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.relay.outcomes import outcomes
from gateway.security.signing import AUDIT_HEAD, Signer, TrustedKeys
from gateway.store import losses
from gateway.store.fenced import FencedStore
from gateway.store.port import Operation, Store
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.time.clock import to_microseconds
from region_node.lifecycle.recovery.keeper import FenceKeeper, KeeperPorts
from region_node.lifecycle.recovery.operations import Finding
from region_node.lifecycle.recovery.questions import ReceiptQuestion
from tests.contract.relay_pair import FixedClock
from tests.contract.stores import PATIENCE_S, run
from tests.empty_database import empty_file
from tests.simulation.world import keys

T = TypeVar("T")
NOW = FixedClock().now()
QUESTION = ReceiptQuestion("henan", 1, 1)


def head(sequence: int, *, signed_by: str = "sichuan") -> AuditHead:
    """A head as a coordinator tells it."""
    told = Head(sequence, bytes([sequence]) * 32)
    signature = keys().signers[signed_by].sign(AUDIT_HEAD, told.signed_bytes())
    return AuditHead(sequence=told.sequence, hash=told.hash, signature=signature)


async def nothing() -> None:
    """Does nothing around the opening of the fence."""


def keeper(
    store: Store,
    fence: FencedStore,
    heads: Sequence[AuditHead | None],
    before_opening: Callable[[], Awaitable[None]] = nothing,
    after_opening: Callable[[], Awaitable[None]] = nothing,
    at_closing: Callable[[], None] = lambda: None,
) -> FenceKeeper:
    """The keeper of a process, to which the coordinators tell these heads."""

    async def told() -> AsyncIterator[AuditHead | None]:
        for each in heads:
            yield each

    border = Border("sichuan", keys().signers["sichuan"], keys().trusted, CurrentFederation())
    finding = Finding("sichuan", ())
    opens = at_closing, before_opening, after_opening
    return FenceKeeper(KeeperPorts(border, store, fence, FixedClock(), finding, told, *opens))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "node.db"
    made.write_bytes(empty_file("gateway", "region_node"))
    return made


def opened(file: Path) -> SqliteStore:
    return SqliteStore(file, migrations_of("gateway", "region_node"))


async def audited(store: Store) -> AuditHead:
    """Adds two rows to the chain; the head as the region tells it."""
    for _ in range(2):
        await store.write(lambda tx: audit.append(tx, now=NOW, actor="a", action="b", subject="c"))
    end = await store.read(audit.head)
    signature = keys().signers["sichuan"].sign(AUDIT_HEAD, end.signed_bytes())
    return AuditHead(sequence=end.sequence, hash=end.hash, signature=signature)


def test_a_chain_that_has_what_all_saw_and_heads_of_somebody_else_close_no_fence(file: Path) -> None:
    async def scenario() -> None:
        store = opened(file)
        own = await audited(store)
        for heads in ((), (None,), (own, None, own), (head(9, signed_by="guangdong"),), (AuditHead(sequence=9),)):
            fence = FencedStore(store)
            await keeper(store, fence, heads).start()
            assert fence.is_open
        await store.close()

    run(scenario())


def test_others_report_since_the_last_row_of_the_start_what_a_coordinator_shows_later(file: Path) -> None:
    async def scenario() -> None:
        store = opened(file)
        last = NOW - timedelta(hours=1)
        await store.write(lambda tx: audit.append(tx, now=last, actor="a", action="b", subject="c"))
        fence, heads = FencedStore(store), list[AuditHead | None]()
        waiting = keeper(store, fence, heads)
        await waiting.start()
        await audited(store)
        heads.append(head(9))
        await waiting.compare_before_joining()
        assert fence.loss is not None
        assert fence.loss.catch_up_from == to_microseconds(last - BEFORE)
        await store.close()

    run(scenario())


def test_a_head_that_the_chain_lacks_closes_the_fence_of_every_process_until_the_loss_is_accepted(file: Path) -> None:
    async def scenario() -> None:
        store = opened(file)
        own = await audited(store)
        first, second, third = FencedStore(store), FencedStore(store), FencedStore(store)
        seen: list[tuple[str, bool]] = []
        is_taken_up = asyncio.Event()

        async def before() -> None:
            seen.append(("before", second.is_open))

        async def after() -> None:
            seen.append(("after", second.is_open))
            is_taken_up.set()

        waiting = keeper(store, second, [head(9)], before, after, lambda: seen.append(("closing", second.is_open)))
        await keeper(store, first, [own, head(9)]).start()
        assert not first.is_open
        await waiting.compare_before_joining()
        assert not second.is_open, "it has found nothing by itself: the loss is known"
        await keeper(store, third, []).start()
        assert third.loss == first.loss
        assert first.loss is not None
        assert (first.loss.last_sequence, first.loss.seen_sequence) == (2, 9)

        accepted = first.loss._replace(accept_time=1, actor="a", reference="b")
        await store.write(lambda tx: losses.keep(tx, accepted))
        looking = asyncio.create_task(waiting.run())
        async with asyncio.timeout(PATIENCE_S):
            await waiting.opened()
        assert second.loss is None
        async with asyncio.timeout(PATIENCE_S):
            await is_taken_up.wait()
        assert seen == [("closing", False), ("before", False), ("after", True)], (
            "an older database is mended before business comes in"
        )
        looking.cancel()
        again = FencedStore(store)
        await keeper(store, again, [head(9)]).start()
        assert again.is_open, "what was accepted closes nothing again"
        await store.close()

    run(scenario())


def test_a_process_joins_only_once_a_coordinator_has_answered_however_often_that_fails(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("region_node.lifecycle.recovery.keeper.AGAIN_SECONDS", 0)

    async def scenario() -> None:
        store, heads = opened(file), list[AuditHead | None]()
        await audited(store)
        fence = FencedStore(store)
        process = keeper(store, fence, heads)
        await process.start()
        joining = asyncio.create_task(process.compare_before_joining())
        for _ in range(50):
            await asyncio.sleep(0)
        assert not joining.done(), "no coordinator has answered"
        heads.append(head(9))
        async with asyncio.timeout(PATIENCE_S):
            await joining
        assert not fence.is_open
        await store.close()

    run(scenario())


def test_a_head_of_unknown_keys_is_no_answer_until_the_state_is_followed_and_delays_no_joining_for_ever(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known: list[bool] = []
    verify = keys().trusted.verify
    monkeypatch.setattr(TrustedKeys, "verify", lambda _, *about: bool(known) and verify(*about))
    monkeypatch.setattr(Signer, "has_signed", lambda *_: False)

    async def scenario() -> None:
        store = opened(file)
        await audited(store)
        fence = FencedStore(store)
        process = keeper(store, fence, [head(9), None])
        await process.start()
        assert fence.loss is None
        assert "no known key of this region signed" in caplog.text
        known.append(True)  # as the state of the federation tells it
        await process.compare_before_joining()
        assert not fence.is_open
        inventing = FencedStore(store)
        async with asyncio.timeout(PATIENCE_S):
            await keeper(store, inventing, [head(9, signed_by="guangdong")]).compare_before_joining()
        await store.close()

    run(scenario())


@pytest.mark.parametrize("is_lost_again", [False, True])
def test_a_search_for_receipts_delays_no_opening_but_that_before_which_it_finds_another_loss(
    file: Path, is_lost_again: bool
) -> None:
    async def scenario() -> None:
        store = opened(file)
        await audited(store)
        fence, searches = FencedStore(store), 0

        async def search() -> None:
            nonlocal searches
            searches += 1
            if is_lost_again and searches == 1:
                first = (await store.read(losses.losses))[0]
                again = first._replace(number=2, seen_sequence=10, accept_time=1)
                await store.write(lambda tx: tx.keep(losses.LOSSES, again))
            await process.compare_receipts(QUESTION, (), "")

        process = keeper(store, fence, [head(9)], search)
        await process.start()
        assert fence.loss is not None
        accepted = fence.loss._replace(accept_time=1, actor="a", reference="b")
        await store.write(lambda tx: losses.keep(tx, accepted))
        looking = asyncio.create_task(process.run())
        async with asyncio.timeout(PATIENCE_S):
            await process.opened()
        assert searches == 1 + is_lost_again
        looking.cancel()
        await store.close()

    run(scenario())


class FailedOver(SqliteStore):
    """A shared database that lacks two commits of this process, as its next write finds."""

    is_shared = True
    lost, is_found = 0, False

    @property
    def lost_commits(self) -> int:
        return self.lost

    def forget_lost_commits(self, count: int) -> None:
        self.lost -= count

    def write(self, operation: Operation[T]) -> asyncio.Future[T]:
        if not self.is_found:
            self.is_found, self.lost = True, 2
        return super().write(operation)


def test_a_process_that_hears_of_a_loss_adds_its_own_lost_commits_before_people_accept_it(file: Path) -> None:
    async def scenario() -> None:
        other = opened(file)
        await audited(other)
        await keeper(other, FencedStore(other), [head(9)]).start()
        await other.close()
        store = FailedOver(file, migrations_of("gateway", "region_node"))
        fence = FencedStore(store)
        process = keeper(store, fence, [])
        await outcomes([process.compare_receipts(QUESTION, (), "") for _ in range(3)])
        (loss,) = await store.read(losses.losses)
        assert (loss.number, loss.commits, store.lost_commits) == (1, 2, 0), "each of them counts once"
        assert fence.loss == loss
        await store.close()

    run(scenario())
