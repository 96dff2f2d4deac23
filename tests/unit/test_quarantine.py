"""Quarantined work: who is told, how it is tried again, and how two people give it up."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.quarantine_service_pb2 import QuarantineState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import quarantine
from gateway.store.quarantine import ATTEMPTS, PATIENCE, TIMER, QuarantinedWork, is_due_for_quarantine, work_id
from gateway.store.timers import due_timers, is_set, set_timer
from gateway.time.clock import to_microseconds
from region_node.approvals.operations import Awaited, Decision, decide
from region_node.business.orders.rows import PROMISES
from region_node.care.quarantine.operations import Quarantine
from region_node.care.quarantine.watching import QUARANTINE_TIMER, decision_is_due
from region_node.requests.auditing import AuditedCall
from tests.unit.purging import NOW, Archive, archive

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
WAITING = QuarantineState.QUARANTINE_STATE_WAITING


@pytest.fixture
def scene() -> Iterator[Archive]:
    with archive() as found:
        found.context = replace(found.context, sinks={"desk": 1})
        yield found


def call(name: str = "wang") -> AuditedCall:
    return AuditedCall(f"region/sichuan/staff/{name}", name, NOW)


def kept(scene: Archive, timer_id: str = "late", kind: str = "reminder", subject: str = "order 1") -> str:
    """A timer in quarantine, by its id."""
    work = QuarantinedWork(
        work_id(TIMER, timer_id), TIMER, kind, subject, "ZeroDivisionError", ATTEMPTS, to_microseconds(NOW), 1
    )
    Quarantine(scene.context, [PROMISES], {}).keep(scene.tx, work, NOW)
    return work.work_id


def quarantined(scene: Archive) -> Quarantine:
    return Quarantine(scene.context, [PROMISES], {})


def notices(scene: Archive) -> list[RaisedComplaint]:
    return [
        RaisedComplaint.FromString(each)
        for each in scene.tx.all(bytes, "SELECT content FROM escalation_notices ORDER BY level, ticket_id")
    ]


def refused(reason: Reason.ValueType) -> AbstractContextManager[object]:
    return pytest.raises(Refused, match=Reason.Name(reason).removeprefix("REASON_"))


@pytest.mark.parametrize(
    ("attempts", "since", "is_due"),
    [
        (ATTEMPTS, PATIENCE, True),
        (ATTEMPTS - 1, 100 * PATIENCE, False),
        (100 * ATTEMPTS, PATIENCE - SECOND, False),
    ],
    ids=["both", "a clock that stepped ahead", "many attempts at once"],
)
def test_work_is_left_to_people_after_many_attempts_and_some_time(
    attempts: int, since: timedelta, *, is_due: bool
) -> None:
    assert is_due_for_quarantine(attempts, to_microseconds(NOW - since), NOW) == is_due


def test_people_are_told_once_of_all_work_of_a_kind_and_again_when_its_due_time_has_passed(scene: Archive) -> None:
    for number in range(3):
        kept(scene, f"late {number}")
    kept(scene, "other", kind="other")
    assert [(each.level, each.matter) for each in notices(scene)] == [(3, "quarantined-work")] * 2
    due = quarantine.first_due(scene.tx, TIMER, "reminder", "")
    assert due is not None
    for days, levels in ((0, [3, 3]), (20, [3, 3, 4, 4])):
        now = NOW + days * DAY
        for each in due_timers(scene.tx, now + 20 * DAY):
            if each.kind == QUARANTINE_TIMER:
                decision_is_due(scene.tx, scene.context, each, now)
        assert [each.level for each in notices(scene)] == levels


def test_nobody_is_told_again_of_work_that_was_decided(scene: Archive) -> None:
    work = kept(scene)
    quarantined(scene).replay(scene.tx, work, "", call())
    for each in due_timers(scene.tx, NOW + 20 * DAY):
        if each.kind == QUARANTINE_TIMER:
            decision_is_due(scene.tx, scene.context, each, NOW + 20 * DAY)
    assert len(notices(scene)) == 1


def test_a_replayed_timer_is_due_at_once_and_one_that_was_set_meanwhile_stays(scene: Archive) -> None:
    first, second = kept(scene, "first"), kept(scene, "second")
    set_timer(scene.tx, "second", kind="reminder", subject="later", due=NOW + DAY)
    for work in (first, second, first):  # a repeated request changes nothing
        assert quarantined(scene).replay(scene.tx, work, "", call()).state == QuarantineState.QUARANTINE_STATE_REPLAYED
    assert [each.timer_id for each in due_timers(scene.tx, NOW) if each.kind == "reminder"] == ["first"]


def test_a_replayed_row_is_due_at_once(scene: Archive) -> None:
    work = kept(scene, f"{PROMISES.kind}/order 1", kind=PROMISES.kind, subject="order 1")
    quarantined(scene).replay(scene.tx, work, "", call())
    assert not is_set(scene.tx, f"{PROMISES.kind}/order 1")


def test_work_is_given_up_once_a_second_member_of_staff_has_confirmed_it_with_its_reference(scene: Archive) -> None:
    work, people = kept(scene), quarantined(scene)
    waits = people.give_up(scene.tx, work, "INC-1", call("wang"))
    assert isinstance(waits, Awaited)
    assert quarantine.require(scene.tx, work).state == WAITING
    decide(scene.tx, waits.approval.approval_id, Decision("li", confirmed=True), scene.revocations, NOW)
    assert isinstance(people.give_up(scene.tx, work, "INC-2", call("wang")), Awaited)
    given = people.give_up(scene.tx, work, "INC-1", call("wang"))
    assert isinstance(given, QuarantinedWork)
    assert (given.state, given.reference, given.decider) == (QuarantineState.QUARANTINE_STATE_GIVEN_UP, "INC-1", "li")
    assert people.give_up(scene.tx, work, "INC-1", call("li")) == given
    with refused(Reason.REASON_QUARANTINED_WORK_DECIDED):
        people.replay(scene.tx, work, "", call())
    assert not is_set(scene.tx, "late")


def test_unknown_work_is_refused(scene: Archive) -> None:
    with refused(Reason.REASON_QUARANTINED_WORK_NOT_FOUND):
        quarantined(scene).replay(scene.tx, "timer/x", "", call())
    with refused(Reason.REASON_QUARANTINED_WORK_NOT_FOUND):
        quarantined(scene).give_up(scene.tx, "timer/x", "INC-1", call())


def test_decided_work_is_forgotten_by_its_age_and_waiting_work_never(scene: Archive) -> None:
    kept(scene, "waits")
    quarantined(scene).replay(scene.tx, kept(scene, "decided"), "", call())
    assert quarantine.forget_decided(scene.tx, to_microseconds(NOW), 10) == 0
    assert quarantine.forget_decided(scene.tx, to_microseconds(NOW + SECOND), 10) == 1
    assert [each.name for each in quarantine.work_after(scene.tx, (-1, ""), 10, is_all=True)] == ["waits"]
