"""Pages of lists. An attribute by which an RPC does not select or sort is looked for in pages that the RPC gives."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import Refused, invalid, is_temporary
from gateway.rpc.pages import LARGEST_PAGE_SIZE, decode_token, encode_token, key_number
from gateway.web.json_texts import JsonObject
from gateway.web.selecting import (
    DURATION,
    INT64,
    SORT,
    Paging,
    Query,
    Schema,
    Selection,
    has,
    part_query,
    values_at,
)

_Read = Callable[[Query], Awaitable["Listed"]]
_SORTED_PAGES = 32
"""The most pages of an RPC that one request sorts: a page may look at many rows and hold few of them."""
_SORTED_SECONDS = 8.0
"""The time within which one request begins to read the last of them."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+)Z", re.ASCII)


@dataclass(frozen=True)
class Listed:
    """A page of a list."""

    path: str
    """The path of the list."""
    items: Sequence[JsonObject] = field(repr=False)
    token: str
    """The token behind which the list continues; empty at its end."""
    total: int | None
    """The number of items of the whole list; None where they were not counted."""


class Gathering(ABC):
    """The page of a list that a query wants, made of pages of an RPC."""

    def __init__(
        self,
        query: Query,
        within: Mapping[str, Collection[str]],
        selection: Selection,
        schemas: Mapping[str, Schema],
    ) -> None:
        """`within` has the values that select, and `schemas` those of attributes, both by their paths.

        Raises Refused as `Paging.of`.
        """
        self._query = query
        self._pages = selection.pages
        self._is_counted = selection.is_counted
        self._entries = selection.pages * LARGEST_PAGE_SIZE
        self._paging = Paging.of(query, self._entries)
        self._wanted = [
            (path.split("."), values, schemas.get(path, {}).get("default")) for path, values in within.items()
        ]

    @property
    @abstractmethod
    def first(self) -> Query:
        """The query of the first page of the RPC."""

    @abstractmethod
    async def page(self, page: Listed, read: _Read) -> Listed:
        """The page. `page` is the first one of the RPC, and `read` gives that of another query.

        Raises Refused as `read`, and for a page that the entries of one request do not have.
        """

    def _selected(self, page: Listed) -> Sequence[JsonObject]:
        return [page.items[each] for each in self._places(page)]

    def _places(self, page: Listed) -> Sequence[int]:
        """The places of the selected items of a page."""
        return [
            place
            for place, each in enumerate(page.items)
            if all(has(each, path, values, default) for path, values, default in self._wanted)
        ]

    def _part(self, token: str, limit: int) -> Query:
        return part_query(self._query, token, limit)


class Sorting(Gathering):
    """A page in an order by attributes, of a list whose entries one request reads.

    Entries without an attribute come last. Equal ones stay in the order of the list.
    """

    def __init__(
        self,
        query: Query,
        within: Mapping[str, Collection[str]],
        selection: Selection,
        schemas: Mapping[str, Schema],
        order: Sequence[str],
    ) -> None:
        """`order` as `Selection.sorted_by` gives it. Raises Refused as `Gathering`, and for another list's token."""
        super().__init__(query, within, selection, schemas)
        self._order = [(each.removeprefix("-"), each.startswith("-")) for each in order]
        self._schemas = schemas
        self._kind = f"sorted by {','.join(order)}"
        before = decode_token(self._kind, self._paging.token)
        self._start = self._paging.offset + (key_number(before) if before else 0)

    @property
    def first(self) -> Query:
        """See `Gathering`."""
        return self._part("", LARGEST_PAGE_SIZE)

    async def page(self, page: Listed, read: _Read) -> Listed:
        """See `Gathering`."""
        found, path = await self._all(page, read), page.path
        for name, is_falling in reversed(self._order):
            place, schema = name.split("."), self._schemas.get(name, {})
            found.sort(key=lambda each: _rank(each, place, schema, is_falling=is_falling), reverse=is_falling)
        end = self._start + self._paging.limit
        token = encode_token(self._kind, str(end)) if end < len(found) else ""
        return Listed(path, found[self._start : end], token, len(found) if self._is_counted else None)

    async def _all(self, page: Listed, read: _Read) -> list[JsonObject]:
        """What is selected of the whole list. Raises Refused for a list that is too long, and as `read`."""
        clock = asyncio.get_running_loop()
        ends, pages, count, found = clock.time() + _SORTED_SECONDS, 1, len(page.items), list(self._selected(page))
        while page.token and count <= self._entries:
            if pages >= _SORTED_PAGES or clock.time() >= ends:
                raise invalid(
                    SORT,
                    "one request did not look at all entries of the list; select fewer by filters, or leave it out",
                    "列表过长，未能查看全部条目，请用筛选条件缩小范围，或取消排序",
                )
            # One entry more shows that there are too many.
            page = await read(self._part(page.token, min(LARGEST_PAGE_SIZE, self._entries + 1 - count)))
            pages, count = pages + 1, count + len(page.items)
            found += self._selected(page)
        if count > self._entries:
            raise invalid(
                SORT,
                f"the list has more than the {self._entries} entries that are sorted; select fewer by filters",
                f"列表超过可排序的{self._entries}条，请用筛选条件缩小范围",
            )
        return found


