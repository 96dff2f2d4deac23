"""`coordinator complaints`."""

import click

from coordinator.cli.complaints.cases import assign, cases
from coordinator.cli.complaints.complaint_classification import classify
from coordinator.cli.complaints.complaint_report import report
from coordinator.cli.complaints.overseen_complaints import list_complaints, raise_complaint, reclassify, show


@click.group()
def complaints() -> None:
    """See complaints of all regions, raise them, assign and count them, and say or see what they are about."""


for _command in (assign, cases, classify, list_complaints, raise_complaint, reclassify, report, show):
    complaints.add_command(_command)
