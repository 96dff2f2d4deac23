"""Telephone numbers and the directory that says which region owns them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1 import configuration_pb2
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import NumberPlan, normalize, normalize_prefix, number_prefix
from tests.bench.numberplan import measure_lookups
from tests.contract.large_number_plan import segments, with_segments

FULL_WIDTH = {ord(char): ord(char) + 0xFEE0 for char in "+0123456789()-"}


def numbers(*patterns: str) -> st.SearchStrategy[str]:
    return st.one_of(*(st.from_regex(pattern, fullmatch=True) for pattern in patterns))


MOBILES = numbers(r"1[3-9][0-9]{9}")
# No area code begins with 86, the code of the country.
FIXED = numbers(r"(10|2[0-9]|[3-79][0-9]{2}|8[0-57-9][0-9])[0-9]{7,8}")
SEPARATORS = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2013"])


@pytest.mark.parametrize(
    ("writing", "number"),
    [
        ("13812345678", "+8613812345678"),
        ("138 1234 5678", "+8613812345678"),
        ("138-1234-5678", "+8613812345678"),
        ("013812345678", "+8613812345678"),
        ("+86 138 1234 5678", "+8613812345678"),
        ("0086 13812345678", "+8613812345678"),
        ("8613812345678", "+8613812345678"),
        ("(+86)13812345678", "+8613812345678"),
        ("010-6234 5678", "+861062345678"),
        ("028-86751234", "+862886751234"),
        ("(028) 8675 1234", "+862886751234"),
        ("+86 (0)28 8675 1234", "+862886751234"),
        ("0086-028-86751234", "+862886751234"),
        ("0755 8888 8888", "+8675588888888"),
        ("0971-612 3456", "+869716123456"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("0044 20 7946 0958", "+442079460958"),
        ("+1 202 555 0123", "+12025550123"),
        ("+852 2123 4567", "+85221234567"),
        (" 138\t1234\u30005678 ", "+8613812345678"),
        ("+86(0)28-86751234".translate(FULL_WIDTH), "+862886751234"),
    ],
)
def test_a_number_may_be_written_in_many_ways(writing: str, number: str) -> None:
    assert normalize(writing) == number


@pytest.mark.parametrize(
    "writing",
    [
        "",
        " ",
        "+",
        "00",
        "abc",
        "12345",
        "12812345678",
        "138123456789",
        "1381234567",
        "+861381234567",
        "+86 128 1234 5678",
        "2886751234",
        "86751234",
        "028-867512",
        "+1234567",
        "+1234567890123456",
        "+0441234567",
        "++8613812345678",
        "+86+13812345678",
        "13812345678x",
        "13812345678\n13812345678",
        "138\x0012345678",
        "١٣٨١٢٣٤٥٦٧٨",
        "-" * 40 + "13812345678",
    ],
)
def test_anything_else_is_refused(writing: str) -> None:
    with pytest.raises(Refused) as refused:
        normalize(writing)
    assert refused.value.reason == Reason.REASON_NUMBER_INVALID
    assert writing.startswith(refused.value.parameters["number"])


def test_a_refusal_does_not_carry_megabytes_back() -> None:
    with pytest.raises(Refused) as refused:
        normalize("1" * 10_000_000)
    assert len(refused.value.parameters["number"]) < 100


@given(MOBILES, st.lists(SEPARATORS, min_size=11, max_size=11), st.sampled_from(["", "+86", "0086", "86", "0"]))
def test_separators_and_country_code_make_no_difference(mobile: str, between: list[str], lead: str) -> None:
    writing = lead + "".join(digit + separator for digit, separator in zip(mobile, between, strict=True))
    assert normalize(writing) == "+86" + mobile


@given(st.one_of(MOBILES.map("+86".__add__), FIXED.map("0".__add__), numbers(r"\+(1|44|852)[0-9]{7,12}")))
def test_a_normal_number_stays_as_it_is(writing: str) -> None:
    number = normalize(writing)
    assert normalize(number) == number


@given(st.text(max_size=40))
def test_any_text_gives_a_number_or_a_refusal(writing: str) -> None:
    try:
        number = normalize(writing)
    except Refused:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{7,14}", number)


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("+8613812345678", "+861381234"),
        ("+862886751234", "+86288675"),
        ("+12025550123", "+1202555"),
        ("+85221234567", "+8522123"),
        ("+442079460958", "+44207946"),
        ("+123456789012345", "+12345678"),
        ("", ""),
        ("garbage", ""),
    ],
)
def test_a_prefix_tells_the_region_and_not_the_owner(number: str, prefix: str) -> None:
    assert number_prefix(number) == prefix


@given(numbers(r"\+[1-9][0-9]{7,14}"))
def test_a_prefix_never_shows_the_last_four_digits(number: str) -> None:
    prefix = number_prefix(number)
    assert number.startswith(prefix)
    assert len(prefix) <= len(number) - 4
    assert len(prefix) <= len("+123") + 7


def plan(prefixes: dict[str, str], exceptions: dict[str, str] | None = None) -> NumberPlan:
    return NumberPlan(
        configuration_pb2.NumberPlan(
            prefixes=[
                configuration_pb2.PrefixRange(region=region, prefixes=[prefix]) for prefix, region in prefixes.items()
            ],
            exceptions=[
                configuration_pb2.NumberException(number=number, region=region)
                for number, region in (exceptions or {}).items()
            ],
        )
    )


def test_the_longest_prefix_wins() -> None:
    directory = plan({"+86": "elsewhere", "+86198": "guangdong", "+8619851": "sichuan"})
    assert directory.home_of("+8619851000001") == "sichuan"
    assert directory.home_of("+8619844000001") == "guangdong"
    assert directory.home_of("+8613812345678") == "elsewhere"


def test_an_exception_wins_over_every_prefix() -> None:
    directory = plan({"+8619844000001": "guangdong"}, {"+8619844000001": "sichuan"})
    assert directory.home_of("+8619844000001") == "sichuan"


def test_a_number_that_no_rule_covers_is_not_guessed() -> None:
    directory = plan({"+8619844": "guangdong"})
    assert directory.home_of("+8619851000001") is None
    assert directory.home_of("+86198") is None
    assert plan({}).home_of("+8619851000001") is None


DIGITS = st.text("12", min_size=1, max_size=6).map("+".__add__)
REGIONS = st.sampled_from(["a", "b", "c"])


@given(st.dictionaries(DIGITS, REGIONS, max_size=20), st.dictionaries(DIGITS, REGIONS, max_size=3), DIGITS)
def test_look_up_agrees_with_trying_every_prefix(
    prefixes: dict[str, str], exceptions: dict[str, str], number: str
) -> None:
    covering = [prefix for prefix in prefixes if number.startswith(prefix)]
    expected = prefixes[max(covering, key=len)] if covering else None
    assert plan(prefixes, exceptions).home_of(number) == exceptions.get(number, expected)


@pytest.mark.parametrize(
    ("writing", "prefix"),
    [
        ("1381234", "+861381234"),
        ("138 1234", "+861381234"),
        ("+861381234", "+861381234"),
        ("00861381234", "+861381234"),
        ("861381234", "+861381234"),
        ("0755", "+86755"),
        ("755", "+86755"),
        ("010", "+8610"),
        ("10", "+8610"),
        ("28", "+8628"),
        ("0971-6123", "+869716123"),
        ("+852", "+852"),
        ("0044 20", "+4420"),
        ("\uff11\uff13\uff18\uff11\uff12\uff13\uff14", "+861381234"),
    ],
)
def test_a_prefix_may_be_written_in_many_ways(writing: str, prefix: str) -> None:
    assert normalize_prefix(writing) == prefix


@pytest.mark.parametrize(
    "writing", ["", " ", "+", "86", "+86", "0", "1", "12", "3", "99", "abc", "138x", "1" * 40, "+0", "0138123456789"]
)
def test_what_no_number_begins_with_is_no_prefix(writing: str) -> None:
    with pytest.raises(ValueError, match="is neither an area code nor what numbers begin with"):
        normalize_prefix(writing)


@given(st.one_of(MOBILES, FIXED), st.data())
def test_what_a_number_begins_with_is_a_prefix_however_it_is_written(number: str, data: st.DataObject) -> None:
    prefix = number[: data.draw(st.integers(3, len(number)))]
    for written in (prefix, f"0{prefix}", f"86{prefix}", f"+86{prefix}", f"0086 {prefix}"):
        assert normalize_prefix(written) == f"+86{prefix}"


def test_among_half_a_million_prefixes_a_home_is_found_in_little_more_time_than_an_entry_of_a_dict() -> None:
    assert measure_lookups(rounds=5).ratio.low < 10


@pytest.fixture(scope="module")
def regions_of_segments() -> dict[str, str]:
    return {prefix: region for region, prefixes in segments().items() for prefix in prefixes}


@pytest.fixture(scope="module")
def large() -> NumberPlan:
    return NumberPlan(with_segments().number_plan)


@given(segment=st.integers(1_300_000, 1_979_999), rest=st.integers(0, 9999))
def test_a_segment_belongs_to_whom_the_plan_says_and_one_that_it_does_not_name_to_nobody(
    regions_of_segments: dict[str, str], large: NumberPlan, segment: int, rest: int
) -> None:
    assert large.home_of(f"+86{segment}{rest:04}") == regions_of_segments.get(f"+86{segment}")
