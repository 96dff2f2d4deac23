"""How problems follow what is correlated, whatever comes late, twice, or at another coordinator first."""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.problems import rules
from coordinator.problems.book import View, correlated, down_now, impaired_now, past
from coordinator.problems.correlation import Observed
from coordinator.problems.topology import Kind, Topology
from coordinator.registry.problem_port import Book
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.federation.v1 import problem_pb2
from gateway.api.federation.v1.problem_pb2 import (
    NETWORK_ELEMENT_KIND_LINK,
    NETWORK_ELEMENT_KIND_SITE,
    NetworkElement,
    ProblemHeader,
)
from gateway.federation.catalogue import Federation
from gateway.federation.problems import is_cause_known
from gateway.time.clock import from_microseconds, to_timestamp
from tests.bench.storms import Weather, storm
from tests.shipped import shipped_configuration
from tests.unit.network_events import CRITICAL, MINOR, NOON, cut, event

NETWORK = Federation(1, shipped_configuration()).network
TOPOLOGY = Topology(NETWORK)
LINK = "chengdu-guangzhou-1"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def book(events: Iterable[NetworkEvent], problems: Iterable[Problem] = ()) -> Book:
    return Book({each.id: each for each in events}, {each.header.id: each for each in problems})


def followed(before: Book, now: datetime = NOON + HOUR) -> Book:
    """The book with what follows from it."""
    changed = correlated(before, View(NETWORK, TOPOLOGY, timedelta(minutes=15), now))
    return Book(before.events, {**before.problems, **{each.header.id: each for each in changed}})


def headers(found: Book) -> list[ProblemHeader]:
    return [each.header for each in sorted(found.problems.values(), key=rules.place)]


def test_a_cut_that_two_regions_tell_of_is_one_problem_with_its_cause_parent_services_and_regions() -> None:
    (header,) = headers(followed(book(cut())))
    assert (header.root_cause.id, header.state, header.version) == (LINK, rules.IN_PROGRESS, 1)
    assert header.parent_id == "sichuan/alarm/1", "what names the cause comes before a fault that does not"
    assert list(header.child_ids) == ["guangdong/alarm/2", "sichuan/alarm/1", "sichuan/fault/3"]
    assert list(header.services) == ["lines-chengdu-guangzhou"]
    assert list(header.regions) == ["guangdong", "sichuan"]


def test_what_has_not_changed_keeps_its_version_and_what_has_gets_a_higher_one() -> None:
    once = followed(book(cut()[:2]))
    assert headers(followed(once)) == headers(once)
    (header,) = headers(followed(book(cut(), once.problems.values())))
    assert (header.id, header.version, len(header.child_ids)) == (headers(once)[0].id, 2, 3)


def test_it_is_resolved_once_everything_is_over_and_goes_on_if_something_was_not() -> None:
    over = cut()
    for each in over:
        each.clear_time.CopyFrom(to_timestamp(NOON + HOUR))
    resolved = followed(book(over, followed(book(cut())).problems.values()))
    (header,) = headers(resolved)
    assert (header.state, header.HasField("end_time")) == (rules.RESOLVED, True)
    (again,) = headers(followed(book([*over[:2], cut()[2]], resolved.problems.values())))
    assert (again.id, again.state, again.HasField("end_time")) == (header.id, rules.IN_PROGRESS, False)


def test_two_problems_that_a_late_alarm_shows_to_be_one_become_the_older_one() -> None:
    links = [
        event("sichuan/alarm/1", links=["chengdu-xichang-1"]),
        event("yunnan/alarm/2", links=["xichang-kunming-1"], raised=NOON + timedelta(minutes=1)),
    ]
    apart = followed(book(links))
    first, second = headers(apart)[::-1]
    late = event("sichuan/alarm/3", sites=["xichang"])
    found = {each.id: each for each in headers(followed(book([*links, late], apart.problems.values())))}
    assert (found[first.id].root_cause.id, len(found[first.id].child_ids)) == ("xichang", 3)
    assert (found[second.id].state, found[second.id].merged_into_id) == (rules.CANCELLED, first.id)


def test_small_alarms_are_no_problem_and_a_fault_is_one_by_itself() -> None:
    small = [event(f"sichuan/alarm/{each}", sites=["chengdu"], severity=MINOR) for each in range(5)]
    assert not headers(followed(book(small)))
    fault = event("sichuan/fault/1", sites=["songpan"])
    assert [each.root_cause.id for each in headers(followed(book([*small, fault])))] == ["songpan"]


