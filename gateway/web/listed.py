"""Pages of lists. An attribute by which an RPC does not select is looked for in the pages that the RPC gives."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import invalid
from gateway.rpc.pages import LARGEST_PAGE_SIZE
from gateway.web.json_texts import JsonObject
from gateway.web.selecting import Paging, Query, has, part_query

_PAGES = 4  # of the RPC, for one request: other work of the region waits meanwhile
ENTRIES = _PAGES * LARGEST_PAGE_SIZE
"""The number of entries among which one request selects."""


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


@dataclass(frozen=True)
class _Full:
    """The page of the RPC that has the last item of the caller's page."""

    before: str
    """The token by which it was read."""
    page: Listed = field(repr=False)
    entries: int
    """The number of its entries up to the last item."""
    found: int
    """The number of items before it."""


class Selecting:
    """The page of a list that a query wants, filled from pages of an RPC."""

    def __init__(self, query: Query, within: Mapping[str, Collection[str]], *, is_counted: bool) -> None:
        """`within` has the values that select, by the paths of attributes. Raises Refused as `Paging.of`."""
        self._query = query
        self._paging = Paging.of(query, ENTRIES)
        self._counts = is_counted and not self._paging.token
        self._wanted = [(path.split("."), values) for path, values in within.items()]

    @property
    def first(self) -> Query:
        """The query of the first page of the RPC."""
        return self._part(self._paging.token, LARGEST_PAGE_SIZE)

    async def page(self, page: Listed, read: Callable[[Query], Awaitable[Listed]]) -> Listed:
        """The page. `page` is the first one of the RPC, and `read` gives that of another query.

        Raises Refused where an offset leads behind all that is selected among ENTRIES.
        """
        paging, before = self._paging, self._paging.token
        last, found, count = paging.offset + paging.limit, list[JsonObject](), 0
        full: _Full | None = None
        for number in range(1, _PAGES + 1):
            places = self._places(page)
            missing = last - len(found)
            if full is None and len(places) >= missing:
                full = _Full(before, page, places[missing - 1] + 1, len(found))
            found += [page.items[each] for each in places[:missing]]
            count += len(places)
            if number == _PAGES or not page.token or (full is not None and not self._counts):
                break
            before = page.token
            page = await read(self._part(before, LARGEST_PAGE_SIZE))
        total = count if self._counts and not page.token else None
        end = page
        if full is not None and count > last:
            end = full.page
            if full.entries < len(end.items):  # the list continues behind the last item, and not behind the whole page
                end = await read(self._part(full.before, full.entries))
                found = [*found[: full.found], *(end.items[each] for each in self._places(end))]
        self._require_near(len(found), end.token)
        return Listed(page.path, found[paging.offset :], end.token, total)

    def _places(self, page: Listed) -> Sequence[int]:
        """The places of the selected items of a page."""
        return [
            place
            for place, each in enumerate(page.items)
            if all(has(each, path, values) for path, values in self._wanted)
        ]

    def _part(self, token: str, limit: int) -> Query:
        return part_query(self._query, token, limit)

    def _require_near(self, found: int, token: str) -> None:
        """Raises Refused for an offset behind what was found, where the list goes on."""
        offset = self._paging.offset
        if offset and token and found <= offset:
            raise invalid(
                "offset",
                f"fewer than {offset + 1} of the first {ENTRIES} entries are selected; read on by Link",
                f"前{ENTRIES}条中符合条件的不足{offset + 1}条，请按Link继续读取",
            )
