"""Finds lost rows beyond all reported heads: each receipt that another region keeps names a row of the chain."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.recovery_envelopes_pb2 import CatchUpAnswer, CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import Receipt, ReceiptContent
from gateway.auditing.audit import Head
from gateway.auditing.incarnations import BEFORE, MARGIN
from gateway.errors import Refused
from gateway.federation.current import FederationState
from gateway.relay.border import Border
from gateway.relay.envelopes import UntilUpgraded
from gateway.relay.queries import Asker
from gateway.security.signing import RECEIPT
from gateway.store.port import Store, Transaction
from gateway.time.clock import EPOCH, Clock, from_microseconds, from_timestamp, to_microseconds, to_timestamp
from region_node.lifecycle.recovery import questions
from region_node.lifecycle.recovery.asking import LONG_DOUBLINGS, Rounds
from region_node.lifecycle.recovery.keeper import FenceKeeper
from region_node.lifecycle.recovery.questions import ReceiptQuestion, ShownRow
from region_node.node.payloads import received

PAGES = 1000  # of receipts that a region looks through before it is left for a while
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReceiptPorts:
    """The ports of the loop. `store` is the one behind the fence."""

    border: Border
    store: Store
    asker: Asker
    clock: Clock
    keeper: FenceKeeper
    is_told: Callable[[], bool]
    """Whether a coordinator's state of the federation is in force, and not that of the last file."""


class ReceiptComparison:
    """A loop of each process: every other region shows receipts of this region that it keeps.

    Call `keep_questions` before anything is served, then run `run` as a task.
    """

    def __init__(self, ports: ReceiptPorts) -> None:
        self._ports = ports
        self._rounds = Rounds(ports.asker)
        self._asked = set[str]()
        """The regions to which this process has kept a question about its start."""
        ports.border.current.on_update(self._note_state)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._rounds.run(self.compare)

    async def keep_questions(self) -> None:
        """Keeps the questions about this start to all regions that are known by now. Raises Refused without a store."""
        members = self._members()
        self._asked &= members.keys()
        keeper, new = self._ports.keeper, sorted(_present(members) - self._asked - {self._ports.border.region})
        if new:
            start, last = keeper.start_time, keeper.last
            quiet = await self._ports.store.read(lambda tx: questions.quiet(tx, new, start))
            await self._ports.store.write(lambda tx: questions.ask(tx, new, start, last, quiet))
            self._asked.update(new)

    async def compare(self) -> bool:
        """A round of the questions without an answer; returns whether none is left. Raises Refused without a store."""
        await self.keep_questions()
        left = await self._left()
        return await self._rounds.ask(left, lambda region: self._compare_with(region, left[region]))

    def _members(self) -> Mapping[str, Member]:
        try:
            return self._ports.border.current.state().members
        except Refused:  # CONFIGURATION_MISSING; the first one wakes the loop
            return {}

    async def _left(self) -> Mapping[str, Sequence[ReceiptQuestion]]:
        """The questions without an answer, by region. Those to regions that have left the federation end."""
        found = await self._ports.store.read(questions.left)
        gone = [each for each in found if self._has_left(each.region)]
        if gone:
            await self._ports.store.write(lambda tx: _end(tx, gone))
        left, present = defaultdict[str, list[ReceiptQuestion]](list), _present(self._members())
        for each in found:
            if each.region in present:
                left[each.region].append(each)
        return left

    def _has_left(self, region: str) -> bool:
        """Whether the present configuration, which is signed, does not name a region: a list of members may lack it."""
        if not self._ports.is_told():
            return False
        configuration = self._ports.border.current.federation.configuration
        return all(each.id != region for each in configuration.regions)

    async def _compare_with(self, region: str, asked: Sequence[ReceiptQuestion]) -> bool:
        """Asks a region one question after the other: it answers one at a time. Returns whether it has answered all."""
        try:
            answered = [await self._has_answered(each) for each in asked]
        except Refused as refused:
            _log.info("the receipts that %s keeps are compared later: %s", region, refused)
            self._rounds.pauses.begin(region)
            return False
        if not all(answered):
            self._rounds.pauses.begin(region, LONG_DOUBLINGS)
            return False
        self._rounds.pauses.end(region)
        return True

    async def _has_answered(self, asked: ReceiptQuestion) -> bool:
        """Compares the rows that each page shows, until the last page ends the question. Raises Refused.

        False for a receipt that cannot be verified here: another process may know its key.
        """
        refused_places = set[str]()
        for _ in range(PAGES):
            with UntilUpgraded(self._ports.border.region):
                answer = await self._answer(asked, refused_places)
                rows = [row for each in _shown(answer) if (row := self._row_of(each)) is not None]
            if len(rows) < len(_shown(answer)):
                _log.warning("no known key of this region signed the receipt that %s shows", asked.region)
                return False
            left = await self._ports.keeper.compare_receipts(asked, rows, answer.next_place)
            if left is None:
                return True
            asked = left
        _log.warning("%s does not come to the end of the receipts that it keeps", asked.region)
        return False

    async def _answer(self, asked: ReceiptQuestion, refused_places: set[str]) -> CatchUpAnswer:
        """The next page of the answer of a region. Raises Refused."""
        border, last_time = self._ports.border, from_microseconds(asked.last_time)
        begin, start = to_timestamp(max(last_time - BEFORE, EPOCH)), to_timestamp(from_microseconds(asked.start_time))
        question = CatchUpQuestion(begin_time=begin, place=asked.place, wants_furthest_receipt=True, start_time=start)
        if asked.first_head is not None and asked.last_head is not None:
            question.after_sequence, question.last_sequence = asked.first_head, asked.last_head + MARGIN
        now, subject = self._ports.clock.now(), f"{border.region}/receipts"
        return await self._rounds.answer(subject, asked.region, question, now, refused_places)

    def _row_of(self, receipt: Receipt) -> ShownRow | None:
        """The row that this region has signed in a receipt; None without a known key. Raises UnknownChoice."""
        border = self._ports.border
        if not border.keys.verify(border.region, RECEIPT, receipt.content, receipt.signature):
            return None
        content = received(ReceiptContent, receipt.content)
        head, decided = Head(content.audit_sequence, content.audit_hash), from_timestamp(content.decide_time)
        return ShownRow(head, to_microseconds(decided))

    def _note_state(self, _: FederationState) -> None:
        self._rounds.wake()


def _shown(answer: CatchUpAnswer) -> Sequence[Receipt]:
    furthest = [answer.furthest_receipt] if answer.HasField("furthest_receipt") else []
    return [*answer.receipts, *furthest]


def _present(members: Mapping[str, Member]) -> set[str]:
    return {each for each, member in members.items() if member.state != MemberState.MEMBER_STATE_ABSENT}


def _end(tx: Transaction, gone: Sequence[ReceiptQuestion]) -> None:
    for each in gone:
        questions.end(tx, each)
