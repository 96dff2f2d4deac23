"""Approvals, as stored: with ids, times and keyed hashes, and nothing of a customer in the clear."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.approval_service_pb2 import Approval, ApprovalAct, ApprovalState
from gateway.api.region.v1.erasure_service_pb2 import ErasureReason
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.tables import Table, prints_without
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp
from region_node.approvals import rules

_KEPT_AFTER_EXPIRY = 30 * 86_400_000_000  # microseconds


@prints_without("content", "number", "proposer_certificates", "decider_certificates")
class ApprovalRow(NamedTuple):
    """The columns of an approval; `content` and `number` are keyed hashes.

    The certificates of both people are in PEM, with those of their issuers; None where an identity provider has vouched
    for the person, or an earlier version has written the row.
    """

    approval_id: str
    act: int
    state: int
    content: str
    number: str
    customer_id: str
    purpose: str
    reference: str
    reason: int
    caller: str
    proposer: str
    propose_time: int
    expire_time: int
    decider: str
    decide_time: int | None
    proposer_certificates: bytes | None
    decider_certificates: bytes | None

    @property
    def confirmation(self) -> str:
        """The second person, for the audit chain."""
        return f"confirmed by staff {self.decider}"

    def state_at(self, now: datetime) -> ApprovalState.ValueType:
        """The state at an instant."""
        return rules.state_at(ApprovalState.ValueType(self.state), from_microseconds(self.expire_time), now)

    def message(self, now: datetime) -> Approval:
        """The approval as it stands now."""
        return Approval(
            id=self.approval_id,
            act=ApprovalAct.ValueType(self.act),
            state=self.state_at(now),
            customer_id=self.customer_id,
            purpose=self.purpose,
            reference=self.reference,
            reason=ErasureReason.ValueType(self.reason),
            caller=self.caller,
            proposer=self.proposer,
            propose_time=to_timestamp(from_microseconds(self.propose_time)),
            expire_time=to_timestamp(from_microseconds(self.expire_time)),
            decider=self.decider,
            decide_time=None if self.decide_time is None else to_timestamp(from_microseconds(self.decide_time)),
        )


APPROVALS = Table(
    "approvals",
    ApprovalRow,
    key=("approval_id",),
    fixed=(
        "act",
        "content",
        "number",
        "customer_id",
        "purpose",
        "reference",
        "reason",
        "caller",
        "proposer",
        "proposer_certificates",
    ),
)


def require_row(tx: Transaction, approval_id: str) -> ApprovalRow:
    """An approval. Raises Refused with APPROVAL_NOT_FOUND."""
    row = tx.find(APPROVALS, approval_id)
    if row is None:
        raise Refused(Reason.REASON_APPROVAL_NOT_FOUND, approval=approval_id)
    return row


def newest_of(tx: Transaction, content: str) -> ApprovalRow | None:
    """The last approval that was proposed for a content; None for none."""
    return max(
        tx.find_all(APPROVALS, content=content), key=lambda each: (each.propose_time, each.approval_id), default=None
    )


def list_rows(
    tx: Transaction, before: tuple[int, str] | None, limit: int, now: datetime, states: Collection[int] = ()
) -> list[ApprovalRow]:
    """At most `limit` approvals, the newest first, behind the place of the page before.

    With states, which are PROPOSED or CONFIRMED, those alone that are in one of them now.
    """
    conditions = ["1 = 1"] if before is None else ["(propose_time, approval_id) < (:time, :name)"]
    parameters: dict[str, int | str] = {} if before is None else {"time": before[0], "name": before[1]}
    if states:
        conditions.append(f"state IN ({', '.join(str(int(each)) for each in sorted(states))}) AND expire_time > :now")
        parameters["now"] = to_microseconds(now)
    return tx.all(
        ApprovalRow,
        f"SELECT {', '.join(APPROVALS.columns)} FROM approvals WHERE {' AND '.join(conditions)}"  # noqa: S608 - names of columns
        " ORDER BY propose_time DESC, approval_id DESC LIMIT :limit",
        **parameters,
        limit=limit,
    )


def forget_expired(tx: Transaction, now: datetime) -> None:
    """Removes approvals that ended a month ago: the audit chain has both people."""
    tx.execute("DELETE FROM approvals WHERE expire_time < :oldest", oldest=to_microseconds(now) - _KEPT_AFTER_EXPIRY)


def forget_number(tx: Transaction, index: str) -> None:
    """Removes the approvals of readings of an erased number, by its index."""
    tx.execute("DELETE FROM approvals WHERE number = :number AND number <> ''", number=index)


def forget_customer(tx: Transaction, customer_id: str) -> None:
    """Removes the approvals about an erased customer."""
    tx.execute("DELETE FROM approvals WHERE customer_id = :id AND customer_id <> ''", id=customer_id)
