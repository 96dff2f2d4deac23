"""Calendars from the library, those that are shipped, and years without one (fact 16)."""

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from chinese_calendar.constants import holidays, workdays
from click.testing import CliRunner, Result

from coordinator.cli.federation.calendars import FILE, calendar_of, calendars_text, import_calendar, known_years
from coordinator.cli.federation.federation import validate
from gateway.api.federation.v1.configuration_pb2 import Calendar, Configuration, TimeLimit
from gateway.federation.calendar_rules import calendar_warnings
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.federation.files import dump, load_file
from gateway.federation.rules import problems
from gateway.time.calendars import WorkingDays
from tests.shipped import shipped_configuration

SHIPPED_YEARS = (2024, 2025, 2026)
DAY = timedelta(days=1)


def imported(years: str, directory: Path) -> Result:
    return CliRunner().invoke(import_calendar, [years, str(directory)])


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + number * DAY for number in range((date(year + 1, 1, 1) - first).days)]


def test_the_shipped_calendars_are_those_of_the_library() -> None:
    shipped = shipped_configuration().calendars
    assert [calendar.year for calendar in shipped] == list(SHIPPED_YEARS)
    assert list(shipped) == [calendar_of(year) for year in SHIPPED_YEARS]


@pytest.mark.parametrize("year", known_years())
def test_every_day_of_an_imported_year_is_worked_or_free_as_the_library_says(year: int) -> None:
    calendar = calendar_of(year)
    working_days = WorkingDays([calendar])
    for day in days_of(year):
        assert working_days.is_working_day(day) == (day in workdays or (day.weekday() < 5 and day not in holidays))
    usable = shipped_configuration()
    usable.ClearField("calendars")
    usable.calendars.append(calendar)
    assert problems(usable) == []


def test_an_import_keeps_other_years_and_replaces_its_own(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text("calendars:\n  - {year: 2031, holidays: [2031-01-01]}\n  - {year: 2026, holidays: [2026-07-01]}\n")
    result = imported("2025-2026", tmp_path)
    assert result.exit_code == 0
    assert f"{path}: 2026 with 19 holidays and 6 make-up workdays" in result.output
    other = Calendar(year=2031, holidays=["2031-01-01"])
    assert list(load_file(path).calendars) == [calendar_of(2025), calendar_of(2026), other]


def test_an_import_makes_the_file_where_there_is_none_and_a_second_one_changes_nothing(tmp_path: Path) -> None:
    assert imported("2026", tmp_path).exit_code == 0
    written = (tmp_path / FILE).read_text(encoding="utf-8")
    assert written == calendars_text([calendar_of(2026)])
    assert imported("2026", tmp_path).exit_code == 0
    assert (tmp_path / FILE).read_text(encoding="utf-8") == written


@pytest.mark.parametrize(
    ("years", "code", "told"),
    [
        ("2003", 1, "there are no holidays of 2003 in chinese_calendar, which knows 2004 to"),
        ("9998-9999", 1, "there are no holidays of 9998 to 9999 in chinese_calendar"),
        ("2026-2025", 2, "'2026-2025' is neither a year nor YEAR-YEAR"),
        ("next", 2, "'next' is neither a year nor YEAR-YEAR"),
    ],
)
def test_years_that_cannot_be_imported_are_refused_by_name_and_nothing_is_written(
    tmp_path: Path, years: str, code: int, told: str
) -> None:
    result = imported(years, tmp_path)
    assert result.exit_code == code
    assert told in result.output
    assert code == 2 or "update the package" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("calendars: ]")
    result = imported("2026", tmp_path)
    assert result.exit_code == 1
    assert "calendars.yaml:1: is not YAML" in result.output
    assert (tmp_path / FILE).read_text(encoding="utf-8") == "calendars: ]"


def promising(working_days: int, *years: int) -> Configuration:
    configuration = shipped_configuration()
    configuration.ClearField("calendars")
    configuration.calendars.extend(Calendar(year=year) for year in years)
    del configuration.businesses[1:]
    configuration.ClearField("policies")
    configuration.ClearField("retention_rules")
    configuration.ClearField("complaint_categories")
    configuration.ClearField("complaint_words")
    configuration.ClearField("body")
    configuration.ClearField("risks")
    configuration.businesses[0].ClearField("policies")
    configuration.businesses[0].ClearField("regional_limits")
    configuration.businesses[0].limit.CopyFrom(TimeLimit(working_days=working_days, source="x"))
    return configuration


def test_a_year_into_which_promises_reach_is_warned_of_by_its_name() -> None:
    def warned(configuration: Configuration, today: date) -> list[str]:
        return [told.split(":")[0] for told in calendar_warnings(configuration, today)]

    assert warned(promising(5, 2026), date(2026, 6, 1)) == []
    assert warned(promising(5, 2026), date(2026, 12, 28)) == ["calendars[2027]"]
    assert warned(promising(5, 2025), date(2026, 12, 28)) == ["calendars[2026]", "calendars[2027]"]
    without = promising(5)
    without.businesses[0].limit.duration.FromSeconds(60)
    assert warned(without, date(2026, 12, 28)) == []


def test_validate_warns_of_missing_years_and_ends_well(tmp_path: Path) -> None:
    for name, text in dump(promising(5)).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    result = CliRunner().invoke(validate, [str(tmp_path)])
    assert result.exit_code == 0
    assert "weekends alone count as days off" in result.stderr
    assert result.stdout.startswith("valid: ")
    as_json = CliRunner().invoke(validate, [str(tmp_path), "--json"])
    assert as_json.exit_code == 0
    assert '"warnings": [' in as_json.output


@pytest.mark.clause("F16.1")
def test_fact_16_a_year_without_holidays_counts_weekends_with_one_warning_and_never_crashes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    current = CurrentFederation()
    for revision in (1, 2):
        current.update(Federation(revision, shipped_configuration(), current.note_year_without_calendar), [])
        federation = current.federation
        business = federation.business("TERMINATE")
        # Monday 30 September 2030: three working days later it is Thursday, though National Day lies between.
        start = datetime(2030, 9, 30, 3, 0, tzinfo=UTC)
        with caplog.at_level(logging.WARNING):
            promises = federation.promises(business, start, ("guangdong", "sichuan"))
        assert promises[0].due_time == datetime(2030, 10, 3, 16, 0, tzinfo=UTC)
        assert federation.years_without_calendar(promises[0], start, "sichuan") == [2030]
    assert [record.getMessage() for record in caplog.records] == [
        "there is no calendar of 2030: weekends alone count as days off in promises of time"
    ]


def test_fact_16_a_limit_that_runs_out_of_the_known_years_names_the_unknown_one() -> None:
    told: list[int] = []
    federation = Federation(1, shipped_configuration(), told.append)
    business = federation.business("TERMINATE")
    known = federation.promised(business, datetime(2026, 11, 30, 3, 0, tzinfo=UTC), ("guangdong", "sichuan"))
    assert known == datetime(2026, 12, 3, 16, 0, tzinfo=UTC)
    assert told == []
    federation.promised(business, datetime(2026, 12, 30, 3, 0, tzinfo=UTC), ("guangdong", "sichuan"))
    assert told == [2027]
    federation.promised(federation.business("SUSPEND"), datetime(2030, 1, 1, tzinfo=UTC), ("guangdong", "sichuan"))
    assert told == [2027], "a limit in hours needs no calendar"
