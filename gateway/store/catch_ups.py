"""Catching up after a loss of the database: the progress of each region's report, and the commands left to people."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.store.losses import Loss, losses
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import BETWEEN_TRUSTED, from_microseconds

PATIENCE = timedelta(hours=6)
"""From the acceptance of a loss, before what waits for other regions is left to people."""
MOST_LOST = 10_000
"""Commands of one region that are listed for people after a loss: by then, both regions are looked at as a whole."""


class CatchUp(NamedTuple):
    """A row: a region that reports what the database lacks. Instants are in microseconds since 1970."""

    loss: int
    region: str
    place: str = ""
    taken: int = 0
    purged_before: int = 0
    failure: str = ""
    finish_time: int | None = None


class LostCommand(NamedTuple):
    """A row: a command that was lost, and could not be done as before. `failure` is the name of a reason."""

    loss: int
    region: str
    origin: str
    envelope_id: str
    kind: int
    subject: str
    failure: str
    tell_time: int


CATCH_UPS = Table("catch_ups", CatchUp, key=("loss", "region"))
LOST_COMMANDS = Table("lost_commands", LostCommand, key=("loss", "region", "origin", "envelope_id"))


def catch_up_with(tx: Transaction, loss: int, region: str) -> CatchUp:
    """The progress of a region that reports what the database lacks after a loss."""
    return tx.find(CATCH_UPS, loss, region) or CatchUp(loss, region)


def ask(tx: Transaction, loss: int, region: str) -> CatchUp:
    """The same for a question to the region: people see the region in the list before its answer."""
    known = tx.find(CATCH_UPS, loss, region)
    if known is None:
        known = CatchUp(loss, region)
        keep(tx, known)
    return known


def begun(tx: Transaction) -> list[Loss]:
    """The accepted losses after which other regions report what the database lacks, the first one first."""
    return [each for each in reversed(losses(tx)) if not each.is_open and each.catch_up_from is not None]


def loss_of(tx: Transaction, signed: datetime) -> Loss | None:
    """The loss by which this database lacks what its region signed at an instant: the first that was found later."""
    return next((each for each in begun(tx) if signed <= from_microseconds(each.find_time) + BETWEEN_TRUSTED), None)


def is_in_lost_part(loss: Loss, instant: datetime) -> bool:
    """Whether this region may have lost what it signed at an instant: its database has all that is older.

    Nothing was signed from the finding of the loss to its acceptance.
    """
    begin, end = from_microseconds(loss.catch_up_from or 0), from_microseconds(loss.find_time)
    return begin <= instant <= end + BETWEEN_TRUSTED


def is_catching_up(tx: Transaction, region: str) -> bool:
    """Whether a region may still report commands of its own that this database lacks: new ones wait behind them.

    A region that cannot report them holds up nothing.
    """

    return _unfinished_since(tx, region) > 0


def is_awaited(tx: Transaction, region: str, now: datetime) -> bool:
    """Whether work on what a region may still report waits for it: some hours at most after a loss was accepted."""
    since = _unfinished_since(tx, region)
    return since > 0 and now < from_microseconds(since) + PATIENCE


def _unfinished_since(tx: Transaction, region: str) -> int:
    """When the last loss was accepted after which a region may still report; 0 for none."""

    def since() -> int:
        known = ((each, catch_up_with(tx, each.number, region)) for each in begun(tx))
        awaited = (loss.accept_time or 0 for loss, each in known if each.finish_time is None and not each.failure)
        return max(awaited, default=0)

    return tx.once(CATCH_UPS.name, region, since)


def keep(tx: Transaction, catch_up: CatchUp) -> None:
    """Stores the progress of a region."""
    tx.keep(CATCH_UPS, catch_up)


def list_lost(tx: Transaction, lost: LostCommand) -> bool:
    """Leaves a command to people. Returns False above the most that are listed of one region."""
    query = "SELECT COUNT(*) FROM lost_commands WHERE loss = :loss AND region = :region"
    if (tx.first(int, query, loss=lost.loss, region=lost.region) or 0) >= MOST_LOST:
        return False
    tx.keep(LOST_COMMANDS, lost)
    return True


def forget_lost(tx: Transaction, gone: Sequence[LostCommand]) -> None:
    """Removes lost commands from the list."""
    tx.execute_many(
        "DELETE FROM lost_commands WHERE loss = :loss AND region = :region AND origin = :origin"
        " AND envelope_id = :envelope_id",
        [
            {"loss": each.loss, "region": each.region, "origin": each.origin, "envelope_id": each.envelope_id}
            for each in gone
        ],
    )


def lost_after(tx: Transaction, place: tuple[int, str, str, str], limit: int) -> list[LostCommand]:
    """Lost commands behind a place: loss, region, origin and id, in that order."""
    return tx.all(
        LostCommand,
        f"SELECT {', '.join(LostCommand._fields)} FROM lost_commands"  # noqa: S608 - names of columns
        " WHERE (loss, region, origin, envelope_id) > (:loss, :region, :origin, :id)"
        " ORDER BY loss, region, origin, envelope_id LIMIT :limit",
        loss=place[0],
        region=place[1],
        origin=place[2],
        id=place[3],
        limit=limit,
    )


def unfinished(tx: Transaction) -> Mapping[str, datetime]:
    """The regions whose report is incomplete, with the acceptance of the first loss for which it is."""
    accepted = {each.number: from_microseconds(each.accept_time or 0) for each in begun(tx)}
    left = (each for each in reversed(catch_ups(tx)) if each.finish_time is None and each.loss in accepted)
    found = dict[str, datetime]()
    for each in left:
        found.setdefault(each.region, accepted[each.loss])
    return found


def catch_ups(tx: Transaction) -> list[CatchUp]:
    """The progress of all regions, by loss and region."""
    return tx.all(CatchUp, f"SELECT {', '.join(CatchUp._fields)} FROM catch_ups ORDER BY loss DESC, region")  # noqa: S608
