"""Pages of lists. An attribute by which an RPC does not select is looked for in the pages that the RPC gives."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import Refused, invalid, is_temporary
from gateway.rpc.pages import LARGEST_PAGE_SIZE
from gateway.web.json_texts import JsonObject
from gateway.web.selecting import Paging, Query, Selection, has, part_query


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


class Selecting:
    """The page of a list that a query wants, filled from pages of an RPC."""

    def __init__(self, query: Query, within: Mapping[str, Collection[str]], selection: Selection) -> None:
        """`within` has the values that select, by the paths of attributes. Raises Refused as `Paging.of`."""
        self._query = query
        self._pages = selection.pages
        self._entries = selection.pages * LARGEST_PAGE_SIZE
        self._paging = Paging.of(query, self._entries)
        self._counts = selection.is_counted and not self._paging.token
        self._wanted = [(path.split("."), values) for path, values in within.items()]

    @property
    def first(self) -> Query:
        """The query of the first page of the RPC."""
        return self._part(self._paging.token, LARGEST_PAGE_SIZE)

    async def page(self, page: Listed, read: Callable[[Query], Awaitable[Listed]]) -> Listed:
        """The page. `page` is the first one of the RPC, and `read` gives that of another query.

        It ends early, at a token, where a later page of the RPC is refused for now.

        Raises Refused where an offset leads behind all that is selected in the pages of the RPC, and as `read`
        without items or a token to answer with.
        """
        first = before = self._paging.token
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
                if number == self._pages or not before or (end is not None and not self._counts):
                    break
                page = await read(self._part(before, LARGEST_PAGE_SIZE))
        except Refused as refused:
            if before == first or not is_temporary(refused.reason):
                raise
            failed = refused
        token = before if end is None or count <= last else end.token
        self._require_near(len(found), token, failed)
        return Listed(page.path, found[self._paging.offset :], token, count if self._counts and not before else None)

    def _selected(self, page: Listed) -> Sequence[JsonObject]:
        return [page.items[each] for each in self._places(page)]

    def _places(self, page: Listed) -> Sequence[int]:
        """The places of the selected items of a page."""
        return [
            place
            for place, each in enumerate(page.items)
            if all(has(each, path, values) for path, values in self._wanted)
        ]

    def _part(self, token: str, limit: int) -> Query:
        return part_query(self._query, token, limit)

    def _require_near(self, found: int, token: str, failed: Refused | None) -> None:
        """Raises Refused for an offset behind what was found, where the list goes on; `failed` where that ended it."""
        offset = self._paging.offset
        if offset and token and found <= offset:
            raise failed or invalid(
                "offset",
                f"fewer than {offset + 1} of the first {self._entries} entries are selected; read on by Link",
                f"前{self._entries}条中符合条件的不足{offset + 1}条，请按Link继续读取",
            )
