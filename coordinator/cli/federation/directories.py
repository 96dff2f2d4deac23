"""The configuration of a directory, as a command wants to put it in force."""

from collections.abc import Iterable
from pathlib import Path

import click

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.cli.exits import NotDone
from gateway.federation.files import ConfigurationError, load
from gateway.federation.numberplan import owners_of
from gateway.federation.rules import problems, problems_not_in_force, refused_orders
from gateway.wording.languages import translated


def read(directory: Path) -> tuple[Configuration, list[str]]:
    """The configuration in a directory, and all that is wrong with it."""
    configuration, found = _loaded(directory)
    return configuration, [*found, *refused_orders(configuration)]


def _loaded(directory: Path) -> tuple[Configuration, list[str]]:
    """The configuration in a directory, and what no federation could work by."""
    try:
        configuration = load(directory)
    except ConfigurationError as error:
        return Configuration(), error.problems
    checked = configuration if configuration.HasField("number_plan") else _without_pools(configuration)
    return configuration, problems(checked)


def _without_pools(configuration: Configuration) -> Configuration:
    """The configuration without the parts that only a number plan can verify."""
    rest = Configuration()
    rest.CopyFrom(configuration)
    for region in rest.regions:
        region.ClearField("number_pools")
    return rest


def warn(warnings: Iterable[str]) -> None:
    """Writes warnings to standard error."""
    for warning in warnings:
        click.echo(translated("warning: {warning}", warning=warning), err=True)


def read_valid(directory: Path) -> Configuration:
    """The configuration in a directory. Raises NotDone with all that is wrong with it."""
    configuration, found = read(directory)
    if found:
        raise NotDone(found)
    return configuration


def wanted_of(directory: Path, before: Configuration) -> Configuration:
    """The configuration in a directory, with the number plan in force where it leaves that out.

    Raises NotDone, also for what is refused only where it is not in force yet: it hinders no other change.
    """
    configuration, found = _loaded(directory)
    if found := [*found, *problems_not_in_force(configuration, before)]:
        raise NotDone(found)
    if not configuration.HasField("number_plan") and before.HasField("number_plan"):
        configuration.number_plan.CopyFrom(before.number_plan)
        if found := problems(configuration):
            raise NotDone(found)
    return configuration


def require_kept_plan(before: Configuration, wanted: Configuration) -> None:
    """Raises NotDone where a number plan would lose most of its prefixes, or exceptions."""
    _require_most_prefixes(before, wanted)
    _require_exceptions(before, wanted)


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
