"""`region-node keys`: the file of keys under which personal data is stored."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import click

from gateway.cli.exits import REFUSED, USAGE, leave
from gateway.cli.terminal import print_table
from gateway.security.region_keys import KeySet, RegionKeysUnusable
from gateway.settings import Sources
from gateway.store import vault
from gateway.store.port import StoreUnusable
from gateway.wording.languages import enumerated, translated
from region_node.cli.node.config import REGION_NODE
from region_node.node.settings import RegionSettings

_SETTLED_SECONDS = 5.0  # within which every process on the same file has read it again

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def keys() -> None:
    """Make and rotate the keys of what the region stores.

    They stand in a file of their own. Whoever has the database without it can read no personal data, and nor can you.
    """


@keys.command()
@_file
def create(file: Path) -> None:
    """Make the keys of a new region, readable by this user alone.

    Give the same file to every process of the region, and keep a copy apart from the databases and their backups.

    \b
    Example:
      region-node keys create region.keys

    \b
    Exit codes: 0 made, 1 not possible, and the text says why, 2 wrong usage.
    """
    if file.exists() or file.is_symlink():
        told = translated("{file} is there, and whatever was stored by it could not be read any more", file=file)
        leave(told, REFUSED)
    made = KeySet.new()
    _save(made, file)
    click.echo(translated("{file}: the key {key} is in use", file=file, key=made.in_use.id))


@keys.command()
@REGION_NODE.settings_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def rotate(sources: Sources, file: Path | None) -> None:
    """Put a new key in use, in FILE or in the file of the settings.

    Running nodes see it within a second and wrap by it, page by page, what the former keys wrap; nothing needs a
    restart, and what is killed goes on when it is back. `keys status` says how far it is, `keys prune` removes the
    former keys then. Hand the file to every process of the region: one without the new key cannot read what it wraps.

    \b
    Example:
      region-node keys rotate --settings region-node.toml

    \b
    Exit codes: 0 rotated, 1 not possible, and the text says why, 2 wrong usage or settings.
    """
    file = file or REGION_NODE.settings(sources).keys
    try:
        rotated = KeySet.load(file).rotated()
    except RegionKeysUnusable as error:
        leave(str(error), REFUSED)
    _save(rotated, file)
    click.echo(translated("{file}: the key {key} is in use", file=file, key=rotated.in_use.id))


@keys.command()
@REGION_NODE.settings_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def status(sources: Sources, as_json: bool) -> None:
    """Show the keys, and how many others each of them wraps.

    Those are the keys of customers, numbers, orders and complaints. Reads the database beside the running node and
    changes nothing.

    \b
    Example:
      region-node keys status --settings region-node.toml

    \b
    Exit codes:
      0  shown
      1  something is wrapped by a key that is not in the file
      2  the command line, the settings, the file or the database cannot be used
    """
    settings = REGION_NODE.settings(sources)
    held, wrapped = _looked(settings)
    missing = sorted(set(wrapped) - set(held.by_id))
    if as_json:
        listed = [
            {"id": key.id, "in_use": key.id == held.in_use.id, "wraps": wrapped.get(key.id, 0), "missing": False}
            for key in held.wrapping
        ]
        listed += [{"id": key_id, "in_use": False, "wraps": wrapped[key_id], "missing": True} for key_id in missing]
        click.echo(json.dumps({"file": str(settings.keys), "keys": listed}, ensure_ascii=False, indent=2))
    else:
        rows = [
            (key.id, translated("in use") if key == held.in_use else translated("former"), str(wrapped.get(key.id, 0)))
            for key in held.wrapping
        ]
        rows += [(key_id, translated("not in the file"), str(wrapped[key_id])) for key_id in missing]
        print_table((translated("key"), translated("state"), translated("wraps")), rows)
    if missing:
        leave(_told_missing(settings, missing), REFUSED)


@keys.command()
@REGION_NODE.settings_options
def prune(sources: Sources) -> None:
    """Remove the former keys, which wrap nothing any more.

    Refused while they wrap something, and just after the file has changed. A backup of the database that is older than
    this needs the file of before: keep it as long as the backup, and apart from it.

    \b
    Example:
      region-node keys prune --settings region-node.toml

    \b
    Exit codes:
      0  removed, or there was none
      1  refused; the text says why
      2  the command line, the settings, the file or the database cannot be used
    """
    settings = REGION_NODE.settings(sources)
    if settings.keys.exists() and time.time() - settings.keys.stat().st_mtime < _SETTLED_SECONDS:
        leave(translated("{file} has just changed: wait until every node has seen it", file=settings.keys), REFUSED)
    held, wrapped = _looked(settings)
    if missing := sorted(set(wrapped) - set(held.by_id)):
        leave(_told_missing(settings, missing), REFUSED)
    former = [key.id for key in held.wrapping[1:]]
    if wrapping := [key_id for key_id in former if wrapped.get(key_id)]:
        told = translated(
            "still wrapped by {keys}: {count}; wait until the running nodes have wrapped that anew",
            keys=enumerated(wrapping),
            count=sum(wrapped[key_id] for key_id in wrapping),
        )
        leave(told, REFUSED)
    if former:
        _save(held.without(former), settings.keys)
    click.echo(translated("{file}: former keys removed: {count}", file=settings.keys, count=len(former)))


def _looked(settings: RegionSettings) -> tuple[KeySet, Mapping[str, int]]:
    """The keys of the file, and how many keys each wraps; ends the command where that cannot be found out."""
    try:
        held = KeySet.load(settings.keys)
        with settings.database.look() as tx:
            return held, vault.count_wrapped(tx)
    except (RegionKeysUnusable, StoreUnusable) as error:
        leave(str(error), USAGE)


def _told_missing(settings: RegionSettings, missing: list[str]) -> str:
    return translated(
        "{file} lacks {keys}, by which stored keys are wrapped: put the file there that holds them",
        file=settings.keys,
        keys=enumerated(missing),
    )


def _save(held: KeySet, file: Path) -> None:
    try:
        held.save(file)
    except OSError as error:
        leave(f"{error.filename or file}: {error.strerror}", REFUSED)
