"""This region's witnesses, as stored: the claims of the notifier, and the last answer of each."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.auditing.audit import GENESIS, Head
from gateway.store.port import Transaction
from gateway.time.clock import from_microseconds, to_microseconds

# Between two statements of a region to one witness (guarantee G10): with the looks of both, an answer, and the time in
# which a coordinator must send a revision (`revisions.WITHHELD_AFTER`), a minute.
INTERVAL = timedelta(seconds=30)
AGAIN = timedelta(seconds=1)  # the interval for a witness that responds and stores no row yet
_COLUMNS = "witness, asked, sequence, hash, told, signature, contradicted, proven_erased, proven_heard"


@dataclass(frozen=True)
class WitnessRow:
    """A witness."""

    witness: str
    asked: datetime
    head: Head
    """The witness's head of this region's chain."""
    told: datetime
    """The time of that answer, by the witness's clock."""
    signature: bytes
    """The witness's signature over the region, `told` and the head."""
    contradicted: bool
    """Whether this region's chain contradicts the witness's head."""
    erased: int
    """The number of the last destroyed key that it has acknowledged with its proof, in this region's count."""
    heard: int
    """The number of the last destroyed key that the witness has reported, in the witness's count."""


def claim(tx: Transaction, witness: str, now: datetime) -> WitnessRow | None:
    """Claims a witness for this process; None where a process has claimed it within the last interval.

    A claim in the future, after a clock was set back, counts as none. A witness without a row has the interval AGAIN.
    """
    claimed = tx.execute(
        "INSERT INTO witnesses (witness, asked, sequence, hash, told, signature, contradicted, erased, heard)"
        " VALUES (:witness, :now, 0, :genesis, 0, :genesis, 0, 0, 0)"
        " ON CONFLICT (witness) DO UPDATE SET asked = excluded.asked"
        " WHERE witnesses.asked <= :before OR witnesses.asked > :now"
        " OR (witnesses.told > 0 AND witnesses.sequence = 0 AND witnesses.asked <= :again)",
        witness=witness,
        now=to_microseconds(now),
        before=to_microseconds(now - INTERVAL),
        again=to_microseconds(now - AGAIN),
        genesis=GENESIS,
    )
    if not claimed:
        return None
    return tx.first(_row, f"SELECT {_COLUMNS} FROM witnesses WHERE witness = :witness", witness=witness)  # noqa: S608


def known_witnesses(tx: Transaction) -> list[WitnessRow]:
    """All witnesses that ever received a statement, by id."""
    return tx.all(_row, f"SELECT {_COLUMNS} FROM witnesses ORDER BY witness")  # noqa: S608


def update(tx: Transaction, row: WitnessRow) -> None:
    """Stores the answer of a witness."""
    tx.execute(
        "UPDATE witnesses SET sequence = :sequence, hash = :hash, told = :told, signature = :signature,"
        " contradicted = :contradicted, proven_erased = :erased, proven_heard = :heard WHERE witness = :witness",
        witness=row.witness,
        sequence=row.head.sequence,
        hash=row.head.hash,
        told=to_microseconds(row.told),
        signature=row.signature,
        contradicted=int(row.contradicted),
        erased=row.erased,
        heard=row.heard,
    )


def _row(
    witness: str,
    asked: int,
    sequence: int,
    digest: bytes,
    told: int,
    signature: bytes,
    contradicted: int,
    erased: int,
    heard: int,
) -> WitnessRow:
    return WitnessRow(
        witness,
        from_microseconds(asked),
        Head(sequence, digest),
        from_microseconds(told),
        signature,
        bool(contradicted),
        erased,
        heard,
    )
