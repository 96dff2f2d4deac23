"""A page of a list of all regions, out of what each of them answers."""

import asyncio
import functools
import operator
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from coordinator.oversight.region_queries import Answers, Ask, Regions
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.rpc.merged_pages import MergedList, Part, Place

Item = TypeVar("Item")
AskPage = Callable[[grpc.aio.Channel, float, str], Awaitable[tuple[Sequence[Item], str]]]
"""Asks a process of a region within so many seconds for the page of a token: its items, and the token of the next."""


@dataclass(frozen=True)
class RegionsPage(Generic[Item]):
    """A page, the token of the next one, and who could not be asked."""

    items: Sequence[Item]
    following: str
    unanswered: Sequence[UnansweredRegion]


async def page_of_regions(
    regions: Regions, listing: MergedList[Item], ask: AskPage[Item], size: int, token: str
) -> RegionsPage[Item]:
    """The page of a token, which is empty for the first one. Raises Refused with TOKEN_INVALID."""
    joined = regions.joined()
    places = listing.places(token, joined)
    found = await asyncio.gather(
        *(regions.ask([region], _filled(listing, ask, place, size)) for region, place in places.items())
    )
    answers: Answers[Part[Item]] = functools.reduce(operator.or_, found, Answers({}, {}))
    ended = {region: Part[Item]() for region in joined if region not in places}
    items, following = listing.page(places, ended | answers.by_region, size)
    return RegionsPage(items, following, answers.unanswered())


def _filled(listing: MergedList[Item], ask: AskPage[Item], place: Place, size: int) -> Ask[Part[Item]]:
    """Asks a region for one page after the other until it has told `size` items more: it may look at many rows for few.

    In the second half of the time no more are begun.
    """

    async def read(channel: grpc.aio.Channel, seconds: float) -> Part[Item]:
        loop, part = asyncio.get_running_loop(), Part[Item](following=place.token)
        begun = loop.time()
        while True:
            items, following = await ask(channel, max(0.0, begun + seconds - loop.time()), part.following)
            part = Part([*part.pages, (part.following, items)], following)
            is_filled = len(listing.behind(place, part)) >= size
            if not following or is_filled or loop.time() > begun + seconds / 2:
                return part

    return read
