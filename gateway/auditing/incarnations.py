"""Another incarnation of a database that lacks what others have seen: its audit chain goes on behind all of that."""

from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.api.region.v1 import recovery_service_pb2 as api
from gateway.auditing import audit
from gateway.store import losses
from gateway.store.commit_queue import BATCH_LIMIT
from gateway.store.losses import Loss
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_microseconds, to_timestamp

MARGIN = 10_000
"""Numbers that are left out beyond those that others have seen: heads are told each two seconds, and some got lost."""

BEFORE = timedelta(minutes=10)
"""The time before the last row from which others report: clocks differ, and a loss is found some time after it."""


def begin(
    tx: Transaction,
    owner: str,
    *,
    witness: str,
    seen: int,
    commits: int,
    now: datetime,
    last_time: datetime | None = None,
    skip: Callable[[int], None] = lambda beyond: None,
) -> Loss:
    """Stores a loss of the owner's database, and goes on with a row that names the missing ones. Returns the open loss.

    `seen` is the furthest row that the witness has seen, `commits` the number of lost commits that a process knows of;
    `last_time` is that of the last row before the lost ones, where rows have come since. `skip` leaves out as many of
    other numbers as it is given.
    """
    before, last = losses.last_loss(tx), audit.head(tx).sequence
    since = max(to_microseconds(min(last_time or now, audit.last_time(tx) or now, now) - BEFORE), 0)
    beyond = max(seen - last, 0) + commits * BATCH_LIMIT + MARGIN
    skip(beyond)
    sequence = audit.append_after_loss(
        tx,
        beyond=beyond,
        now=now,
        actor=owner,
        subject=owner,
        detail=f"{witness} had seen row {seen}; {commits} commits are known to be lost",
    )
    if before is not None and before.is_open:  # one loss for people, whose decision names its newest row
        loss = before._replace(
            seen_sequence=max(seen, before.seen_sequence),
            commits=before.commits + commits,
            begin_sequence=sequence,
            catch_up_from=min(since, since if before.catch_up_from is None else before.catch_up_from),
        )
    else:
        number = 1 if before is None else before.number + 1
        loss = Loss(number, to_microseconds(now), witness, last, seen, commits, sequence, catch_up_from=since)
    losses.keep(tx, loss)
    return loss


def told(loss: Loss) -> api.Loss:
    """A loss as a message of the contract."""
    return api.Loss(
        number=loss.number,
        find_time=to_timestamp(from_microseconds(loss.find_time)),
        witness=loss.witness,
        last_sequence=loss.last_sequence,
        seen_sequence=loss.seen_sequence,
        commits=loss.commits,
        begin_sequence=loss.begin_sequence,
        accept_time=None if loss.accept_time is None else to_timestamp(from_microseconds(loss.accept_time)),
        actor=loss.actor,
        reference=loss.reference,
    )
