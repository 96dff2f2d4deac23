"""Finds lost rows beyond all reported heads: each receipt that another region keeps names a row of the chain."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.recovery_envelopes_pb2 import CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import ReceiptContent
from gateway.auditing.audit import Head
from gateway.auditing.incarnations import BEFORE
from gateway.errors import Refused
from gateway.federation.current import FederationState
from gateway.relay.border import Border
from gateway.relay.envelopes import UntilUpgraded
from gateway.relay.outcomes import outcomes
from gateway.relay.queries import Asker
from gateway.security.signing import RECEIPT
from gateway.time.clock import EPOCH, Clock, to_timestamp
from region_node.lifecycle.recovery.asking import AGAIN_SECONDS, Pauses, answer_of
from region_node.lifecycle.recovery.keeper import FenceKeeper
from region_node.node.payloads import received

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReceiptPorts:
    """The ports of the loop."""

    border: Border
    asker: Asker
    clock: Clock
    keeper: FenceKeeper


class ReceiptComparison:
    """A loop of each process: every other region shows once the furthest receipt of this region that it keeps."""

    def __init__(self, ports: ReceiptPorts) -> None:
        self._ports = ports
        self._changed = asyncio.Event()
        self._compared = set[str]()
        self._pauses = Pauses()
        ports.border.current.on_update(self._note_state)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._changed.clear()
            seconds = None if await self.compare() else AGAIN_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()

    async def compare(self) -> bool:
        """Asks the regions that have not answered; returns whether none is left."""
        due = [each for each in self._left() if not self._pauses.has(each)]
        for each in await outcomes([self._compare_with(region) for region in due]):
            if isinstance(each, Exception):
                raise each
        return not self._left()

    def _left(self) -> list[str]:
        try:
            members = self._ports.border.current.state().members
        except Refused:  # CONFIGURATION_MISSING; the first one wakes the loop
            return []
        present = (each for each, member in members.items() if member.state != MemberState.MEMBER_STATE_ABSENT)
        return sorted(set(present) - self._compared - {self._ports.border.region})

    async def _compare_with(self, region: str) -> None:
        try:
            with UntilUpgraded(self._ports.border.region):
                row = await self._furthest_row(region)
            if row is not None:
                keeper = self._ports.keeper
                await keeper.compare_with(f"region/{region}", row, keeper.last_time)
        except Refused as refused:
            _log.info("the receipts that %s keeps are compared later: %s", region, refused)
            self._pauses.begin(region)
        else:
            self._pauses.end(region)
            self._compared.add(region)

    async def _furthest_row(self, region: str) -> Head | None:
        """The row that this region has signed in the receipt; None without one. Raises Refused, and UnknownChoice."""
        border, keeper = self._ports.border, self._ports.keeper
        begin, start = to_timestamp(max(keeper.last_time - BEFORE, EPOCH)), to_timestamp(keeper.start_time)
        question = CatchUpQuestion(begin_time=begin, wants_furthest_receipt=True, start_time=start)
        now, subject = self._ports.clock.now(), f"{border.region}/receipts"
        answer = await answer_of(self._ports.asker, subject, region, question, now)
        if not answer.HasField("furthest_receipt"):
            return None
        receipt = answer.furthest_receipt
        if not border.keys.verify(border.region, RECEIPT, receipt.content, receipt.signature):
            _log.warning("no known key of this region signed the receipt that %s shows", region)
            return None
        content = received(ReceiptContent, receipt.content)
        return Head(content.audit_sequence, content.audit_hash)

    def _note_state(self, _: FederationState) -> None:
        self._changed.set()
