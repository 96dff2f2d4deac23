"""Instants and months in options. An instant has its zone, so that a shown time can be entered again."""

from datetime import datetime

import click

from gateway.time.months import is_month
from gateway.wording.languages import translated
from gateway.wording.times import instant_of


class InstantType(click.ParamType[datetime]):
    """A time with its zone, as an option takes it."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """See click."""
        if isinstance(value, datetime):
            return value
        try:
            return instant_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class MonthType(click.ParamType[str]):
    """`YYYY-MM`."""

    name = "month"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        if not is_month(str(value)):
            self.fail(translated("write it as YYYY-MM"), param, ctx)
        return str(value)
