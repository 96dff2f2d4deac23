"""The plan of an upgrade: the version of each member, the waiting work, and the next steps in their order. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.coordinator.v1.administration_pb2 import ListRegionsResponse
from gateway.api.federation.v1.federation_pb2 import Feature, Member, MemberState, ProcessVersion
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.federation.capabilities import FEATURES
from gateway.federation.versions import rank, release

COORDINATOR = "coordinator"


class StepKind(Enum):
    """Kinds of steps for people, in the order in which they do them."""

    REPLACE_COORDINATOR = "replace-coordinator"
    """Run `coordinator migrate` and replace the coordinator."""
    REPLACE_PROCESS = "replace-process"
    """Run `region-node migrate` and replace a process of a region."""
    LOOK_AT_REGION = "look-at-region"
    """Find out the version of a region of which no process is connected."""
    CONTRACT = "contract"
    """Run `migrate --contract`, once no older version is to come back."""


@dataclass(frozen=True)
class Process:
    """A coordinator, a process of a region, or a region none of whose processes is connected."""

    member: str
    """The region id, or the name of the coordinator, for example `coordinator/0`."""
    endpoint: str
    """Empty for a region without a connected process."""
    version: ProcessVersion
    """Without a connected process the last one that the coordinator knows of the region; empty where it knows none."""
    heartbeat_time: Timestamp | None = None
    """The last heartbeat of its region; None for a coordinator, which lives by a lease."""
    is_away: bool = False
    """Whether no process of the region is connected."""
    is_behind: bool = False
    """Whether it is older than a coordinator, the command, or another process of its member. False if nobody knows."""

    @property
    def is_unknown(self) -> bool:
        """Whether nobody knows the version: that of a region that is away, and of which no coordinator has kept it."""
        return self.is_away and not self.version.version


@dataclass(frozen=True)
class Waiting:
    """Something that waits for the upgrade of a region."""

    region: str
    feature: Feature.ValueType = Feature.FEATURE_UNSPECIFIED
    """A feature that nobody uses towards the region."""
    envelopes: int = 0
    """Envelopes that the region's present version does not know, and which are kept."""
    origin: str = ""
    """The region that keeps them."""
    unreadable: str = ""
    """The part of the configuration in force that the region cannot read."""


@dataclass(frozen=True)
class Step:
    """Something to do next, at one member."""

    kind: StepKind
    member: str
    endpoint: str = ""
    files: int = 0
    """The contracting schema files that wait."""


@dataclass(frozen=True)
class Plan:
    """The whole plan."""

    target: str
    """The newest release of a coordinator, or that of the command; empty without any."""
    processes: Sequence[Process]
    waiting: Sequence[Waiting]
    steps: Sequence[Step]
    """In the order in which to do them."""

    @property
    def is_done(self) -> bool:
        """Whether all are at one version and nothing waits. Contracting files may wait for as long as people like."""
        return all(step.kind is StepKind.CONTRACT for step in self.steps) and not self.waiting


def plan_of(told: ListRegionsResponse, asking: ProcessVersion) -> Plan:
    """The plan for the members in a coordinator's answer. `asking` is the command's version: it may be the newest."""
    found = list(_told(told))
    newest = max([asking, *(each.version for each in told.replicas)], key=rank)
    # A region has schema files of its own. What it tells counts for itself alone: it may tell anything.
    targets = defaultdict(lambda: (release(newest), 0), {COORDINATOR: rank(newest)})
    for each in found:
        targets[_owner(each.member)] = max(targets[_owner(each.member)], rank(each.version))
    processes = [
        replace(each, is_behind=not each.is_unknown and rank(each.version) < targets[_owner(each.member)])
        for each in found
    ]
    steps = [*_replacing(processes, told), *_contracting(processes)]
    return Plan(newest.version, processes, list(_waiting(told.members)), steps)


def _told(told: ListRegionsResponse) -> Iterator[Process]:
    for replica in told.replicas:
        yield Process(replica.name, replica.endpoint, replica.version)
    for member in told.members:
        known = {each.endpoint: each.version for each in member.processes}
        heartbeat = member.heartbeat_time if member.HasField("heartbeat_time") else None
        for endpoint in member.endpoints:  # an older coordinator tells no more
            yield Process(member.region, endpoint, known.get(endpoint, ProcessVersion()), heartbeat)
        if not member.endpoints and heartbeat is not None:
            yield Process(member.region, "", member.report.version, heartbeat, is_away=True)


def _replacing(processes: Sequence[Process], told: ListRegionsResponse) -> Iterator[Step]:
    for kind in (StepKind.REPLACE_COORDINATOR, StepKind.REPLACE_PROCESS):
        for each in processes:
            if (
                each.is_behind
                and not each.is_away
                and is_coordinator(each.member) == (kind is StepKind.REPLACE_COORDINATOR)
            ):
                yield Step(kind, each.member, each.endpoint)
    for member in told.members:
        if not member.endpoints and member.state != MemberState.MEMBER_STATE_ABSENT:
            yield Step(StepKind.LOOK_AT_REGION, member.region)


def _contracting(processes: Sequence[Process]) -> Iterator[Step]:
    """The contracting files of each database that is in use and none of whose processes is behind."""
    present = [each for each in processes if not each.is_away]
    for owner in dict.fromkeys(_owner(each.member) for each in present):
        of_owner = [each for each in present if _owner(each.member) == owner]
        files = max(each.version.contracting_files for each in of_owner)
        if files and not any(each.is_behind for each in of_owner):
            yield Step(StepKind.CONTRACT, owner, files=files)


def _waiting(members: Sequence[Member]) -> Iterator[Waiting]:
    for member in members:
        if member.endpoints:
            yield from (Waiting(member.region, feature=each) for each in FEATURES if each not in member.features)
        if member.report.unreadable:
            yield Waiting(member.region, unreadable=member.report.unreadable)
    for member in members:
        for each in member.report.waiting:
            if each.reason == Reason.REASON_UPGRADE_REQUIRED:
                yield Waiting(each.destination, envelopes=each.count, origin=member.region)


def is_coordinator(member: str) -> bool:
    """Whether a member of a plan is a coordinator. The id of a region has no slash."""
    return "/" in member


def _owner(member: str) -> str:
    """Whose database it is: a region's, or that of the coordinators."""
    return COORDINATOR if is_coordinator(member) else member
