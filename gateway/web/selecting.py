"""Selection by the query of TMF630: attributes, values, and a part of a list. Pure.

A parameter that nobody heeds is refused, because its caller would take the answer for another one.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from google.protobuf.descriptor import EnumDescriptor

from gateway.errors import invalid
from gateway.rpc.pages import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE
from gateway.web.enum_words import numbers_of
from gateway.web.json_bodies import unsupported

FIELDS = "fields"
SORT = "sort"
LIMIT = "limit"
_OFFSET, _TOKEN = "offset", "pageToken"
_BY_TOKENS = (LIMIT, _TOKEN)
_PAGING = (_OFFSET, *_BY_TOKENS)
_ALWAYS = ("id", "href")
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)
Query = Mapping[str, str]


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
    is_counted: bool = False
    """Whether places of the list are counted, and `offset` names one."""

    @property
    def paging(self) -> Sequence[str]:
        """The parameters that name a part of the list."""
        if not self.order:
            return ()
        return _PAGING if self.is_counted else _BY_TOKENS

    def require(self, query: Query) -> None:
        """Raises Refused for any other parameter, for another order, and for several values that no RPC would heed."""
        require_known(query, (FIELDS, *((SORT,) if self.order else ()), *self.paging, *self.filters))
        if query.get(SORT, self.order) != self.order:
            raise unsupported(SORT, f"the list has the order {self.order}", f"列表顺序为{self.order}")
        for name, words in self.filters.items():
            if "," in query.get(name, "") and not self.takes_several(name, words):
                raise unsupported(name, "it takes one value", "仅限一个值")

    def takes_several(self, name: str, words: Collection[str]) -> bool:
        """Whether a filter, which has these words, takes several."""
        return bool(words) and name not in self.single


def fields_of(query: Query) -> Collection[str]:
    """The attributes that `fields` names, always with id and href; none without it, when all are wanted."""
    named = _words(query, FIELDS)
    return {*_ALWAYS, *named} if named else ()


def selected(told: Mapping[str, object], fields: Collection[str]) -> Mapping[str, object]:
    """The attributes of these names; all without names."""
    return {name: value for name, value in told.items() if name in fields} if fields else told


def values_in(query: Query, name: str, known: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """The numbers for the words of a filter, any of which selects. Raises Refused for an unknown word."""
    found = [known.get(word) for word in _words(query, name)]
    if None in found:
        raise invalid(name, f"it is one of {', '.join(known)}", f"可用值为{'、'.join(known)}")
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
        return cls(offset, limit, query.get(_TOKEN, ""))


def listed_headers(path: str, query: Query, count: int, total: int | None, token: str) -> dict[str, str]:
    """The headers of a part of a list with `count` items, which continues behind a token; empty at its end."""
    headers = {"X-Result-Count": str(count)}
    if total is not None:
        headers["X-Total-Count"] = str(total)
    if token:
        following = {**{name: value for name, value in query.items() if name != _OFFSET}, _TOKEN: token}
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
