"""Checks the file of a region's keys: it exists, is private, and fits the database."""

from pathlib import Path

import psycopg

from gateway.maintenance.doctor.certificates import ALL_BUT_OWNER, OTHERS
from gateway.maintenance.doctor.findings import Finding, bad, good, warning
from gateway.security.region_keys import KeySet, RegionKeysUnusable
from gateway.store import vault
from gateway.store.opening import DatabasePlace
from gateway.store.port import StoreUnusable
from gateway.wording.languages import enumerated, translated


def check_region_keys(path: Path, place: DatabasePlace, program: str) -> Finding:
    """Checks the file, and the database beside its processes. Changes nothing."""
    name = translated("region keys")
    try:
        keys = KeySet.load(path)
        mode = path.stat().st_mode & 0o777
    except (RegionKeysUnusable, OSError) as error:
        todo = translated(
            "put the file there that every process of the region has; only a new region makes one: {command}",
            command=f"`{program} keys create {path}`",
        )
        return bad(name, str(error), todo)
    closed, rotation = f"chmod 600 {path}", f"`{program} keys rotate {path}`"
    missing = sorted(_wrapping(place) - set(keys.by_id))
    if missing:
        return bad(
            name,
            translated("{path}: lacks {keys}, by which stored keys are wrapped", path=path, keys=enumerated(missing)),
            translated("put the file there that was in use when the database was written"),
        )
    if mode & OTHERS:
        return bad(
            name,
            translated("{path}: everybody may read it (mode {mode})", path=path, mode=f"{mode:o}"),
            translated("{chmod}, and put another key in use: {command}", chmod=closed, command=rotation),
        )
    if mode & ALL_BUT_OWNER:
        return warning(
            name,
            translated("{path}: its group may read it (mode {mode})", path=path, mode=f"{mode:o}"),
            closed,
        )
    found = translated("{path}: {key} is in use, closed to others", path=path, key=keys.in_use.id)
    return good(name, found)


def _wrapping(place: DatabasePlace) -> set[str]:
    """The ids of the keys that wrap the database's keys; none where the database cannot be read."""
    try:
        with place.look() as tx:
            return set(vault.count_wrapped(tx))
    except (StoreUnusable, psycopg.Error):
        return set()  # no database yet, or another check reports the error
