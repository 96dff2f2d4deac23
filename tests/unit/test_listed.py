"""A list is selected by attributes that its RPC does not know: page by page, and within a bound."""

import asyncio
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.web import listed
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed, Selecting, Sorting
from gateway.web.selecting import DURATION, INT64, Query, Schema, Selection, listed_headers

SIZE, PAGES = 4, 3
ENTRIES = SIZE * PAGES
RED: Query = {"colour": "red"}


class Rpc:
    """An RPC with a list of entries, some of which are red. A page looks at no more than `scanned` entries."""

    def __init__(self, reds: Sequence[bool], scanned: int) -> None:
        told = [{"id": number, "colour": "red" if is_red else "blue"} for number, is_red in enumerate(reds)]
        self._entries = [JsonObject.of(each) for each in told]
        self._scanned = scanned
        self.reads = 0
        self.failing = 0
        """The number of the read that is refused; 0 for none."""
        self.reason = Reason.REASON_ANSWER_LATE

    @property
    def red(self) -> Sequence[Mapping[str, object]]:
        """All red entries in the order of the list."""
        return [each for each in self._entries if each["colour"] == "red"]

    async def read(self, query: Query) -> Listed:
        """A page. The token has the number of the first entry."""
        self.reads += 1
        if self.reads == self.failing:
            raise Refused(self.reason)
        start, size = int(query.get("pageToken", 0)), min(int(query["limit"]), self._scanned)
        end = start + size
        token = str(end) if end < len(self._entries) else ""
        return Listed("/api/entry", self._entries[start:end], token, None)

    async def page(self, query: Query, *, is_counted: bool = True) -> Listed:
        """The page that a query wants."""
        selecting = Selecting(query, {"colour": ("red",)}, Selection("id", is_counted=is_counted, pages=PAGES), {})
        return await selecting.page(await self.read(selecting.first), self.read)


