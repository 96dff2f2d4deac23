"""`coordinator backups extract-registry`."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from coordinator.cli.asking import json_option
from coordinator.cli.node.config import COORDINATOR
from coordinator.registry.etcd.snapshots import SNAPSHOT, verified
from gateway.maintenance.backup_member import backup_member, ending
from gateway.process.files import copy_file
from gateway.settings import Sources
from gateway.wording.languages import translated
from gateway.wording.times import told_time


@click.command("extract-registry")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("backup_id", metavar="[ID]", default="")
@COORDINATOR.settings_options
@json_option
def extract_registry(sources: Sources, target: Path, backup_id: str, *, as_json: bool) -> None:
    """Write the snapshot of etcd out of a copy into a new file: of the newest copy, or that of an id.

    Verifies its bytes, and names its cluster and revision. On each machine of etcd, `etcdutl snapshot restore` makes
    the data of a member of it: with a new token for all, so that coordinators see another cluster and ask for an
    administrator. docs/recovery.md has the steps.

    \b
    Example:
      coordinator backups extract-registry registry.db --settings coordinator.toml

    \b
    Exit codes: 0 written, 1 not possible, and the text says why, 2 wrong usage or settings.
    """
    with ending(COORDINATOR):
        member = backup_member(COORDINATOR, sources)
        with member.scratch() as directory:
            chosen = member.chosen(backup_id)
            member.repository.extract(chosen, directory)
            found = verified(directory)
            copy_file(directory / SNAPSHOT, target)
    if as_json:
        click.echo(json.dumps({"id": chosen.id, **asdict(found)}, indent=2, default=datetime.isoformat))
        return
    click.echo(
        translated(
            "{file}: cluster {cluster} at revision {revision}, as it was at {time}; entries: {entries}",
            file=target,
            cluster=found.cluster,
            revision=found.revision,
            time=told_time(found.time),
            entries=found.entries,
        )
    )
