"""The check of a list of tickets that a command has asked for by the number of their contact."""

from collections.abc import Iterable

import click

from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.wording.languages import translated


def require_contacts(contact: str, found: Iterable[str]) -> None:
    """Raises ClickException where a listed ticket has another contact; an empty number is that of every one.

    An earlier version ignores the number of the contact, and lists the tickets of all.
    """
    if contact and any(each != _normal(contact) for each in found):
        raise click.ClickException(translated("the node runs an earlier version, which does not list by the contact"))


def _normal(contact: str) -> str:
    try:
        return normalize(contact)
    except Refused:
        return contact  # which a node refuses unless it ignores it
