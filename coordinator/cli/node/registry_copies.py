"""`coordinator backups extract-registry`."""

import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import click

from coordinator.cli.asking import json_option
from coordinator.cli.node.config import COORDINATOR
from coordinator.registry.etcd.snapshots import write_snapshot
from gateway.maintenance.backup_member import backup_member, ending
from gateway.settings import Sources
from gateway.wording.languages import translated
from gateway.wording.times import told_time


@click.command("extract-registry")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("backup_id", metavar="[ID]", default="")
@COORDINATOR.settings_options
@json_option
def extract_registry(sources: Sources, target: Path, backup_id: str, *, as_json: bool) -> None:
    """Write a snapshot of etcd into a new file: of the newest copy with all changes since, or of the copy with an id.

    Verifies its bytes, and names its own revision, its cluster, and the revision up to which it has changes of that. On
    each machine of etcd, `etcdutl snapshot restore` makes the data of a member of it: with a new token for all, so that
    coordinators see another cluster and ask for an administrator. docs/recovery.md has the steps.

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
            changes = None if backup_id else member.extract_changes(directory)
            found, changes_up_to = write_snapshot(directory, target)
    if changes is not None:
        found = replace(found, time=max(found.time, changes.time))
    if as_json:
        told = {"id": chosen.id, **asdict(found), "changes_up_to": changes_up_to}
        click.echo(json.dumps(told, indent=2, default=datetime.isoformat))
        return
    click.echo(
        translated(
            "{file}: at revision {revision}; cluster {cluster} with changes up to its revision {changes_up_to},"
            " as it was at {time}; entries: {entries}",
            file=target,
            cluster=found.cluster,
            revision=found.revision,
            changes_up_to=changes_up_to,
            time=told_time(found.time),
            entries=found.entries,
        )
    )
