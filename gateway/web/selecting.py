"""Selection by the query of TMF630: attributes, values, and a part of a list. Pure.

A parameter that nobody heeds is refused, because its caller would take the answer for another one.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.errors import invalid
from gateway.rpc.pages import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE
from gateway.values.lists import one_of
from gateway.web.enum_words import numbers_of
from gateway.web.json_bodies import unsupported

FIELDS = "fields"
SORT = "sort"
LIMIT, TOKEN = "limit", "pageToken"
MOST_ATTRIBUTES = 8
"""The most attributes by which one request sorts a list."""
_OFFSET = "offset"
_BY_TOKENS = (LIMIT, TOKEN)
_PAGING = (_OFFSET, *_BY_TOKENS)
ALWAYS = ("id", "href", "@type")
"""The attributes that every answer with a resource has, whatever is selected."""
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)
_SIMPLE = ("string", "number", "integer", "boolean")
INT64, DURATION = "int64", "google-duration"
"""The formats of texts that are numbers: of 64 bits, and of seconds with an `s` behind (registry of OpenAPI)."""
TIME = "date-time"
"""The format of times."""
Query = Mapping[str, str]
Schema = Mapping[str, object]
"""JSON Schema."""


def require_known(query: Query, known: Collection[str]) -> None:
    """Raises Refused with ATTRIBUTE_UNSUPPORTED for another parameter, and for `fields` below the first level.

    A value without a word is refused, because it would select everything.
    """
    for name in query:
        if name not in known:
            raise unsupported(name, "nothing is selected by it", "不能按此筛选")
        if not _words(query, name):
            raise invalid(name, "is empty", "为空")
    if "." in query.get(FIELDS, ""):
        raise unsupported(FIELDS, "it names attributes of the resource itself", "仅限资源自身的属性")


@dataclass(frozen=True)
class Selection:
    """The parameters that the query of a route may have, beside `fields`."""

    order: str = ""
    """The order that its list has, for example `-creationDate`; empty for one resource."""
    filters: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Each with the words that it takes; without any where it takes a text, which is one."""
    single: Collection[str] = ()
    """The filters that take one word, and not several."""
    rough: Collection[str] = ()
    """The filters by which the RPC may select more than they want; the rest is left out."""
    is_counted: bool = False
    """Whether places of the list are counted, and `offset` names one."""
    is_sortable: bool = True
    """Whether the list comes in reverse, and in an order by any attribute, too."""
    has_reverse: bool = True
    """Whether the RPC gives the list in reverse; else a list in reverse is sorted."""
    pages: int = 4
    """The most pages of the RPC among which one request selects: other work of the region waits meanwhile."""

    @property
    def paging(self) -> Sequence[str]:
        """The parameters that name a part of the list."""
        if not self.order:
            return ()
        return _PAGING if self.is_counted else _BY_TOKENS

    @property
    def orders(self) -> Sequence[str]:
        """The orders that the RPC has; the first is that of the list without `sort`."""
        reverse = ",".join(each[1:] if each.startswith("-") else f"-{each}" for each in self.order.split(","))
        return (self.order, reverse) if self.is_sortable and self.has_reverse else (self.order,)

    @property
    def known(self) -> Set[str]:
        """All parameters of the query."""
        return {FIELDS, *((SORT,) if self.order else ()), *self.paging, *self.filters}

    def require(self, query: Query, within: Collection[str] = ()) -> None:
        """Raises Refused for any other parameter, and for several values that no RPC would heed.

        `within` are the parameters that the RPC does not select by.
        """
        require_known(query, (*self.known, *within))
        for name, words in self.filters.items():
            if "," in query.get(name, "") and not self.takes_several(name, words):
                raise unsupported(name, "it takes one value", "仅限一个值")

    def order_in(self, query: Query) -> str | None:
        """The order of the RPC that a query wants; None for another one.

        The first attributes of an order name it, too: the others decide between equals.
        """
        wanted = self._wanted(query)
        return next((each for each in self.orders if wanted == each.split(",")[: len(wanted)]), None)

    def sorted_by(self, query: Query, paths: Collection[str]) -> Sequence[str]:
        """The attributes by which a list is to be sorted, `-` before one that falls; none where the RPC has the order.

        `paths` are those of attributes that the RPC does not select by. Raises Refused for any other attribute, which
        entries may lack; for one named twice; and for too many, since the list is sorted once for each.
        """
        if self.order_in(query) is not None:
            return ()
        wanted = self._wanted(query)
        names = [each.removeprefix("-") for each in wanted]
        if not self.is_sortable or not set(names) <= {*self.filters, *paths}:
            more, chinese = (", or attributes that select", "或可筛选的属性") if self.is_sortable else ("", "")
            orders, either = " or ".join(self.orders), "或".join(self.orders)
            raise unsupported(SORT, f"it is {orders}{more}", f"可用值为{either}{chinese}")
        if len(set(names)) != len(names):
            raise invalid(SORT, "names an attribute twice", "同一属性出现两次")
        if len(names) > MOST_ATTRIBUTES:
            raise invalid(SORT, f"names more than {MOST_ATTRIBUTES} attributes", f"属性超过{MOST_ATTRIBUTES}个")
        return wanted

    @property
    def attributes(self) -> Sequence[str]:
        """The attributes of its order, and those that the RPC selects by."""
        return list(dict.fromkeys([*(each.removeprefix("-") for each in self.order.split(",")), *self.filters]))

    def _wanted(self, query: Query) -> Sequence[str]:
        return [each.strip().removeprefix("+") for each in query.get(SORT, self.order).split(",")]

    def takes_several(self, name: str, words: Collection[str]) -> bool:
        """Whether a filter, which has these words, takes several."""
        return bool(words) and name not in self.single


