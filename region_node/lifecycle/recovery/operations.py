"""Finding and accepting a loss. One transaction each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.api.region.v1.approval_service_pb2 import ApprovalAct
from gateway.api.relay.v1.relay_pb2 import Outcome, ReceiptContent
from gateway.auditing import audit, incarnations
from gateway.auditing.audit import Head
from gateway.relay import outbox
from gateway.security.revocations import Revocations
from gateway.store import catch_ups, losses
from gateway.store.catch_ups import LostCommand
from gateway.store.losses import Loss
from gateway.store.port import Transaction
from gateway.time.clock import BETWEEN_TRUSTED, from_microseconds
from region_node.approvals.operations import Act, Awaited, approval_of, use
from region_node.lifecycle.recovery.questions import ReceiptQuestion, ShownRow
from region_node.records.numbers import Counted
from region_node.requests.auditing import AuditedCall

MOST_COUNTED = 1000
"""Commands left to people, of which each costs a look at its receipt."""


@dataclass(frozen=True)
class Finding:
    """Finds losses of a region. `counted` are all numbers that must not be given twice."""

    region: str
    counted: Sequence[Counted]

    def seen(
        self, tx: Transaction, witness: str, head: Head, now: datetime, last_time: datetime | None = None
    ) -> Loss | None:
        """Compares the chain with a head that somebody else keeps, as this region has signed it.

        Returns the new loss; None where the chain has that row, or what it lacks is known. The head must have been
        asked for before this transaction began: the chain is then longer, unless rows were lost. `last_time` is that
        of the last row before the lost ones, where rows have come since.
        """
        if not audit.lacks(tx, head, losses.incarnation(tx)):
            return None
        return self._found(tx, witness, head.sequence, 0, now, last_time)

    def answered(
        self, tx: Transaction, question: ReceiptQuestion, rows: Sequence[ShownRow], now: datetime
    ) -> Loss | None:
        """Compares the chain with the rows of receipts that a region shows.

        Returns the new loss; None where the chain has each of the rows, or others report those again anyway that it
        lacks, with all that they stand for.
        """
        lost = [each.head.sequence for each in rows if audit.lacks(tx, each.head, _reported_before(tx, question, each))]
        if not lost:
            return None
        last_time = from_microseconds(question.last_time)
        return self._found(tx, f"region/{question.region}", max(lost), 0, now, last_time)

    def lost_commits(self, tx: Transaction, process: int, commits: int, now: datetime) -> Loss:
        """A process knows of commits that the database lacks. Returns the open loss."""
        return self._found(tx, f"process/{process}", audit.head(tx).sequence, commits, now)

    def _found(
        self,
        tx: Transaction,
        witness: str,
        seen: int,
        commits: int,
        now: datetime,
        last_time: datetime | None = None,
    ) -> Loss:
        """Begins another incarnation: rows, dockets and other numbers go on behind all that may have been given.

        Each number but those of alarms was given with an audit row, so that the missing rows bound the missing numbers.
        """

        def skip(beyond: int) -> None:
            for each in self.counted:
                each.skip(tx, beyond)

        owner = f"region/{self.region}"
        return incarnations.begin(
            tx, owner, witness=witness, seen=seen, commits=commits, now=now, last_time=last_time, skip=skip
        )


def _reported_before(tx: Transaction, question: ReceiptQuestion, row: ShownRow) -> int:
    """The audit row before which others report again what a receipt stands for, by losses that are known.

    A receipt of before the start stands for all that came after the last row of then. A later one stands for itself: a
    loss of after the start may have taken its row. Its instants are by clocks of this region, but others report by
    theirs: any two may differ, and within that time the wider meaning counts. A needless fence costs an acceptance, a
    missing one data.
    """
    decided = from_microseconds(row.decide_time)
    if decided > from_microseconds(question.start_time) + BETWEEN_TRUSTED:
        known = [each for each in losses.losses(tx) if catch_ups.is_in_lost_part(each, decided)]
    else:
        since = max(question.last_time - BETWEEN_TRUSTED // timedelta(microseconds=1), 0)
        known = [each for each in losses.losses(tx) if (each.catch_up_from or 0) <= since]
    return max((each.begin_sequence for each in known), default=0)


def accept(tx: Transaction, number: int, reference: str, call: AuditedCall, revocations: Revocations) -> Loss | Awaited:
    """Has the region serve again, with what its database has, once a second member of staff has confirmed it.

    The confirmation is for the loss as it was then: a further loss before the acceptance needs another one.

    Raises Refused with LOSS_NOT_FOUND, or LOSS_ACCEPTED for another reference than that of before.
    """
    loss = losses.require_acceptable(tx, number, reference)
    if not loss.is_open:
        return loss
    act = Act(ApprovalAct.APPROVAL_ACT_ACCEPT_LOSS, reference=f"loss/{number}/{loss.begin_sequence}, {reference}")
    approval = approval_of(tx, act, call, revocations)
    if isinstance(approval, Awaited):
        return approval
    use(tx, approval)
    call.record(tx, "AcceptLoss", f"loss/{number}", f"reference {reference}, {approval.confirmation}")
    return losses.accept(tx, loss, call.actor, reference, call.now)


def lost_commands(tx: Transaction, region: str, place: tuple[int, str, str, str], limit: int) -> list[LostCommand]:
    """Commands left to people, behind a place. `region` is this one.

    A command that this region has sent again meanwhile is left out, once the other one has accepted it: with the same
    content, else the answer is COMMAND_LOST.
    """
    found = list[LostCommand]()
    while page := catch_ups.lost_after(tx, place, limit):
        found += [each for each in page if each.origin != region or not _is_accepted(tx, each.envelope_id)]
        last = page[-1]
        place = (last.loss, last.region, last.origin, last.envelope_id)
        if len(found) >= limit or len(page) < limit:
            break
    return found[:limit]


def count_lost(tx: Transaction, region: str) -> int:
    """The number of commands left to people among the first `MOST_COUNTED` that are listed: no look takes longer."""
    page = catch_ups.lost_after(tx, (0, "", "", ""), MOST_COUNTED)
    return sum(each.origin != region or not _is_accepted(tx, each.envelope_id) for each in page)


def _is_accepted(tx: Transaction, envelope_id: str) -> bool:
    receipt = outbox.receipt_content(tx, envelope_id)
    return receipt is not None and ReceiptContent.FromString(receipt).outcome == Outcome.OUTCOME_ACCEPTED
