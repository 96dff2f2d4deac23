"""What coordinators know of the leases of others: who lives, whose lease was seen to end, and whose may last."""

from datetime import UTC, datetime, timedelta

from coordinator.registry.etcd import values
from coordinator.registry.etcd.copy import Copy, Entry, Event
from coordinator.registry.etcd.keys import Keys
from coordinator.registry.etcd.replica import Lingering
from coordinator.registry.port import Replica

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEYS = Keys("demo.example")
NAME = "coordinator/1"
REPLICA = Replica(NAME, "127.0.0.1:1", 7, timedelta(seconds=10))
LIVE, ENTERED = KEYS.replica(NAME), KEYS.entered(NAME)
ENTRY = Entry(values.encode_replica(REPLICA), 3)


class Scene:
    """A copy of etcd in which one coordinator lives, and this machine's clock."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.copy = Copy(KEYS)
        self.copy.replace({LIVE: ENTRY, ENTERED: ENTRY}, 3, NOW)
        self.lingering = Lingering(timedelta(seconds=20), lambda: self.seconds)

    def left(self) -> list[tuple[str, float]]:
        return [(replica.name, seconds) for replica, seconds in self.lingering.look_at(self.copy.snapshot)]


def test_a_coordinator_whose_lease_was_seen_to_end_forwards_nothing_until_it_lives_again() -> None:
    at = Scene()
    assert at.left() == []
    at.copy.take([Event(LIVE, None)], 4, NOW)
    assert at.left() == []
    at.copy.take([Event(LIVE, Entry(ENTRY.value, 5))], 5, NOW)
    at.copy.replace({ENTERED: ENTRY}, 6, NOW)
    assert at.left() == [(NAME, 10.0)]


def test_a_coordinator_that_is_missing_in_a_list_may_act_for_a_lease_more() -> None:
    at = Scene()
    at.copy.replace({ENTERED: ENTRY}, 4, NOW)
    assert at.left() == [(NAME, 10.0)]
    at.seconds += 4.0
    assert at.left() == [(NAME, 6.0)]
    at.seconds += 6.0
    assert at.left() == []


def test_a_coordinator_that_lives_again_or_has_left_is_not_waited_for() -> None:
    at = Scene()
    at.copy.replace({ENTERED: ENTRY}, 4, NOW)
    at.copy.replace({LIVE: ENTRY, ENTERED: ENTRY}, 5, NOW)
    assert at.left() == []
    at.copy.replace({}, 6, NOW)
    assert at.left() == []


def test_of_one_that_gives_no_lease_the_own_one_counts() -> None:
    at = Scene()
    unknown = Entry(values.encode_replica(Replica(NAME, "127.0.0.1:1", 0)), 4)
    at.copy.replace({ENTERED: unknown}, 4, NOW)
    assert at.left() == [(NAME, 20.0)]
