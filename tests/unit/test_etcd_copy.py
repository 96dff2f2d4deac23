"""The copy that a coordinator keeps of etcd: its values, and the differences between two states."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.registry.etcd import values
from coordinator.registry.etcd.copy import Copy, Entry, Event, difference
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.keys import (
    AssignmentMarkKey,
    ConfigurationKey,
    JoinedKey,
    KeyRange,
    Keys,
    LiveKey,
    ReplicaKey,
    SuspensionKey,
)
from coordinator.registry.etcd.leases import lease_of
from coordinator.registry.etcd.packing import MAX_CONFIGURATION_BYTES, pack
from coordinator.registry.etcd.values import Applied, Joined, Living, Written
from coordinator.registry.port import Replica
from coordinator.registry.rules import Heartbeat, Suspension
from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.auditing.audit import AuditRow, Head
from gateway.auditing.audit_heads import KeptHead
from gateway.federation.suspensions import MOST_KEPT, signed_suspension
from tests.administrators import Administrators
from tests.contract.small_federation import CONFIGURATION

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEYS = Keys("demo.example")
STATEMENT = KEYS.suspension_statement("sichuan")
LARGEST_REQUEST_OF_ETCD = 1536 * 1024

texts = st.text(max_size=20)
numbers = st.integers(min_value=0, max_value=2**62)
times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
contents = st.binary(max_size=40)
heartbeats = st.builds(
    Heartbeat, texts, times, numbers, st.timedeltas(timedelta(days=-999), timedelta(days=999)), contents
)
replicas = st.builds(Replica, texts, texts, numbers, st.timedeltas(timedelta(0), timedelta(days=9)))
heads = st.builds(Head, numbers, contents)


def encoded(applied: Applied) -> bytes:
    """The value of a configuration with a small number plan."""
    packed = pack(applied.configuration.SerializeToString(deterministic=True))
    return values.encode_packed(applied.revision, packed, applied.actor, applied.time)


@given(
    heartbeats,
    st.builds(Suspension, times, texts, texts),
    st.builds(Replica, texts, texts, numbers, st.timedeltas(timedelta(0), timedelta(days=9))),
)
def test_what_is_written_is_read_the_same(heartbeat: Heartbeat, suspension: Suspension, replica: Replica) -> None:
    living = Living(heartbeat, suspension.since)
    assert values.decode_living(values.encode_living(living)) == living
    assert values.decode_suspension(values.encode_suspension(suspension)) == suspension
    assert values.decode_replica(values.encode_replica(replica)) == replica


@given(
    st.builds(Joined, numbers, contents),
    st.builds(KeptHead, heads, contents, times),
    st.builds(
        Written, st.builds(AuditRow, numbers, numbers, texts, texts, texts, texts, contents, salt=st.just(b"")), texts
    ),
    texts,
)
def test_what_is_kept_for_good_is_read_the_same(joined: Joined, kept: KeptHead, written: Written, actor: str) -> None:
    assert values.decode_joined(values.encode_joined(joined)) == joined
    assert values.decode_kept_head(values.encode_kept_head(kept)) == kept
    assert values.decode_head(values.encode_head(kept.head)) == kept.head
    assert values.decode_row(values.encode_row(written)) == written
    applied = Applied(7, CONFIGURATION, actor, 5)
    assert values.decode_applied(encoded(applied)) == applied


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"version": 2, "since": 1, "note": "", "actor": ""}',
        b'{"version": 1, "since": true, "note": "", "actor": ""}',
        b'{"version": 1, "since": 1, "note": 5, "actor": ""}',
    ],
)
def test_a_value_of_another_form_is_no_suspension(value: bytes) -> None:
    with pytest.raises(Unreadable):
        values.decode_suspension(value)


def test_fields_that_a_later_version_adds_are_passed_over() -> None:
    value = b'{"version": 1, "since": 0, "note": "why", "actor": "admin/root", "ticket": 7}'
    assert values.decode_suspension(value).note == "why"


@pytest.mark.parametrize(
    ("key", "parsed"),
    [
        (KEYS.configuration, ConfigurationKey()),
        (KEYS.joined("sichuan"), JoinedKey("sichuan")),
        (KEYS.suspension("sichuan"), SuspensionKey("sichuan")),
        (KEYS.live("sichuan", "[::1]:7"), LiveKey("sichuan", "[::1]:7")),
        (KEYS.replica("coordinator/0"), ReplicaKey("coordinator/0")),
        (KEYS.assignment_mark, AssignmentMarkKey()),
        (KEYS.assignment(3), None),
        (KEYS.assignments_of("+8613800000000"), None),
        (KEYS.configuration_at(3), None),
        (KEYS.audit_head, None),
        (KEYS.audit_head_of("sichuan"), None),
        (KEYS.audit_row(3), None),
        (b"/crossregion/demo.example/live/sichuan", None),
        (b"/crossregion/demo.example/joined/", None),
        (b"\xff", None),
    ],
)
def test_a_key_says_what_stands_there(key: bytes, parsed: object) -> None:
    assert KEYS.parse(key) == parsed
    if parsed is not None:
        assert [keys for keys in KEYS.copied if holds(keys, key)]


@pytest.mark.parametrize("key", [KEYS.configuration_at(3), KEYS.audit_head_of("sichuan"), KEYS.audit_row(3)])
def test_what_grows_without_end_is_not_copied(key: bytes) -> None:
    assert not [keys for keys in KEYS.copied if holds(keys, key)]


def holds(keys: KeyRange, key: bytes) -> bool:
    return keys.first <= key < keys.end


def test_federations_whose_names_begin_the_same_share_nothing() -> None:
    assert not holds(Keys("demo").everything, KEYS.configuration)
    assert holds(KEYS.everything, KEYS.audit_row(1))


def test_a_process_has_the_same_lease_at_every_coordinator_and_no_two_share_one() -> None:
    ids = {lease_of("demo.example", region, f"10.0.0.{host}:1") for region in ("a", "b") for host in range(50)}
    assert len(ids) == 100
    assert all(0 < each < 2**63 for each in ids)


def test_the_shipped_configuration_fits_three_times() -> None:
    assert 3 * CONFIGURATION.ByteSize() < MAX_CONFIGURATION_BYTES
    assert 2 * MAX_CONFIGURATION_BYTES < LARGEST_REQUEST_OF_ETCD - 64 * 1024


regions = st.sampled_from(["a", "b", "c"])


def entries_of(revision: int) -> st.SearchStrategy[tuple[bytes, Entry]]:
    """A key and a value that fits it, put by this revision."""
    suspension = values.encode_suspension(Suspension(NOW, f"note {revision}", "admin/root"))
    joined = values.encode_joined(Joined(revision, b"certificate %d" % (revision % 3)))
    time = NOW + timedelta(seconds=revision)
    beats = {
        f"127.0.0.1:{port}": values.encode_living(
            Living(Heartbeat(f"127.0.0.1:{port}", time, revision, timedelta(0), b"certificate"), time)
        )
        for port in (1, 2)
    }
    applied = Applied(revision, Configuration(regions=[Region(id=f"r{revision}")]), "admin/root", 0)
    replica = values.encode_replica(Replica("coordinator/0", "127.0.0.1:2", revision))
    return st.one_of(
        st.just((KEYS.configuration, Entry(encoded(applied), revision))),
        regions.map(lambda region: (KEYS.suspension(region), Entry(suspension, revision))),
        regions.map(lambda region: (KEYS.joined(region), Entry(joined, revision))),
        st.builds(
            lambda region, endpoint: (KEYS.live(region, endpoint), Entry(beats[endpoint], revision)),
            regions,
            st.sampled_from(sorted(beats)),
        ),
        st.just((KEYS.replica("coordinator/0"), Entry(replica, revision))),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events as etcd would report them, one for each revision; a missing key is not deleted."""
    events: list[Event] = []
    for revision in range(1, draw(st.integers(1, 12)) + 1):
        key, entry = draw(entries_of(revision))
        present = {event.key for event in events if event.entry is not None}
        gone = draw(st.booleans()) and key in present and key != KEYS.configuration
        events.append(Event(key, None if gone else entry))
    return events


