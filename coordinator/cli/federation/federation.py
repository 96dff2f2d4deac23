"""`coordinator federation`: the configuration as files."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text

from coordinator.cli.asking import Asking, asks, json_option
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.calendars import import_calendar
from coordinator.cli.federation.in_force import in_force, put_in_force
from coordinator.cli.federation.number import number
from coordinator.cli.federation.number_plan import import_number_plan
from coordinator.cli.federation.number_plan_file import owners_of
from gateway.api.coordinator.v1 import administration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.cli.exits import NotDone
from gateway.cli.terminal import output
from gateway.federation.body_rules import body_warnings
from gateway.federation.calendar_rules import calendar_warnings
from gateway.federation.files import ConfigurationError, dump, load
from gateway.federation.rules import Change, difference, problems
from gateway.time.clock import SystemClock
from gateway.wording.languages import translated

_directory = click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))


@click.group()
def federation() -> None:
    """Validate, show, compare and apply the federation configuration.

    Its files are the *.yaml of one directory; see deploy/federation for an example. A directory may leave the number
    plan out: then `diff` and `apply` keep the one in force, which `import-number-plan` replaces.
    """


federation.add_command(import_calendar)
federation.add_command(import_number_plan)
federation.add_command(number)


@federation.command(epilog=EPILOG)
@_directory
@json_option
def validate(directory: Path, as_json: bool) -> None:
    """Check the files in DIRECTORY, with the loader that `apply` uses. Needs no coordinator.

    Warnings, on standard error, tell what can be applied and should be seen to.

    \b
    Example:
      coordinator federation validate deploy/federation
    """
    if as_json:
        configuration, found = _read(directory)
        told = {"valid": not found, "problems": found, "warnings": _warnings(configuration)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        if found:
            raise NotDone([translated("{count} problems", count=len(found))])
        return
    configuration = _valid(directory)
    for warning in _warnings(configuration):
        click.echo(translated("warning: {warning}", warning=warning), err=True)
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
    """Print the configuration in force, as YAML that `apply` takes.

    \b
    Example:
      coordinator federation show > in-force.yaml
    """
    response = in_force(asking.link)
    asking.tell(response, _print_in_force)


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
    wanted = _wanted(directory, response.configuration)
    changes = difference(response.configuration, wanted)
    if asking.as_json:
        told = {"federation_revision": response.federation_revision, "changes": [asdict(change) for change in changes]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    _print_changes(changes)
    click.echo(
        translated("{count} changes to revision {revision}", count=len(changes), revision=response.federation_revision)
    )


@federation.command(epilog=EPILOG)
@asks()
@_directory
@click.option("--dry-run", is_flag=True, help="Only let the coordinator check.")
@click.option("--replace-number-plan", is_flag=True, help="Also where prefixes and exceptions in force would be gone.")
@click.option(
    "--allow-unreadable", is_flag=True, help="Also where members cannot read it: they keep the revision before."
)
def apply(asking: Asking, directory: Path, dry_run: bool, replace_number_plan: bool, allow_unreadable: bool) -> None:
    """Put the configuration in DIRECTORY in force, as a whole.

    Refused if it is not valid, or if somebody else applied one meanwhile. A directory without `number_plan` keeps the
    number plan in force. One whose number plan lacks more than half of the prefixes in force, or any exception in
    force, is refused: it is most likely not meant to replace a plan that was imported.

    One that a member's version cannot read is refused, and names the member: upgrade it first.

    \b
    Example:
      coordinator federation apply deploy/federation
    """
    before = in_force(asking.link)
    wanted = _wanted(directory, before.configuration)
    if not replace_number_plan:
        _require_most_prefixes(before.configuration, wanted)
        _require_exceptions(before.configuration, wanted)
    response = put_in_force(
        asking.link,
        wanted,
        expected_revision=before.federation_revision,
        dry_run=dry_run,
        allow_unreadable=allow_unreadable,
    )
    changes = len(difference(before.configuration, wanted))
    told = translated("revision {revision} stays in force: nothing changes", revision=response.federation_revision)
    if dry_run:
        told = translated(
            "valid, not applied: {count} changes to revision {revision}",
            count=changes,
            revision=before.federation_revision,
        )
    elif changes:
        told = translated(
            "revision {revision} is in force: {count} changes", revision=response.federation_revision, count=changes
        )
    asking.say(response, lambda: told)


def _read(directory: Path) -> tuple[Configuration, list[str]]:
    """The configuration in a directory, and all that is wrong with it."""
    try:
        configuration = load(directory)
    except ConfigurationError as error:
        return Configuration(), error.problems
    if not configuration.HasField("number_plan"):
        return configuration, problems(_without_pools(configuration))
    return configuration, problems(configuration)


def _warnings(configuration: Configuration) -> list[str]:
    return [*calendar_warnings(configuration, SystemClock().now().date()), *body_warnings(configuration)]


def _without_pools(configuration: Configuration) -> Configuration:
    """The configuration without the parts that only a number plan can verify."""
    rest = Configuration()
    rest.CopyFrom(configuration)
    for region in rest.regions:
        region.ClearField("number_pools")
    return rest


def _valid(directory: Path) -> Configuration:
    configuration, found = _read(directory)
    if found:
        raise NotDone(found)
    return configuration


def _wanted(directory: Path, before: Configuration) -> Configuration:
    """The configuration in a directory, with the number plan in force where it leaves that out. Raises NotDone."""
    configuration = _valid(directory)
    if not configuration.HasField("number_plan") and before.HasField("number_plan"):
        configuration.number_plan.CopyFrom(before.number_plan)
        if found := problems(configuration):
            raise NotDone(found)
    return configuration


def _require_most_prefixes(before: Configuration, wanted: Configuration) -> None:
    """Raises NotDone where more than half of the prefixes in force would be gone."""
    owned = owners_of(before.number_plan).keys()
    gone = len(owned - owners_of(wanted.number_plan).keys())
    if 2 * gone > len(owned):
        raise NotDone(
            [
                translated(
                    "the number plan of the directory lacks {gone} of the {all} prefixes in force."
                    " Take number_plan out of the directory to keep the plan in force, or say --replace-number-plan",
                    gone=f"{gone:,}",
                    all=f"{len(owned):,}",
                )
            ]
        )


def _require_exceptions(before: Configuration, wanted: Configuration) -> None:
    """Raises NotDone where exceptions in force would be gone: versions without assignments made one for each move."""
    said = {each.number for each in wanted.number_plan.exceptions}
    if gone := [each.number for each in before.number_plan.exceptions if each.number not in said]:
        raise NotDone(
            [
                translated(
                    "the number plan of the directory lacks {gone} exceptions in force, among them {number}."
                    " Copy them from `federation show`, or say --replace-number-plan",
                    gone=f"{len(gone):,}",
                    number=gone[0],
                )
            ]
        )


def _print_changes(changes: Sequence[Change]) -> None:
    out = output()
    for change in changes:
        if change.old is None:
            out.print(Text(f"+ {change.path}: {change.new}", style="green"))
        elif change.new is None:
            out.print(Text(f"- {change.path}: {change.old}", style="red"))
        else:
            out.print(Text(f"~ {change.path}: {change.old} → {change.new}", style="yellow"))
