"""One list out of the lists of several regions, page by page. Pure.

A page ends where the answer of a region ends that has more: behind that place nobody knows yet what comes next. Items
that others have told behind it are left to the next page, for which they are asked again by the same token.
"""

import operator
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.pages import decode_token, encode_token

Item = TypeVar("Item")
_PLACE_PARTS = 3


@dataclass(frozen=True)
class Place:
    """Where a region goes on: in the page of its own token, behind the key that was told last. Both are empty first."""

    token: str = ""
    told: str = ""


@dataclass(frozen=True)
class Part(Generic[Item]):
    """What a region has answered: its pages, each with the token that it was asked by, and the token of the next."""

    pages: Sequence[tuple[str, Sequence[Item]]] = field(default=(), repr=False)
    following: str = ""


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
        """Which of the regions have more, and where each goes on: all, from their begin on, for the empty token.

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

    def page(self, places: Mapping[str, Place], parts: Mapping[str, Part[Item]], size: int) -> tuple[list[Item], str]:
        """At most `size` items in their order, and the token of the next page; empty on the last.

        `places` are those of the regions that were asked, `parts` what was answered. A region without an answer keeps
        its place as long as another one has more.
        """
        found = {region: self.behind(places.get(region, Place()), part) for region, part in parts.items()}
        keys = sorted({self.key(each) for items in found.values() for each in items}, reverse=self.descending)
        position = {key: number for number, key in enumerate(keys)}
        ends = [
            position[self.key(items[-1])] if items else -1 for region, items in found.items() if parts[region].following
        ]
        end = min(ends, default=len(keys) - 1)
        near = {region: [each for each in items if position[self.key(each)] <= end] for region, items in found.items()}
        told = sorted(self.chosen(near), key=self.key, reverse=self.descending)
        if len(told) > size:
            end = position[self.key(told[size - 1])]
        left = {key for key, number in position.items() if number > end}
        rest = {region: place for region, place in places.items() if region not in parts}
        goes_on = False
        for region, part in parts.items():
            last = keys[end] if end >= 0 else places.get(region, Place()).told
            place = self._place_after(part, left, last)
            if place is not None:
                rest[region], goes_on = place, True
        lines = [f"{region} {place.token} {place.told}" for region, place in sorted(rest.items())]
        return told[:size], encode_token(self.kind, "\n".join(lines)) if goes_on else ""

    def behind(self, place: Place, part: Part[Item]) -> list[Item]:
        """What a region has answered behind the key that was told last of it."""
        answered = [each for _, items in part.pages for each in items]
        if not place.told:
            return answered
        is_behind = operator.lt if self.descending else operator.gt
        return [each for each in answered if is_behind(self.key(each), place.told)]

    def _place_after(self, part: Part[Item], left: Container[str], last: str) -> Place | None:
        """Where a region goes on, of which the items with the keys `left` were not told; None after its end."""
        for token, items in part.pages:
            if any(self.key(each) in left for each in items):
                return Place(token, last)
        return Place(part.following) if part.following else None
