"""A coordinator's decisions from facts alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import coordinator
from coordinator.membership.rules import membership_of, require_route
from coordinator.oversight.rules import merged, origin_region
from coordinator.registry.rules import Heartbeat, Lease, RegionFacts, Suspension, expired, next_expiry
from coordinator.wording.ages import told_age, told_span
from coordinator.wording.order_timeline import Hop, seconds_between, timeline
from gateway.api.coordinator.v1.administration_pb2 import GetOrderTraceResponse, RegionTrace
from gateway.api.federation.v1.federation_pb2 import (
    Capabilities,
    Capability,
    EnvelopesInFlight,
    Member,
    MemberState,
    NodeReport,
    OpenBreaker,
    WaitingAnomalies,
)
from gateway.api.region.v1.order_oversight_service_pb2 import EnvelopeTrace, OrderSummary
from gateway.api.region.v1.order_oversight_service_pb2 import GetOrderTraceResponse as TraceOfRegion
from gateway.api.region.v1.order_pb2 import OrderState, StateChange
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, HopStamp, Journey
from gateway.errors import Refused, reason_name
from gateway.security.sealing_keys import is_proven_by
from gateway.time.clock import to_timestamp
from gateway.wording.languages import for_reader
from gateway.wording.words import word
from region_node.requests.checks import NODE_OPERATOR

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEAT = Heartbeat("127.0.0.1:1", NOW, 1, timedelta(0), b"certificate")
SUSPENSION = Suspension(NOW, "note", "admin/root")
facts = st.builds(
    RegionFacts,
    region=st.just("sichuan"),
    ever_joined=st.booleans(),
    live=st.sampled_from([{}, {BEAT.endpoint: BEAT}]),
    presence_since=st.just(NOW),
    suspension=st.sampled_from([None, SUSPENSION]),
)


@given(facts)
def test_every_region_stands_in_exactly_one_way(known: RegionFacts) -> None:
    expected = (
        MemberState.MEMBER_STATE_SUSPENDED
        if known.suspension
        else MemberState.MEMBER_STATE_JOINED
        if known.live
        else MemberState.MEMBER_STATE_LOST
        if known.ever_joined
        else MemberState.MEMBER_STATE_ABSENT
    )
    assert membership_of(known).state == expected


@given(st.lists(st.floats(0, 1000), max_size=8), st.floats(0, 1000))
def test_a_lease_counts_until_the_moment_it_runs_out(ends: list[float], now: float) -> None:
    leases = [Lease("sichuan", str(number), end) for number, end in enumerate(ends)]
    gone = expired(leases, now)
    assert all(lease.expires <= now for lease in gone)
    rest = [lease for lease in leases if lease not in gone]
    following = next_expiry(rest)
    assert following == min((lease.expires for lease in rest), default=None)
    assert following is None or following > now


def member(region: str, state: MemberState.ValueType, *endpoints: str) -> Member:
    return Member(region=region, state=state, endpoints=endpoints)


@pytest.mark.parametrize(
    ("sender", "destination", "reason"),
    [
        (MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_JOINED, ""),
        # Lost is not gone: what it sends may be older than what the coordinator heard of it.
        (MemberState.MEMBER_STATE_LOST, MemberState.MEMBER_STATE_JOINED, ""),
        (MemberState.MEMBER_STATE_ABSENT, MemberState.MEMBER_STATE_JOINED, "REGION_NOT_JOINED"),
        (MemberState.MEMBER_STATE_SUSPENDED, MemberState.MEMBER_STATE_JOINED, "REGION_SUSPENDED"),
        (MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_SUSPENDED, "REGION_SUSPENDED"),
        (MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_ABSENT, "REGION_NOT_JOINED"),
    ],
)
def test_who_may_send_to_whom(sender: MemberState.ValueType, destination: MemberState.ValueType, reason: str) -> None:
    members = {"a": member("a", sender), "b": member("b", destination, "127.0.0.1:1")}
    assert route(members, "a", "b") == reason


def test_without_an_endpoint_or_a_configuration_there_is_no_route() -> None:
    joined = MemberState.MEMBER_STATE_JOINED
    members = {"a": member("a", joined, "127.0.0.1:1"), "b": member("b", joined)}
    assert route(members, "a", "b") == "REGION_UNREACHABLE"
    assert route(members, "a", "c") == "REGION_UNKNOWN"
    assert route(members, "c", "a") == "REGION_UNKNOWN"
    assert route({}, "a", "b") == "CONFIGURATION_MISSING"


def route(members: dict[str, Member], sender: str, destination: str) -> str:
    """Why there is no route; empty where there is one."""
    try:
        require_route(members, sender, destination)
    except Refused as refusal:
        return reason_name(refusal.reason)
    return ""


def order(number: int, version: int = 0, home: str = "") -> OrderSummary:
    return OrderSummary(
        id=f"henan/counter/R{number}",
        version=version,
        origin_region="henan",
        home_region=home,
        create_time=to_timestamp(NOW + timedelta(seconds=number)),
    )


def test_without_the_home_regions_word_the_highest_version_counts() -> None:
    reports = {"henan": [order(1, 2, "sichuan")], "hunan": [order(1, 3, "sichuan")]}
    assert [each.version for each in merged(reports)] == [3]
    assert [each.version for each in merged({**reports, "sichuan": [order(1, 1, "sichuan")]})] == [1]


@pytest.mark.parametrize("order_id", ["", "R1", "henan/R1", "henan//R1", "henan/counter/R1/2", "/counter/R1"])
def test_an_order_id_names_region_operator_and_request(order_id: str) -> None:
    known = ("henan/counter/R1", "henan/staff/wang/R1", f"henan/{NODE_OPERATOR}/R1", "henan/J20261210-17")
    assert {origin_region(each) for each in known} == {"henan"}
    with pytest.raises(Refused):
        origin_region(order_id)


def test_a_timeline_tells_each_event_once_in_the_order_of_time_and_no_reason_that_repeats_its_state() -> None:
    change = StateChange(state=OrderState.ORDER_STATE_COMPLETED, time=to_timestamp(NOW), region="sichuan")
    change.reason = "fulfilled"
    stamp = HopStamp(party="henan", event="sent", time=to_timestamp(NOW - timedelta(seconds=1)))
    envelope = EnvelopeTrace(
        kind=EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT,
        origin="henan",
        destination="sichuan",
        journey=Journey(stamps=[stamp]),
    )
    # Both regions know the state; only the sender knows the hop.
    here = TraceOfRegion(state_changes=[change], envelopes=[envelope])
    there = TraceOfRegion(state_changes=[change])
    response = GetOrderTraceResponse(
        traces=[RegionTrace(region="henan", trace=here), RegionTrace(region="sichuan", trace=there)]
    )
    hops = timeline(response)
    assert hops == [
        Hop(NOW - timedelta(seconds=1), "henan", "sent", "order submit henan → sichuan"),
        Hop(NOW, "sichuan", "order completed", ""),
    ]
    assert seconds_between(hops) == [None, 1.0]
    assert seconds_between([]) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "+12.3 ms"), (-0.5, "-500.0 ms"), (4.2, "+4.2 s"), (200, "+3 min"), (7300, "+2 h")],
)
def test_a_length_of_time_is_told_in_its_own_unit(seconds: float, text: str) -> None:
    assert told_span(seconds) == text


def test_what_a_clock_ahead_of_ours_has_stamped_is_no_age_below_nothing() -> None:
    assert told_age(to_timestamp(NOW - timedelta(hours=2)), NOW) == "2 h ago"
    assert told_age(to_timestamp(NOW - timedelta(seconds=37.7)), NOW) == "37 s ago"
    with for_reader("zh", Path(coordinator.__file__).parent / "texts"):
        assert told_age(to_timestamp(NOW - timedelta(seconds=37.7)), NOW) == "37秒前"
    assert told_age(to_timestamp(NOW + timedelta(hours=2)), NOW) == "just now"


def test_enum_values_are_told_in_words() -> None:
    assert word("ORDER_STATE_IN_PROGRESS", "ORDER_STATE_") == "in progress"
    assert word("PARTY_UNSPECIFIED", "PARTY_") == ""


def test_the_envelopes_in_flight_of_a_region_are_those_of_its_live_processes() -> None:
    def beat(**counts: int) -> Heartbeat:
        told = [EnvelopesInFlight(destination=each, count=count) for each, count in counts.items()]
        return replace(BEAT, report=NodeReport(in_flight=told))

    def told(*live: Heartbeat, last: Heartbeat) -> dict[str, int]:
        facts = RegionFacts("sichuan", live={str(key): each for key, each in enumerate(live)}, last=last)
        return {each.destination: each.count for each in facts.report().in_flight}

    one, other, hostile = beat(henan=3, guangdong=1), beat(henan=4), beat(henan=2**32 - 1)
    assert told(one, other, last=other) == {"guangdong": 1, "henan": 7}
    assert told(other, last=one) == {"henan": 4}, "a process that left has none"
    assert told(last=one) == {"guangdong": 1, "henan": 3}, "a silent region has those of its last heartbeat"
    assert told(one, hostile, last=one) == {"guangdong": 1, "henan": 2**32 - 1}


def test_the_orders_per_minute_of_a_region_are_the_sum_of_its_live_processes_that_count_them() -> None:
    def told(*rates: int | None, last: int | None = None) -> int | None:
        beats = [replace(BEAT, report=NodeReport(orders_per_minute=each)) for each in (*rates, last)]
        live = {str(key): each for key, each in enumerate(beats[:-1])}
        report = RegionFacts("sichuan", live=live, last=beats[-1]).report()
        return report.orders_per_minute if report.HasField("orders_per_minute") else None

    assert told(3, 4, None, last=4) == 7
    assert told(0, last=0) == 0
    assert told(None, last=None) is None, "an older process counts none"
    assert told(last=4) is None, "a silent region has none"
    assert told(1, 2**32 - 1, last=1) == 2**32 - 1


def test_a_region_does_not_reach_what_any_of_its_live_processes_does_not_since_the_first_of_them() -> None:
    def beat(**ages: int) -> Heartbeat:
        opened = {each: to_timestamp(NOW - timedelta(seconds=age)) for each, age in ages.items()}
        breakers = [OpenBreaker(destination=each, open_time=time) for each, time in opened.items()]
        return replace(BEAT, report=NodeReport(open_breakers=breakers))

    def told(*live: Heartbeat, last: Heartbeat) -> dict[str, int]:
        facts = RegionFacts("sichuan", live={str(key): each for key, each in enumerate(live)}, last=last)
        return {
            each.destination: to_timestamp(NOW).seconds - each.open_time.seconds
            for each in facts.report().open_breakers
        }

    one, other, well = beat(henan=3, guangdong=1), beat(henan=4), beat()
    assert told(one, other, well, last=well) == {"guangdong": 1, "henan": 4}
    assert told(other, one, last=one) == {"guangdong": 1, "henan": 4}
    assert told(well, last=one) == {}, "a process that left holds nothing back"
    assert told(last=one) == {"guangdong": 1, "henan": 3}, "a silent region has those of its last heartbeat"


def test_what_waits_for_a_destination_that_is_not_reached_is_the_sum_of_the_processes_that_count_it() -> None:
    def told(*counts: int | None) -> int | None:
        breakers = [OpenBreaker(destination="henan", waiting=each) for each in counts]
        beats = [replace(BEAT, report=NodeReport(open_breakers=[each])) for each in breakers]
        live = {str(key): each for key, each in enumerate(beats)}
        [united] = RegionFacts("sichuan", live=live, last=beats[0]).report().open_breakers
        assert beats[0].report.open_breakers[0] == breakers[0], "what a process reported stays as it is"
        return united.waiting if united.HasField("waiting") else None

    assert told(3, None, 4) == 7
    assert told(0, 0) == 0
    assert told(None, None) is None, "older processes count none"
    assert told(1, 2**32 - 1) == 2**32 - 1


def test_the_anomalies_of_a_region_are_the_most_that_any_of_its_live_processes_has_seen_since_the_first() -> None:
    def beat(**seen: tuple[int, int]) -> Heartbeat:
        told = [
            WaitingAnomalies(region=region, count=count, begin_time=to_timestamp(NOW - timedelta(seconds=age)))
            for region, (count, age) in seen.items()
        ]
        return replace(BEAT, report=NodeReport(anomalies=told))

    def told(*live: Heartbeat, last: Heartbeat) -> dict[str, tuple[int, int]]:
        facts = RegionFacts("sichuan", live={str(key): each for key, each in enumerate(live)}, last=last)
        return {
            each.region: (each.count, to_timestamp(NOW).seconds - each.begin_time.seconds)
            for each in facts.report().anomalies
        }

    one, other, started = beat(henan=(2, 9), guangdong=(1, 5)), beat(henan=(3, 7)), beat()
    assert told(one, other, started, last=started) == {"guangdong": (1, 5), "henan": (3, 9)}
    assert told(other, one, last=one) == {"guangdong": (1, 5), "henan": (3, 9)}
    assert told(started, last=one) == {}, "a process that left has seen none"
    assert told(last=one) == {"guangdong": (1, 5), "henan": (2, 9)}, "a silent region has those of its last heartbeat"


def test_the_certificate_of_a_region_is_that_of_its_live_process_which_ends_first_with_its_own_begin() -> None:
    def beat(begin: int | None, end: int | None) -> Heartbeat:
        first, last = (None if each is None else to_timestamp(NOW + timedelta(days=each)) for each in (begin, end))
        return replace(BEAT, report=NodeReport(certificate_begin_time=first, certificate_end_time=last))

    def told(*live: Heartbeat, last: Heartbeat) -> NodeReport:
        return RegionFacts("sichuan", live={str(key): each for key, each in enumerate(live)}, last=last).report()

    soon, late, older, unreadable = beat(-60, 30), beat(-10, 80), beat(None, 20), beat(None, None)
    assert told(soon, late, last=late) == soon.report
    assert told(late, soon, unreadable, last=unreadable) == soon.report
    assert told(soon, older, last=soon) == older.report, "an older process has no begin, and takes none of another"
    assert told(unreadable, last=soon) == NodeReport(), "a process that left shows no certificate"
    assert told(last=soon) == soon.report, "a silent region has that of its last heartbeat"


def test_a_region_lags_behind_while_any_of_its_processes_does() -> None:
    old, new = (Capabilities(capabilities=[Capability(name="Enum", numbers=numbers)]) for numbers in ([1], [1, 2]))
    lagging = replace(BEAT, capabilities=old, report=NodeReport(unreadable="revision 2"))
    upgraded = replace(BEAT, capabilities=new)
    known = RegionFacts("sichuan").joined_by(lagging, is_proven_by).joined_by(upgraded, is_proven_by)
    both = replace(known, live={"1": lagging, "2": upgraded}, last=upgraded)
    assert ([*both.versions()], both.report().unreadable) == ([old, new], "revision 2")
    done = replace(known, live={"2": upgraded}, last=upgraded)
    assert ([*done.versions()], done.report()) == ([new], NodeReport())
    assert [*known.versions()] == [new], "of a silent region, what the last could read counts"
    left = replace(known, live={"2": upgraded}, last=lagging)
    assert left.report().unreadable == "", "a process that left lags behind no more"
    assert known.joined_by(BEAT, is_proven_by).capabilities == new, "a process that tells none takes none away"
