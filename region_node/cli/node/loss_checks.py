"""The checks of `region-node doctor` on losses of the database."""

import sqlite3

import psycopg

from gateway.maintenance.doctor.findings import Finding, bad, warning
from gateway.maintenance.doctor.losses import open_loss
from gateway.security.region_keys import KeySet, RegionKeys, RegionKeysUnusable
from gateway.store.catch_ups import unfinished
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.store.vault import SealBroken
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name
from region_node.lifecycle.recovery.operations import MOST_COUNTED, count_lost
from region_node.node.settings import RegionSettings


def check_losses(place: DatabasePlace) -> list[Finding]:
    """The loss that keeps the region from serving, if there is one."""
    loss = open_loss(place)
    if loss is None:
        return []
    told = translated(
        "rows of the audit chain after row {last} are missing, up to row {seen} at least: nothing is served",
        last=loss.last_sequence,
        seen=loss.seen_sequence,
    )
    return [bad(translated("completeness"), told, translated("look at it: `region-node recovery show`"))]


def check_catching_up(settings: RegionSettings) -> list[Finding]:
    """Warnings of regions whose report after an accepted loss is incomplete, and of commands left to people.

    A database or keys that cannot be read, or are older than this version, have findings of their own.
    """
    try:
        with settings.database.look(RegionKeys(KeySet.load(settings.keys))) as tx:
            regions, lost = sorted(unfinished(tx)), count_lost(tx, settings.region)
    except (RegionKeysUnusable, SealBroken, StoreUnusable, OSError, sqlite3.Error, psycopg.Error):
        return []
    found = []
    if regions:
        told = translated(
            "these regions have not told yet all that the database lacks: {regions}",
            regions=enumerated(map(region_name, regions)),
        )
        found.append(warning(translated("catching up"), told, translated("look at why: `region-node recovery show`")))
    if lost:
        told = translated(
            "{count} commands could not be done again (no more than {most} are counted)", count=lost, most=MOST_COUNTED
        )
        found.append(
            warning(translated("lost commands"), told, translated("look at them: `region-node recovery losses`"))
        )
    return found