def fields_of(query: Query) -> Collection[str]:
    """The attributes that `fields` names, always with those of `ALWAYS`; none without it, when all are wanted."""
    named = _words(query, FIELDS)
    return {*ALWAYS, *named} if named else ()


def attributes_of(
    properties: Mapping[str, Schema], schemas: Mapping[str, Schema], before: str = ""
) -> Iterator[tuple[str, Schema]]:
    """The attributes of an object at their paths, and those of the objects in them.

    `schemas` are those of the objects, by their references. An object within itself ends the path.
    """
    for name, schema in properties.items():
        place, held = f"{before}{name}", _inner(schema)
        yield place, schema
        reference = held.get("$ref")
        inner = held if reference is None else schemas.get(str(reference), {})
        others = {each: found for each, found in schemas.items() if each != reference}
        yield from attributes_of(cast("Mapping[str, Schema]", inner.get("properties", {})), others, f"{place}.")


def paths_of(properties: Mapping[str, Schema], schemas: Mapping[str, Schema]) -> Mapping[str, Schema]:
    """The texts, numbers and flags of an object, by their paths. `schemas` as of `attributes_of`."""
    found = ((path, _inner(schema)) for path, schema in attributes_of(properties, schemas))
    return {path: schema for path, schema in found if schema.get("type") in _SIMPLE}


def _inner(schema: Schema) -> Schema:
    return cast("Schema", schema.get("items", schema))


def within(query: Query, selection: Selection, paths: Mapping[str, Schema]) -> Mapping[str, Collection[str]]:
    """The values that the RPC does not select by, by the paths of the attributes that may have them.

    Commas stand between several values, and may stand in one. Raises Refused for a value of a time that is none.
    """
    found = {name: _words(query, name) for name in selection.rough if name in query}
    return {**found, **{name: _values(query, name, paths[name]) for name in query if name in paths}}


def _values(query: Query, name: str, schema: Schema) -> Collection[str]:
    if schema.get("format") == TIME:
        return {_time(each, name) for each in _words(query, name)}
    return {query[name].strip(), *_words(query, name)}


