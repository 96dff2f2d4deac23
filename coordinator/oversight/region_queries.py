"""Queries the nodes of regions, all at the same time, and lists those without a response, with the reason."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from coordinator.membership.members import CurrentMembers, former_regions
from coordinator.membership.rules import require_configured, require_reachable
from coordinator.routing.channels import RegionChannels
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.complaint_oversight_service_pb2 import FormerComplaints
from gateway.api.region.v1.quality_service_pb2 import FormerMonth
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable
from gateway.rpc.calls import current_call
from gateway.rpc.channels import invoke
from gateway.rpc.incidents import incident
from gateway.time.clock import times_are_dated
from gateway.values.choices import first_unknown

ANSWER_SECONDS = 5.0  # for one region: a region that hangs must not delay the responses of all others

Answer = TypeVar("Answer")
More = TypeVar("More")
Question = TypeVar("Question", bound=Message)
Told = TypeVar("Told", bound=Message)
Ask = Callable[[grpc.aio.Channel, float], Awaitable[Answer]]
"""Queries one process of a region over the channel, within so many seconds."""


class UnreadableAnswer(Exception):
    """An answer of a region holds what no list can be made of."""


async def readable_answer(
    rpc: "grpc.aio.UnaryUnaryMultiCallable[Question, Told]", question: Question, seconds: float
) -> Told:
    """As `invoke`. Raises UnreadableAnswer, too, for a time that no calendar has, or a choice of a later version.

    Lists of all regions are merged by times, and have words for choices: one such answer would end them all.
    """
    answer = await invoke(rpc, question, seconds)
    if not times_are_dated(answer):
        raise UnreadableAnswer("a time is out of range")
    if unknown := first_unknown(answer):
        raise UnreadableAnswer(unknown)
    return answer


async def answers_in_turn(
    rpc: "grpc.aio.UnaryUnaryMultiCallable[Question, Told]", questions: Iterable[Question], seconds: float
) -> list[Told]:
    """The readable answers to one question after the other, all within so many seconds."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    return [await readable_answer(rpc, each, max(0.0, ends - loop.time())) for each in questions]


def require_asked(told: "Sequence[FormerMonth] | Sequence[FormerComplaints]", asked: Sequence[str]) -> None:
    """Raises UnreadableAnswer unless an answer names regions of the question alone, each at most once."""
    if len(told) > len(asked) or len({each.region for each in told} & set(asked)) < len(told):
        raise UnreadableAnswer("it names other regions than the question, or one of them twice")


@dataclass(frozen=True)
class Answers(Generic[Answer]):
    """The responses of regions, and the reasons of those without one."""

    by_region: dict[str, Answer]
    refusals: dict[str, Refused]

    def unanswered(self, *but: Reason.ValueType) -> list[UnansweredRegion]:
        """The regions without a response, by id, except refusals with one of the reasons `but`."""
        return [
            UnansweredRegion(region=region, reason=refused.reason)
            for region, refused in sorted(self.refusals.items())
            if refused.reason not in but
        ]

    @classmethod
    def of(cls, found: Mapping[str, Answer | Refused]) -> "Answers[Answer]":
        """The responses among those found, and the reasons of the other regions."""
        by_region = {region: answer for region, answer in found.items() if not isinstance(answer, Refused)}
        return cls(by_region, {region: answer for region, answer in found.items() if isinstance(answer, Refused)})

    def without(self, more: dict[str, Refused]) -> "Answers[Answer]":
        """The same responses, of which these refusals of further queries have kept a part back."""
        return Answers(self.by_region, self.refusals | more)

    def __or__(self, more: "Answers[Answer]") -> "Answers[Answer]":
        """The responses of both."""
        return Answers(self.by_region | more.by_region, self.refusals | more.refusals)


class Regions:
    """The regions of the federation as targets of queries, without those that never joined."""

    def __init__(self, members: CurrentMembers, channels: RegionChannels) -> None:
        self._members = members
        self._channels = channels

    def is_configured(self, region: str) -> bool:
        """Whether the federation has such a region."""
        return region in self._members.all()

    def require_configured(self, region: str) -> None:
        """Raises Refused with REGION_UNKNOWN unless the federation has such a region."""
        require_configured(self._members.all(), region)

    def is_known(self, region: str) -> bool:
        """Whether the federation has such a region, or had it: then other regions have records with it."""
        return self.is_configured(region) or self._members.snapshot().facts(region).ever_joined

    def require_known(self, region: str) -> None:
        """Raises Refused with REGION_UNKNOWN unless the federation has such a region, or had it."""
        if not self.is_known(region):
            self.require_configured(region)

    def joined(self) -> list[str]:
        """The regions that ever joined, by id."""
        return [
            region for region, member in self._members.all().items() if member.state != MemberState.MEMBER_STATE_ABSENT
        ]

    def former(self) -> list[str]:
        """The regions that have left, by id: the others have records with them."""
        return former_regions(self._members.snapshot())

    async def ask(self, regions: Iterable[str], ask: Ask[Answer], at_most: float = ANSWER_SECONDS) -> Answers[Answer]:
        """Queries regions at the same time, each within the time left of the call, and at most `at_most` seconds."""
        return await self.ask_within(regions, ask, current_call().seconds_left(at_most))

    async def ask_besides(
        self, ask: Ask[Answer], besides: Ask[More] | None, at_most: float = ANSWER_SECONDS
    ) -> tuple[Answers[Answer], Answers[More]]:
        """Queries all regions that joined, as `ask`, and each that answers for a further part, which may be missing.

        Each query has its own time, and no region waits for another: else one that hangs takes the time of all further
        parts. A region without time left gives none.
        """
        seconds = current_call().seconds_left(at_most)

        async def both(region: str) -> tuple[Answer | Refused, dict[str, More | Refused]]:
            answer = await self._ask_one(region, ask, seconds)
            if besides is None or isinstance(answer, Refused):
                return answer, {}
            return answer, {region: await self._ask_one(region, besides, current_call().patience(at_most))}

        regions = self.joined()
        found = await asyncio.gather(*(both(region) for region in regions))
        answers = {region: answer for region, (answer, _) in zip(regions, found, strict=True)}
        more = {region: answer for _, further in found for region, answer in further.items()}
        return Answers.of(answers), Answers.of(more)

    async def require(self, region: str, ask: Ask[Answer]) -> Answer:
        """The response of one region. Raises Refused where it gives none."""
        answers = await self.ask([region], ask)
        if region not in answers.by_region:
            raise answers.refusals[region]
        return answers.by_region[region]

    async def ask_within(self, regions: Iterable[str], ask: Ask[Answer], seconds: float) -> Answers[Answer]:
        """Queries regions at the same time, also outside of a call."""
        asked = list(regions)
        found = await asyncio.gather(*(self._ask_one(region, ask, seconds) for region in asked))
        return Answers.of(dict(zip(asked, found, strict=True)))

    async def _ask_one(self, region: str, ask: Ask[Answer], seconds: float) -> Answer | Refused:
        try:
            require_reachable(self._members.all(), region)
            return await self._channels.call(region, lambda replica, left: ask(replica.channel, left), seconds)
        except Refused as refused:
            return refused
        except UnreadableAnswer as error:
            return incident(f"an answer of {region}", error)
        except Unreachable:
            return Refused(Reason.REASON_REGION_UNREACHABLE, region=region)
