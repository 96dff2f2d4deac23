"""Sends problems to regions: each version to each participating region, until the region has accepted it."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coordinator.membership.members import CurrentMembers
from coordinator.problems import rules
from coordinator.registry.port import Registry
from coordinator.routing.channels import RegionChannels
from gateway.api.coordinator.v1.problem_service_pb2 import Problem
from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.federation.v1.problem_pb2 import ProblemHeader
from gateway.api.region.v1.followed_problem_service_pb2 import FollowProblemRequest
from gateway.api.region.v1.followed_problem_service_pb2_grpc import FollowedProblemServiceStub
from gateway.errors import Refused, Unreachable
from gateway.process import failpoints
from gateway.rpc.channels import invoke

_AGAIN = 5.0  # seconds until the next attempt at a region that did not respond
_ANSWER_SECONDS = 10.0  # for a region, which only writes
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FollowingPorts:
    """The ports of the follower loop."""

    registry: Registry
    members: CurrentMembers
    channels: RegionChannels


class Following:
    """A loop of each coordinator. Two may send the same problem: a region keeps the higher version."""

    def __init__(self, ports: FollowingPorts) -> None:
        self._ports = ports
        self._changed = asyncio.Event()
        self._problems: Mapping[str, Problem] = {}

    def note_change(self, problems: Mapping[str, Problem]) -> None:
        """Notes that problems, by id, may have changed."""
        self._problems = problems
        self._changed.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self.tell_all()
            except Refused as refused:
                _log.info("regions are told of problems again soon: %s", refused)
            try:
                async with asyncio.timeout(_AGAIN):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def tell_all(self) -> None:
        """Sends each region the versions that it lacks. Raises Refused where the registry does not respond."""
        problems = self._problems
        followed = await self._ports.registry.problems.followed() if problems else {}
        regions = [
            name
            for name, member in self._ports.members.all().items()
            if member.state == MemberState.MEMBER_STATE_JOINED and member.endpoints
        ]
        await asyncio.gather(
            *(
                self._tell_region(
                    region,
                    [
                        each
                        for each in problems.values()
                        if followed.get((each.header.id, region), 0) < each.header.version
                    ],
                )
                for region in regions
            )
        )

    async def _tell_region(self, region: str, problems: list[Problem]) -> None:
        for problem in in_order(problems):
            request = FollowProblemRequest(header=header_for(region, problem.header))
            try:
                await self._ports.channels.call(
                    region,
                    lambda node, left: invoke(FollowedProblemServiceStub(node.channel).FollowProblem, request, left),  # noqa: B023
                    _ANSWER_SECONDS,
                )
                failpoints.reach("problem-followed.before-noted")
                await self._ports.registry.problems.note_followed(problem.header.id, region, problem.header.version)
            except (Refused, Unreachable) as failure:
                _log.info("%s is told of %s again: %s", region, problem.header.id, failure)
                return


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of sending, newest first.

    A merged problem precedes the problem that absorbs it: the customers of the merged one are already notified.
    """
    return sorted(problems, key=lambda each: (each.header.state != rules.CANCELLED, rules.place(each)))


def header_for(region: str, header: ProblemHeader) -> ProblemHeader:
    """The header for a region, with only its own children."""
    told = ProblemHeader()
    told.CopyFrom(header)
    del told.child_ids[:]
    told.child_ids.extend(each for each in header.child_ids if rules.reporting_region(each) == region)
    return told
