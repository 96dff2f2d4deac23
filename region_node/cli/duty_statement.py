"""The statement of the caller of a command about a reading by legal duty, by the caller's certificate and key."""

from dataclasses import replace
from datetime import timedelta

import click

from gateway.cli.clock import command_clock
from gateway.errors import Refused
from gateway.federation.numberplan import normalize
from gateway.security.duty_statements import LONGEST_OF_SECOND, DutyReading, duty_statement
from gateway.security.staff_proofs import LONGEST_STATEMENT, staff_name
from gateway.security.tls import Credentials, CredentialsUnusable
from gateway.wording.languages import refusal


def first_statement(own: Credentials, number: str, purpose: str, reference: str) -> str:
    """The statement about a reading of the caller's own; empty where the caller is no member of staff.

    Raises UsageError as `second_statement`.
    """
    try:
        first = staff_name(own)
    except CredentialsUnusable as error:
        raise click.UsageError(str(error)) from error
    return _stated(own, DutyReading(number, purpose, reference, first), LONGEST_STATEMENT) if first else ""


def second_statement(own: Credentials, reading: DutyReading) -> str:
    """The statement about a reading of somebody else.

    Raises UsageError for credentials that are unusable or of no member of staff, and for what is no number.
    """
    return _stated(own, reading, LONGEST_OF_SECOND)


def _stated(own: Credentials, reading: DutyReading, life: timedelta) -> str:
    try:
        written = replace(reading, number=normalize(reading.number))
        return duty_statement(own, written, command_clock().now(), life)
    except Refused as refused:
        raise click.UsageError(refusal(refused)) from refused
    except (CredentialsUnusable, ValueError) as error:
        raise click.UsageError(str(error)) from error