def _time(said: str, name: str) -> str:
    """A time as answers write it, whatever its offset."""
    time = Timestamp()
    try:
        time.FromJsonString(said)
    except (ValueError, OverflowError):
        raise invalid(name, "is no time of RFC 3339; write + as %2B", "不是RFC 3339格式的时间；+须写作%2B") from None
    return time.ToJsonString()


def values_at(told: object, path: Sequence[str], default: object = None) -> Iterator[object]:
    """The values of JSON at a path: of several places, where arrays lead there.

    An object without the attribute has its `default`, unless that is None.
    """
    if isinstance(told, list):
        for each in told:
            yield from values_at(each, path, default)
    elif isinstance(told, Mapping):
        if path and path[0] in told:
            yield from values_at(told[path[0]], path[1:], default)
        elif len(path) == 1 and default is not None:
            yield default
    elif not path:
        yield told


def has(told: object, path: Sequence[str], values: Collection[str], default: object = None) -> bool:
    """Whether JSON has one of these values at a path: in one place at least, where arrays lead to several.

    `default` as of `values_at`.
    """
    return any(_reads(each, value) for each in values_at(told, path, default) for value in values)


def _reads(told: object, value: str) -> bool:
    """Whether a value of a query is a text, a flag, or a number, however that is written."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return (told if isinstance(told, str) else json.dumps(told)) == value
    try:
        return float(value) == told
    except ValueError:
        return False


def values_in(query: Query, name: str, known: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """The numbers for the words of a filter, any of which selects. Raises Refused for an unknown word."""
    found = [known.get(word) for word in _words(query, name)]
    if None in found:
        raise invalid(name, *one_of(known))
    return [number for numbers in found for number in numbers or ()]


def words_of(enum: EnumDescriptor) -> Mapping[str, Sequence[int]]:
    """The words of an enum, for `values_in`."""
    return {word: (number,) for word, number in numbers_of(enum).items()}


def _words(query: Query, name: str) -> Sequence[str]:
    return [word for each in query.get(name, "").split(",") if (word := each.strip())]


@dataclass(frozen=True)
class Paging:
    """A part of a list: by the number of its first place, or behind the token of a `Link`."""

    offset: int
    limit: int
    token: str

    @classmethod
    def of(cls, query: Query, farthest: int) -> "Paging":
        """That of a query. Raises Refused for an offset beyond `farthest`, and for more or less than a page."""
        offset = _number(query, _OFFSET, 0, range(farthest + 1))
        limit = _number(query, LIMIT, DEFAULT_PAGE_SIZE, range(1, LARGEST_PAGE_SIZE + 1))
        return cls(offset, limit, query.get(TOKEN, ""))


def part_query(query: Query, token: str, limit: int) -> Query:
    """The query for another part of the same list."""
    others = {name: value for name, value in query.items() if name not in _PAGING}
    return {**others, LIMIT: str(limit), **({TOKEN: token} if token else {})}


def listed_headers(path: str, query: Query, count: int, total: int | None, token: str) -> dict[str, str]:
    """The headers of a part of a list with `count` items, which continues behind a token; empty at its end."""
    headers = {"X-Result-Count": str(count)}
    if total is not None:
        headers["X-Total-Count"] = str(total)
    if token:
        following = {**{name: value for name, value in query.items() if name != _OFFSET}, TOKEN: token}
        headers["Link"] = f'<{path}?{urlencode(following)}>; rel="next"'
    return headers


def _number(query: Query, name: str, default: int, allowed: range) -> int:
    said = query.get(name)
    if said is None:
        return default
    if _NUMBER.fullmatch(said) is None or int(said) not in allowed:
        least, most = allowed[0], allowed[-1]
        raise invalid(name, f"is no whole number from {least} to {most}", f"不是{least}至{most}的整数")
    return int(said)
