"""The sizes of the shares of the registry."""

from coordinator.registry import shares
from coordinator.registry.problem_port import Book
from tests.unit.network_events import event


def test_the_shares_of_all_regions_take_less_than_half_of_the_space_of_the_shipped_etcd() -> None:
    assert 31 * (shares.EVENTS + shares.CASES + shares.PLANNED_OUTAGES) < 4 * 1024**3 / 2


def test_a_storm_of_ten_thousand_events_fits_into_the_share_of_its_region_before_any_has_to_go() -> None:
    names = (f"sichuan/alarm/{each:05}" for each in range(10_000))
    told = {each: event(each, sites=["chengdu"]) for each in names}
    assert Book(told).charges["sichuan"] < shares.crowded(shares.EVENTS)
