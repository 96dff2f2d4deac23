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


class Region:
    """Looks at so many of its rows for a page, of which some are items."""

    def __init__(self, rows: Sequence[int], looks_at: int, *, tells_how_far: bool) -> None:
        self._rows = rows
        self._looks_at = looks_at
        self._tells_how_far = tells_how_far

    def more(self, part: Part[int], size: int) -> Part[int]:
        begin = int(part.following or 0)
        items = [each for each in self._rows[begin : begin + self._looks_at] if is_item(each)][:size]
        end = self._rows.index(items[-1]) + 1 if len(items) == size else begin + self._looks_at
        if end >= len(self._rows):
            return part.more(items, "")
        return part.more(items, str(end), key(self._rows[end - 1]) if self._tells_how_far else "")


def is_item(row: int) -> bool:
    return row % 3 != 0


def regions(lists: Mapping[str, set[int]], descending: bool, *, tell_how_far: bool) -> dict[str, Region]:
    return {
        name: Region(sorted(rows, reverse=descending), 3 if name == "hunan" else 50, tells_how_far=tell_how_far)
        for name, rows in lists.items()
    }


def all_pages(
    listing: MergedList[int], asked: Mapping[str, Region], size: int, answers: Callable[[], bool] = lambda: True
) -> list[Sequence[int]]:
    """All pages of a list, of regions that answer or do not; the last one is asked for until all have answered."""
    found, token = list[Sequence[int]](), ""
    while True:
        places = listing.places(token, REGIONS)
        parts = {region: Part[int](following=place.token) for region, place in places.items() if answers()}
        parts = {region: asked[region].more(part, size) for region, part in parts.items()}
        while (page := listing.page(places, parts, size)).blocking:
            parts |= {region: asked[region].more(parts[region], size) for region in page.blocking}
        if parts and (page.following or places.keys() == parts.keys()):
            found.append(page.items)
            token = page.following
            if not token:
                return found


@given(LISTS, SIZES, st.booleans(), st.booleans())
def test_pages_are_full_and_give_each_item_once_in_its_order(
    lists: Mapping[str, set[int]], size: int, descending: bool, tell_how_far: bool
) -> None:
    found = all_pages(merged(descending), regions(lists, descending, tell_how_far=tell_how_far), size)
    every = {each for rows in lists.values() for each in rows if is_item(each)}
    assert [each for page in found for each in page] == sorted(every, reverse=descending)
    assert all(len(page) == size for page in found[:-1])


@given(LISTS, SIZES, st.booleans(), st.randoms(use_true_random=False))
def test_each_region_tells_an_item_once_whenever_it_answers(
    lists: Mapping[str, set[int]], size: int, descending: bool, chance: Random
) -> None:
    own = {name: {each * 10 + number for each in rows} for number, (name, rows) in enumerate(lists.items())}
    asked = regions(own, descending, tell_how_far=True)
    told = [each for page in all_pages(merged(descending), asked, size, lambda: chance.random() < 0.6) for each in page]
    assert sorted(told) == sorted(each for rows in own.values() for each in rows if is_item(each))


def test_nothing_is_told_behind_a_place_to_which_a_region_has_not_looked() -> None:
    listing = merged(descending=False)
    places = listing.places("", REGIONS)
    parts = {"henan": Part[int]().more([], "a").more([], "b"), "hunan": Part[int]().more([1, 2], "")}
    page = listing.page(places, parts, 5)
    assert (page.items, page.blocking) == ([], ["henan"])
    assert listing.places(page.following, REGIONS) == {"henan": Place("b"), "hunan": Place(), "sichuan": Place()}
    further = listing.page(places, parts | {"henan": parts["henan"].more([], "c", key(1))}, 5)
    assert (further.items, further.blocking) == ([1], ["henan"])


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
