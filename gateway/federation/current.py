"""The current state of the federation in this process: the configuration in force and the states of the regions."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from gateway.api.federation.v1.federation_pb2 import Feature, Member, MemberState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.revisions import Chain

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FederationState:
    """An immutable state of the federation."""

    federation: Federation
    members: Mapping[str, Member]
    chain: Chain | None = None
    """The signed revisions up to the one in force; None at a region that verifies no signatures."""

    @property
    def suspended(self) -> frozenset[str]:
        """The regions with a signed suspension; none at a region that verifies no signatures."""
        if self.chain is None:
            return frozenset()
        suspended = MemberState.MEMBER_STATE_SUSPENDED
        return frozenset(region for region, member in self.members.items() if member.state == suspended)

    def member_state(self, region: str) -> MemberState.ValueType:
        """The state of a region; ABSENT for a region that is not in the configuration."""
        member = self.members.get(region)
        return member.state if member is not None else MemberState.MEMBER_STATE_ABSENT


class CurrentFederation:
    """The state in force, replaced as a whole when the coordinator sends a newer one."""

    def __init__(self) -> None:
        self._state: FederationState | None = None
        self._features: Mapping[str, frozenset[Feature.ValueType]] = {}
        """Those of each region when coordinators heard its processes last."""
        self._listeners: list[Callable[[FederationState], None]] = []
        self.unreadable = ""
        """The first part of the newest configuration that this version cannot read; empty where it reads all."""
        self._years_noted: set[int] = set()

    def state(self) -> FederationState:
        """The state in force. Raises Refused with CONFIGURATION_MISSING before the first."""
        if self._state is None:
            raise Refused(Reason.REASON_CONFIGURATION_MISSING)
        return self._state

    @cached_property
    def federation(self) -> Federation:
        """The configuration in force. Raises as `state`."""
        # A plain attribute since the first state: each order reads it thirty times. Nothing is cached here, so that no
        # other thread can put a former configuration back.
        raise Refused(Reason.REASON_CONFIGURATION_MISSING)

    @property
    def revision(self) -> int:
        """The revision in force, 0 before the first."""
        return self._state.federation.revision if self._state is not None else 0

    @property
    def chain(self) -> Chain | None:
        """The signed revisions up to the one in force; None before the first, and where no signatures are verified."""
        return self._state.chain if self._state is not None else None

    @property
    def assignments(self) -> int:
        """How many assignments of numbers are known; none is ever forgotten."""
        return len(self._state.federation.number_plan.book) if self._state is not None else 0

    def understands(self, region: str, feature: Feature.ValueType) -> bool:
        """Whether every process of a region had a feature when coordinators heard the region last.

        A silent region counts as it was heard last: its processes may go on, and none of them has become older. False
        for a region that was not heard since this process started, and for one outside of the configuration.
        """
        return feature in self._features.get(region, ())

    def has_heard(self, region: str) -> bool:
        """Whether this process knows the features of a region."""
        return region in self._features

    def update(self, federation: Federation, members: Iterable[Member], chain: Chain | None = None) -> None:
        """Puts a state in force and notifies the listeners.

        Ignores a revision lower than the current one, and a state that lacks assignments of numbers.
        """
        if federation.revision < self.revision or len(federation.number_plan.book) < self.assignments:
            return
        self._state = FederationState(federation, {member.region: member for member in members}, chain)
        self.federation = federation
        known = {region: each for region, each in self._features.items() if region in self._state.members}
        heard = {
            each.region: frozenset(each.features)
            for each in self._state.members.values()
            if each.endpoints or each.features
        }
        self._features = {**known, **heard}
        for listener in self._listeners:
            listener(self._state)

    def on_update(self, listener: Callable[[FederationState], None]) -> None:
        """Calls the listener for every state from now on."""
        self._listeners.append(listener)

    def note_year_without_calendar(self, year: int) -> None:
        """A promise in working days runs through a year without a calendar: a warning in the log, once a year's."""
        if year not in self._years_noted:
            self._years_noted.add(year)
            _log.warning("there is no calendar of %d: weekends alone count as days off in promises of time", year)