@given(histories(), st.integers(0, 12))
def test_whoever_lists_again_knows_the_same_as_whoever_watched(history: list[Event], seen: int) -> None:
    watching, listing = Copy(KEYS), Copy(KEYS)
    for revision, event in enumerate(history, 1):
        watching.take([event], revision, NOW)
        if revision <= seen:
            listing.take([event], revision, NOW)
    before = dict(listing.entries)
    listing.replace(watching.entries, len(history), NOW)
    assert listing.entries == watching.entries
    assert shown(listing) == shown(watching)
    assert not difference(listing.entries, watching.entries)
    assert {event.key for event in difference(before, watching.entries)} == {
        key for key in before.keys() | watching.entries.keys() if before.get(key) != watching.entries.get(key)
    }


def shown(copy: Copy) -> object:
    """The part of the copy that others rely on, without the details of missed events."""
    snapshot = copy.snapshot
    facts = {
        region: (
            each.ever_joined,
            each.signing_certificate,
            each.live,
            each.presence_since if each.live else None,
            each.suspension,
        )
        for region, each in snapshot.regions.items()
        if each.ever_joined or each.live or each.suspension
    }
    return (snapshot.revision, snapshot.configuration, snapshot.change, snapshot.replicas, facts)


def test_a_suspension_that_cannot_be_read_counts_all_the_same() -> None:
    copy = Copy(KEYS)
    told = copy.take([Event(KEYS.suspension("sichuan"), Entry(b'{"version": 9}', 1))], 1, NOW)
    assert told
    assert copy.snapshot.facts("sichuan").suspension is not None


