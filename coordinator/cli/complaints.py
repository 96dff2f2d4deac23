"""`coordinator complaints`."""

import click

from coordinator.cli.complaint_classification import classify
from coordinator.cli.complaint_report import report
from coordinator.cli.overseen_complaints import list_complaints, raise_complaint, show


@click.group()
def complaints() -> None:
    """See complaints of all regions, raise them, count them, and see what they are about."""


complaints.add_command(classify)
complaints.add_command(list_complaints)
complaints.add_command(show)
complaints.add_command(raise_complaint)
complaints.add_command(report)
