"""Legal holds: one person sets or lengthens one, two end it early."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.approval_service_pb2 import ApprovalAct
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from region_node.approvals.operations import Awaited, Decision, decide
from region_node.lifecycle.holds import operations as holds
from region_node.lifecycle.holds.operations import Hold
from region_node.requests.auditing import AuditedCall
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

CUSTOMER, REFERENCE = LINE.customer_id, "court/1"
WANG = AuditedCall("region/sichuan/staff/wang", "wang", NOW)
SOON, LATER = NOW + timedelta(days=10), NOW + timedelta(days=30)


@pytest.fixture(name="kept")
def what_a_region_keeps() -> Iterator[Archive]:
    with archive() as found:
        found.customer()
        yield found


def held(kept: Archive, until: datetime | None, call: AuditedCall = WANG) -> Hold | Awaited:
    return holds.hold(kept.tx, CUSTOMER, REFERENCE, until, call, kept.revocations)


def released(kept: Archive, call: AuditedCall = WANG) -> Hold | Awaited:
    return holds.release(kept.tx, CUSTOMER, REFERENCE, call, kept.revocations)


def ends(kept: Archive) -> list[datetime | None]:
    return [each.until for each in holds.holds_of(kept.tx, CUSTOMER)]


def test_a_release_waits_for_a_second_person_and_is_done_once(kept: Archive) -> None:
    held(kept, None)
    waiting = released(kept)
    assert isinstance(waiting, Awaited)
    proposed = waiting.approval
    told = (proposed.act, proposed.customer_id, proposed.reference, proposed.proposer)
    assert told == (ApprovalAct.APPROVAL_ACT_RELEASE_HOLD, CUSTOMER, REFERENCE, "wang")
    assert ends(kept) == [None], "a proposal alone changes nothing"
    with pytest.raises(Refused) as caught:
        decide(kept.tx, proposed.approval_id, Decision("wang", confirmed=True), kept.revocations, NOW)
    assert caught.value.reason == Reason.REASON_APPROVER_IS_PROPOSER
    decide(kept.tx, proposed.approval_id, Decision("li", confirmed=True), kept.revocations, NOW)
    assert isinstance(released(kept, AuditedCall("region/sichuan/staff/zhao", "zhao", NOW)), Awaited), "only for wang"
    ended = released(kept)
    assert isinstance(ended, Hold)
    assert ended.until == NOW
    assert released(kept) == ended, "an ended one needs nobody"
    held(kept, None)
    assert isinstance(released(kept), Awaited), "the next one needs another confirmation"
    rows = [row.detail for row in audit.rows(kept.tx) if row.action == "ReleaseHold"]
    assert rows == ["staff wang, reference court/1, confirmed by staff li"]


@pytest.mark.parametrize("first", [None, LATER], ids=["open", "with an end"])
def test_an_earlier_end_is_a_release_by_another_name_and_needs_a_second_person(
    kept: Archive, first: datetime | None
) -> None:
    held(kept, first)
    waiting = held(kept, SOON)
    assert isinstance(waiting, Awaited)
    assert waiting.approval.act == ApprovalAct.APPROVAL_ACT_RELEASE_HOLD
    assert waiting.approval.reference == f"court/1, until {SOON.isoformat()}"
    assert ends(kept) == [first]
    decide(kept.tx, waiting.approval.approval_id, Decision("li", confirmed=True), kept.revocations, NOW)
    assert isinstance(held(kept, SOON - timedelta(days=1)), Awaited), "the confirmation is for that end"
    assert isinstance(released(kept), Awaited), "and for no release at once"
    assert isinstance(held(kept, SOON), Hold)
    assert ends(kept) == [SOON]
    last = [row.detail for row in audit.rows(kept.tx) if row.action == "HoldCustomer"][-1]
    assert last == f"staff wang, reference court/1, until {SOON.isoformat()}, confirmed by staff li"


def _longer(kept: Archive) -> Hold | Awaited:
    held(kept, SOON)
    return held(kept, LATER)


def _without_end(kept: Archive) -> Hold | Awaited:
    held(kept, SOON)
    return held(kept, None)


def _anew(kept: Archive) -> Hold | Awaited:
    held(kept, SOON)
    return held(kept, LATER + timedelta(days=1), replace(WANG, now=LATER))


@pytest.mark.parametrize("lengthen", [_longer, _without_end, _anew])
def test_one_person_sets_and_lengthens_a_hold(kept: Archive, lengthen: Callable[[Archive], Hold | Awaited]) -> None:
    assert isinstance(lengthen(kept), Hold)
