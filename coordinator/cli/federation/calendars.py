"""`coordinator federation import-calendar`: the working days of China, from the library `chinese_calendar`."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import click
from chinese_calendar.constants import holidays, workdays

from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.written import writing
from gateway.api.federation.v1.configuration_pb2 import Calendar
from gateway.cli.exits import NotDone
from gateway.federation.files import ConfigurationError, load_file
from gateway.process.files import replace_file
from gateway.wording.languages import translated

FILE = "calendars.yaml"
_YEARS = re.compile(r"([0-9]{4})(?:-([0-9]{4}))?", re.ASCII)
_SATURDAY = 5
_HEAD = """\
# Working days in China, from the State Council's yearly notices on public holidays, as the library chinese_calendar has
# them. Weekend days inside a holiday are not listed: they are days off anyway. A year that is missing here is taken as
# Monday to Friday.
#
# Written by `coordinator federation import-calendar`.
calendars:
"""


class _Years(click.ParamType[range]):
    """A year, or the first and the last of several."""

    name = "year"

    def convert(self, value: str | range, param: click.Parameter | None, ctx: click.Context | None) -> range:
        if isinstance(value, range):
            return value
        found = _YEARS.fullmatch(value)
        years = range(int(found[1]), int(found[2] or found[1]) + 1) if found else range(0)
        if not years:
            self.fail(translated("{value!r} is neither a year nor YEAR-YEAR", value=value), param, ctx)
        return years


@click.command("import-calendar", epilog=EPILOG)
@click.argument("years", type=_Years(), metavar="YEAR[-YEAR]")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
def import_calendar(years: range, directory: Path) -> None:
    """Write the calendars of YEAR into calendars.yaml of DIRECTORY. Needs no coordinator.

    The calendars of other years stay. Comments in that file do not.

    \b
    Examples:
      coordinator federation import-calendar 2026 deploy/federation
      coordinator federation import-calendar 2024-2026 deploy/federation
    """
    _require_known(years)
    path = directory / FILE
    try:
        kept = load_file(path).calendars if path.exists() else []
    except ConfigurationError as error:
        raise NotDone(error.problems) from None
    calendars = {calendar.year: calendar for calendar in kept}
    calendars.update((year, calendar_of(year)) for year in years)
    with writing(path):
        replace_file(path, calendars_text(calendars.values()).encode())
    for year in years:
        days_off, worked = len(calendars[year].holidays), len(calendars[year].makeup_workdays)
        click.echo(
            translated(
                "{path}: {year} with {days_off} holidays and {worked} make-up workdays",
                path=path,
                year=year,
                days_off=days_off,
                worked=worked,
            )
        )


def known_years() -> range:
    """The years whose holidays the library has."""
    return range(min(holidays).year, max(holidays).year + 1)


def calendar_of(year: int) -> Calendar:
    """The calendar of one of `known_years`: the exceptions from Monday to Friday."""
    calendar = Calendar(year=year)
    day = date(year, 1, 1)
    while day.year == year:
        if day.weekday() >= _SATURDAY and day in workdays:
            calendar.makeup_workdays.append(day.isoformat())
        elif day.weekday() < _SATURDAY and day in holidays:
            calendar.holidays.append(day.isoformat())
        day += timedelta(days=1)
    return calendar


def calendars_text(calendars: Iterable[Calendar]) -> str:
    """The calendar file, by year, with the meaning of each day."""
    lines = []
    for calendar in sorted(calendars, key=lambda each: each.year):
        lines.append(f"  - year: {calendar.year}\n")
        for name, days in (("holidays", calendar.holidays), ("makeup_workdays", calendar.makeup_workdays)):
            if days:
                lines.append(f"    {name}:\n")
                lines += [f"      - {day}{_comment(date.fromisoformat(day))}\n" for day in sorted(days)]
    return _HEAD + "".join(lines)


def _comment(day: date) -> str:
    if day.weekday() >= _SATURDAY:
        return f"  # {day:%A}"
    return f"  # {holidays[day]}" if day in holidays else ""


def _require_known(years: range) -> None:
    known = known_years()
    missing = [year for year in years if year not in known]
    if missing:
        raise NotDone(
            [
                translated(
                    "there are no holidays of {years} in chinese_calendar, which knows {known}: update the package once"
                    " the State Council has published the year, or write the year into {file} by hand; until then"
                    " weekends alone count as days off",
                    years=_told(missing[0], missing[-1]),
                    known=_told(known[0], known[-1]),
                    file=FILE,
                )
            ]
        )


def _told(first: int, last: int) -> str:
    return str(first) if first == last else translated("{first} to {last}", first=first, last=last)
