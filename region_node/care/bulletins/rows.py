"""Bulletins and their readings, as stored. The region that publishes a bulletin is its origin, and owns it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.region.v1.bulletin_oversight_service_pb2 import BulletinHeader
from gateway.api.region.v1.bulletin_pb2 import Bulletin, BulletinReaders, BulletinReading
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.pages import dated_key, dated_place
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from region_node.care.bulletins import rules
from region_node.records.listing import Page
from region_node.records.numbers import Numbers
from region_node.records.stored import Records
from region_node.tickets.followed import Facts, Followed

BULLETIN_SUBJECTS = "bulletin/"
KIND = "bulletin"
_EVERY = "1 = 1"


def bulletin_subject(bulletin_id: str) -> str:
    """The subject whose key seals a bulletin."""
    return BULLETIN_SUBJECTS + bulletin_id


@dataclass(frozen=True)
class BulletinRow:
    """A bulletin and the trace of all its envelopes."""

    bulletin: Bulletin = field(repr=False)
    traceparent: str


BULLETIN_RECORDS = Records(
    table="bulletins",
    key="bulletin_id",
    dated="create_time",
    fixed=(
        "bulletin_id",
        "bulletin_number",
        "origin_region",
        "operator",
        "number_index",
        "create_time",
        "start_time",
        "end_time",
    ),
    changing=("state", "version"),
    message=Bulletin,
    row=BulletinRow,
    subject=bulletin_subject,
    not_found=lambda bulletin_id: Refused(Reason.REASON_BULLETIN_NOT_FOUND, bulletin=bulletin_id),
)
NUMBERS = Numbers("bulletins", "bulletin_number", purged="purged_bulletins")


@dataclass(frozen=True)
class BulletinFilter:
    """A filter of bulletins; empty values restrict nothing."""

    unread_by: str = ""
    """Only bulletins without a reading by this staff id of `region`, which are valid at `now`."""
    region: str = ""
    now: datetime | None = None
    published_by: str = ""
    """Only bulletins of this region."""


def next_bulletin_number(tx: Transaction) -> int:
    """The number of the next bulletin that is published here."""
    return NUMBERS.next(tx)


def require_bulletin(tx: Transaction, bulletin_id: str) -> BulletinRow:
    """The bulletin as this region has it. Raises Refused with BULLETIN_NOT_FOUND."""
    return BULLETIN_RECORDS.require(tx, bulletin_id)


def insert_bulletin(tx: Transaction, row: BulletinRow, bulletin_number: int) -> None:
    """Adds a bulletin."""
    bulletin = row.bulletin
    columns: dict[str, Value] = {
        **_changing(bulletin),
        "bulletin_number": bulletin_number,
        "origin_region": bulletin.origin_region,
        "operator": bulletin.operator,
        "number_index": "",
        "create_time": to_microseconds(from_timestamp(bulletin.create_time)),
        "start_time": to_microseconds(from_timestamp(bulletin.content.start_time)),
        "end_time": to_microseconds(from_timestamp(bulletin.content.end_time)),
        "traceparent": row.traceparent,
    }
    BULLETIN_RECORDS.insert(tx, bulletin.id, bulletin, columns)
    NUMBERS.note(tx, bulletin_number)


def update_bulletin(tx: Transaction, bulletin: Bulletin) -> None:
    """Stores a changed bulletin."""
    BULLETIN_RECORDS.update(tx, bulletin.id, bulletin, _changing(bulletin))


def list_bulletins(
    tx: Transaction, wanted: BulletinFilter, before: tuple[int, str] | None, limit: int
) -> Page[Bulletin]:
    """At most `limit` bulletins, newest first, older than `before` (time of publication in microseconds, id)."""
    listed = BULLETIN_RECORDS.listed(shown=_EVERY)
    if wanted.published_by:
        listed.only("origin_region = :published_by", published_by=wanted.published_by)
    if wanted.unread_by and wanted.now is not None:
        listed.in_states([rules.PUBLISHED])
        listed.only("start_time <= :now AND end_time > :now", now=to_microseconds(wanted.now))
        listed.only(
            "NOT EXISTS (SELECT 1 FROM bulletin_reads r WHERE r.bulletin_id = bulletins.bulletin_id"
            " AND r.region = :reading_region AND r.staff_id = :reader)",
            reading_region=wanted.region,
            reader=wanted.unread_by,
        )
    return BULLETIN_RECORDS.page(tx, listed, before, limit)


def note_read(tx: Transaction, bulletin_id: str, region: str, staff_id: str, now: datetime) -> bool:
    """Notes the first reading by a member of staff; whether it is the first."""
    if read_time(tx, bulletin_id, region, staff_id) is not None:
        return False
    tx.execute(
        "INSERT INTO bulletin_reads (bulletin_id, region, staff_id, read_time)"
        " VALUES (:bulletin_id, :region, :staff_id, :now) ON CONFLICT (bulletin_id, region, staff_id) DO NOTHING",
        bulletin_id=bulletin_id,
        region=region,
        staff_id=staff_id,
        now=to_microseconds(now),
    )
    return True


def read_time(tx: Transaction, bulletin_id: str, region: str, staff_id: str) -> datetime | None:
    """The time of the first reading by a member of staff; None without one."""
    return tx.first(
        from_microseconds,
        "SELECT read_time FROM bulletin_reads"
        " WHERE bulletin_id = :bulletin_id AND region = :region AND staff_id = :staff_id",
        bulletin_id=bulletin_id,
        region=region,
        staff_id=staff_id,
    )


def forget_reads(tx: Transaction, bulletin_id: str) -> None:
    """Removes the readings of a bulletin."""
    tx.execute("DELETE FROM bulletin_reads WHERE bulletin_id = :bulletin_id", bulletin_id=bulletin_id)


def readers_page(
    tx: Transaction, bulletin: Bulletin, region: str, size: int, after: str
) -> tuple[Sequence[BulletinReaders], str]:
    """At most `size` readings behind a key, by region and time, and the key behind them; empty where that was all.

    As `region` knows them: of all regions at its own bulletin, else of this region alone.
    """
    last_region, _, place = after.partition(" ")
    time, name = dated_place(place) or (-1, "")

    def reading(reading_region: str, staff_id: str, read_at: int) -> tuple[str, BulletinReading]:
        read_time = to_timestamp(from_microseconds(read_at))
        return reading_region, BulletinReading(staff_id=staff_id, read_time=read_time)

    found = tx.all(
        reading,
        "SELECT region, staff_id, read_time FROM bulletin_reads WHERE bulletin_id = :bulletin_id"
        " AND (region > :region"
        " OR (region = :region AND (read_time > :time OR (read_time = :time AND staff_id > :name))))"
        " ORDER BY region, read_time, staff_id LIMIT :limit",
        bulletin_id=bulletin.id,
        region=last_region,
        time=time,
        name=name,
        limit=size + 1,
    )
    shown: dict[str, list[BulletinReading]] = {}
    for reading_region, each in found[:size]:
        shown.setdefault(reading_region, []).append(each)
    known = bulletin.regions if bulletin.origin_region == region else [region]
    end, following = "", ""
    if len(found) > size:
        end, last = found[size - 1]
        following = f"{end} {dated_key(from_timestamp(last.read_time), last.staff_id)}"
    regions = [each for each in sorted(known) if each in shown or (each > last_region and (not end or each < end))]
    return rules.readers(bulletin, shown, have_read(tx, bulletin), regions), following


def have_read(tx: Transaction, bulletin: Bulletin) -> Mapping[str, Collection[str]]:
    """The addressed staff that have read a bulletin, by region, and anybody of a region without addressed staff."""
    found: dict[str, set[str]] = {}

    def note(region: str, staff_id: str) -> None:
        found.setdefault(region, set()).add(staff_id)

    read = "FROM bulletin_reads WHERE bulletin_id = :bulletin_id"
    tx.all(note, f"SELECT region, MIN(staff_id) {read} GROUP BY region", bulletin_id=bulletin.id)
    wanted = {each for staff in rules.addressed_staff(bulletin).values() for each in staff}
    if wanted:
        names = {f"staff{index}": each for index, each in enumerate(sorted(wanted))}
        places = ", ".join(f":{each}" for each in names)
        sql = f"SELECT region, staff_id {read} AND staff_id IN ({places})"
        tx.all(note, sql, bulletin_id=bulletin.id, **names)
    return found


def header_of(tx: Transaction, bulletin: Bulletin, region: str) -> BulletinHeader:
    """The header of a bulletin that `region` has published."""
    regions = bulletin.regions if bulletin.origin_region == region else [region]
    return BulletinHeader(
        id=bulletin.id,
        version=bulletin.version,
        state=bulletin.state,
        severity=bulletin.content.severity,
        title=bulletin.content.title,
        create_time=bulletin.create_time,
        end_time=bulletin.content.end_time,
        read_by_time=bulletin.content.read_by_time if bulletin.content.HasField("read_by_time") else None,
        regions=len(bulletin.regions),
        complete_regions=sum(each.complete for each in rules.readers(bulletin, {}, have_read(tx, bulletin), regions)),
    )


def _changing(bulletin: Bulletin) -> Mapping[str, Value]:
    return {"state": bulletin.state, "version": bulletin.version}


def facts(bulletin: Bulletin) -> Facts:
    """The regions with a part in a bulletin."""
    return Facts(
        name=bulletin.id,
        origin=bulletin.origin_region,
        owner=bulletin.origin_region,
        operator=bulletin.operator,
        version=bulletin.version,
        state=bulletin.state,
        created=bulletin.create_time,
        number="",
        home="",
        helpers=tuple(bulletin.regions),
    )


BULLETIN = Followed(
    records=BULLETIN_RECORDS,
    facts=facts,
    prefix="B",
    first=rules.PUBLISHED,
    final=frozenset({rules.WITHDRAWN}),
    fixed=("id", "content", "create_time", "origin_region", "operator", "regions"),
    require_plausible=rules.require_plausible,
    owner_column="origin_region",
)
