"""A page of a list of all regions, out of what each of them answers."""

import asyncio
import functools
import operator
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc

from coordinator.oversight.region_queries import ANSWER_SECONDS, Answers, Ask, Regions
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.rpc.merged_pages import MergedList, Part

Item = TypeVar("Item")
AskMore = Callable[[grpc.aio.Channel, float, Part[Item]], Awaitable[Part[Item]]]
"""Asks a process of a region, within so many seconds, for the page that follows what it has answered so far."""


@dataclass(frozen=True)
class RegionsPage(Generic[Item]):
    """A page, the token of the next one, and the regions without an answer."""

    items: Sequence[Item]
    following: str
    unanswered: Sequence[UnansweredRegion]


async def page_of_regions(
    regions: Regions, listing: MergedList[Item], ask: AskMore[Item], size: int, token: str
) -> RegionsPage[Item]:
    """The page of a token, which is empty for the first one. Raises Refused with TOKEN_INVALID.

    A region may look at many rows for few items. While the page is not full, the regions that hold it up get another
    question; in the second half of the time none does.
    """
    joined = regions.joined()
    places = listing.places(token, joined)
    parts = {region: Part[Item]() for region in joined if region not in places}
    asked = {region: Part[Item](following=place.token) for region, place in places.items()}
    answers: Answers[Part[Item]] = Answers({}, {})
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while True:
        left = begun + ANSWER_SECONDS - loop.time()
        found = await asyncio.gather(*(regions.ask([region], _more(ask, part), left) for region, part in asked.items()))
        answers = functools.reduce(operator.or_, found, answers)
        parts = {region: part for region, part in (parts | answers.by_region).items() if region not in answers.refusals}
        page = listing.page(places, parts, size)
        if not page.blocking or loop.time() > begun + ANSWER_SECONDS / 2:
            return RegionsPage(page.items, page.following, answers.unanswered())
        asked = {region: parts[region] for region in page.blocking}


def _more(ask: AskMore[Item], part: Part[Item]) -> Ask[Part[Item]]:
    return lambda channel, seconds: ask(channel, seconds, part)