def page(rpc: Rpc, query: Query, *, is_counted: bool = True) -> Listed:
    """The page that a query wants, where a request reads few entries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed, "LARGEST_PAGE_SIZE", SIZE)
        return asyncio.run(rpc.page(query, is_counted=is_counted))


def following(query: Query, told: Listed) -> Query | None:
    """The query in the link to the next page."""
    link = listed_headers(told.path, query, len(told.items), told.total, told.token).get("Link", "")
    return dict(parse_qsl(urlsplit(link.partition(">")[0]).query)) if link else None


REDS = st.lists(st.booleans(), max_size=3 * ENTRIES)


@given(REDS, st.integers(1, 2 * SIZE), st.integers(1, SIZE), st.booleans())
def test_the_links_lead_through_all_that_is_selected_once_and_in_order(
    reds: Sequence[bool], limit: int, scanned: int, is_counted: bool
) -> None:
    rpc, found = Rpc(reds, scanned), list[Mapping[str, object]]()
    query: Query | None = {**RED, "limit": str(limit)}
    while query is not None:
        rpc.reads = 0
        told = page(rpc, query, is_counted=is_counted)
        assert rpc.reads <= PAGES + 1
        assert len(told.items) <= limit
        assert len(told.items) == limit or not told.token or rpc.reads == PAGES, "a page ended before it was full"
        found += told.items
        query = following(query, told)
    assert found == rpc.red


@given(REDS, st.integers(1, 2 * SIZE), st.integers(0, ENTRIES))
def test_a_part_by_the_number_of_its_place_is_that_of_what_is_selected_and_all_of_that_is_counted(
    reds: Sequence[bool], limit: int, offset: int
) -> None:
    rpc, query = Rpc(reds, SIZE), {**RED, "limit": str(limit), "offset": str(offset)}
    near, is_whole = sum(reds[:ENTRIES]), len(reds) <= ENTRIES
    if offset and offset >= near and not is_whole:
        with pytest.raises(Refused, match="read on by Link"):
            page(rpc, query)
        return
    told = page(rpc, query)
    assert told.items == rpc.red[offset : min(offset + limit, near)]
    assert told.total == (len(rpc.red) if is_whole else None)
    if is_whole:
        assert bool(told.token) == (offset + limit < len(rpc.red))


def test_a_list_whose_places_are_not_counted_is_read_no_further_than_its_page() -> None:
    rpc = Rpc([True] * 3 * ENTRIES, SIZE)
    told = page(rpc, {**RED, "limit": str(SIZE)}, is_counted=False)
    assert (len(told.items), told.token, told.total, rpc.reads) == (SIZE, str(SIZE), None, 1)


def test_a_page_behind_a_token_counts_nothing_and_ends_where_it_is_full() -> None:
    rpc = Rpc([True] * ENTRIES, SIZE)
    told = page(rpc, {**RED, "limit": "2", "pageToken": "1"})
    assert ([each["id"] for each in told.items], told.token, told.total, rpc.reads) == ([1, 2], "3", None, 2)


def test_an_entry_that_changes_while_a_page_is_filled_loses_no_other() -> None:
    rpc = Rpc([True] * SIZE, SIZE)

    async def changed(query: Query) -> Listed:
        rpc._entries[0] = JsonObject.of({"id": 0, "colour": "blue"})
        return await rpc.read(query)

    async def asked() -> Listed:
        selecting = Selecting({**RED, "limit": "2"}, {"colour": ("red",)}, Selection("id", is_counted=True), {})
        return await selecting.page(await rpc.read({"limit": str(SIZE)}), changed)

    told = asyncio.run(asked())
    assert ([each["id"] for each in told.items], told.token) == ([1], "2")


FULL = [True] * ENTRIES
SPARSE = [place % SIZE == 0 for place in range(ENTRIES)]
LATER = [True, *[False] * (SIZE - 1), *[True] * SIZE]


@pytest.mark.parametrize(
    ("reds", "limit", "failing", "ids", "token"),
    [
        pytest.param(FULL, 2, 3, [0, 1], "2", id="a page that counts, behind a page that is cut"),
        pytest.param(FULL, SIZE, 2, [0, 1, 2, 3], "4", id="a page that counts, behind a page that is whole"),
        pytest.param(SPARSE, 3, 2, [0], "4", id="the second page"),
        pytest.param(SPARSE, 3, 3, [0, 4], "8", id="the third page"),
        pytest.param(LATER, 2, 3, [0], "4", id="the second page, where it is cut"),
        pytest.param([False] * ENTRIES, 2, 2, [], "4", id="the second page, with nothing before"),
    ],
)
@pytest.mark.parametrize("reason", [Reason.REASON_ANSWER_LATE, Reason.REASON_SERVER_CALLS_TOO_MANY])
def test_a_page_has_what_was_found_where_a_later_read_is_refused_for_now(
    reds: Sequence[bool], limit: int, failing: int, ids: Sequence[int], token: str, reason: Reason.ValueType
) -> None:
    rpc = Rpc(reds, SIZE)
    rpc.failing, rpc.reason = failing, reason
    told = page(rpc, {**RED, "limit": str(limit)})
    assert ([each["id"] for each in told.items], told.token, told.total) == (ids, token, None)


@pytest.mark.parametrize(
    ("reds", "query", "failing", "reason"),
    [
        pytest.param(FULL, {"limit": "2"}, 2, Reason.REASON_ANSWER_LATE, id="no token leads to the first page"),
        pytest.param(SPARSE, {"offset": "1"}, 2, Reason.REASON_ANSWER_LATE, id="nothing at the offset was found"),
        pytest.param(SPARSE, {}, 2, Reason.REASON_REQUEST_INVALID, id="a refusal that lasts"),
    ],
)
def test_a_list_is_refused_as_its_later_read_where_nothing_can_be_told(
    reds: Sequence[bool], query: Query, failing: int, reason: Reason.ValueType
) -> None:
    rpc = Rpc(reds, SIZE)
    rpc.failing, rpc.reason = failing, reason
    with pytest.raises(Refused) as refused:
        page(rpc, {**RED, **query})
    assert refused.value.reason == reason


@given(REDS, st.integers(1, 2 * SIZE), st.integers(2, PAGES + 1), st.booleans())
def test_the_links_lead_through_all_that_is_selected_where_reads_are_refused_for_now(
    reds: Sequence[bool], limit: int, failing: int, is_counted: bool
) -> None:
    rpc, found = Rpc(reds, SIZE), list[Mapping[str, object]]()
    query: Query | None = {**RED, "limit": str(limit)}
    while query is not None:
        rpc.reads, rpc.failing = 0, failing
        try:
            told = page(rpc, query, is_counted=is_counted)
        except Refused:
            rpc.failing = 0
            told = page(rpc, query, is_counted=is_counted)
        found += told.items
        query = following(query, told)
    assert found == rpc.red


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "501"}, {"offset": "2001"}, {"offset": "-1"}])
def test_a_part_outside_of_what_a_request_reads_is_refused(query: Query) -> None:
    with pytest.raises(Refused, match="is no whole number"):
        Selecting({**RED, **query}, {"colour": ("red",)}, Selection("id", is_counted=True), {})


NAMES = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=ENTRIES)


@given(NAMES, st.integers(1, 2 * SIZE), st.booleans())
def test_the_links_lead_through_a_sorted_list_once_with_its_total_and_equal_entries_in_their_order(
    names: Sequence[str | None], limit: int, is_falling: bool
) -> None:
    entries = [
        JsonObject.of({"id": number, "name": name} if name else {"id": number}) for number, name in enumerate(names)
    ]
    found = list[object]()
    query: Query | None = {"limit": str(limit)}
    while query is not None:
        told = sorted_page(entries, query, "-name" if is_falling else "name")
        assert told.total == len(names)
        found += [each["id"] for each in told.items]
        query = following(query, told)
    named = [number for number, name in enumerate(names) if name]
    named.sort(key=lambda each: str(names[each]), reverse=is_falling)
    assert found == [*named, *(number for number, name in enumerate(names) if not name)]


def test_a_part_of_a_sorted_list_goes_by_its_place_behind_an_offset_and_among_what_is_selected() -> None:
    entries = [JsonObject.of({"id": number, "colour": "red", "at": {"n": -number}}) for number in range(ENTRIES)]
    entries[0] = JsonObject.of({"id": 0, "colour": "blue", "at": {"n": 0}})
    told = sorted_page(entries, {"offset": "1", "limit": "2"}, "at.n", within={"colour": ("red",)})
    assert ([each["id"] for each in told.items], told.total) == ([ENTRIES - 2, ENTRIES - 3], ENTRIES - 1)


def test_several_attributes_sort_in_turn_and_times_by_their_instant_and_the_first_of_several_values_counts() -> None:
    times = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.500Z", "2025-12-31T23:59:59.999Z")
    entries = [
        JsonObject.of({"id": number, "time": time, "at": [{"n": 9}, {"n": number % 2}]})
        for number, time in enumerate(times)
    ]
    for order, wanted in ((("time",), [2, 0, 1]), (("-time",), [1, 0, 2]), (("at.n", "-time"), [0, 2, 1])):
        assert [each["id"] for each in sorted_page(entries, {}, *order).items] == wanted


def test_numbers_that_json_has_as_texts_sort_as_numbers_and_one_that_is_left_out_is_zero() -> None:
    schemas: Mapping[str, Schema] = {
        "at.n": {"type": "string", "format": INT64, "default": "0"},
        "took": {"type": "string", "format": DURATION},
    }
    held: Sequence[Mapping[str, object]] = (
        {"at": {"n": "10"}, "took": "30s"},
        {"at": {"n": "9"}, "took": "4.500s"},
        {"at": {"n": "-1"}, "took": "100s"},
        {"at": {"m": 1}, "took": "0s"},
        {},
    )
    entries = [JsonObject.of({"id": number, **each}) for number, each in enumerate(held)]
    for order, wanted in (("at.n", [2, 3, 1, 0, 4]), ("-at.n", [0, 1, 3, 2, 4]), ("took", [3, 1, 0, 2, 4])):
        assert [each["id"] for each in sorted_page(entries, {}, order, schemas=schemas).items] == wanted


def test_a_value_that_json_leaves_out_selects_where_the_object_that_would_have_it_is_there() -> None:
    schemas: Mapping[str, Schema] = {
        "at.n": {"type": "integer", "default": 0},
        "line.open": {"type": "boolean", "default": False},
    }
    held: Sequence[Mapping[str, object]] = (
        {"at": {"m": 1}, "line": [{"open": True}, {"id": "2"}]},
        {"at": {"n": 1}, "line": [{"open": True}]},
        {},
    )
    entries = [JsonObject.of({"id": number, **each}) for number, each in enumerate(held)]
    for name, value, wanted in (
        ("at.n", "0", [0]),
        ("at.n", "1", [1]),
        ("line.open", "false", [0]),
        ("line.open", "true", [0, 1]),
    ):
        told = sorted_page(entries, {}, "id", within={name: (value,)}, schemas=schemas)
        assert [each["id"] for each in told.items] == wanted


@given(REDS, st.integers(1, SIZE), st.integers(0, SIZE))
def test_a_list_is_sorted_however_few_of_its_entries_a_page_of_the_rpc_has(
    reds: Sequence[bool], scanned: int, empty: int
) -> None:
    rpc, pages = Rpc(reds, scanned), 0

    async def read(query: Query) -> Listed:
        nonlocal pages
        pages += 1
        return Listed("/api/entry", (), "0", None) if pages <= empty else await rpc.read(query)

    async def gathered() -> Listed:
        sorting = Sorting({"limit": "500"}, {}, Selection("id", is_counted=True, pages=PAGES), {}, ("-id",))
        return await sorting.page(await read(sorting.first), read)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed, "LARGEST_PAGE_SIZE", SIZE)
        if len(reds) > ENTRIES:
            with pytest.raises(Refused, match=f"more than the {ENTRIES} entries"):
                asyncio.run(gathered())
            return
        assert [each["id"] for each in asyncio.run(gathered()).items] == [*reversed(range(len(reds)))]


@pytest.mark.parametrize("bound", ["_SORTED_PAGES", "_SORTED_SECONDS"])
def test_a_list_that_pages_or_time_do_not_end_is_not_sorted_and_the_refusal_says_why(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(listed, bound, 0)
    entries = [JsonObject.of({"id": number}) for number in range(SIZE + 1)]
    with pytest.raises(Refused, match="did not look at all entries") as refused:
        sorted_page(entries, {}, "id")
    assert (refused.value.reason, refused.value.parameters["field"]) == (Reason.REASON_REQUEST_INVALID, "sort")


def test_a_list_with_more_entries_than_one_request_reads_is_not_sorted() -> None:
    entries = [JsonObject.of({"id": number}) for number in range(ENTRIES + 1)]
    with pytest.raises(Refused, match=f"more than the {ENTRIES} entries") as refused:
        sorted_page(entries, {}, "id")
    assert (refused.value.reason, refused.value.parameters["field"]) == (Reason.REASON_REQUEST_INVALID, "sort")


def test_the_token_of_one_order_is_none_of_another() -> None:
    entries = [JsonObject.of({"id": number}) for number in range(2)]
    token = sorted_page(entries, {"limit": "1"}, "id").token
    with pytest.raises(Refused) as refused:
        sorted_page(entries, {"pageToken": token}, "-id")
    assert refused.value.reason == Reason.REASON_TOKEN_INVALID


def sorted_page(
    entries: Sequence[JsonObject],
    query: Query,
    *order: str,
    within: Mapping[str, Sequence[str]] | None = None,
    schemas: Mapping[str, Schema] | None = None,
) -> Listed:
    """A page of entries in an order, where a request reads few of them."""

    async def read(asked: Query) -> Listed:
        start = int(asked.get("pageToken", 0))
        end = start + int(asked["limit"])
        return Listed("/api/entry", entries[start:end], str(end) if end < len(entries) else "", None)

    async def gathered() -> Listed:
        sorting = Sorting(query, within or {}, Selection("id", is_counted=True, pages=PAGES), schemas or {}, order)
        return await sorting.page(await read(sorting.first), read)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listed, "LARGEST_PAGE_SIZE", SIZE)
        return asyncio.run(gathered())
