"""`coordinator complaints`."""

import click

from coordinator.cli.cases import assign, cases
from coordinator.cli.complaint_classification import classify


@click.group()
def complaints() -> None:
    """See what complaints are about, follow those that concern several regions, and say whose work they are."""


for _command in (assign, cases, classify):
    complaints.add_command(_command)
