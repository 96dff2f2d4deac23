"""Known words similar to an unknown one, and their offer in a refusal."""

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, text, unknown
from gateway.values.nearest import nearest, suggested

METHODS = ("OrderService.SubmitOrder", "OrderService.GetOrder", "CustomerService.ListCustomers")


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("guangdnog", ("guangdong", "guangxi", "henan"), "guangdong"),
        ("Guangdong", ("guangdong", "henan"), "guangdong"),
        ("suspend", ("SUSPEND", "RESUME"), "SUSPEND"),
        ("bill_wrong", ("BILL-WRONG", "NET_SPEED"), "BILL-WRONG"),
        ("OrderService.SubmitOrdr", METHODS, "OrderService.SubmitOrder"),
        ("SubmitOrdr", METHODS, "OrderService.SubmitOrder"),
        ("listcustomer", METHODS, "CustomerService.ListCustomers"),
    ],
)
def test_the_nearest_known_word_comes_first(word: str, known: tuple[str, ...], found: str) -> None:
    assert nearest(word, known)[0] == found


@pytest.mark.parametrize("word", ["", "zzz", "OrderService.Zzz" * 1000])
def test_a_word_that_is_like_none_finds_none(word: str) -> None:
    assert nearest(word, ("guangdong", "henan")) == []


def test_of_very_many_words_those_are_compared_that_begin_alike() -> None:
    known = [f"site-{number:05}" for number in range(10_000)]
    assert nearest("site-0123", [*known, "xite-0123"])[0].startswith("site-0")
    assert "xite-0123" not in nearest("site-0123", [*known, "xite-0123"])


def test_at_most_three_are_offered_in_both_languages() -> None:
    offered = suggested(nearest("plan-1", [f"plan-1{letter}" for letter in "abcdef"]))
    assert offered.en.count("plan-1") == offered.zh_cn.count("plan-1") == 3
    assert suggested(["a", "b", "c"]).en == "Did you mean a, b or c?"
    assert suggested(["a", "b", "c"]).zh_cn == "您是不是要找a、b或c？"
    assert suggested(["a"]).en == "Did you mean a?"
    assert (suggested([]).en, suggested([]).zh_cn) == ("", "")


def test_a_refusal_of_an_unknown_name_offers_the_nearest_in_both_languages() -> None:
    refused = unknown(Reason.REASON_BUSINESS_UNKNOWN, ("SUSPEND", "RESUME"), business="SUSPND")
    told = text(refused.reason, refused.parameters)
    assert told.en == "There is no business SUSPND in the catalogue. Did you mean SUSPEND?"
    assert told.zh_cn == "业务目录中没有SUSPND。您是不是要找SUSPEND？"


def test_a_refusal_of_a_name_that_is_like_none_is_as_it_was() -> None:
    refused = unknown(Reason.REASON_REGION_UNKNOWN, ("henan",), region="zzz")
    assert refused.parameters == Refused(Reason.REASON_REGION_UNKNOWN, region="zzz").parameters