def test_a_configuration_that_cannot_be_read_leaves_the_one_before_in_force() -> None:
    copy = Copy(KEYS)
    applied = encoded(Applied(1, CONFIGURATION, "admin/root", 0))
    copy.take([Event(KEYS.configuration, Entry(applied, 1))], 1, NOW)
    told = copy.take([Event(KEYS.configuration, Entry(b'{"version": 9}', 2))], 2, NOW)
    assert not told
    assert (copy.snapshot.revision, copy.snapshot.configuration) == (1, CONFIGURATION)
    assert copy.revision == 2


def stored(told: SignedSuspension) -> Entry:
    """A signed statement as etcd and the disk have it."""
    return Entry(values.encode_suspension_statement(told), 1)


@dataclass
class Disk:
    """A coordinator that starts from a copy on disk. No clock is trusted without a `latest`."""

    people: Administrators
    latest: datetime | None = None

    def signed(self, after: timedelta, *, suspended: bool) -> SignedSuspension:
        """An administrator's statement about sichuan, by its time."""
        place, signer = self.people.anchor, self.people.signers["li"]
        return signed_suspension(signer, place, "sichuan", NOW + after, suspended=suspended)

    def begun(self, entries: Mapping[bytes, Entry]) -> Copy:
        """A copy that begins with the entries of the disk."""
        copy = Copy(KEYS, self.people.anchor, lambda: self.latest)
        copy.begin(entries, NOW)
        return copy

    def in_force(self, entries: Mapping[bytes, Entry]) -> SignedSuspension:
        """The statement about sichuan that counts after a restart."""
        return self.begun(entries).snapshot.suspensions["sichuan"].signed


