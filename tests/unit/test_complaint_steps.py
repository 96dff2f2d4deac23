"""The steps that the page of a complaint offers to the staff of a region."""

import pytest

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState, RemedyState
from region_node.care.complaints import rules
from region_node.care.complaints.cases import AT_WORK, AWAITING_COORDINATOR
from region_node.care.complaints.steps import steps_of

OWN, OTHER = "guangdong", "sichuan"


def complaint(state: ComplaintState.ValueType, owner: str = OWN, origin: str = OWN) -> Complaint:
    """A classified complaint, which its owner has accepted unless it is as filed."""
    found = Complaint(owner_region=owner, origin_region=origin, state=state, version=int(state != rules.ACKNOWLEDGED))
    found.request.category = "BILL_WRONG"
    return found


@pytest.mark.parametrize(
    ("state", "own", "passed_on", "handled"),
    [
        (rules.ACKNOWLEDGED, "classify withdraw expedite", "classify pass_on withdraw expedite", ""),
        (
            rules.IN_PROGRESS,
            "respond ask propose return classify withdraw expedite",
            "pass_on withdraw expedite",
            "respond ask propose return",
        ),
        (
            rules.PENDING,
            "respond propose return classify withdraw",
            "pass_on withdraw",
            "respond propose return",
        ),
        (rules.HELD, "expedite", "pass_on expedite", ""),
        (rules.RESOLVED, "accept refuse", "accept refuse", ""),
        (rules.CLOSED, "", "", ""),
        (rules.CANCELLED, "", "", ""),
    ],
)
def test_each_state_leaves_its_steps_to_the_department_and_to_the_customer_who_is_there(
    state: ComplaintState.ValueType, own: str, passed_on: str, handled: str
) -> None:
    assert set(steps_of(complaint(state), OWN)) == set(own.split())
    assert set(steps_of(complaint(state, owner=OTHER), OWN)) == set(passed_on.split())
    assert set(steps_of(complaint(state, origin=OTHER), OWN)) == set(handled.split())


def test_the_desk_asks_and_classifies_what_has_no_category() -> None:
    found = complaint(rules.ACKNOWLEDGED)
    found.request.category = ""
    assert set(steps_of(found, OWN)) == {"respond", "classify", "withdraw", "expedite"}


def test_a_case_is_answered_once_its_items_are_done_and_classified_once_they_are_returned() -> None:
    found = complaint(rules.IN_PROGRESS)
    item = found.items.add(region=OTHER, state=AT_WORK)
    assert set(steps_of(found, OWN)) == {"respond", "ask", "withdraw", "expedite"}
    item.state = AWAITING_COORDINATOR
    assert set(steps_of(found, OWN)) == {"respond", "ask", "classify", "withdraw", "expedite"}


def test_refused_money_is_settled_by_the_region_that_answered_though_the_complaint_is_closed() -> None:
    found = complaint(rules.CLOSED, origin=OTHER)
    found.remedy.state = RemedyState.REMEDY_STATE_REFUSED
    assert set(steps_of(found, OWN)) == {"settle"}
    assert set(steps_of(found, OTHER)) == set()
