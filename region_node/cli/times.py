"""The times in options: each has its zone, so that shown times can be entered again."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import click

from gateway.wording.languages import translated
from gateway.wording.terms import learned
from gateway.wording.times import instant_of, region_zone
from region_node.cli.connection import Target, learn_terms

_A_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_LAST_DAY = date.max - timedelta(days=1)


class DayOrInstantType(click.ParamType[date]):
    """A time with its zone, or a day without one: `ending` gives the end of a day."""

    name = "time"

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """See click."""
        if isinstance(value, date):
            return value
        try:
            return _day_of(value) if _A_DAY.fullmatch(value) else instant_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def ending(target: Target, told: date) -> datetime:
    """The given time, or the end of a day in the zone of the node's region, fetched if need be.

    Ends the command where the node does not respond.
    """
    if isinstance(told, datetime):
        return told
    if not learned().regions:
        target.ask(learn_terms)
    return end_of_day(told, region_zone())


def end_of_day(day: date, zone: tzinfo) -> datetime:
    """The end of a day in a zone, in UTC."""
    return datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)


def _day_of(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.max
    if day > _LAST_DAY:
        raise ValueError(translated("There is no such day: {text}", text=text))
    return day
