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
            "Lifetime of the certificate for TLS. Without it: at most 48 hours for one that its program renews, by an"
            " issuer of nodes or of coordinators in force; else --days."
        ),
    )
    days = click.option(
        "--days", type=click.IntRange(min=1), default=_DAYS, show_default=True, help="Lifetime of certificates."
    )
    return days(tls_hours(command))


def tls_life(hours: float | None) -> timedelta | None:
    """The life that `--tls-hours` names; None without it."""
    return None if hours is None else timedelta(hours=hours)
