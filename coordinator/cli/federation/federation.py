"""`coordinator federation`: the configuration as files."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from coordinator.cli.asking import Asking, asks, json_option
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.calendars import import_calendar
from coordinator.cli.federation.differences import print_changes
from coordinator.cli.federation.directories import (
    read,
    read_valid,
    require_kept_plan,
    wanted_of,
    warn,
)
from coordinator.cli.federation.history import history
from coordinator.cli.federation.in_force import apply as apply_request
from coordinator.cli.federation.in_force import in_force, put_in_force
from coordinator.cli.federation.number import number
from coordinator.cli.federation.number_plan import import_number_plan
from coordinator.cli.federation.proposals import keys_option, merged, read_proposal, signed_configuration
from coordinator.cli.federation.signing import anchor, anchor_in_force, create_key, propose, sign
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.cli.exits import NotDone
from gateway.federation.administration_rules import administration_warnings
from gateway.federation.body_rules import body_warnings
from gateway.federation.calendar_rules import calendar_warnings
from gateway.federation.files import dump
from gateway.federation.numberplan import owners_of
from gateway.federation.policy_rules import limit_warnings
from gateway.federation.revisions import parsed
from gateway.federation.rules import difference, unkept_promises
from gateway.time.clock import SystemClock
from gateway.wording.languages import translated

_path = click.Path(path_type=Path, exists=True)
_directory = click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))


@click.group()
def federation() -> None:
    """Validate, show, compare and apply the federation configuration.

    Its files are the *.yaml of one directory; see deploy/federation for an example. A directory may leave the number
    plan out: then `diff` and `apply` keep the one in force, which `import-number-plan` replaces.
    """


federation.add_command(create_key)
federation.add_command(anchor)
federation.add_command(anchor_in_force)
federation.add_command(propose)
federation.add_command(sign)
federation.add_command(history)
federation.add_command(import_calendar)
federation.add_command(import_number_plan)
federation.add_command(number)


@federation.command(epilog=EPILOG)
@_directory
@json_option
def validate(directory: Path, as_json: bool) -> None:
    """Check the files in DIRECTORY, with the loader that `apply` uses. Needs no coordinator.

    Warnings, on standard error, tell what should be seen to. A promise that cannot be kept is applied only where it is
    in force already.

    \b
    Example:
      coordinator federation validate deploy/federation
    """
    if as_json:
        configuration, found = read(directory)
        told = {"valid": not found, "problems": found, "warnings": _warnings(configuration)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        if found:
            raise NotDone([translated("{count} problems", count=len(found))])
        return
    configuration = read_valid(directory)
    warn(_warnings(configuration))
    plan = translated("{count} prefixes", count=len(owners_of(configuration.number_plan)))
    if not configuration.HasField("number_plan"):
        plan = translated("no number plan of its own")
    click.echo(
        translated(
            "valid: {federation} with {regions} regions, {number_plan}, {businesses} businesses, {plans} plans",
            federation=configuration.federation,
            regions=len(configuration.regions),
            number_plan=plan,
            businesses=len(configuration.businesses),
            plans=len(configuration.plans),
        )
    )


@federation.command(epilog=EPILOG)
@asks()
def show(asking: Asking) -> None:
    """Print the configuration in force, as YAML that `apply` takes. Standard error warns where one administrator signs.

    \b
    Example:
      coordinator federation show > in-force.yaml
    """
    response = in_force(asking.link)
    asking.tell(response, _print_in_force)
    warn(administration_warnings(response.configuration.administration))


def _print_in_force(response: contract.GetConfigurationResponse) -> None:
    click.echo(f"# revision {response.federation_revision}")
    for name, text in dump(response.configuration).items():
        click.echo(f"# {name}\n{text}")


@federation.command(epilog=EPILOG)
@asks()
@_directory
def diff(asking: Asking, directory: Path) -> None:
    """Show what applying DIRECTORY would change.

    \b
    Example:
      coordinator federation diff deploy/federation
    """
    response = in_force(asking.link)
    wanted = wanted_of(directory, response.configuration)
    changes = difference(response.configuration, wanted)
    if asking.as_json:
        told = {"federation_revision": response.federation_revision, "changes": [asdict(change) for change in changes]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    print_changes(changes)
    click.echo(
        translated("{count} changes to revision {revision}", count=len(changes), revision=response.federation_revision)
    )


@federation.command(epilog=EPILOG)
@asks()
@click.argument("paths", metavar="DIRECTORY | FILE...", nargs=-1, required=True, type=_path)
@click.option("--dry-run", is_flag=True, help="Only let the coordinator check.")
@click.option("--replace-number-plan", is_flag=True, help="Also where prefixes and exceptions in force would be gone.")
@click.option(
    "--allow-unreadable", is_flag=True, help="Also where members cannot read it: they keep the revision before."
)
@keys_option
def apply(
    asking: Asking,
    paths: tuple[Path, ...],
    dry_run: bool,
    replace_number_plan: bool,
    allow_unreadable: bool,
    keys: tuple[Path, ...],
) -> None:
    """Put the configuration in DIRECTORY in force as a whole, or the proposal in FILE that administrators have signed.

    Refused if it is not valid, or if somebody else applied one meanwhile. A directory without `number_plan` keeps the
    number plan in force. One whose number plan lacks more than half of the prefixes in force, or any exception in
    force, is refused: it is most likely not meant to replace a plan that was imported.

    One that a member's version cannot read is refused, and names the member: upgrade it first.

    Where signatures are needed, administrators sign a proposal: see `propose` and `sign`. Several FILEs are copies of
    one proposal that were signed apart. --key signs DIRECTORY on the spot.

    \b
    Examples:
      coordinator federation apply deploy/federation
      coordinator federation apply deploy/federation --key li.key
      coordinator federation apply revision.bin
    """
    before = in_force(asking.link)
    if not paths[0].is_dir():
        proposed = merged(read_proposal(path) for path in paths)
        wanted = parsed(Configuration, proposed.configuration)
        request = contract.ApplyConfigurationRequest(
            signed=signed_configuration(proposed), validate_only=dry_run, allow_unreadable=allow_unreadable
        )
        response = apply_request(asking.link, request)
    else:
        if len(paths) > 1:
            raise click.UsageError(translated("only proposals may be several"))
        wanted = wanted_of(paths[0], before.configuration)
        if not replace_number_plan:
            require_kept_plan(before.configuration, wanted)
        response = put_in_force(
            asking.link, wanted, before, dry_run=dry_run, keys=keys, allow_unreadable=allow_unreadable
        )
    _tell_applied(asking, before, wanted, response, dry_run=dry_run)


def _tell_applied(
    asking: Asking,
    before: contract.GetConfigurationResponse,
    wanted: Configuration,
    response: contract.ApplyConfigurationResponse,
    *,
    dry_run: bool,
) -> None:
    changes = len(difference(before.configuration, wanted))
    told = translated("revision {revision} stays in force: nothing changes", revision=response.federation_revision)
    if dry_run:
        told = translated(
            "valid, not applied: {count} changes to revision {revision}",
            count=changes,
            revision=before.federation_revision,
        )
    elif response.federation_revision != before.federation_revision:
        told = translated(
            "revision {revision} is in force: {count} changes", revision=response.federation_revision, count=changes
        )
    asking.say(response, lambda: told)


def _warnings(configuration: Configuration) -> list[str]:
    return [
        *calendar_warnings(configuration, SystemClock().now().date()),
        *body_warnings(configuration),
        *administration_warnings(configuration.administration),
        *limit_warnings(configuration),
        *unkept_promises(configuration),
    ]
