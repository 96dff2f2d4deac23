"""Keeps the fence of a process: looks for losses of its database, and opens once people have accepted them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.errors import Refused
from gateway.relay.border import Border
from gateway.security.signing import AUDIT_HEAD
from gateway.store.fenced import FencedStore
from gateway.store.losses import Loss, incarnation, last_loss
from gateway.store.port import Store
from gateway.time.clock import EPOCH, Clock
from gateway.time.looks import until_look
from region_node.lifecycle.recovery import questions
from region_node.lifecycle.recovery.operations import Finding
from region_node.lifecycle.recovery.questions import LastRow, ReceiptQuestion, ShownRow

LOOK_SECONDS = 1.0  # between two looks at the database that processes share
COMPARE_SECONDS = 60.0  # between two comparisons with the coordinators' heads
AGAIN_SECONDS = 2.0  # the same while none has answered yet
COORDINATOR = "coordinator"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeeperPorts:
    """The ports of the keeper. `store` is the one behind the fence.

    `heads` gives this region's heads as the coordinators keep them, one for each coordinator that answers in time;
    None where one keeps none.
    """

    border: Border
    store: Store
    fence: FencedStore
    clock: Clock
    finding: Finding
    heads: Callable[[], AsyncIterator[AuditHead | None]]
    at_closing: Callable[[], None]
    """Forgets work that this process holds, and the database may lack."""
    before_opening: Callable[[], Awaitable[None]]
    """Does again what a start does with an older database, before business comes in."""
    after_opening: Callable[[], Awaitable[None]]
    """Takes up work that the database has, and this process had done."""


class FenceKeeper:
    """A loop of each process. Call `start` before anything is served, then run `run` as a task."""

    def __init__(self, ports: KeeperPorts) -> None:
        self._ports = ports
        self._opened, self._closed = asyncio.Event(), asyncio.Event()
        self._is_to_take_up = False
        self._keeping = asyncio.Lock()
        self._compare_at, self._is_compared = 0.0, False
        self._is_followed, self._doubted = False, AuditHead()
        self.last = LastRow(0, EPOCH)
        """The last row of the chain before this process has served anything."""
        self.start_time = EPOCH
        """The time at which `start` looked for that row. Receipts of this process are later."""
        ports.fence.on_change(self._note)
        self._note()

    async def start(self) -> None:
        """Looks for an open loss, and compares the chain with the coordinators' heads. Raises Refused.

        Without any coordinator the process serves, and compares as soon as one answers.
        """
        self.start_time = self._ports.clock.now()
        self.last = await self._ports.store.read(
            lambda tx: LastRow(audit.head(tx).sequence, audit.last_time(tx) or EPOCH)
        )
        await self._look()
        await self._compare()

    async def compare_before_joining(self) -> None:
        """Returns once a coordinator has answered: the first heartbeat may replace the head that it keeps.

        Without any coordinator there is nothing to join. Call it once the state of the federation is followed.
        """
        self._is_followed, is_told = True, False
        self._is_compared = self._is_compared and not self._doubted.hash  # its signing key may be known by now
        while not self._is_compared:
            try:
                await self._compare()
            except Refused as refused:
                _log.warning("the chain cannot be compared now: %s", refused)
            if not self._is_compared:
                if not is_told:
                    _log.warning("the region joins once a coordinator tells which audit head it keeps")
                is_told = True
                await asyncio.sleep(AGAIN_SECONDS)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(until_look(LOOK_SECONDS))
            try:
                await self._keep_lost_commits()
                if self._ports.store.is_shared or not self._ports.fence.is_open:
                    await self._look()
                await self._open()
                if asyncio.get_running_loop().time() >= self._compare_at:
                    await self._compare()
            except Refused as refused:
                _log.warning("losses of the database cannot be looked for now: %s", refused)

    async def opened(self) -> None:
        """Returns once business is served."""
        while not self._ports.fence.is_open:
            self._opened.clear()
            await self._opened.wait()

    async def closed(self) -> None:
        """Returns once business is not served."""
        while self._ports.fence.is_open:
            self._closed.clear()
            await self._closed.wait()

    def _note(self) -> None:
        """Has the process forget its work at a loss, and tells of it in the log."""
        loss = self._ports.fence.loss
        if loss is not None:
            self._ports.at_closing()
            _log.critical(
                "the database lacks rows of its audit chain after row %d: %s has seen row %d. Nothing is served until a"
                " person has looked: region-node recovery show",
                loss.last_sequence,
                loss.witness,
                loss.seen_sequence,
            )
        self._opened.set()
        self._closed.set()

    async def _look(self) -> None:
        """Notes what the processes of the database have found, or people accepted."""
        fence = self._ports.fence
        changes = fence.changes
        found = await self._ports.store.read(last_loss)
        if fence.changes == changes:  # else this process has learnt more meanwhile
            fence.note(found)
        if self._ports.store.is_shared and found is not None and found.is_open:
            await self._find_own()

    async def _find_own(self) -> None:
        """Finds commits of this process that the database lacks, before people accept the loss for all processes.

        A connection compares its commits when it is made again, which a write needs. The first one after the
        acceptance would find another loss.
        """
        await self._ports.store.write(lambda _: None)
        await self._keep_lost_commits()

    async def _open(self) -> None:
        """Opens the fence once the loss is accepted, unless another one was found meanwhile."""
        fence = self._ports.fence
        if fence.is_accepted:
            changes = fence.changes
            await self._ports.before_opening()
            if fence.changes == changes:
                fence.open()
                self._is_to_take_up = True
        if self._is_to_take_up and fence.is_open:
            await self._ports.after_opening()
            self._is_to_take_up = False

    async def _keep_lost_commits(self) -> None:
        """Stores the commits that the database lacks, once: the loop finds them, and so does each comparison."""
        ports, number = self._ports, self._ports.border.number
        async with self._keeping:
            commits, now = ports.store.lost_commits, ports.clock.now()
            if commits:
                kept = await ports.store.write(lambda tx: ports.finding.lost_commits(tx, number, commits, now))
                ports.fence.note(kept)
                ports.store.forget_lost_commits(commits)

    async def _compare(self) -> None:
        """Compares the chain with each coordinator's head. The heads are asked for first, so that it is longer."""
        loop, is_answered = asyncio.get_running_loop(), False
        last_time = None if self._is_compared else self.last.time  # rows may have come since the start
        async for told in self._ports.heads():
            if told is None:
                is_answered = True
            elif self._is_own(told):
                await self._compare_with(Head(told.sequence, told.hash), last_time)
                is_answered = True
            else:
                # Once the keys of the region are known, its own verify: a coordinator that invents one delays nothing.
                is_answered = is_answered or self._is_followed
                self._doubt(told)
        self._is_compared = self._is_compared or is_answered
        self._compare_at = loop.time() + (COMPARE_SECONDS if is_answered else AGAIN_SECONDS)

    def _doubt(self, told: AuditHead) -> None:
        if told != self._doubted:
            self._doubted = told
            _log.warning("no known key of this region signed the audit head %d that a coordinator keeps", told.sequence)

    async def compare_receipts(
        self, question: ReceiptQuestion, rows: Sequence[ShownRow], place: str
    ) -> ReceiptQuestion | None:
        """Compares the chain with the rows of receipts, and has the question go on behind a place.

        One transaction stores both. Returns the question as it is left, None at its end. Raises Refused.
        """
        finding, now = self._ports.finding, self._ports.clock.now()
        # No writer waits while many rows are looked up that the chain has.
        lacking = await self._ports.store.read(lambda tx: [each for each in rows if audit.lacks(tx, each.head, 0)])
        found, left = await self._ports.store.write(
            lambda tx: (finding.answered(tx, question, lacking, now), questions.go_on(tx, question, place))
        )
        await self._close_for(found)
        return left

    async def _compare_with(self, head: Head, last_time: datetime | None) -> None:
        """Compares the chain with a row of it that a coordinator has seen, and this region has signed.

        `last_time` is that of the last row before the lost ones, where rows may have come since.
        """
        store, finding, now = self._ports.store, self._ports.finding, self._ports.clock.now()
        if await store.read(lambda tx: audit.lacks(tx, head, incarnation(tx))):
            await self._close_for(await store.write(lambda tx: finding.seen(tx, COORDINATOR, head, now, last_time)))

    async def _close_for(self, found: Loss | None) -> None:
        """Closes the fence for a loss that an operation has found."""
        if found is not None:
            self._ports.fence.note(found)
        else:  # another process may have found the same meanwhile
            await self._look()

    def _is_own(self, told: AuditHead) -> bool:
        """Whether this region has signed a head: nobody else can close its fence."""
        border, content = self._ports.border, Head(told.sequence, told.hash).signed_bytes()
        if border.signer.has_signed(AUDIT_HEAD, content, told.signature):
            return True
        return border.keys.verify(border.region, AUDIT_HEAD, content, told.signature)
