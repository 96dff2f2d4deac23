"""Commands take and show times with their zone."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import region_node
from gateway.api.federation.v1.terms_pb2 import CodeTerm, RegionTerm, Terms
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.cli.times import InstantType
from gateway.time.clock import time_in, to_timestamp
from gateway.wording.languages import for_reader, speak
from gateway.wording.terms import category_name, learn, region_name
from gateway.wording.times import (
    instant_of,
    show_times_in,
    show_times_of,
    shown_zone_name,
    told_if_set,
    told_time,
    utc_option,
    zone_option,
)
from region_node.cli.times import DayOrInstantType, end_of_day

INSTANT = datetime(2026, 12, 24, 17, 30, 5, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@click.command()
@click.option("--end", type=InstantType(), required=True)
def strict(end: datetime) -> None:
    click.echo(time_in(UTC, end))


@click.command()
@click.option("--until", type=DayOrInstantType(), required=True)
def lenient(until: date) -> None:
    click.echo(time_in(UTC, until if isinstance(until, datetime) else end_of_day(until, SHANGHAI)))


@click.command(params=[zone_option(), utc_option()])
@click.option("--region", default="")
def shown(region: str) -> None:
    show_times_in(SHANGHAI)
    show_times_of(region)
    click.echo(f"{told_time(INSTANT)} {shown_zone_name()}")


def test_a_time_is_shown_in_a_zone_with_its_offset() -> None:
    for told in (INSTANT, to_timestamp(INSTANT)):
        assert time_in(SHANGHAI, told) == "2026-12-25 01:30 +08:00"
    assert time_in(SHANGHAI, INSTANT, timespec="seconds") == "2026-12-25 01:30:05 +08:00"
    assert time_in(UTC, INSTANT) == "2026-12-24 17:30 +00:00"
    assert told_if_set(to_timestamp(datetime(1970, 1, 1, tzinfo=UTC))) == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "2026-12-25 01:30 +08:00 Asia/Shanghai"),
        (["--utc"], "2026-12-24 17:30 +00:00 UTC"),
        (["--time-zone", "Asia/Urumqi"], "2026-12-24 23:30 +06:00 Asia/Urumqi"),
        (["--time-zone", "Asia/Urumqi", "--utc"], "2026-12-24 17:30 +00:00 UTC"),
        (["--utc", "--time-zone", "Asia/Urumqi"], "2026-12-24 17:30 +00:00 UTC"),
    ],
)
def test_a_command_shows_times_in_the_zone_of_the_region_unless_it_is_told_another(
    arguments: list[str], told: str
) -> None:
    assert CliRunner().invoke(shown, arguments).output == f"{told}\n"


def test_a_zone_that_there_is_not_is_refused() -> None:
    refused = CliRunner().invoke(shown, ["--time-zone", "Asia/Nowhere"])
    assert refused.exit_code == 2
    assert "there is no such time zone: Asia/Nowhere" in refused.output


TERMS = Terms(
    regions=[
        RegionTerm(region="henan", name=LocalizedText(zh_cn="河南", en="Henan"), time_zone="Asia/Shanghai"),
        RegionTerm(region="sichuan", name=LocalizedText(zh_cn="四川", en="Sichuan"), time_zone="Asia/Shanghai"),
        RegionTerm(region="xinjiang", name=LocalizedText(zh_cn="新疆", en="Xinjiang"), time_zone="Asia/Urumqi"),
        RegionTerm(region="newer", time_zone="Asia/Newer"),
    ],
    complaint_categories=[CodeTerm(code="BILL_WRONG", name=LocalizedText(zh_cn="计费错误", en="Wrong bill"))],
)


@click.command()
@click.argument("region")
def taught(region: str) -> None:
    learn(TERMS)
    show_times_of(region)
    click.echo(f"{told_time(INSTANT)} {region_name(region)} {category_name('BILL_WRONG')} {category_name('OTHER')}")


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ("xinjiang/R1", "2026-12-24 23:30 +06:00"),
        ("sichuan", "2026-12-25 01:30 +08:00"),
        ("", "2026-12-25 01:30 +08:00"),
        ("newer", "2026-12-24 17:30 +00:00"),
    ],
)
def test_times_are_in_the_zone_of_the_region_in_question_and_across_regions_in_that_of_most(
    region: str, told: str
) -> None:
    assert CliRunner().invoke(taught, [region]).output.startswith(told)


def test_regions_and_categories_are_called_by_their_names_in_chinese_and_by_their_codes_in_english() -> None:
    assert CliRunner().invoke(taught, ["sichuan"]).output.endswith("sichuan BILL_WRONG OTHER\n")
    speak("zh", Path(region_node.__file__).parent / "texts")
    assert CliRunner().invoke(taught, ["sichuan"]).output.endswith("四川 计费错误（BILL_WRONG） OTHER\n")


@pytest.mark.parametrize(("language", "name"), [("en", "Sichuan"), ("zh", "四川")])
def test_a_page_calls_a_region_by_its_name_in_the_language_of_the_reader_and_by_its_id_where_it_has_none(
    language: str, name: str
) -> None:
    with for_reader(language, Path(region_node.__file__).parent / "texts"):
        learn(TERMS)
        assert [region_name(each) for each in ("sichuan", "newer", "unknown")] == [name, "newer", "unknown"]


@given(
    st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(["Asia/Shanghai", "Asia/Kathmandu", "UTC", "America/New_York"]),
)
def test_what_is_shown_can_be_given_again(instant: datetime, zone: str) -> None:
    assert instant_of(time_in(ZoneInfo(zone), instant, timespec="seconds")) == instant


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("2027-06-30", "2027-06-30 16:00 +00:00"),
        ("2027-12-31", "2027-12-31 16:00 +00:00"),
        ("2027-06-30T12:00+08:00", "2027-06-30 04:00 +00:00"),
        ("2027-06-30 12:00 +08:00", "2027-06-30 04:00 +00:00"),
        ("2027-06-30 12:00Z", "2027-06-30 12:00 +00:00"),
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
