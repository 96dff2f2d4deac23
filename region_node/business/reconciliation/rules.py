"""The comparison of two regions' records of a business day. Pure.

Only settled records count for a digest: an open one differs between the regions by what is on its way. Equal digests
end a comparison. Unequal ones lead to buckets, by a hash of the serial, and differing buckets to records.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.api.region.v1.reconciliation_pb2 import DifferenceKind, RecordStanding

OPEN = RecordStanding.RECORD_STANDING_OPEN
SETTLED = RecordStanding.RECORD_STANDING_SETTLED
ENDED = RecordStanding.RECORD_STANDING_ENDED
BUCKET_BYTES = 8  # of a digest of a bucket: both regions are honest, so only chance has to be kept out
MOST_BUCKETS = 4096  # 32 KiB, half of what an envelope may be
ANSWER_RECORDS = 250  # in one receipt, which a bucket may exceed by its own records
_IN_BUCKET = 16  # records, about


class Record(NamedTuple):
    """A record of a pair of regions in one of their copies; the amount is in minor units."""

    serial: str
    standing: RecordStanding.ValueType
    state: str
    amount: int = 0
    currency: str = ""
    postings: int = 0


def digest(records: Iterable[Record]) -> bytes:
    """SHA-256 over the settled records, in any order.

    The number of postings is left out: a correction adds one in one region alone.
    """
    lines = sorted(_line(each) for each in records if each.standing == SETTLED)
    return hashlib.sha256(b"\n".join(lines)).digest()


def bucket_count(records: int) -> int:
    """The number of buckets for so many records: a power of two."""
    wanted = max(1, min(MOST_BUCKETS, -(-records // _IN_BUCKET)))
    return 1 << (wanted - 1).bit_length()


def bucket_of(serial: str, buckets: int) -> int:
    """The bucket of a serial, from 0."""
    return int.from_bytes(hashlib.sha256(serial.encode()).digest()[:4]) % buckets


def in_buckets(records: Iterable[Record], buckets: int) -> list[list[Record]]:
    """The records by bucket."""
    found: list[list[Record]] = [[] for _ in range(buckets)]
    for each in records:
        found[bucket_of(each.serial, buckets)].append(each)
    return found


def bucket_digests(buckets: Sequence[Iterable[Record]]) -> bytes:
    """The digests of buckets, one after the other."""
    return b"".join(digest(each)[:BUCKET_BYTES] for each in buckets)


def is_bucket_digests(digests: bytes) -> bool:
    """Whether another region's text can be the digests of buckets."""
    count, rest = divmod(len(digests), BUCKET_BYTES)
    return rest == 0 and 1 <= count <= MOST_BUCKETS and count & (count - 1) == 0


def differs(bucket: Iterable[Record], digests: bytes, number: int) -> bool:
    """Whether the records of a bucket, by its number, have another digest than that among the digests of all."""
    start = number * BUCKET_BYTES
    return digest(bucket)[:BUCKET_BYTES] != digests[start : start + BUCKET_BYTES]


class Differing(NamedTuple):
    """Buckets that differ, with the records of this region, and the first bucket left out; 0 for none."""

    buckets: Sequence[int]
    records: Sequence[Record]
    following: int


def differing(records: Iterable[Record], theirs: bytes, first: int) -> Differing:
    """The buckets from `first` on that differ from the other region's digests; about `ANSWER_RECORDS` records."""
    buckets = in_buckets(records, len(theirs) // BUCKET_BYTES)
    named: list[int] = []
    found: list[Record] = []
    for number in range(first, len(buckets)):
        if len(found) >= ANSWER_RECORDS:
            return Differing(named, found, number)
        if differs(buckets[number], theirs, number):
            named.append(number)
            found += buckets[number]
    return Differing(named, found, 0)


class Pair(NamedTuple):
    """A serial on which two regions differ, with both copies."""

    serial: str
    here: Record | None
    there: Record | None


def differences(here: Iterable[Record], there: Iterable[Record]) -> list[Pair]:
    """The serials that are settled in one region at least and not the same in the other, in order."""
    ours = {each.serial: each for each in here}
    theirs = {each.serial: each for each in there}
    pairs = [Pair(serial, ours.get(serial), theirs.get(serial)) for serial in sorted(ours.keys() | theirs.keys())]
    return [each for each in pairs if _settled_line(each.here) != _settled_line(each.there)]


def named(pair: Pair, found: datetime, now: datetime, late: timedelta) -> DifferenceKind.ValueType:
    """The kind of a difference that was first found at a time."""
    here, there = pair.here, pair.there
    if here is None:
        return DifferenceKind.DIFFERENCE_KIND_MISSING_HERE
    if there is None:
        return DifferenceKind.DIFFERENCE_KIND_MISSING_THERE
    if OPEN in (here.standing, there.standing):
        is_late = now - found >= late
        return DifferenceKind.DIFFERENCE_KIND_LATE if is_late else DifferenceKind.DIFFERENCE_KIND_IN_FLIGHT
    if here.standing != there.standing or here.state != there.state:
        return DifferenceKind.DIFFERENCE_KIND_DIFFERENT_STATE
    if _is_doubled(here, there) or _is_doubled(there, here):
        return DifferenceKind.DIFFERENCE_KIND_DOUBLED
    return DifferenceKind.DIFFERENCE_KIND_DIFFERENT_AMOUNT


def day_of(instant: datetime, cut_off: int, zone: ZoneInfo) -> date:
    """The business day of an instant. It ends at the hour `cut_off` of the next calendar day; 0 is midnight."""
    return (instant.astimezone(zone) - timedelta(hours=cut_off)).date()


def span_of(day: date, cut_off: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first instant of a business day, and the first one behind it."""
    first, last = (datetime.combine(each, time(cut_off), zone) for each in (day, day + timedelta(days=1)))
    return first, last


def days_to_compare(today: date, nights: int, unsettled: Collection[date]) -> list[date]:
    """The ended days to compare, the oldest first: the last ones, and those that are not settled."""
    recent = {today - timedelta(days=each) for each in range(1, nights + 1)}
    return sorted(recent | {each for each in unsettled if each < today})


def correction(here: Record, there: Record, *, acting_here: bool) -> int:
    """The amount by which the acting region's copy falls short of the other's, in minor units."""
    return there.amount - here.amount if acting_here else here.amount - there.amount


def counted(records: Iterable[Record]) -> Mapping[RecordStanding.ValueType, int]:
    """The number of records by standing."""
    counts = dict.fromkeys((OPEN, SETTLED, ENDED), 0)
    for each in records:
        counts[each.standing] += 1
    return counts


def _line(record: Record) -> bytes:
    return f"{record.serial}\t{record.state}\t{record.amount}\t{record.currency}".encode()


def _settled_line(record: Record | None) -> bytes:
    return _line(record) if record is not None and record.standing == SETTLED else b""


def _is_doubled(more: Record, less: Record) -> bool:
    """Whether one copy has the amount of the other several times over, by as many postings."""
    times = more.postings // less.postings if less.postings else 0
    return times > 1 and more.amount == times * less.amount
