"""Which customers get notices of a problem, by what their region knows itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent
from gateway.api.federation.v1.problem_pb2 import (
    PROBLEM_STATE_IN_PROGRESS,
    PROBLEM_STATE_RESOLVED,
    PerceivedSeverity,
    ProblemHeader,
)
from gateway.federation.catalogue import Federation
from gateway.store.timers import due_timers, fire
from gateway.time.clock import to_timestamp
from region_node.customers.operations import keep_line
from region_node.network.problems import rows
from region_node.network.problems.following import (
    DAILY_LIMIT,
    DEFAULT_LIMIT,
    PROBLEM_TIMER,
    confirm,
    follow,
    tell_customers,
    unconfirmed_services,
)
from region_node.network.problems.port import Evidence
from region_node.network.problems.rows import Followed, find_followed
from tests.shipped import shipped_configuration
from tests.unit.network_events import CRITICAL, MINOR, event
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

PROBLEM, SERVICE, ALARM = "problem-1", "broadband-chengdu", "sichuan/alarm/1"
LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


@pytest.fixture(name="kept")
def empty_archive() -> Iterator[Archive]:
    with archive() as kept:
        yield kept


class Told:
    """What a coordinator tells of a problem, and the region's own alarm."""

    def __init__(self, kept: Archive) -> None:
        self._kept, self._version = kept, 0
        self.own: NetworkEvent | None = event(ALARM, services=[SERVICE])

    def begun(
        self, *children: str, severity: PerceivedSeverity.ValueType = CRITICAL, problem: str = PROBLEM
    ) -> Followed:
        return self._follow(
            ProblemHeader(id=problem, state=PROBLEM_STATE_IN_PROGRESS, child_ids=children, severity=severity)
        )

    def ended(self, time: datetime) -> Followed:
        return self._follow(
            ProblemHeader(id=PROBLEM, state=PROBLEM_STATE_RESOLVED, end_time=to_timestamp(time), severity=CRITICAL)
        )

    def _follow(self, header: ProblemHeader) -> Followed:
        self._version += 1
        header.version = self._version
        header.services.append(SERVICE)
        header.start_time.CopyFrom(to_timestamp(NOW))
        evidence = {"alarm": Evidence(lambda tx, context, record, now: self.own if record == "1" else None)}
        follow(self._kept.tx, self._kept.context, evidence, header, NOW)
        found = find_followed(self._kept.tx, header.id)
        assert found is not None
        return found


def test_a_problem_that_is_said_to_have_ended_long_ago_is_not_over_while_its_alarm_goes_on(kept: Archive) -> None:
    told = Told(kept)
    assert told.begun(ALARM).notified_services == [SERVICE]
    assert not told.ended(LONG_AGO).notified_services
    assert not told.ended(NOW).notified_services, "by what it began is still known"
    told.own = None
    assert told.begun().notified_services == []
    assert told.ended(NOW).notified_services == [SERVICE]
    rows.forget_followed(kept.tx, NOW + timedelta(microseconds=1))
    assert (find_followed(kept.tx, PROBLEM), kept.count("problem_grounds")) == (None, 0)


@pytest.mark.parametrize("severity", [CRITICAL, MINOR])
def test_customers_who_got_notice_by_a_version_that_notified_all_get_notice_of_the_end(
    kept: Archive, severity: PerceivedSeverity.ValueType
) -> None:
    told, notified = Told(kept), [SERVICE] if severity == CRITICAL else []
    rows.bind(kept.tx, "line-1", SERVICE)
    told.begun(severity=severity)
    kept.tx.execute("UPDATE followed_problems SET notified_services = NULL")  # as that version leaves it
    found = find_followed(kept.tx, PROBLEM)
    assert found is not None
    assert not unconfirmed_services(kept.tx, found)
    assert told.begun().notified_services == notified, "that version notified nobody of what is minor"
    assert told.ended(NOW).notified_services == [SERVICE]


def test_staff_confirm_what_lines_of_their_region_use_and_no_service_of_another_region(kept: Archive) -> None:
    told = Told(kept)
    found = told.begun()
    assert (found.notified_services, unconfirmed_services(kept.tx, found)) == ([], [])
    rows.bind(kept.tx, "line-1", SERVICE)
    assert unconfirmed_services(kept.tx, found) == [SERVICE]


def test_an_end_that_staff_have_not_confirmed_stays_among_the_problems_that_go_on(kept: Archive) -> None:
    def listed() -> list[Followed]:
        return rows.followed_problems(kept.tx, None, include_ended=False, limit=10)

    told = Told(kept)
    rows.bind(kept.tx, "line-1", SERVICE)
    rows.note_counted(kept.tx, told.begun(), customers=1)
    confirm(kept.tx, PROBLEM, version=1, now=NOW)
    ended = told.ended(NOW)
    assert [unconfirmed_services(kept.tx, each) for each in listed()] == [[SERVICE]]
    confirm(kept.tx, PROBLEM, ended.header.version, NOW)
    assert not listed()


@pytest.mark.parametrize("figure", [None, 0, 5])
def test_a_customer_gets_few_notices_a_day_also_in_a_federation_without_the_policy(
    kept: Archive, figure: int | None
) -> None:
    configuration = shipped_configuration()
    (policy,) = (each for each in configuration.policies if each.name == DAILY_LIMIT)
    if figure is None:
        configuration.policies.remove(policy)
    else:
        policy.figure.value = figure
    kept.context.border.current.update(Federation(2, configuration), [])
    kept.customer()
    keep_line(kept.tx, LINE, NOW)
    rows.bind(kept.tx, LINE.product_id, SERVICE)
    told = Told(kept)
    for number in range(10):
        told.begun(ALARM, problem=f"problem-{number}")
    for timer in due_timers(kept.tx, NOW):
        if timer.kind == PROBLEM_TIMER:
            fire(kept.tx, timer, {PROBLEM_TIMER: lambda tx, due, now: tell_customers(tx, kept.context, due, now)}, NOW)
    assert kept.count("notices") == (DEFAULT_LIMIT if figure is None else figure)
