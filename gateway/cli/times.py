"""The instants in options: each has its zone, so that shown times can be entered again."""

from datetime import datetime

import click

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
