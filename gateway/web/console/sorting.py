"""Lists in the order of a column. Its heading leads there, and the sorting of the Open APIs makes it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, Self, TypeVar, cast

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import Refused
from gateway.web.console.lists import PAGE, ListPage, TextFilter, list_page
from gateway.web.console.pages import Visit
from gateway.web.console.parts import Choice
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed, Sorting
from gateway.web.selecting import LIMIT, SORT, TOKEN, Query, Selection
from gateway.web.tables import Cell, Table

E = TypeVar("E", bound=Message)
R = TypeVar("R")
Value = str | int | Timestamp
_PLACE = "place"


class Paged(Protocol):
    """The answer of an RPC with a page of a list."""

    next_page_token: str

    def MergeFrom(self, other_msg: Self) -> None:  # noqa: N802 - the name of protobuf
        """Adds another page."""


A = TypeVar("A", bound=Paged)
A_co = TypeVar("A_co", bound=Paged, covariant=True)
Entries = Callable[[A], RepeatedCompositeFieldContainer[E]]
"""The entries of an answer."""


@dataclass(frozen=True)
class Part:
    """The page of an RPC: its size and its place in the list."""

    size: int
    token: str
    in_reverse: bool = False


@dataclass(frozen=True)
class Found(Generic[A_co]):
    """A page of a list; without an entry where its order is refused."""

    answer: A_co
    refused: Refused | None = None


@dataclass(frozen=True)
class Column(Generic[R]):
    """A column by which a list is sorted."""

    name: str
    """Its word in the address."""
    value: Callable[[R], Value]
    """The value of an entry; an empty text or time comes last. An enum sorts by its number."""


@dataclass(frozen=True)
class Columns(Generic[E]):
    """The columns of a list."""

    order: str
    """The order in which the RPC gives the list, for example `-create_time`."""
    columns: Sequence[Column[E] | None]
    """One for each heading of the table; None where the list is not sorted by it."""
    has_reverse: bool = False
    """Whether the RPC gives the list in reverse, too."""

    async def read(
        self, visit: Visit, size: int, ask: Callable[[Part], Awaitable[A]], entries: "Entries[A, E]"
    ) -> Found[A]:
        """The page that the address wants: by one call in an order of the RPC, else out of the whole list.

        Raises Refused for an unknown column, and as `ask`.
        """
        wanted = {LIMIT: str(size), SORT: visit.query.text(SORT), TOKEN: visit.query.text(PAGE)}
        query = {name: said for name, said in wanted.items() if said}
        values = {each.name: each.value for each in self.columns if each is not None}
        by = self._selection.sorted_by(query, values)
        if by:
            return await self._sorted(query, by, values, ask, entries)
        in_reverse = self._selection.order_in(query) != self.order
        return Found(await ask(Part(size, query.get(TOKEN, ""), in_reverse)))

    async def _sorted(
        self,
        query: Query,
        by: Sequence[str],
        values: Mapping[str, Callable[[E], Value]],
        ask: Callable[[Part], Awaitable[A]],
        entries: "Entries[A, E]",
    ) -> Found[A]:
        names = [each.removeprefix("-") for each in by]
        answers, found = list[A](), list[E]()

        async def page(part: Query) -> Listed:
            answer = await ask(Part(int(part[LIMIT]), part.get(TOKEN, "")))
            items = [
                JsonObject.of({_PLACE: place, **{name: _told(values[name](each)) for name in names}})
                for place, each in enumerate(entries(answer), len(found))
            ]
            answers.append(answer)
            found.extend(entries(answer))
            return Listed("", items, answer.next_page_token, None)

        sorting = Sorting(query, {}, self._selection, {}, by)
        chosen, refused = Listed("", (), "", None), None
        try:
            chosen = await sorting.page(await page(sorting.first), page)
        except Refused as error:
            if error.parameters.get("field") != SORT:
                raise
            refused = error  # the page offers its filters, by which the list becomes short enough
        whole, *others = answers
        for each in answers:
            del entries(each)[:]
        for each in others:
            whole.MergeFrom(each)
        entries(whole).extend(found[cast("int", each[_PLACE])] for each in chosen.items)
        whole.next_page_token = chosen.token
        return Found(whole, refused)

    def page(
        self,
        visit: Visit,
        path: str,
        choices: Sequence[Choice],
        table: Table,
        found: Found[Paged],
        texts: Sequence[TextFilter] = (),
        notes: Sequence[str] = (),
        above: Sequence[Table] = (),
    ) -> ListPage:
        """The page of the list at a path. Its headings lead to other orders of the same list."""
        following, table = found.answer.next_page_token, _headed(visit, path, table, self.order, self.columns)
        return list_page(visit, path, choices, table, following, texts, notes, above, refused=found.refused)

    @property
    def _selection(self) -> Selection:
        return Selection(self.order, has_reverse=self.has_reverse)


@dataclass(frozen=True)
class Rows(Generic[R]):
    """A list that its page has read as a whole."""

    order: str
    """The order of the list where the address names none."""
    columns: Sequence[Column[R] | None]
    """See `Columns`."""

    def in_order(self, visit: Visit, rows: Iterable[R]) -> Sequence[R]:
        """The rows in the order that the address wants. Rows without a value come last, and equal ones as they came.

        Raises Refused for an unknown column.
        """
        columns = {each.name: each.value for each in self.columns if each is not None}
        said, selection = visit.query.text(SORT), Selection(self.order, has_reverse=False)
        wanted = selection.sorted_by({SORT: said} if said else {}, columns) or [self.order]
        found = list(rows)
        for each in reversed(wanted):
            value = columns[each.removeprefix("-")]
            filled = [row for row in found if _told(value(row)) != ""]
            filled.sort(key=lambda row: _rank(value(row)), reverse=each.startswith("-"))
            found = [*filled, *(row for row in found if _told(value(row)) == "")]
        return found

    def headed(self, visit: Visit, path: str, table: Table) -> Table:
        """The table of the page at a path, whose headings lead to other orders."""
        return _headed(visit, path, table, self.order, self.columns)


def _headed(visit: Visit, path: str, table: Table, order: str, columns: Sequence[Column[R] | None]) -> Table:
    said = visit.query.text(SORT) or order
    first = said.split(",")[0].strip().removeprefix("+")
    kept = {name: text for name, text in visit.query.pairs() if name not in (SORT, PAGE)}

    def heading(cell: Cell, column: Column[R] | None) -> Cell:
        if column is None:
            return cell
        following = f"-{column.name}" if first == column.name else column.name
        href = visit.address(path, **kept, **{SORT: following})
        if first.removeprefix("-") != column.name:
            return replace(cell, href=href)
        return replace(cell, href=href, sort="descending" if first.startswith("-") else "ascending")

    head = [heading(cell, column) for cell, column in zip(table.head, columns, strict=True)]
    return replace(table, head=head, order=table.order if said == order else "")


def _told(value: Value) -> str | int:
    """A value as the answers of the Open APIs have it."""
    if not isinstance(value, Timestamp):
        return value
    return value.ToJsonString() if value != Timestamp() else ""


def _rank(value: Value) -> tuple[int, int] | tuple[str | int]:
    """The place of a value among those of its column."""
    return (value.seconds, value.nanos) if isinstance(value, Timestamp) else (value,)
