"""Losses of a database: rows of its audit chain that others have seen, and commits that its processes have made.

Each loss begins another incarnation of the database: the audit row with which the chain goes on is its name.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import to_microseconds

ABOUT = "losses"
"""The subject by which other processes learn of a change."""


class Loss(NamedTuple):
    """A row. Instants are in microseconds since 1970."""

    number: int
    find_time: int
    witness: str
    last_sequence: int
    seen_sequence: int
    commits: int
    begin_sequence: int
    accept_time: int | None = None
    actor: str = ""
    reference: str = ""
    catch_up_from: int | None = None
    """The instant from which other regions report what the database lacks; None for a former version's loss."""

    @property
    def is_open(self) -> bool:
        """Whether nothing is served because of it."""
        return self.accept_time is None


LOSSES = Table("losses", Loss, key=("number",))
_COLUMNS = ", ".join(Loss._fields)


@dataclass
class OwnCommits:
    """The commits that a process has made, and those of them that its database lacks."""

    made: int = 0
    """As the database has them, as far as the process knows."""
    lost: int = 0
    """That the database lacks since it was reached again: it is another one, or an older copy."""

    def reached(self, found: int) -> int:
        """Takes the count of a database that was reached again. Returns how many commits it has lost.

        More than are known here are those of an answer that was lost, or of a process that had the number meanwhile.
        """
        lost = max(self.made - found, 0)
        self.made, self.lost = found, self.lost + lost
        return lost


@dataclass(frozen=True)
class LossChanged:
    """Published when a loss was found, or accepted."""

    loss: Loss


def losses(tx: Transaction) -> list[Loss]:
    """All losses, the last one first."""
    return tx.all(Loss, f"SELECT {_COLUMNS} FROM losses ORDER BY number DESC")  # noqa: S608 - names of columns


def last_loss(tx: Transaction) -> Loss | None:
    """The last loss, which alone can be open."""
    return next(iter(losses(tx)), None)


def has_open(tx: Transaction) -> bool:
    """Whether a loss is open. The head of its chain counts for nobody then: a newer database may be put back."""
    last = last_loss(tx)
    return last is not None and last.is_open


def incarnation(tx: Transaction) -> int:
    """The audit row with which this incarnation of the database begins; 0 for a database that has lost nothing."""
    last = last_loss(tx)
    return 0 if last is None else last.begin_sequence


def keep(tx: Transaction, loss: Loss) -> None:
    """Stores a loss, and publishes it to all processes."""
    tx.keep(LOSSES, loss)
    tx.publish(LossChanged(loss), about=ABOUT)


def require(tx: Transaction, number: int) -> Loss:
    """The loss of a number. Raises Refused with LOSS_NOT_FOUND."""
    found = tx.find(LOSSES, number)
    if found is None:
        raise Refused(Reason.REASON_LOSS_NOT_FOUND, loss=str(number))
    return found


def require_acceptable(tx: Transaction, number: int, reference: str) -> Loss:
    """The loss of a number, open or accepted by this reference. Raises Refused as `require`, or with LOSS_ACCEPTED."""
    found = require(tx, number)
    if not found.is_open and found.reference != reference:
        raise Refused(Reason.REASON_LOSS_ACCEPTED, loss=str(number), reference=found.reference)
    return found


def accept(tx: Transaction, loss: Loss, actor: str, reference: str, now: datetime) -> Loss:
    """Stores that a person accepts an open loss, by the reference of the file that says why."""
    accepted = loss._replace(accept_time=to_microseconds(now), actor=actor, reference=reference)
    keep(tx, accepted)
    return accepted


def database_behind(loss: Loss | None) -> Refused:
    """The refusal of all business while a loss is open; None for commits of which only this process knows yet."""
    if loss is None:
        return Refused(Reason.REASON_DATABASE_BEHIND, last="?", seen="?")
    return Refused(Reason.REASON_DATABASE_BEHIND, last=str(loss.last_sequence), seen=str(loss.seen_sequence))
