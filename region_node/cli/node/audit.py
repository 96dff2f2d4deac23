"""`region-node audit`: verifies the audit chain, lists its rows, and exports a part for an authority."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gateway.auditing import audit as chain
from gateway.cli.exits import NOT_KNOWN, REFUSED, USAGE, leave
from gateway.process.files import open_private
from gateway.process.last_good import LastGoodBroken
from gateway.security.region_keys import KeySet, RegionKeys, RegionKeysUnusable
from gateway.security.signing import Signer
from gateway.security.tls import CredentialsUnusable
from gateway.settings import Sources
from gateway.store.port import StoreUnusable
from gateway.time.clock import from_microseconds
from gateway.wording.languages import translated
from gateway.wording.times import show_times_in, told_time
from region_node.cli.node.audit_export import Proof, Wanted, export, is_known, written
from region_node.cli.node.audit_list import list_rows
from region_node.cli.node.audit_witnesses import NoWitness, Testimony, Witnesses
from region_node.cli.node.config import REGION_NODE
from region_node.node.membership.last_good import LastGood
from region_node.node.settings import RegionSettings

_DAY = timedelta(days=1)


@click.group()
def audit() -> None:
    """Look after the audit chain."""


audit.add_command(list_rows)


@audit.command()
@REGION_NODE.settings_options
@click.option("--offline", is_flag=True, help="Ask nobody; then a cut tail or a chain written anew is not found.")
def verify(sources: Sources, offline: bool) -> None:
    """Check every row of the chain, also against what others saw.

    Others are the coordinators, and the two regions that are this region's witnesses. Reads the database beside the
    running node and changes nothing.

    \b
    Example:
      region-node audit verify --settings sichuan/node.toml

    \b
    Exit codes:
      0  the chain is whole
      1  the chain is broken; the text says where, and who has seen it otherwise
      2  the command line, the settings or the database cannot be used
      3  no coordinator could be asked; give --offline to do without
    """
    settings = REGION_NODE.settings(sources)
    show_times_in(_time_zone(settings))
    # The heads are fetched first: a chain that is read later can only be longer.
    testimony = _testimony(settings, offline=offline)
    try:
        with settings.database.look() as tx:
            head = chain.verify(chain.rows(tx), testimony.seen())
            losses = chain.losses_told(tx)
    except StoreUnusable as error:
        leave(str(error), USAGE)
    except chain.ChainBroken as error:
        leave(_broken(settings, error), REFUSED)
    click.echo(
        translated(
            "The audit chain of {database} is whole. Rows: {rows}, head: {head}.",
            database=settings.database,
            rows=head.sequence,
            head=head.hash.hex(),
        )
    )
    for loss in losses:
        click.echo(
            translated(
                "Row {row} of {time} names a loss: {detail}.",
                row=loss.sequence,
                time=told_time(from_microseconds(loss.time), timespec="seconds"),
                detail=loss.detail,
            )
        )
    for line in _compared(testimony, offline):
        click.echo(line)


@audit.command("export")
@REGION_NODE.settings_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--customer", "customer_id", required=True, help="The id of the customer.")
@click.option("--from", "first", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The first day.")
@click.option("--to", "last", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day.")
@click.option("--offline", is_flag=True, help="Ask no witness; then only this region's signature proves the export.")
def export_rows(sources: Sources, file: Path, customer_id: str, first: datetime, last: datetime, offline: bool) -> None:
    """Write the rows about one customer in one period to FILE.

    For an authority that has the right to see them, with what proves that they stand in the chain. Days are those of
    the region's time zone. Rows about others stand in FILE as digests, from which nothing can be read. The region
    signs the end of the chain, and its witnesses have signed what they saw of it: anybody checks FILE with
    deploy/audit/check_export.py and the certificate of the federation's authority, and needs nothing else of this
    system.

    \b
    Example:
      region-node audit export --settings sichuan/node.toml \\
        --customer C-1 --from 2026-01-01 --to 2026-06-30 c-1.jsonl

    \b
    Exit codes:
      0  FILE is written
      1  the chain is broken, or the customer is not known
      2  the command line, the settings, the database or FILE cannot be used
      3  no coordinator could be asked; give --offline to do without
    """
    settings = REGION_NODE.settings(sources)
    zone = _time_zone(settings)
    show_times_in(zone)
    wanted = Wanted(
        settings.federation,
        settings.region,
        customer_id,
        first.replace(tzinfo=zone).astimezone(UTC),
        (last + _DAY).replace(tzinfo=zone).astimezone(UTC),
    )
    if wanted.end <= wanted.start:
        raise click.UsageError(translated("--to: is before --from"))
    testimony = _testimony(settings, offline=offline)
    try:
        proof = Proof(Signer.load(settings.signing.key), settings.signing.certificate.read_bytes(), testimony.regions)
        shown = _write(settings, wanted, proof, file)
    except chain.ChainBroken as error:
        leave(_broken(settings, error), REFUSED)
    except (StoreUnusable, RegionKeysUnusable, OSError, ValueError) as error:
        leave(str(error), USAGE)
    for line in testimony.silent:
        click.echo(line, err=True)
    click.echo(
        translated(
            "{file}: rows about customer {customer}: {rows}, witnesses: {witnesses}.",
            file=file,
            rows=shown,
            customer=customer_id,
            witnesses=len(testimony.regions),
        )
    )


def _write(settings: RegionSettings, wanted: Wanted, proof: Proof, file: Path) -> int:
    """Writes the file, as a whole or not at all; returns the number of rows in it."""
    part, shown = file.with_name(f"{file.name}.part"), 0
    keys = RegionKeys(KeySet.load(settings.keys))
    with settings.database.look(keys) as tx:
        if not is_known(tx, wanted.customer_id):
            leave(translated("Customer {customer} is not known here.", customer=wanted.customer_id), REFUSED)
        try:
            with open_private(part) as out:
                for line in export(tx, wanted, proof):
                    shown += "row" in line
                    out.write(written(line))
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    return shown


def _testimony(settings: RegionSettings, *, offline: bool) -> Testimony:
    """The heads kept by others. Ends the command where they cannot be fetched."""
    if offline:
        return Testimony(None)
    try:
        return asyncio.run(Witnesses(settings).testify())
    except CredentialsUnusable as error:
        leave(str(error), USAGE)
    except NoWitness as error:
        told = translated("Give --offline to check the chain alone; a cut tail is not found then.")
        leave(f"{error}\n{told}", NOT_KNOWN)


def _time_zone(settings: RegionSettings) -> ZoneInfo:
    """The region's, as its node last knew it; else UTC."""
    try:
        configuration = LastGood(settings.data).configuration()
    except LastGoodBroken:
        configuration = None
    regions = configuration.regions if configuration is not None else ()
    return next((ZoneInfo(each.time_zone) for each in regions if each.id == settings.region), ZoneInfo("UTC"))


def _broken(settings: RegionSettings, error: chain.ChainBroken) -> str:
    return translated("The audit chain of {database} is broken: {problem}.", database=settings.database, problem=error)


def _compared(testimony: Testimony, offline: bool) -> Sequence[str]:
    if offline:
        return [translated("Nobody was asked: a cut tail or a chain written anew would not have been found.")]
    lines = []
    if testimony.coordinator is None or testimony.coordinator.sequence == 0:
        lines.append(translated("The coordinators know of no row of this region yet."))
    else:
        row = testimony.coordinator.sequence
        lines.append(translated("It contains row {row} as a coordinator keeps it, signed by this region.", row=row))
    lines += [
        translated(
            "It contains row {row} as region {region} keeps it since {time}, signed by both regions.",
            row=each.head.sequence,
            region=each.witness,
            time=told_time(from_microseconds(each.time), timespec="seconds"),
        )
        for each in testimony.regions
    ]
    return [*lines, *testimony.silent]
