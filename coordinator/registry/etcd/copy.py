"""A coordinator's copy of the registry: the entries of etcd, and the snapshot made of them. No I/O."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from coordinator.registry.etcd import values
from coordinator.registry.etcd.keys import (
    ConfigurationKey,
    JoinedKey,
    Keys,
    LiveKey,
    ReplicaKey,
    RevocationKey,
    SuspensionKey,
)
from coordinator.registry.etcd.values import Unreadable
from coordinator.registry.port import Snapshot
from coordinator.registry.rules import RegionFacts, Suspension

_log = logging.getLogger(__name__)
_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """A value, and the revision of etcd that put it there."""

    value: bytes
    revision: int


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
    """The copy of one coordinator. It contains every change up to `revision`."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._entries: dict[bytes, Entry] = {}
        self._living_since: dict[LiveKey, datetime] = {}
        self._snapshot = Snapshot(0, None, {})

    @property
    def entries(self) -> Mapping[bytes, Entry]:
        """The copied entries of etcd. They must not be changed elsewhere."""
        return self._entries

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
        return self.take(difference(self._entries, entries), revision, now)

    def take(self, events: Iterable[Event], revision: int, now: datetime) -> bool:
        """Applies all events up to a revision. Returns whether listeners need the change.

        A heartbeat that only renews a lease changes nothing. `now` is the time of receipt, aware.
        """
        draft, before = _Draft(self._snapshot, self._living_since), self._snapshot
        for event in events:
            if self._keys.parse(event.key) is None:
                continue
            if event.entry is None:
                self._entries.pop(event.key, None)
            else:
                self._entries[event.key] = event.entry
            self._take(draft, event)
        draft.date_presence(before, now)
        self._snapshot = replace(draft.snapshot(), change=revision)
        return draft.told

    def _take(self, draft: "_Draft", event: Event) -> None:
        value = event.entry.value if event.entry is not None else None
        try:
            match self._keys.parse(event.key):
                case ConfigurationKey():
                    draft.put_configuration(value)
                case JoinedKey(region):
                    draft.put_joined(region, value)
                case SuspensionKey(region):
                    draft.put_suspension(region, value)
                case LiveKey() as live:
                    draft.put_live(live, value)
                case ReplicaKey(name):
                    draft.put_replica(name, value)
                case RevocationKey(issuer):
                    draft.put_revocation_list(issuer, value)
        except Unreadable as error:
            _log.error("%s in etcd %s: what was known before goes on", event.key.decode("utf-8", "replace"), error)


class _Draft:
    """A snapshot under change, and whether listeners need the changes.

    `living_since` is kept up to date: the start of each region's process values.
    """

    def __init__(self, before: Snapshot, living_since: dict[LiveKey, datetime]) -> None:
        self.told = False
        self._living_since = living_since
        self._revision, self._configuration = before.revision, before.configuration
        self._regions = dict(before.regions)
        self._replicas = dict(before.replicas)
        self._revocation_lists = dict(before.revocation_lists)

    def snapshot(self) -> Snapshot:
        return Snapshot(self._revision, self._configuration, self._regions, 0, self._replicas, self._revocation_lists)

    def put_configuration(self, value: bytes | None) -> None:
        applied = values.decode_applied(value) if value is not None else None
        revision = applied.revision if applied is not None else 0
        self.told |= revision != self._revision
        self._revision = revision
        self._configuration = applied.configuration if applied is not None else None

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
        if value is not None:
            self._replicas[name] = values.decode_replica(value)
        self.told |= self._replicas.get(name) != before

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
