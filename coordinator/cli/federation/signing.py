"""`coordinator federation`: keys of administrators, anchors, proposals and their signatures."""

import base64
from collections.abc import Iterable
from pathlib import Path

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.connection import Connection
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.differences import print_changes
from coordinator.cli.federation.directories import read_valid, require_kept_plan, wanted_of, warn
from coordinator.cli.federation.in_force import content_in_force, in_force
from coordinator.cli.federation.proposals import (
    DEFAULT_DAYS,
    add_signature,
    proposal,
    read_proposal,
    signed_by,
    signer_of,
    statement_of,
    write_proposal,
)
from coordinator.cli.federation.written import writing
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import Administration, Anchor, ProposedRevision
from gateway.cli.exits import NotDone
from gateway.federation.administration_rules import administration_warnings
from gateway.federation.anchors import anchor_text
from gateway.federation.revisions import parsed, stated_time
from gateway.federation.rules import difference
from gateway.process.files import replace_file
from gateway.security.private_keys import is_in_token
from gateway.security.signing import Signer
from gateway.wording.languages import enumerated, translated

_directory = click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
_new_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_key = click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The key of the administrator who signs.",
)


@click.command("create-key", epilog=EPILOG)
@_new_file
def create_key(file: Path) -> None:
    """Make the key of an administrator in FILE, and print its public key for `administration` of the configuration.

    Make it on the machine where the administrator signs, and keep FILE there. Nobody else needs it, no coordinator
    either. A FILE that is already there is never replaced; of one that names a key in a token (RFC 7512), the public
    key is printed.

    \b
    Example:
      coordinator federation create-key li.key
    """
    with writing(file):
        signer = signer_of(file) if is_in_token(file) else Signer.create(file)
    public = signer.public_key
    click.echo(base64.b64encode(public).decode())
    click.echo(translated("in differences it is {key}", key=public.hex()), err=True)


@click.command(epilog=EPILOG)
@_directory
@_new_file
def anchor(directory: Path, file: Path) -> None:
    """Write the anchor FILE of a new federation whose administrators stand in DIRECTORY. Needs no coordinator.

    Every coordinator and every node is given the file by hand, and names it in its setting `federation_anchor`. From
    then on it takes no configuration that they have not signed.

    \b
    Example:
      coordinator federation anchor deploy/federation federation.anchor
    """
    configuration = read_valid(directory)
    _write_anchor(file, Anchor(federation=configuration.federation), configuration.administration)


@click.command("anchor-in-force", epilog=EPILOG)
@asks()
@_directory
@_new_file
def anchor_in_force(asking: Asking, directory: Path, file: Path) -> None:
    """Write an anchor FILE that begins after the configuration in force, with the administrators in DIRECTORY.

    For a federation that begins to sign, and for one that replaces administrators whose keys were stolen. The place is
    the coordinator's word: compare the digest in the file with that of another coordinator before members get it.

    \b
    Example:
      coordinator federation anchor-in-force deploy/federation federation.anchor
    """
    found = in_force(asking.link)
    _write_anchor(file, found.place, wanted_of(directory, found.configuration).administration)


def _write_anchor(file: Path, place: Anchor, administration: Administration) -> None:
    if not administration.administrators:
        raise NotDone([translated("the directory has no administration that names administrators")])
    place.administration.CopyFrom(administration)
    with writing(file):
        replace_file(file, anchor_text(place).encode(), mode=0o644)
    click.echo(
        translated(
            "{path}: the anchor of {federation} after revision {revision}, {threshold} of {count} administrators sign",
            path=file,
            federation=place.federation,
            revision=place.revision,
            threshold=place.administration.threshold,
            count=len(place.administration.administrators),
        )
    )
    warn(administration_warnings(administration))


@click.command(epilog=EPILOG)
@asks()
@_directory
@_new_file
@click.option("--days", type=click.IntRange(1, 3660), default=DEFAULT_DAYS, show_default=True, help="Validity.")
@click.option("--replace-number-plan", is_flag=True, help="Also where prefixes and exceptions in force would be gone.")
def propose(asking: Asking, directory: Path, file: Path, days: int, replace_number_plan: bool) -> None:
    """Write a proposal FILE, which administrators sign, to put the configuration in DIRECTORY in force.

    \b
    Example:
      coordinator federation propose deploy/federation revision.bin
    """
    proposed = proposed_of(asking.link, directory, days, replace_number_plan=replace_number_plan)
    write_proposal(file, proposed)
    tell_proposal(file, proposed)


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_key
@click.option("--yes", is_flag=True, help="Sign without a question.")
def sign(file: Path, key: Path, yes: bool) -> None:
    """Show what the proposal FILE changes, and sign it. Needs no coordinator and no network.

    Administrators sign one file one after the other, or copies of it apart: `apply` takes all of them.

    \b
    Example:
      coordinator federation sign revision.bin --key li.key
    """
    proposed, signer = read_proposal(file), signer_of(key)
    show_proposal(file, proposed)
    if not yes:
        click.confirm(translated("Sign this revision?"), abort=True)
    sign_proposal(file, proposed, (signer,))


def proposed_of(
    connection: Connection, directory: Path, days: int, *, replace_number_plan: bool = False
) -> ProposedRevision:
    """The proposal, without signatures, to put the configuration in a directory in force; warns of its administration.

    Raises as `Connection.ask`, and NotDone where it cannot be applied.
    """
    response = content_in_force(connection)
    if not response.requires_signatures:
        raise NotDone([translated("the coordinator has no anchor: give every coordinator its federation_anchor first")])
    before = parsed(Configuration, response.content)
    wanted = wanted_of(directory, before)
    if not replace_number_plan:
        require_kept_plan(before, wanted)
    proposed = proposal(response.place, wanted, days)
    proposed.previous_configuration = response.content
    proposed.previous_statement = response.statement
    warn(administration_warnings(wanted.administration))
    return proposed


def show_proposal(file: Path, proposed: ProposedRevision, *, err: bool = False) -> None:
    """Prints what the proposal of a file changes, and who has signed it; on standard error with `err`."""
    before = parsed(Configuration, proposed.previous_configuration)
    print_changes(difference(before, parsed(Configuration, proposed.configuration)), err=err)
    tell_proposal(file, proposed, err=err)


def sign_proposal(file: Path, proposed: ProposedRevision, signers: Iterable[Signer], *, err: bool = False) -> None:
    """Signs a proposal, and writes it into its file. `err` names the signers on standard error. Raises NotDone."""
    for signer in signers:
        name = add_signature(proposed, signer)
        click.echo(translated("{name} has signed", name=name), err=err)
    write_proposal(file, proposed)


def tell_proposal(file: Path, proposed: ProposedRevision, *, err: bool = False) -> None:
    """Prints the revision of a proposal, and the names of those who have signed it."""
    statement, names = statement_of(proposed), signed_by(proposed)
    click.echo(
        translated(
            "{path}: revision {revision} of {federation}, valid until {end}; signed by {count} of {threshold}: {names}",
            path=file,
            revision=statement.revision,
            federation=statement.federation,
            end=f"{stated_time(statement.end_time):%Y-%m-%d}",
            count=len(names),
            threshold=proposed.previous.administration.threshold,
            names=enumerated(names) or "-",
        ),
        err=err,
    )
