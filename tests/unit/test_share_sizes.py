"""The sizes of the shares of the registry."""

from coordinator.registry import shares
from coordinator.registry.problem_port import Book
from coordinator.registry.writes import Writes
from gateway.federation.policies import GIVEN_AWAY
from tests.shipped import shipped_configuration
from tests.unit.network_events import NOON, event

KIB = 1024  # for an assignment: twice in the registry, with its row in the audit chain


def test_the_shares_of_all_regions_take_less_than_half_of_the_space_of_the_shipped_etcd() -> None:
    assert 31 * (shares.EVENTS + shares.CASES + shares.PLANNED_OUTAGES) < 4 * 1024**3 / 2


def test_three_regions_that_fill_all_they_may_and_change_it_without_end_leave_space_in_the_shipped_etcd() -> None:
    regions, coordinators, hours = 3, 3, 1 + 2  # at once, and until the compaction
    policy = next(each for each in shipped_configuration().policies if each.name == GIVEN_AWAY)
    kept = shares.EVENTS + shares.CASES + shares.PLANNED_OUTAGES + policy.figure.value * KIB
    writes = [size for name, size in vars(shares).items() if name.endswith("_WRITES") and name != "PROBLEM_WRITES"]
    assert len(writes) == 8
    written = coordinators * hours * (regions * sum(writes) + shares.PROBLEM_WRITES)
    assert regions * kept + written < 4 * 1024**3 * 7 / 8


def test_a_storm_of_ten_thousand_events_is_written_within_the_hour_with_three_versions_of_each() -> None:
    of_one = event("sichuan/alarm/00001", sites=["chengdu"], links=["chengdu-guangzhou-1"], cleared=NOON, told_at=NOON)
    writes = Writes(shares.EVENT_WRITES)
    assert all(writes.allows("sichuan", of_one.ByteSize(), 0.0) for _ in range(30_000))


def test_a_storm_of_ten_thousand_events_fits_into_the_share_of_its_region_before_any_has_to_go() -> None:
    names = (f"sichuan/alarm/{each:05}" for each in range(10_000))
    told = {each: event(each, sites=["chengdu"]) for each in names}
    assert Book(told).charges["sichuan"] < shares.crowded(shares.EVENTS)
