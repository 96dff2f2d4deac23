"""The lives of certificates that commands issue: the options, and the life that they name."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import click

_DAYS = 90
F = TypeVar("F", bound=Callable[..., object])


def lives_options(command: F) -> F:
    """Gives a command the options `--days` and `--tls-hours`."""
    tls_hours = click.option(
        "--tls-hours",
        type=click.FloatRange(min=0, min_open=True),
        help=(
            "Lifetime of the certificate for TLS. Without it and --days: 48 hours for one that its program renews, by"
            " an issuer of nodes or of coordinators in force."
        ),
    )
    days = click.option("--days", type=click.IntRange(min=1), show_default=str(_DAYS), help="Lifetime of certificates.")
    return days(tls_hours(command))


def lives(days: int | None, tls_hours: float | None) -> tuple[timedelta, timedelta | None]:
    """The lives that the options name: of all certificates, and of that for TLS; None where the issuer decides."""
    life = timedelta(days=days or _DAYS)
    if tls_hours is not None:
        return life, timedelta(hours=tls_hours)
    return life, None if days is None else life
