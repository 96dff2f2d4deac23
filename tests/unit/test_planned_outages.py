"""Planned outages at the same time: no combination cuts a connection that each alone leaves."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.planned_outages.rules import LONGEST, charge_of, held_with, listed, require_planned_outage
from coordinator.registry import shares
from gateway.api.coordinator.v1.planned_outage_registry_service_pb2 import PlannedOutageHeader
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.network_ways import Parts, cut_together, services_down
from gateway.time.clock import to_timestamp
from tests.shipped import shipped_configuration

NETWORK = Federation(1, shipped_configuration()).network
NOW = datetime(2026, 12, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIRECT, DETOUR = "chengdu-zhengzhou-1", "zhengzhou-xian-1"  # the two ways of the lines from Chengdu to Zhengzhou


def window(
    key: str, *links: str, start: timedelta = HOUR, lasts: timedelta = HOUR, version: int = 1
) -> PlannedOutageHeader:
    begins = NOW + start
    return PlannedOutageHeader(
        id=key,
        links=links,
        start_time=to_timestamp(begins),
        end_time=to_timestamp(begins + lasts),
        version=version,
    )


def links(*names: str) -> Parts:
    return Parts(links=frozenset(names))


def test_a_service_is_down_when_a_site_of_it_is_out_or_no_way_is_left() -> None:
    assert services_down(NETWORK, links("chengdu-guangzhou-1")) == {"lines-chengdu-guangzhou"}
    assert services_down(NETWORK, links(DIRECT)) == frozenset()
    assert services_down(NETWORK, links(DIRECT, DETOUR)) == {"lines-chengdu-zhengzhou"}
    assert services_down(NETWORK, Parts(sites=frozenset({"xian"}))) == frozenset()
    assert services_down(NETWORK, Parts(frozenset({"xian"}), frozenset({DIRECT}))) == {"lines-chengdu-zhengzhou"}
    at_chengdu = services_down(NETWORK, Parts(sites=frozenset({"chengdu"})))
    assert at_chengdu == {"broadband-chengdu", "lines-chengdu-guangzhou", "lines-chengdu-zhengzhou"}


def test_two_windows_that_take_both_ways_of_a_service_conflict_only_at_the_same_time() -> None:
    first = window("sichuan/planned/1", DIRECT)
    held = held_with([], first, NETWORK, NOW)
    assert held == [first]
    at_once = window("henan/planned/1", DETOUR, start=1.5 * HOUR)
    with pytest.raises(Refused) as raised:
        held_with(held, at_once, NETWORK, NOW)
    assert raised.value.reason == Reason.REASON_PLANNED_OUTAGE_CONFLICT
    assert raised.value.parameters["outage"] == "sichuan/planned/1"
    assert "lines-chengdu-zhengzhou" in raised.value.parameters["affected"]
    behind = window("henan/planned/1", DETOUR, start=2 * HOUR)
    assert held_with(held, behind, NETWORK, NOW) == [behind, first]
    harmless = window("sichuan/planned/2", "chengdu-guangzhou-1")
    assert held_with(held, harmless, NETWORK, NOW) == [first, harmless], "it takes a service down by itself"


def test_a_window_that_is_let_go_or_has_ended_is_in_nobodys_way() -> None:
    first = window("sichuan/planned/1", DIRECT)
    gone = window("sichuan/planned/1", DIRECT, version=2)
    gone.withdrawn = True
    held = held_with([first], gone, NETWORK, NOW)
    assert held_with([gone], gone, NETWORK, NOW) is None, "an earlier coordinator has stored it with its parts"
    gone.ClearField("links")
    assert held == [gone]
    other = window("henan/planned/1", DETOUR)
    assert held_with(held, other, NETWORK, NOW) == [other, gone]
    assert held_with([first], other, NETWORK, NOW + 5 * HOUR) == [other, first], "an ended one is kept for a week"
    assert held_with([first], other, NETWORK, NOW + timedelta(days=8)) == [other]
    assert listed([first, other, gone], "", NOW) == [other, first]
    assert listed([first, other], "henan", NOW) == [other]


def test_the_same_word_changes_nothing_and_an_earlier_one_is_refused() -> None:
    second = window("sichuan/planned/1", DIRECT, version=2)
    assert held_with([second], second, NETWORK, NOW) is None
    with pytest.raises(Refused) as raised:
        held_with([second], window("sichuan/planned/1", DIRECT), NETWORK, NOW)
    assert raised.value.reason == Reason.REASON_PLANNED_OUTAGE_OVER
    moved = window("sichuan/planned/1", DIRECT, start=9 * HOUR, version=3)
    assert held_with([second], moved, NETWORK, NOW) == [moved]


def filled(region: str = "sichuan") -> list[PlannedOutageHeader]:
    """The windows of a region that fill its share, one after the other."""
    count = shares.PLANNED_OUTAGES // charge_of(window(f"{region}/planned/000", DIRECT))
    return [window(f"{region}/planned/{each:03}", DIRECT, start=each * HOUR) for each in range(1, count + 1)]


def withdrawn(key: str, start: timedelta = HOUR) -> PlannedOutageHeader:
    found = window(key, start=start, version=2)
    found.withdrawn = True
    return found


def test_a_region_that_has_filled_its_share_holds_no_further_window_and_another_one_does() -> None:
    held = filled()
    with pytest.raises(Refused, match="TOO_BUSY"):
        held_with(held, window("sichuan/planned/new", DIRECT, start=999 * HOUR), NETWORK, NOW)
    other = window("henan/planned/1", DETOUR, start=999 * HOUR)
    assert held_with(held, other, NETWORK, NOW) == [other, *held]
    grown = window(held[0].id, *[DIRECT] * 60, start=HOUR, version=2)
    with pytest.raises(Refused, match="TOO_BUSY"):
        held_with(held, grown, NETWORK, NOW)


def test_in_a_filled_share_windows_are_moved_and_withdrawn_and_give_room() -> None:
    held = filled()
    moved = window(held[0].id, DIRECT, start=999 * HOUR, version=2)
    assert held_with(held, moved, NETWORK, NOW) == [moved, *held[1:]]
    left = held_with(held, withdrawn(held[0].id), NETWORK, NOW)
    assert left == [withdrawn(held[0].id), *held[1:]]
    new = window("sichuan/planned/new", DIRECT, start=HOUR)
    assert held_with(left, new, NETWORK, NOW) == [*held[1:], new]


def test_ended_windows_of_a_filled_share_go_for_a_new_one_earliest_first() -> None:
    held = filled()
    new = window("sichuan/planned/new", DIRECT, start=999 * HOUR)
    assert held_with(held, new, NETWORK, NOW + 3.5 * HOUR) == [*held[1:], new]


def test_of_withdrawn_windows_the_last_ones_of_each_region_stay() -> None:
    held: list[PlannedOutageHeader] = [withdrawn("henan/planned/1")]
    for each in range(100):
        held = held_with(held, withdrawn(f"sichuan/planned/{each:03}", start=each * HOUR), NETWORK, NOW) or held
    assert [each.id for each in held] == ["henan/planned/1", *(f"sichuan/planned/{each:03}" for each in range(68, 100))]


def test_the_shares_of_all_regions_fit_into_one_value_of_etcd() -> None:
    assert 31 * shares.PLANNED_OUTAGES < 1.5 * 1024 * 1024 - 64 * 1024


def test_of_a_pair_of_sites_the_last_two_ways_are_not_taken_at_once() -> None:
    lhasa = [each.id for each in NETWORK.links_at("lhasa")]
    assert len(lhasa) >= 2, "there is a pair of ways"
    *others, last = lhasa
    assert "chengdu - lhasa" in set(cut_together(NETWORK, links(*others), links(last)))


WRONG = [
    ({"id": "henan/planned/1"}, Reason.REASON_REQUEST_INVALID),
    ({"id": "sichuan/1"}, Reason.REASON_REQUEST_INVALID),
    ({"version": 0}, Reason.REASON_REQUEST_INVALID),
    ({"links": []}, Reason.REASON_REQUEST_INVALID),
    ({"links": ["none"]}, Reason.REASON_LINK_UNKNOWN),
    ({"links": ["beijing-tianjin-1"]}, Reason.REASON_NETWORK_NOT_OF_REGION),
    ({"sites": ["zhengzhou"]}, Reason.REASON_NETWORK_NOT_OF_REGION),
    ({"end_time": to_timestamp(NOW)}, Reason.REASON_REQUEST_INVALID),
    ({"end_time": to_timestamp(NOW + 2 * LONGEST)}, Reason.REASON_REQUEST_INVALID),
    ({"start_time": to_timestamp(NOW + timedelta(days=400))}, Reason.REASON_REQUEST_INVALID),
]


@pytest.mark.parametrize(("changes", "reason"), WRONG)
def test_a_region_holds_windows_of_its_own_network_alone(changes: dict[str, object], reason: Reason.ValueType) -> None:
    good = window("sichuan/planned/1", "chengdu-guangzhou-1")
    require_planned_outage(good, "sichuan", NETWORK, NOW)
    for name in changes:
        good.ClearField(name)  # type: ignore[arg-type]
    good.MergeFrom(PlannedOutageHeader(**changes))  # type: ignore[arg-type]
    with pytest.raises(Refused) as raised:
        require_planned_outage(good, "sichuan", NETWORK, NOW)
    assert raised.value.reason == reason


_parts = st.builds(
    Parts,
    st.frozensets(st.sampled_from(sorted(NETWORK.sites)), max_size=3),
    st.frozensets(st.sampled_from(sorted(NETWORK.links)), max_size=6),
)


@given(_parts, _parts)
def test_who_comes_first_makes_no_difference_and_nothing_is_cut_by_one_alone(one: Parts, other: Parts) -> None:
    assert list(cut_together(NETWORK, one, other)) == list(cut_together(NETWORK, other, one))
    assert list(cut_together(NETWORK, one, one)) == []
    assert list(cut_together(NETWORK, one, Parts())) == []


@given(_parts, _parts)
def test_what_more_is_out_never_brings_a_service_back(one: Parts, other: Parts) -> None:
    assert services_down(NETWORK, one) <= services_down(NETWORK, one | other)