def lines(*minutes: int, site: str = "chengdu") -> list[NetworkEvent]:
    """Reports of as many customers about their own lines, each at that time after noon."""
    return [
        event(f"sichuan/fault/{site}-{each}", sites=[site], raised=NOON + timedelta(minutes=each), of_one_line=True)
        for each in minutes
    ]


def test_what_customers_report_of_their_own_lines_is_a_problem_of_the_site_for_several_or_with_an_alarm() -> None:
    told: dict[str, tuple[list[NetworkEvent], bool]] = {
        "one customer": (lines(0), False),
        "a modem and a telephone set": (lines(0, 5), False),
        "many, one after the other": (lines(0, 10, 20, 30, 40), False),
        "several of different sites": ([*lines(0, 1), *lines(2, 3, site="songpan")], False),
        "one and a small alarm": ([*lines(0), event("sichuan/alarm/1", sites=["chengdu"], severity=MINOR)], False),
        "several at once": (lines(0, 5, 10), True),
        "one and an alarm": ([*lines(5), event("sichuan/alarm/1", sites=["chengdu"])], True),
        "one that staff report": ([event("sichuan/fault/1", sites=["chengdu"])], True),
    }
    wrong = [who for who, (events, is_one) in told.items() if bool(headers(followed(book(events)))) != is_one]
    assert not wrong
    (header,) = headers(followed(book(lines(0, 5, 10))))
    assert (header.root_cause.id, header.confidence, header.severity) == ("chengdu", 66, CRITICAL)


def test_what_customers_report_of_their_own_lines_opens_no_problem_again_that_is_over() -> None:
    minute = timedelta(minutes=1)
    alarm = event("sichuan/alarm/1", sites=["chengdu"])
    before = followed(book([alarm]))
    over = event("sichuan/alarm/1", sites=["chengdu"], cleared=NOON + 10 * minute, version=2)
    during = followed(book([over, *lines(5)], before.problems.values()))
    (header,) = headers(during)
    assert (header.state, len(header.child_ids)) == (rules.IN_PROGRESS, 2), "it is reported while the alarm is there"
    resolved = followed(book([over], before.problems.values()))
    (header,) = headers(resolved)
    after = followed(book([over, *lines(12, 14)], resolved.problems.values()))
    assert headers(after) == [header]
    several = headers(followed(book([over, *lines(12, 14, 16)], resolved.problems.values())))
    assert [(each.state, len(each.child_ids)) for each in several] == [(rules.IN_PROGRESS, 3), (rules.RESOLVED, 1)]


def test_one_customer_opens_no_problem_again_that_several_customers_made() -> None:
    minute = timedelta(minutes=1)
    before = followed(book(lines(0, 2, 4)))
    over = lines(0, 2, 4)
    for each in over:
        each.clear_time.CopyFrom(to_timestamp(NOON + 8 * minute))
    resolved = followed(book(over, before.problems.values()))
    (header,) = headers(resolved)
    assert header.state == rules.RESOLVED

    def after(*late: NetworkEvent) -> list[tuple[int, int]]:
        found = headers(followed(book([*over, *late], resolved.problems.values())))
        return sorted((each.state, len(each.child_ids)) for each in found)

    alarm = event("sichuan/alarm/1", sites=["chengdu"], raised=NOON + 14 * minute)
    again = lines(9, 10, 11)
    for each in again:
        each.clear_time.CopyFrom(to_timestamp(NOON + 12 * minute))
    told: dict[str, tuple[list[NetworkEvent], list[tuple[int, int]]]] = {
        "one within the window": (lines(13), [(rules.RESOLVED, 3)]),
        "one long after it": (lines(30), [(rules.RESOLVED, 3)]),
        "two": (lines(9, 13), [(rules.RESOLVED, 3)]),
        "several": (lines(9, 11, 13), [(rules.IN_PROGRESS, 3), (rules.RESOLVED, 3)]),
        "one after several that are over again": ([*again, *lines(13)], [(rules.RESOLVED, 3), (rules.RESOLVED, 3)]),
        "one and an alarm": ([*lines(13), alarm], [(rules.IN_PROGRESS, 5)]),
        "one while it went on": (lines(7), [(rules.IN_PROGRESS, 4)]),
    }
    wrong = {who: found for who, (late, expected) in told.items() if (found := after(*late)) != expected}
    assert not wrong


