"""The signed statements about regions that this node knows: no coordinator suspends or reinstates a region alone."""

import itertools
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.federation.revisions import Chain
from gateway.federation.suspensions import LATEST_US, ProvenSuspension, chosen, claimed, proven_each
from gateway.time.clock import to_microseconds

_SUSPENDED = MemberState.MEMBER_STATE_SUSPENDED
_log = logging.getLogger(__name__)


class SuspensionKeeper:
    """The statement in force about each region that has one. A node without an anchor knows none."""

    def __init__(self) -> None:
        self._told: dict[str, list[ProvenSuspension]] = {}
        """Those that count, or may later: a coordinator tells each once in a stream."""
        self._known: dict[str, ProvenSuspension] = {}
        self._refused: set[str] = set()
        self._disbelieved: set[str] = set()

    def take(self, told: Iterable[SignedSuspension], chain: Chain | None, latest: datetime | None) -> None:
        """Takes over proven statements that are later than those known. Any other is logged once, and ignored.

        `latest` as in `choose`.
        """
        if chain is None:
            return
        found, refused = proven_each(told, chain, self._all())
        for problem in (str(each) for each in refused):
            if problem not in self._refused:
                _log.error("a statement about a region is not proven: %s", problem)
        self._refused = {str(each) for each in refused}
        self._choose(itertools.chain(self._all(), found), latest)

    def choose(self, latest: datetime | None) -> bool:
        """Lets those count that were not signed after `latest`, where that is known; whether it changed anything."""
        before = self._known
        self._choose(self._all(), latest)
        return self._known != before

    def signed(self) -> Sequence[SignedSuspension]:
        """The statements that count, by region."""
        return [self._known[region].signed for region in sorted(self._known)]

    def kept(self) -> Sequence[SignedSuspension]:
        """All statements that count, or may later, by region."""
        return [each.signed for region in sorted(self._told) for each in self._told[region]]

    def _all(self) -> Iterable[ProvenSuspension]:
        return itertools.chain(*self._told.values())

    def _choose(self, told: Iterable[ProvenSuspension], latest: datetime | None) -> None:
        self._told, self._known = chosen(told, latest)

    def lacking(self, told: Iterable[SignedSuspension], latest: datetime | None) -> list[SignedSuspension]:
        """The statements that a coordinator has lost, by all those that it has; `latest` as in `choose`.

        A coordinator that trusts no clock yet sends those dated ahead in place of those that it has lost.
        """
        end = LATEST_US if latest is None else to_microseconds(latest)
        times = {each.region: each.sign_time_us for each in map(claimed, told) if each.sign_time_us <= end}
        return [
            each.signed
            for region, each in sorted(self._known.items())
            if times.get(region, 0) < each.statement.sign_time_us
        ]

    def put_into(self, member: Member, chain: Chain | None) -> None:
        """Lets a member stand by the statement about it, whatever a coordinator says."""
        if chain is None:
            return
        stated = self._known.get(member.region)
        if stated is not None and stated.statement.suspended:
            member.state, member.state_note = _SUSPENDED, stated.statement.note
        elif member.state == _SUSPENDED:
            if member.region not in self._disbelieved:
                self._disbelieved.add(member.region)
                _log.error(
                    "a coordinator suspends %s without an administrator's statement: not believed", member.region
                )
            member.state = MemberState.MEMBER_STATE_LOST
        else:
            self._disbelieved.discard(member.region)
