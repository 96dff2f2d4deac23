"""The check of `region-node doctor` on losses of the database."""

import sqlite3

import psycopg

from gateway.maintenance.doctor.findings import Finding, bad
from gateway.store.losses import last_loss
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.wording.languages import translated


def check_losses(place: DatabasePlace) -> list[Finding]:
    """The loss that keeps the region from serving, if there is one.

    A database that cannot be read, or is older than this version, has findings of its own.
    """
    try:
        with place.look() as tx:
            loss = last_loss(tx)
    except (StoreUnusable, OSError, sqlite3.Error, psycopg.Error):
        return []
    if loss is None or not loss.is_open:
        return []
    told = translated(
        "rows of the audit chain after row {last} are missing, up to row {seen} at least: nothing is served",
        last=loss.last_sequence,
        seen=loss.seen_sequence,
    )
    return [bad(translated("completeness"), told, translated("look at it: `region-node recovery show`"))]