SLOW, SLOW_SERVICE = "chengdu-zhengzhou-1", "lines-chengdu-zhengzhou"


def slow(*, cleared: datetime | None = None) -> list[NetworkEvent]:
    """The measurements of a link and of its service: both work badly."""
    told = [
        event("sichuan/alarm/delay", links=[SLOW], cleared=cleared),
        event("sichuan/alarm/service-delay", services=[SLOW_SERVICE], cleared=cleared),
    ]
    for each in told:
        each.condition = rules.DEGRADED
    return told


def test_what_does_not_speak_for_the_cause_does_not_say_how_bad_it_is() -> None:
    minute = timedelta(minutes=1)
    major = event("sichuan/fault/link", links=[SLOW], severity=problem_pb2.PERCEIVED_SEVERITY_MAJOR)
    staff = event("sichuan/fault/service", services=[SLOW_SERVICE], raised=NOON + minute)
    told: dict[str, tuple[list[NetworkEvent], int]] = {
        "the own line of one customer": ([*slow(), *lines(5)], CRITICAL),
        "the own lines of two customers": ([*slow(), *lines(5, 6)], CRITICAL),
        "an own line at a link that is slightly slow": ([major, *lines(5)], major.severity),
        "a fault of the service": ([major, staff], major.severity),
    }
    wrong = dict[str, str]()
    for who, (events, severity) in told.items():
        (header,) = headers(followed(book(events)))
        assert (header.root_cause.id, len(header.child_ids), is_cause_known(header)) == (SLOW, len(events), True), who
        if (header.condition, header.severity) != (rules.DEGRADED, severity) or header.HasField("down_start_time"):
            wrong[who] = str(header)
    assert not wrong


def test_where_nothing_names_the_cause_what_speaks_for_it_says_how_bad_it_is_and_so_do_several_customers() -> None:
    minute = timedelta(minutes=1)
    ends = [
        event(f"{region}/alarm/end", sites=[site], raised=NOON + minute)
        for region, site in (("sichuan", "chengdu"), ("guangdong", "guangzhou"))
    ]
    used = event("sichuan/alarm/use", services=["lines-chengdu-guangzhou"], raised=NOON + minute)
    small = event("sichuan/alarm/small", sites=["chengdu"], raised=NOON, severity=MINOR)
    told: dict[str, tuple[list[NetworkEvent], datetime]] = {
        "the ends and a service of a link": ([*ends, used, *lines(0)], NOON + minute),
        "three customers": (lines(2, 3, 4), NOON + 2 * minute),
        "three customers and a small alarm": ([small, *lines(2, 3, 4)], NOON + 2 * minute),
    }
    wrong = dict[str, str]()
    for who, (events, since) in told.items():
        (header,) = headers(followed(book(events)))
        expected = (rules.DOWN, CRITICAL, to_timestamp(since), len(events))
        if (header.condition, header.severity, header.down_start_time, len(header.child_ids)) != expected:
            wrong[who] = str(header)
    assert not wrong


def test_a_cause_that_is_over_is_down_no_more_though_one_customer_still_waits() -> None:
    end = NOON + timedelta(minutes=10)
    before = followed(book([event("sichuan/alarm/1", sites=["chengdu"]), *lines(5)]))
    over = event("sichuan/alarm/1", sites=["chengdu"], cleared=end)
    waiting = followed(book([over, *lines(5)], before.problems.values()))
    (header,) = headers(waiting)
    assert (header.state, header.severity, header.down_end_time) == (rules.IN_PROGRESS, MINOR, to_timestamp(end))
    assert (header.condition, down_now([header]), impaired_now([header])) == (rules.DEGRADED, frozenset(), frozenset())
    mended = event("sichuan/fault/chengdu-5", sites=["chengdu"], raised=NOON, cleared=end + HOUR, of_one_line=True)
    (header,) = headers(followed(book([over, mended], waiting.problems.values()), end + 2 * HOUR))
    assert (header.state, header.condition, header.severity) == (rules.RESOLVED, rules.DOWN, CRITICAL)
    assert header.down_end_time == to_timestamp(end)


