"""A number plan as a CSV file: what its lines say, and which cannot be used."""

import csv
import io
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.cli.federation.number_plan_file import (
    Columns,
    FileUnusable,
    Found,
    Problem,
    plan_of,
    read_number_plan,
    regions_by_name,
    rejected_rows,
)
from gateway.api.federation.v1.configuration_pb2 import NumberException, NumberPlan, PrefixRange
from gateway.federation.numberplan import owners_of
from tests.contract.small_federation import CONFIGURATION

REGIONS = regions_by_name(CONFIGURATION.regions)


def read(text: str, columns: Columns | None = None) -> Found:
    return read_number_plan(io.StringIO(text, newline=""), columns or Columns(), REGIONS)


def test_each_line_gives_a_prefix_to_a_region() -> None:
    found = read("prefix,region\n1381234,sichuan\n0755,guangdong\n+8610,beijing\n")
    assert found == Found({"+861381234": "sichuan", "+86755": "guangdong", "+8610": "beijing"})


def test_a_region_may_be_called_by_its_names_and_columns_by_other_headers() -> None:
    found = read("城市,号段,省份\r\n成都,1381234,四川\r\n广州,1391234,Guangdong\r\n", Columns("号段", "省份"))
    assert found.owners == {"+861381234": "sichuan", "+861391234": "guangdong"}
    assert not found.problems


def test_every_line_that_cannot_be_used_is_told_with_its_number() -> None:
    found = read('prefix,region\n1381234,sichuan\n\n12,sichuan\n"+86139\n1234",nowhere\n1381235\n1381236,,\n')
    assert found.owners == {"+861381234": "sichuan"}
    assert found.problems == [
        Problem(4, "'12' is neither an area code nor what numbers begin with"),
        Problem(5, "'+86139\\n1234' is neither an area code nor what numbers begin with"),
        Problem(7, "1 cells, and the header has 2"),
        Problem(8, "3 cells, and the header has 2"),
    ]
    assert read("prefix,region\n1381234,nowhere\n").problems == [Problem(2, "unknown region 'nowhere'")]
    mistyped = read("prefix,region\n1381234,sichuam\n").problems
    assert mistyped == [Problem(2, "unknown region 'sichuam'. Did you mean sichuan?")]


def test_a_prefix_that_two_regions_claim_is_nobodys_and_one_that_is_repeated_is_told_once() -> None:
    found = read("prefix,region\n028,sichuan\n28,sichuan\n0755,guangdong\n755,guangdong\n+8628,beijing\n")
    assert found.owners == {"+86755": "guangdong"}
    told = "+8628 is claimed by sichuan (line 2) and sichuan (line 3) and beijing (line 6)"
    assert found.problems == [Problem(2, told), Problem(3, told), Problem(6, told)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no column 'prefix'; columns are: none"),
        ("number,region\n", "there is no column 'prefix'; columns are: number, region"),
        ('prefix,region\n1381234,"sichuan\n', "line 2: is not CSV"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_as_a_whole(text: str, problem: str) -> None:
    with pytest.raises(FileUnusable, match=re.escape(problem)):
        read(text)


rows = st.lists(
    st.tuples(
        st.sampled_from(["1381234", "0755", "755", "28", "+8610", "12", "86", ""]),
        st.sampled_from(["sichuan", "四川", "guangdong", "nowhere", ""]),
    ),
    max_size=12,
)


def written(table: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(table)
    return text.getvalue()


@given(rows)
def test_what_is_left_without_the_rejected_lines_says_the_same_and_has_no_problem(lines: list[tuple[str, str]]) -> None:
    table = [["prefix", "region"], *([*line] for line in lines)]
    found = read(written(table))
    bad = {problem.line for problem in found.problems}
    rejected = list(rejected_rows(io.StringIO(written(table), newline=""), found.problems))
    assert rejected[0] == ["prefix", "region", "line", "reason"]
    assert {int(row[2]) for row in rejected[1:]} == bad
    assert [row[:2] for row in rejected[1:]] == [table[line - 1] for line in sorted(bad)]
    rest = [row for line, row in enumerate(table, 1) if line not in bad]
    assert read(written(rest)) == Found(found.owners)


def test_lines_that_are_rejected_again_have_the_reason_once() -> None:
    text = "prefix,region\n12x,nowhere\n"
    for _ in range(2):
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows(rejected_rows(io.StringIO(text), read(text).problems))
        text = out.getvalue()
    assert text.startswith("prefix,region,line,reason\n12x,nowhere,2,")


owned = st.dictionaries(st.sampled_from(["+8610", "+86755", "+8628", "+861381234"]), st.sampled_from(["a", "b"]))


def plan(owners: Mapping[str, str]) -> NumberPlan:
    """A range for each prefix, as nobody would write it."""
    return NumberPlan(
        prefixes=[PrefixRange(region=region, prefixes=[prefix]) for prefix, region in owners.items()],
        exceptions=[NumberException(number="+8613812345678", region="a")],
    )


@given(owned, owned)
def test_a_plan_is_replaced_or_merged_and_its_exceptions_stay(before: dict[str, str], owners: dict[str, str]) -> None:
    for merges, expected in ((False, owners), (True, {**before, **owners})):
        made = plan_of(owners, plan(before), merges=merges)
        assert owners_of(made) == expected
        assert made.exceptions == plan(before).exceptions
        assert len({owned.region for owned in made.prefixes}) == len(made.prefixes)
