"""The check of `region-node doctor` on the limit before which the inbox has forgotten commands."""

import sqlite3
from datetime import datetime

import psycopg

from gateway.maintenance.doctor.findings import Finding, bad
from gateway.relay.inbox import forgotten_before
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.time.clock import from_microseconds
from gateway.wording.languages import translated
from gateway.wording.times import told_time


def check_forgotten(place: DatabasePlace, now: datetime) -> list[Finding]:
    """A finding for a limit in the future: the inbox refuses every new command until then.

    A database that cannot be read, or is older than this version, has findings of its own.
    """
    try:
        with place.look() as tx:
            limit = from_microseconds(forgotten_before(tx))
    except (StoreUnusable, OSError, sqlite3.Error, psycopg.Error):
        return []
    if limit <= now:
        return []
    told = translated(
        "the inbox has forgotten commands of before {time}, which is in the future: it refuses new ones until then",
        time=told_time(limit, timespec="seconds"),
    )
    todo = translated(
        "see that this clock is right (NTP); if it is, a purge ran by a wrong one:"
        " restore a backup of before that purge"
    )
    return [bad(translated("forgotten commands"), told, todo)]
