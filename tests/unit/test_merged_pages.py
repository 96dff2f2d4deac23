"""One list out of those of several regions."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.merged_pages import MergedList, Part, Place
from gateway.rpc.pages import encode_token

REGIONS = ("henan", "hunan", "sichuan")
LISTS = st.fixed_dictionaries({region: st.sets(st.integers(0, 40)) for region in REGIONS})
SIZES = st.integers(1, 7)


def key(item: int) -> str:
    return f"{item:03} of it"


def each_once(told: Mapping[str, Sequence[int]]) -> set[int]:
    return {each for items in told.values() for each in items}


def merged(descending: bool) -> MergedList[int]:
    return MergedList("numbers", key, each_once, descending)


def answer(items: Sequence[int], place: Place, size: int) -> Part[int]:
    """A page of what a region has, by its own token."""
    begin = int(place.token or 0)
    end = begin + size
    return Part([(place.token, items[begin:end])], str(end) if end < len(items) else "")


def pages(
    listing: MergedList[int], lists: Mapping[str, Sequence[int]], size: int, answers: Callable[[], bool] = lambda: True
) -> list[list[int]]:
    """All pages of a list, of regions that answer or do not; the last one is asked for until all have answered."""
    found, token = [], ""
    while True:
        places = listing.places(token, REGIONS)
        parts = {
            region: answer(lists[region], place, 3 if region == "hunan" else size)
            for region, place in places.items()
            if answers()
        }
        items, following = listing.page(places, parts, size)
        if following or places.keys() == parts.keys():
            found.append(items)
            token = following
            if not token:
                return found


@given(LISTS, SIZES, st.booleans())
def test_pages_give_each_item_once_in_its_order(lists: Mapping[str, set[int]], size: int, descending: bool) -> None:
    ordered = {region: sorted(items, reverse=descending) for region, items in lists.items()}
    found = pages(merged(descending), ordered, size)
    assert [each for page in found for each in page] == sorted(each_once(ordered), reverse=descending)
    assert all(0 < len(page) <= size for page in found[:-1])


@given(LISTS, SIZES, st.randoms(use_true_random=False))
def test_what_a_region_has_is_told_whenever_it_answers(
    lists: Mapping[str, set[int]], size: int, chance: Random
) -> None:
    ordered = {region: sorted(items) for region, items in lists.items()}
    found = pages(merged(descending=False), ordered, size, lambda: chance.random() < 0.6)
    assert {each for page in found for each in page} == each_once(ordered)


def test_nothing_is_told_behind_a_place_to_which_a_region_has_not_looked() -> None:
    listing = merged(descending=False)
    places = listing.places("", REGIONS)
    parts = {"henan": Part[int]([("", []), ("a", [])], "b"), "hunan": Part([("", [1, 2])])}
    items, token = listing.page(places, parts, 5)
    assert items == []
    assert listing.places(token, REGIONS) == {"henan": Place("b"), "hunan": Place(), "sichuan": Place()}


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        encode_token("others", "henan  "),
        encode_token("numbers", "henan"),
        encode_token("numbers", "atlantis  "),
        encode_token("numbers", "henan  \n"),
    ],
)
def test_what_never_was_a_token_is_refused(token: str) -> None:
    with pytest.raises(Refused) as refused:
        merged(descending=False).places(token, REGIONS)
    assert refused.value.reason == Reason.REASON_TOKEN_INVALID