def test_a_problem_whose_cause_is_not_known_takes_no_service_down_until_enough_speaks_for_it() -> None:
    major = problem_pb2.PERCEIVED_SEVERITY_MAJOR
    chance = [
        event("sichuan/alarm/1", links=[LINK], severity=major),
        event("sichuan/alarm/2", sites=["chengdu"], severity=MINOR),
    ]
    unknown = followed(book(chance))
    (header,) = headers(unknown)
    assert (header.root_cause.id, header.confidence, list(header.services)) == (LINK, 0, [])
    assert header.HasField("confidence")
    late = event("guangdong/alarm/3", links=[LINK], severity=major)
    (known,) = headers(followed(book([*chance, late], unknown.problems.values())))
    assert (known.id, known.root_cause.id, known.confidence) == (header.id, LINK, 66)
    assert list(known.services) == ["lines-chengdu-guangzhou"]


def test_a_problem_is_down_while_something_of_it_is_and_degraded_while_the_rest_still_works_badly() -> None:
    bad = event("sichuan/alarm/1", links=[LINK], severity=problem_pb2.PERCEIVED_SEVERITY_MAJOR)
    worse = event("guangdong/alarm/2", links=[LINK], severity=problem_pb2.PERCEIVED_SEVERITY_MAJOR)
    degraded = followed(book([bad, worse]))
    (header,) = headers(degraded)
    assert (header.condition, header.HasField("down_start_time")) == (rules.DEGRADED, False)
    assert (list(header.services), down_now([header])) == (["lines-chengdu-guangzhou"], frozenset())
    minute = timedelta(minutes=1)
    cut = event("sichuan/alarm/3", links=[LINK], raised=NOON + minute)
    down = followed(book([bad, worse, cut], degraded.problems.values()))
    (header,) = headers(down)
    assert (header.condition, header.down_start_time) == (rules.DOWN, cut.raise_time)
    assert [each.id for each in down_now([header])] == [LINK]
    mended = event("sichuan/alarm/3", links=[LINK], raised=NOON + minute, cleared=NOON + 9 * minute)
    (header,) = headers(followed(book([bad, worse, mended], down.problems.values())))
    assert (header.condition, header.down_end_time) == (rules.DEGRADED, mended.clear_time)


def test_what_a_coordinator_has_found_that_judges_no_confidence_is_claimed() -> None:
    (header,) = headers(followed(book(cut())))
    assert is_cause_known(header)
    header.ClearField("confidence")
    assert is_cause_known(header)
    header.confidence = 0
    assert not is_cause_known(header)


def test_a_second_cut_takes_the_last_way_and_the_service_is_down_for_both() -> None:
    first = event("sichuan/alarm/1", links=["chengdu-zhengzhou-1"])
    assert [list(each.services) for each in headers(followed(book([first])))] == [[]]
    second = event("shaanxi/alarm/1", links=["xian-chengdu-1"], raised=NOON + HOUR)
    found = headers(followed(book([first, second])))
    assert [list(each.services) for each in found] == [["lines-chengdu-zhengzhou"]] * 2


def test_what_was_over_for_long_is_left_alone_and_in_the_end_forgotten() -> None:
    over = [event(each.id, links=[LINK], cleared=NOON + HOUR) for each in cut()]
    resolved = followed(book(over))
    later = NOON + 3 * DAY
    again = followed(book([*over, *cut(later, "b")], resolved.problems.values()), later)
    assert len(again.problems) == 2
    assert past(again, later).is_empty
    gone = past(again, NOON + 100 * DAY)
    assert (list(gone.forgotten_problems), len(gone.forgotten_events)) == ([headers(resolved)[0].id], 3)


def test_what_was_over_for_long_goes_on_where_a_fault_of_it_opens_again() -> None:
    over = cut()
    for each in over:
        each.clear_time.CopyFrom(to_timestamp(NOON + HOUR))
    resolved, later = followed(book(over, followed(book(cut())).problems.values())), NOON + 3 * DAY
    (header,) = headers(resolved)
    again = followed(book([*over[:2], cut()[2]], resolved.problems.values()), later)
    (open_again,) = headers(again)
    assert (open_again.id, open_again.state, open_again.version) == (header.id, rules.IN_PROGRESS, header.version + 1)
    assert cut()[2].id in open_again.child_ids


