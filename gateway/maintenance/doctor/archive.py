"""The archive of commits of a PostgreSQL database: whether its server gives its log, and keeps it within bounds."""

from typing import NamedTuple

from gateway.backups.server_log import replication_problem, slot_of, to_permit
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.wording.languages import translated

_SLOT = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = :slot"
_KEPT = "SELECT current_setting('max_slot_wal_keep_size')"
_UNBOUNDED, _LOST = "-1", "lost"


class _Slot(NamedTuple):
    wal_status: str | None


def check_archive(place: DatabasePlace, member: str) -> list[Finding]:
    """Checks where commits of a PostgreSQL database are to be archived; `member` is the URI of the member."""
    if place.postgresql is None:
        return []
    name, slot = translated("archive of commits"), slot_of(member)
    try:
        with place.look() as tx:
            found, kept = tx.first(_Slot, _SLOT, slot=slot), tx.first(str, _KEPT)
    except StoreUnusable:
        return [not_checked(name, translated("the database cannot be read"))] if place.archive is not None else []
    if place.archive is None:
        return [] if found is None else [_left(name, slot, kept)]
    if (problem := replication_problem(place)) is not None:
        return [bad(name, problem, to_permit())]
    if found is None:
        return [good(name, translated("the server gives its log; nothing was archived yet"))]
    return [_kept(name, slot, found, kept)]


def _left(name: str, slot: str, kept: str | None) -> Finding:
    """Of a process that archives nothing by its settings. Another process of its member may do so."""
    bound = translated("without bound") if kept == _UNBOUNDED else kept
    told = translated("slot {slot}: is there, and keeps the log: {bound}", slot=slot, bound=bound)
    todo = translated(
        "where no other process archives either: SELECT pg_drop_replication_slot('{slot}'), else the log fills the disk"
        " of the server",
        slot=slot,
    )
    return warning(name, told, todo)


def _kept(name: str, slot: str, found: _Slot, kept: str | None) -> Finding:
    if found.wal_status == _LOST:
        todo = translated("run `backups archive`, which copies the database, and see why its timer did not")
        return warning(name, translated("slot {slot}: the server has removed what was not archived", slot=slot), todo)
    if kept == _UNBOUNDED:
        todo = translated("set max_slot_wal_keep_size in postgresql.conf, to 8GB for example")
        told = translated("slot {slot}: without `backups archive` the log fills the disk of the server", slot=slot)
        return warning(name, told, todo)
    return good(name, translated("slot {slot}: keeps up to {kept} of the log", slot=slot, kept=kept))
