"""A coordinator's copy of the registry: the entries of etcd, and the snapshot made of them. No I/O."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from coordinator.registry.etcd import values
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import (
    AssignmentMarkKey,
    ConfigurationKey,
    EnteredKey,
    JoinedKey,
    Keys,
    LiveKey,
    ReplicaKey,
    RevisionKey,
    RevocationKey,
    SuspensionKey,
    SuspensionStatementKey,
)
from coordinator.registry.port import Snapshot
from coordinator.registry.rules import RegionFacts, Suspension
from coordinator.registry.suspensions import early_text, is_due, suspension_of
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import NumberAssignmentMark
from gateway.api.federation.v1.revision_pb2 import Anchor, SignedRevision, SignedSuspension
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import problem_text
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.federation.suspensions import ProvenSuspension, chosen, claimed, proven_each

_log = logging.getLogger(__name__)
_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """A value, and the revision of etcd that put it there."""

    value: bytes
    revision: int
    lease: int = 0
    """The lease with which it vanishes; 0 without one."""


@dataclass(frozen=True)
class Event:
    """The change of one key."""

    key: bytes
    entry: Entry | None
    """None where the key is gone."""


def difference(before: Mapping[bytes, Entry], after: Mapping[bytes, Entry]) -> list[Event]:
    """The events from one state to another, in their order as far as it is known."""
    gone = [Event(key, None) for key in sorted(before.keys() - after.keys())]
    put = [
        Event(key, entry)
        for key, entry in sorted(after.items(), key=lambda item: (item[1].revision, item[0]))
        if before.get(key) != entry
    ]
    return gone + put


class Copy:
    """The copy of one coordinator. It contains every change up to `revision`.

    With an anchor, only a configuration that verifies from it is in force.
    """

    def __init__(
        self, keys: Keys, anchor: Anchor | None = None, latest: Callable[[], datetime | None] = lambda: None
    ) -> None:
        """`latest` gives the latest time of a statement about a region that counts; None for any."""
        self._keys, self.latest = keys, latest
        self._anchor = Chain.of(anchor) if anchor is not None else None
        self._entries: dict[bytes, Entry] = {}
        self._living_since: dict[LiveKey, datetime] = {}
        self._snapshot = Snapshot(0, None, {}, chain=self._anchor)
        self._verified: Mapping[bytes, Entry] = {}
        # By region: the first statement of the copy on disk; then the one in force by a trusted clock.
        self._kept: Mapping[str, ProvenSuspension] = {}

    @property
    def entries(self) -> Mapping[bytes, Entry]:
        """The copied entries of etcd. They must not be changed elsewhere."""
        return self._entries

    def lasting(self) -> Mapping[bytes, Entry]:
        """The entries for the disk: those of etcd, but of configurations and statements only what last verified.

        Before a clock is trusted, no statement displaces one that the disk has: it stands beside that one, as it may be
        honest or dated ahead.
        """
        if self._anchor is None:
            return dict(self._entries)
        others = {key: entry for key, entry in self._entries.items() if not self._is_signed(key)}
        latest, told = self.latest(), self._snapshot.told_suspensions
        first = chosen([*self._kept.values(), *told], latest).in_force
        if latest is None:
            first |= {**self._snapshot.suspensions, **self._kept}
        stated = {self._keys.suspension_statement(region): each for region, each in first.items()}
        for each in told if latest is None else ():
            region = each.statement.region
            if each.signed != first[region].signed:
                stated[self._keys.suspension_statement_beside(region, each.statement.sign_time_us)] = each
        signed = {key: Entry(values.encode_suspension_statement(each.signed), 0) for key, each in stated.items()}
        return others | dict(self._verified) | signed

    def begin(self, entries: Mapping[bytes, Entry], now: datetime) -> None:
        """Puts the configuration of a copy on disk in force, and the statements about regions, before etcd is read.

        So they count where those of etcd do not verify. Nothing else of the copy counts, and without an anchor nothing.
        """
        if self._anchor is not None:
            kept = [Event(key, Entry(entry.value, 0)) for key, entry in entries.items() if self._is_signed(key)]
            self.take(kept, 0, now)
            first = [each for each in self._suspension_statements() if self._is_first(each)]
            found, _ = proven_each(first, self._snapshot.chain or self._anchor, ())
            self._kept = {each.statement.region: each for each in found}

    @property
    def revision(self) -> int:
        """The revision of etcd that the copy contains."""
        return self._snapshot.change

    @property
    def snapshot(self) -> Snapshot:
        """See the port."""
        return self._snapshot

    def replace(self, entries: Mapping[bytes, Entry], revision: int, now: datetime) -> bool:
        """Replaces all entries by those of a revision. Returns whether listeners need the change."""
        return self.take(difference(self._entries, entries), revision, now, are_listed=True)

    def lease_of(self, key: bytes) -> int:
        """The lease with which a key vanishes; 0 for one that is not there, or has none."""
        entry = self._entries.get(key)
        return entry.lease if entry is not None else 0

    def take(self, events: Iterable[Event], revision: int, now: datetime, *, are_listed: bool = False) -> bool:
        """Applies all events up to a revision. Returns whether listeners need the change.

        A heartbeat that only renews a lease changes nothing. `now` is the time of receipt, aware. `are_listed`: these
        are differences between two states, and no events of etcd itself.
        """
        draft, before = _Draft(self._snapshot, self._living_since, are_listed=are_listed), self._snapshot
        has_revision = has_standing = False
        for event in events:
            key = self._keys.parse(event.key)
            if key is None:
                continue
            has_revision |= self._is_of_revision(event.key)
            has_standing |= isinstance(key, SuspensionKey | SuspensionStatementKey)
            if event.entry is None:
                self._entries.pop(event.key, None)
            else:
                self._entries[event.key] = event.entry
            self._take(draft, event)
        if has_revision and self._anchor is not None:
            self._verify(draft, before.chain or self._anchor)
        latest = self.latest()
        if has_revision or has_standing or is_due(before, latest):
            for region in draft.put_statements(self._suspension_statements(), latest, self._kept.values()):
                unsigned = self._entries.get(self._keys.suspension(region))
                draft.put_suspension(region, unsigned.value if unsigned is not None else None)
        draft.date_presence(before, now)
        self._snapshot = replace(draft.snapshot(), change=revision)
        if latest is not None:
            self._kept = self._snapshot.suspensions
        return draft.told

    def _take(self, draft: "_Draft", event: Event) -> None:
        value = event.entry.value if event.entry is not None else None
        try:
            match self._keys.parse(event.key):
                case ConfigurationKey() if self._anchor is None:
                    draft.put_configuration(value)
                case AssignmentMarkKey():
                    draft.put_assignment_mark(value)
                case JoinedKey(region):
                    draft.put_joined(region, value)
                case SuspensionKey(region):
                    draft.put_suspension(region, value)
                case LiveKey() as live:
                    draft.put_live(live, value)
                case ReplicaKey(name):
                    draft.put_replica(name, value)
                case EnteredKey(name):
                    draft.put_entered(name, value)
                case RevocationKey(issuer):
                    draft.put_revocation_list(issuer, value)
        except Unreadable as error:
            _log.error("%s in etcd %s: what was known before goes on", event.key.decode("utf-8", "replace"), error)

    def _is_signed(self, key: bytes) -> bool:
        return self._is_of_revision(key) or isinstance(self._keys.parse(key), SuspensionStatementKey)

    def _is_of_revision(self, key: bytes) -> bool:
        return isinstance(self._keys.parse(key), ConfigurationKey | RevisionKey)

    def _verify(self, draft: "_Draft", before: Chain) -> None:
        """Puts the configuration of etcd in force if its signatures follow those before; else the former stays."""
        chain, wrong = before.followed_until(self._statements())
        entry, former = (each.get(self._keys.configuration) for each in (self._entries, self._verified))
        if chain is before and entry is not None and former is not None and entry.value == former.value:
            draft.accept()  # half a million prefixes would take seconds once more
            return
        try:
            if entry is None:
                raise RevisionRefused("there is none", "不存在")
            applied = values.decode_applied(entry.value)
            if applied.revision != chain.place.revision:
                raise wrong or RevisionRefused("it is not signed", "未签名")
            configuration = chain.require(applied.content)
        except (Unreadable, RevisionRefused) as error:
            draft.refuse(chain, problem_text(error), is_there=entry is not None)
        else:
            draft.put_verified(chain, configuration, applied.content)
            self._verified = {key: each for key, each in self._entries.items() if self._is_of_revision(key)}

    def _is_first(self, signed: SignedSuspension) -> bool:
        """Whether a statement stands in the first place of its region."""
        entry = self._entries.get(self._keys.suspension_statement(claimed(signed).region))
        return entry is not None and values.decode_suspension_statement(entry.value) == signed

    def _suspension_statements(self) -> list[SignedSuspension]:
        keys = [each for each in self._entries if isinstance(self._keys.parse(each), SuspensionStatementKey)]
        return [values.decode_suspension_statement(self._entries[key].value) for key in keys]

    def _statements(self) -> list[SignedRevision]:
        """The statements of etcd, by revision."""
        keys = sorted(each for each in self._entries if isinstance(self._keys.parse(each), RevisionKey))
        return [values.decode_revision(self._entries[key].value) for key in keys]


class _Draft:
    """A snapshot under change, and whether listeners need the changes.

    `living_since` is kept up to date: the start of each region's process values.
    """

    def __init__(self, before: Snapshot, living_since: dict[LiveKey, datetime], *, are_listed: bool) -> None:
        self.told = False
        self._are_listed = are_listed
        self._living_since = living_since
        self._revision, self._configuration = before.revision, before.configuration
        self._content, self._chain, self._unverified = before.content, before.chain, before.unverified
        self._regions = dict(before.regions)
        self._replicas = dict(before.replicas)
        self._entered = dict(before.entered)
        self._ended = set(before.ended)
        self._assignment_mark = before.assignment_mark
        self._revocation_lists = dict(before.revocation_lists)
        self._suspensions: Mapping[str, ProvenSuspension] = before.suspensions
        self._told_suspensions = before.told_suspensions

    def snapshot(self) -> Snapshot:
        return Snapshot(
            self._revision,
            self._configuration,
            self._regions,
            0,
            self._replicas,
            self._entered,
            frozenset(self._ended),
            assignment_mark=self._assignment_mark,
            content=self._content,
            chain=self._chain,
            unverified=self._unverified,
            revocation_lists=self._revocation_lists,
            suspensions=self._suspensions,
            told_suspensions=self._told_suspensions,
        )

    def put_configuration(self, value: bytes | None) -> None:
        applied = values.decode_applied(value) if value is not None else None
        revision = applied.revision if applied is not None else 0
        self.told |= revision != self._revision
        self._revision = revision
        self._configuration = applied.configuration if applied is not None else None
        self._content = applied.content if applied is not None else b""

    def put_verified(self, chain: Chain, configuration: Configuration, content: bytes) -> None:
        self.told |= chain.place.revision != self._revision
        self._revision, self._configuration, self._content = chain.place.revision, configuration, content
        self._chain, self._unverified = chain, None

    def accept(self) -> None:
        """Notes that etcd holds the configuration in force."""
        self.told |= self._unverified is not None
        self._unverified = None

    def refuse(self, chain: Chain, problem: LocalizedText, *, is_there: bool) -> None:
        """Keeps the configuration in force. Without one, the next statement follows the last one that verifies."""
        if self._configuration is None:
            self._chain = chain
        if is_there or self._configuration is not None:
            _log.error("the configuration in etcd is not taken: %s: what was known before goes on", problem.en)
            self.told |= self._unverified != problem
            self._unverified = problem

    def put_assignment_mark(self, value: bytes | None) -> None:
        mark = values.decode_mark(value) if value is not None else NumberAssignmentMark()
        self.told |= mark != self._assignment_mark
        self._assignment_mark = mark

    def put_joined(self, region: str, value: bytes | None) -> None:
        before = self._facts(region)
        joined = values.decode_joined(value).facts(region) if value is not None else RegionFacts(region)
        after = replace(
            before,
            ever_joined=joined.ever_joined,
            signing_certificate=joined.signing_certificate,
            sealing_key=joined.sealing_key,
            capabilities=joined.capabilities,
        )
        self._put(before, after, is_change=after != before)

    def put_suspension(self, region: str, value: bytes | None) -> None:
        before = self._facts(region)
        after = replace(before, suspension=self._suspension(before, value))
        self._put(before, after, is_change=after != before)

    def put_statements(
        self, told: Sequence[SignedSuspension], latest: datetime | None, kept: Iterable[ProvenSuspension]
    ) -> Set[str]:
        """Lets regions stand by the statements of administrators. One that was known and is gone counts on.

        One that is dated ahead and gone does not. `kept` are known, too, however many came after them. Returns the
        regions whose statement counts no more.
        """
        if self._chain is None:
            return frozenset()
        former = self._suspensions
        known = [*kept, *self._told_suspensions]
        known = [each for each in known if each.was_signed_until(latest) or each.signed in told]
        further, refused = proven_each(told, self._chain, known)
        for problem in refused:
            _log.error("a statement about a region in etcd is not proven: %s", problem)
        found = chosen([*known, *further], latest)
        for early in found.early(latest):
            _log.error("etcd holds what is dated ahead: %s", early_text(early))
        self.told |= found.in_force != former
        self._suspensions, self._told_suspensions = found.in_force, found.all()
        for region, stated in found.in_force.items():
            before = self._facts(region)
            after = before.standing(suspension_of(stated))
            self._put(before, after, is_change=after != before)
        return former.keys() - found.in_force.keys()

    def put_live(self, key: LiveKey, value: bytes | None) -> None:
        before = self._facts(key.region)
        living = values.decode_living(value) if value is not None else None
        live = {each: beat for each, beat in before.live.items() if each != key.endpoint}
        last = before.last
        self._living_since.pop(key, None)
        if living is not None:
            self._living_since[key] = living.since
            last = live[key.endpoint] = living.heartbeat
        after = replace(before, live=live, last=last)
        is_change = live.keys() != before.live.keys() or after.features() != before.features()
        self._put(before, after, is_change=is_change)

    def put_replica(self, name: str, value: bytes | None) -> None:
        before = self._replicas.pop(name, None)
        self._ended.discard(name)
        if value is not None:
            self._replicas[name] = values.decode_replica(value)
        elif not self._are_listed:
            self._ended.add(name)  # etcd counts a lease for longer than its holder does
        self.told |= self._replicas.get(name) != before

    def put_entered(self, name: str, value: bytes | None) -> None:
        before = self._entered.pop(name, None)
        if value is not None:
            self._entered[name] = values.decode_replica(value)
        else:
            self._ended.discard(name)
        self.told |= self._entered.get(name) != before

    def put_revocation_list(self, issuer: str, value: bytes | None) -> None:
        if value is None:  # deleted in etcd itself: what is revoked stays revoked
            return
        self._revocation_lists[issuer] = values.decode_revocation_list(value)
        self.told = True

    def date_presence(self, before: Snapshot, now: datetime) -> None:
        """Notes the start of each region's live time by its processes' values, or the start of its silence."""
        for region, facts in self._regions.items():
            since = facts.presence_since
            if facts.live:
                since = min(self._living_since[LiveKey(region, endpoint)] for endpoint in facts.live)
            elif facts.ever_joined and (since is None or before.facts(region).live):
                since = now
            if since != facts.presence_since:
                self._regions[region] = replace(facts, presence_since=since)
                self.told = True

    def _suspension(self, before: RegionFacts, value: bytes | None) -> Suspension | None:
        if value is None:
            return None
        try:
            return values.decode_suspension(value)
        except Unreadable as error:
            # The suspension counts, whatever its value is.
            _log.error("the suspension of %s in etcd %s", before.region, error)
            return before.suspension or Suspension(_UNKNOWN_TIME, "a suspension that this version cannot read", "?")

    def _facts(self, region: str) -> RegionFacts:
        return self._regions.get(region) or RegionFacts(region)

    def _put(self, before: RegionFacts, after: RegionFacts, *, is_change: bool) -> None:
        self._regions[before.region] = after
        self.told |= is_change
