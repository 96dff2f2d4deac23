"""One list out of the lists of several regions, page by page. Pure.

A page ends where a region with more items has looked last: the items behind that place are unknown yet. Items of other
regions behind it wait for the next page, which asks these regions again by the same token.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.pages import decode_token, encode_token

Item = TypeVar("Item")
_PLACE_PARTS = 3


@dataclass(frozen=True)
class Place:
    """Where a region goes on: in the page of its own token, behind the key `told`. Both are empty first."""

    token: str = ""
    told: str = ""


@dataclass(frozen=True)
class Part(Generic[Item]):
    """The answers of a region: its pages, each with the token of its question, and the token of the next."""

    pages: Sequence[tuple[str, Sequence[Item]]] = field(default=(), repr=False)
    following: str = ""
    looked: str = ""
    """The key as far as the region has looked, where it may have looked behind its last item; else empty."""

    def items(self) -> list[Item]:
        """Those of all pages."""
        return [each for _, items in self.pages for each in items]

    def more(self, items: Sequence[Item], following: str, looked: str = "") -> "Part[Item]":
        """This with the next page."""
        return Part([*self.pages, (self.following, items)], following, looked)


@dataclass(frozen=True)
class MergedPage(Generic[Item]):
    """A page of the list of all regions."""

    items: Sequence[Item] = field(repr=False)
    following: str
    """The token of the next page; empty on the last."""
    blocking: Sequence[str]
    """The regions that have looked least far and have more, where the page is not full: with their next page it goes
    further."""


@dataclass(frozen=True)
class MergedList(Generic[Item]):
    """A list of several regions."""

    kind: str
    """As for `encode_token`."""
    key: Callable[[Item], str]
    """The place of an item: the keys sort as the list does. A key carries no line break."""
    chosen: Callable[[Mapping[str, Sequence[Item]]], Iterable[Item]]
    """Each item once, out of what regions have told, in any order."""
    descending: bool = False

    def places(self, token: str, regions: Sequence[str]) -> dict[str, Place]:
        """Returns the regions with more items, and their places; for the empty token, all regions at their begin.

        Raises Refused with TOKEN_INVALID.
        """
        if not token:
            return dict.fromkeys(regions, Place())
        places = {}
        for line in decode_token(self.kind, token).split("\n"):
            parts = line.split(" ", _PLACE_PARTS - 1)
            if len(parts) != _PLACE_PARTS or parts[0] not in regions:
                raise Refused(Reason.REASON_TOKEN_INVALID)
            places[parts[0]] = Place(*parts[1:])
        return places

    def page(self, places: Mapping[str, Place], parts: Mapping[str, Part[Item]], size: int) -> MergedPage[Item]:
        """At most `size` items in their order.

        `places` are those of the questioned regions, `parts` their answers. A region without an answer keeps its place
        as long as another one has more.
        """
        begins = {region: places.get(region, Place()) for region in parts}
        every = {region: part.items() for region, part in parts.items()}
        keys = {id(each): self.key(each) for items in every.values() for each in items}

        def key(item: Item) -> str:
            """The key of an item, which is made once for an item of a region."""
            return keys.get(id(item)) or self.key(item)

        found = {
            region: [each for each in items if self._is_behind(key(each), begins[region].told)]
            if begins[region].told
            else items
            for region, items in every.items()
        }
        ends = {region: self._end(every[region], part.looked) for region, part in parts.items() if part.following}
        end = "" if "" in ends.values() else (max if self.descending else min)(ends.values(), default="")
        if ends:
            found = {
                region: [each for each in items if end and not self._is_behind(key(each), end)]
                for region, items in found.items()
            }
        told = sorted(self.chosen(found), key=key, reverse=self.descending)
        if len(told) > size:
            end = self.key(told[size - 1])
        elif not ends:
            return MergedPage(told, "", [])
        following = {region: self._place_after(part, begins[region], end, key) for region, part in parts.items()}
        going_on = {region: place for region, place in following.items() if place is not None}
        waiting = {region: place for region, place in places.items() if region not in parts}
        token = self._token(going_on | waiting) if going_on else ""
        blocking = [region for region, each in ends.items() if each in ("", end)] if len(told) < size else []
        return MergedPage(told[:size], token, blocking)

    def _token(self, places: Mapping[str, Place]) -> str:
        lines = [f"{region} {place.token} {place.told}" for region, place in sorted(places.items())]
        return encode_token(self.kind, "\n".join(lines))

    def _end(self, items: Sequence[Item], looked: str) -> str:
        """How far a region with these items has looked; empty where nobody knows."""
        known = (self.key(items[-1]) if items else "", looked)
        return (min if self.descending else max)(filter(None, known), default="")

    def _place_after(self, part: Part[Item], begin: Place, end: str, key: Callable[[Item], str]) -> Place | None:
        """Where a region goes on after what was told up to a key; None after its end."""
        told = end if self._is_behind(end, begin.told) else begin.told
        for token, items in part.pages:
            if any(self._is_behind(key(each), told) for each in items):
                return Place(token, told)
        return Place(part.following) if part.following else None

    def _is_behind(self, key: str, place: str) -> bool:
        """Whether a key comes later in the list; all do behind the empty one, which comes first."""
        return bool(key) and (not place or (key < place if self.descending else key > place))