@pytest.mark.parametrize(
    ("after", "in_force"), [(timedelta(hours=1), "later"), (timedelta(days=365), "former")], ids=["honest", "ahead"]
)
def test_the_disk_keeps_the_former_statement_and_a_later_one_until_a_clock_says_which_counts(
    tmp_path: Path, after: timedelta, in_force: str
) -> None:
    disk = Disk(Administrators(tmp_path, "demo.example"))
    told = {"former": disk.signed(timedelta(0), suspended=True), "later": disk.signed(after, suspended=False)}
    entries: Mapping[bytes, Entry] = {STATEMENT: stored(told["former"])}
    for _ in range(2):
        copy = disk.begun(entries)
        copy.replace({STATEMENT: stored(told["later"])}, 2, NOW)
        entries = copy.lasting()
        assert disk.in_force(entries) == told["later"]
    copy = disk.begun(entries)
    copy.replace({STATEMENT: stored(told["later"])}, 3, NOW)
    disk.latest = NOW + timedelta(hours=2)
    assert copy.lasting().keys() == {STATEMENT}, "saved before the next change"
    assert disk.in_force(copy.lasting()) == told[in_force]
    copy = disk.begun(entries)
    assert copy.snapshot.suspensions["sichuan"].signed == told[in_force]
    assert disk.in_force(copy.lasting()) == told[in_force]
    assert copy.lasting().keys() == {STATEMENT}


def test_the_disk_keeps_the_former_statement_however_many_later_ones_there_are(tmp_path: Path) -> None:
    disk = Disk(Administrators(tmp_path, "demo.example"))
    former = disk.signed(timedelta(0), suspended=True)
    entries: Mapping[bytes, Entry] = {STATEMENT: stored(former)}
    copy = disk.begun(entries)
    for day in range(1, MOST_KEPT + 4):
        later = disk.signed(timedelta(days=day), suspended=False)
        copy.take([Event(STATEMENT, stored(later))], day, NOW)
    for _ in range(2):
        entries = copy.lasting()
        assert entries[STATEMENT].value == stored(former).value
        assert len(entries) == 1 + MOST_KEPT
        copy = disk.begun(entries)
    disk.latest = NOW + timedelta(hours=2)
    assert disk.in_force(copy.lasting()) == disk.in_force(entries) == former
    copy.take([], MOST_KEPT + 4, NOW)
    assert copy.snapshot.suspensions["sichuan"].signed == former, "in the same process"


def test_a_copy_whose_clock_is_trusted_no_more_keeps_what_counted_and_what_is_dated_ahead(tmp_path: Path) -> None:
    disk = Disk(Administrators(tmp_path, "demo.example"))
    ahead = disk.signed(timedelta(days=365), suspended=True)
    disk.latest = NOW
    copy = disk.begun({})
    copy.replace({STATEMENT: stored(ahead)}, 1, NOW)
    assert not copy.lasting()
    disk.latest = None
    assert [each.value for each in copy.lasting().values()] == [stored(ahead).value]


def test_a_statement_that_a_clock_has_found_dated_ahead_counts_no_more_once_it_is_gone(tmp_path: Path) -> None:
    disk = Disk(Administrators(tmp_path, "demo.example"))
    ended, ahead = disk.signed(timedelta(0), suspended=False), disk.signed(timedelta(days=365), suspended=True)
    copy = disk.begun({STATEMENT: stored(ahead)})
    disk.latest = NOW
    copy.take([Event(STATEMENT, stored(ended))], 1, NOW)
    disk.latest = None
    copy.take([Event(STATEMENT, stored(ended))], 2, NOW)
    assert copy.snapshot.suspensions["sichuan"].signed == ended
    assert disk.in_force(copy.lasting()) == ended


def test_a_process_that_an_earlier_version_put_there_has_lived_since_its_heartbeat() -> None:
    value = values.encode_living(Living(Heartbeat("127.0.0.1:1", NOW, 1, timedelta(0), b"certificate"), NOW))
    line = {name: field for name, field in json.loads(value).items() if name != "since"}
    assert values.decode_living(json.dumps(line).encode()).since == NOW
