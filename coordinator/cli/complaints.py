"""`coordinator complaints`."""

import click

from coordinator.cli.complaint_classification import classify


@click.group()
def complaints() -> None:
    """See what complaints are about."""


complaints.add_command(classify)