def test_a_problem_that_goes_on_keeps_what_was_over_long_ago_and_its_beginning() -> None:
    first = event("sichuan/alarm/1", links=[LINK], cleared=NOON + HOUR)
    second = event("guangdong/alarm/2", links=[LINK], raised=NOON + timedelta(minutes=5))
    before = followed(book([first, second]))
    (header,) = headers(followed(before, NOON + 5 * DAY))
    assert (header, header.start_time) == (headers(before)[0], first.raise_time)


def test_what_a_region_tells_late_that_was_cut_off_for_days_joins_the_problem_of_its_time() -> None:
    resolved = followed(book([event("sichuan/alarm/1", links=[LINK], cleared=NOON + HOUR)]))
    later = NOON + 3 * DAY
    late = event("guangdong/alarm/2", links=[LINK], cleared=NOON + HOUR, told_at=later)
    joined = followed(book([*resolved.events.values(), late], resolved.problems.values()), later + HOUR)
    (header,) = headers(joined)
    assert (header.id, len(header.child_ids)) == (headers(resolved)[0].id, 2)
    assert headers(followed(joined, later + 5 * DAY)) == [header]


def test_two_that_are_told_late_are_one_problem_and_what_was_at_another_time_is_left_alone() -> None:
    earlier = followed(book([event("sichuan/alarm/1", links=[LINK], cleared=NOON + HOUR)]))
    later, then = NOON + 5 * DAY, NOON + DAY
    late = [
        event(f"{region}/alarm/late", links=[LINK], raised=then, cleared=then + HOUR, told_at=later)
        for region in ("guangdong", "sichuan")
    ]
    once = followed(book([*earlier.events.values(), late[0]], earlier.problems.values()), later)
    twice = followed(book([*once.events.values(), late[1]], once.problems.values()), later + HOUR)
    assert [len(each.child_ids) for each in headers(twice)] == [2, 1]
    assert headers(twice)[1] == headers(earlier)[0]


def test_a_problem_takes_over_the_services_of_what_has_turned_out_to_be_a_part_of_it() -> None:
    site = event("yunnan/alarm/1", sites=["xichang"], raised=NOON)
    link = event("sichuan/alarm/2", links=["chengdu-xichang-1"], raised=NOON + timedelta(minutes=1))
    apart = Book(
        {each.id: each for each in (site, link)},
        {
            name: Problem(
                header=ProblemHeader(
                    id=name,
                    state=rules.IN_PROGRESS,
                    version=1,
                    root_cause=NetworkElement(kind=kind, id=cause),
                    child_ids=[told.id],
                    services=services,
                    start_time=told.raise_time,
                )
            )
            for name, kind, cause, told, services in (
                ("problem-1", NETWORK_ELEMENT_KIND_SITE, "xichang", site, ["broadband-xichang"]),
                ("problem-2", NETWORK_ELEMENT_KIND_LINK, "chengdu-xichang-1", link, ["lines-of-before"]),
            )
        },
    )
    found = {each.id: each for each in headers(followed(apart))}
    assert (found["problem-2"].state, found["problem-2"].merged_into_id) == (rules.CANCELLED, "problem-1")
    assert list(found["problem-1"].services) == ["broadband-xichang", "lines-of-before"]


@given(st.integers(0, 5_000), st.integers(1, 7))
@settings(max_examples=25)
def test_events_that_come_one_after_the_other_end_in_the_same_problems_as_all_at_once(seed: int, at_once: int) -> None:
    told = [_told(each) for each in storm(NETWORK, Weather(3, 40), random.Random(seed)).events]
    found = book([])
    for first in range(0, len(told), at_once):
        found = followed(book([*found.events.values(), *told[first : first + at_once]], found.problems.values()))
    assert _groups(found) >= _groups(followed(book(told)))


def _told(observed: Observed) -> NetworkEvent:
    named: dict[Kind, Sequence[str]] = {
        kind: [each.id for each in observed.elements if each.kind == kind] for kind in Kind
    }
    return event(
        f"sichuan/alarm/{observed.id}",
        sites=named[Kind.SITE],
        links=named[Kind.LINK],
        services=named[Kind.SERVICE],
        raised=from_microseconds(observed.raised) - from_microseconds(0) + NOON,
        severity=observed.severity,  # type: ignore[arg-type]
    )


def _groups(found: Book) -> set[tuple[str, tuple[str, ...]]]:
    return {(each.root_cause.id, tuple(each.child_ids)) for each in headers(found) if each.state != rules.CANCELLED}
