"""The regions of the configuration as messages."""

import logging
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.duration_pb2 import Duration

from coordinator.membership.rules import membership_of
from coordinator.registry.port import Registry, Snapshot
from coordinator.registry.rules import RegionFacts
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.time.clock import to_timestamp
from gateway.values.names import snake_case

_LOGGED = 3  # endpoints of a region in one line
_log = logging.getLogger(__name__)


def member_of(facts: RegionFacts) -> Member:
    """A region as a message of the contract."""
    found = membership_of(facts)
    member = Member(
        region=facts.region,
        state=found.state,
        endpoints=sorted(facts.live),
        signing_certificate=facts.signing_certificate,
        state_note=found.note,
        sealing_key=facts.sealing_key if facts.sealing_key.key else None,
        features=facts.features(),
    )
    if found.since is not None:
        member.state_time.CopyFrom(to_timestamp(found.since))
    if facts.last is not None:
        clock_error = Duration()
        clock_error.FromTimedelta(facts.last.clock_error)
        member.heartbeat_time.CopyFrom(to_timestamp(facts.last.time))
        member.federation_revision = facts.last.federation_revision
        member.clock_error.CopyFrom(clock_error)
    return member


def members_of(snapshot: Snapshot) -> dict[str, Member]:
    """All regions of the configuration in force, by id, in the order of ids."""
    return {region: member_of(snapshot.facts(region)) for region in _configured(snapshot)}


def _configured(snapshot: Snapshot) -> list[str]:
    configured = snapshot.configuration.regions if snapshot.configuration is not None else ()
    return sorted(region.id for region in configured)


def former_regions(snapshot: Snapshot) -> list[str]:
    """The regions that have joined once and are no longer in the configuration in force, by id."""
    members = members_of(snapshot)
    return sorted(each.region for each in snapshot.regions.values() if each.ever_joined and each.region not in members)


class CurrentMembers:
    """The current members, made anew when the registry changes and not for each call."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._listeners: list[Callable[[Mapping[str, Member]], None]] = []
        self._snapshot = registry.snapshot()
        self._members: Mapping[str, Member] = members_of(self._snapshot)
        registry.on_change(self._renew)

    def all(self) -> Mapping[str, Member]:
        """Every region of the configuration, by id. The messages are shared and must not be changed."""
        return self._members

    def snapshot(self) -> Snapshot:
        """The snapshot from which the members were made. The registry's own may be newer."""
        return self._snapshot

    def on_change(self, listener: Callable[[Mapping[str, Member]], None]) -> None:
        """Calls the listener with the members after each change."""
        self._listeners.append(listener)

    def _renew(self) -> None:
        """Makes the members anew whose facts are others: most changes are of one region, or of none."""
        before, former = self._members, self._snapshot
        self._snapshot = now = self._registry.snapshot()
        members = dict[str, Member]()
        for region in _configured(now):
            if region in before and now.regions.get(region) is former.regions.get(region):
                members[region] = before[region]
                continue
            members[region] = member = member_of(now.facts(region))
            if region in before and (changed := _changed(before[region], member)):
                _log.info("%s %s", region, changed)
        self._members = members
        for listener in self._listeners:
            listener(self._members)


def _changed(before: Member, after: Member) -> str:
    """The difference in a region's state, for the log; empty without one."""
    changes = []
    if after.state != before.state:
        changes.append(f"is now {snake_case(MemberState.DESCRIPTOR, after.state)}")
    if came := sorted(set(after.endpoints) - set(before.endpoints)):
        changes.append(f"has come at {_shown(came)}")
    if went := sorted(set(before.endpoints) - set(after.endpoints)):
        changes.append(f"has gone at {_shown(went)}")
    return ", ".join(changes)


def _shown(endpoints: Sequence[str]) -> str:
    shown = ", ".join(endpoints[:_LOGGED])
    return shown if len(endpoints) <= _LOGGED else f"{shown} and {len(endpoints) - _LOGGED} more"