class Selecting(Gathering):
    """A page filled with what is selected in pages of an RPC."""

    @property
    def first(self) -> Query:
        """See `Gathering`."""
        return self._part(self._paging.token, LARGEST_PAGE_SIZE)

    async def page(self, page: Listed, read: _Read) -> Listed:
        """The page. `page` is the first one of the RPC, and `read` gives that of another query.

        It ends early, at a token, where a later page of the RPC is refused for now.

        Raises Refused where an offset leads behind all that is selected in the pages of the RPC, and as `read`
        without items or a token to answer with.
        """
        first = before = self._paging.token
        counts = self._is_counted and not first
        last, found, count = self._paging.offset + self._paging.limit, list[JsonObject](), 0
        end: Listed | None = None
        failed: Refused | None = None
        try:
            for number in range(1, self._pages + 1):
                places, missing = self._places(page), last - len(found)
                count += len(places)
                if end is None and len(places) > missing:
                    # It continues within this page. Its token comes first, since counting may use up the time.
                    end = await read(self._part(before, places[missing - 1] + 1))
                    found += self._selected(end)
                elif end is None:
                    found += self._selected(page)
                    end = page if len(places) == missing else None
                before = page.token
                if number == self._pages or not before or (end is not None and not counts):
                    break
                page = await read(self._part(before, LARGEST_PAGE_SIZE))
        except Refused as refused:
            if before == first or not is_temporary(refused.reason):
                raise
            failed = refused
        token = before if end is None or count <= last else end.token
        self._require_near(len(found), token, failed)
        return Listed(page.path, found[self._paging.offset :], token, count if counts and not before else None)

    def _require_near(self, found: int, token: str, failed: Refused | None) -> None:
        """Raises Refused for an offset behind what was found, where the list goes on; `failed` where that ended it."""
        offset = self._paging.offset
        if offset and token and found <= offset:
            raise failed or invalid(
                "offset",
                f"fewer than {offset + 1} of the first {self._entries} entries are selected; read on by Link",
                f"前{self._entries}条中符合条件的不足{offset + 1}条，请按Link继续读取",
            )


def _rank(
    item: JsonObject, path: Sequence[str], schema: Schema, *, is_falling: bool
) -> tuple[bool, tuple[int, float | str]]:
    """The place of an item by an attribute: of several values the one that comes first. Numbers come before texts."""
    held = values_at(item, path, schema.get("default"))
    values = [_comparable(each, schema.get("format")) for each in held if each is not None]
    if not values:
        return not is_falling, (0, "")
    return is_falling, max(values) if is_falling else min(values)


def _comparable(value: object, form: object) -> tuple[int, float | str]:
    if isinstance(value, int | float):
        return 0, value
    if form == INT64:
        return 0, int(str(value))
    if form == DURATION:
        return 0, float(str(value).removesuffix("s"))
    time = _TIME.fullmatch(str(value))  # with digits behind the second it comes later, though `.` is less than `Z`
    return 1, time[1] if time else str(value)
