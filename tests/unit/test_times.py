"""Commands take and show times with their zone."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import to_timestamp
from region_node.cli.times import InstantType, instant_of, told_time

INSTANT = datetime(2026, 12, 24, 17, 30, 5, tzinfo=UTC)


@pytest.fixture
def in_shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


@click.command()
@click.option("--end", type=InstantType(), required=True)
def strict(end: datetime) -> None:
    click.echo(told_time(end, UTC))


@click.command()
@click.option("--until", type=InstantType(with_days=True), required=True)
def lenient(until: datetime) -> None:
    click.echo(told_time(until, UTC))


@pytest.mark.usefixtures("in_shanghai")
def test_a_time_is_shown_in_the_zone_of_the_machine_and_names_it() -> None:
    assert told_time(INSTANT) == told_time(to_timestamp(INSTANT)) == "2026-12-25 01:30+08:00"
    assert told_time(INSTANT, timespec="seconds") == "2026-12-25 01:30:05+08:00"
    assert told_time(INSTANT, UTC) == "2026-12-24 17:30Z"


@given(
    st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(["Asia/Shanghai", "Asia/Kathmandu", "UTC", "America/New_York"]),
)
def test_what_is_shown_can_be_given_again(instant: datetime, zone: str) -> None:
    assert instant_of(told_time(instant, ZoneInfo(zone), timespec="seconds")) == instant


@pytest.mark.usefixtures("in_shanghai")
@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("2027-06-30", "2027-06-30 16:00Z"),
        ("2027-12-31", "2027-12-31 16:00Z"),
        ("2027-06-30T12:00+08:00", "2027-06-30 04:00Z"),
        ("2027-06-30 12:00Z", "2027-06-30 12:00Z"),
    ],
)
def test_a_day_lasts_to_its_end_where_a_day_will_do(given: str, taken: str) -> None:
    assert CliRunner().invoke(lenient, ["--until", given]).output == f"{taken}\n"


@pytest.mark.parametrize("given", ["2027-06-30T12:00", "2027-06-30", "soon", "", "0001-01-01T00:00+08:00"])
def test_a_time_without_a_zone_is_refused_with_what_one_looks_like(given: str) -> None:
    refused = CliRunner().invoke(strict, ["--end", given])
    assert refused.exit_code == 2
    assert f"Not a time with its zone, as 2026-12-24T01:00+08:00: {given}" in refused.output


@pytest.mark.parametrize("given", ["2027-02-30", "9999-12-31"])
def test_a_day_that_there_is_not_is_refused(given: str) -> None:
    refused = CliRunner().invoke(lenient, ["--until", given])
    assert refused.exit_code == 2
    assert f"There is no such day: {given}" in refused.output
