"""The check of `region-node doctor` on quarantined work."""

import sqlite3

import psycopg

from gateway.maintenance.doctor.findings import Finding, warning
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.store.quarantine import waiting_by_source
from gateway.wording.languages import translated


def check_quarantine(place: DatabasePlace) -> list[Finding]:
    """A warning where work waits for people.

    A database that cannot be read, or is older than this version, has findings of its own.
    """
    try:
        with place.look() as tx:
            count = sum(waiting_by_source(tx).values())
    except (StoreUnusable, OSError, sqlite3.Error, psycopg.Error):
        return []
    if not count:
        return []
    told = translated("{count} timers, envelopes and runs wait for people", count=count)
    return [warning(translated("quarantine"), told, translated("look at them: `region-node quarantine list`"))]
