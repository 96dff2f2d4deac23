"""A case that this region leads, and the work item of another region, whose versions arrive one by one."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import (
    Complaint,
    ComplaintNote,
    ComplaintRequest,
    ComplaintState,
    WorkItemState,
)
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.types_pb2 import Requester
from gateway.security.identity import Identity
from gateway.time.clock import to_timestamp
from region_node.care.complaints import cases, handling, rules
from region_node.care.complaints.rows import require_complaint
from region_node.requests.caller import Caller
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE

HENAN, COUNTER = "henan", Requester(staff_id="wang")
MINUTE = timedelta(minutes=1)


class Case:
    """A case of Sichuan with a work item of Henan."""

    def __init__(self, node: Archive) -> None:
        self._node = node
        request = ComplaintRequest(
            requester=COUNTER, number=LINE.number, category="BILL_ROAM", location_region=HENAN, description="too much"
        )
        case = handling.file(node.tx, node.context, self._caller("file"), request, NOW)
        self.ticket_id, self._now = case.ticket_id, NOW
        (item,) = (each for each in case.items if each.region == HENAN)
        self._item = require_complaint(node.tx, item.ticket_id).complaint

    def state(self) -> str:
        """The state of Henan's work item."""
        case = require_complaint(self._node.tx, self.ticket_id).complaint
        item = cases.find_item(case, self._item.ticket_id)
        assert item is not None
        return WorkItemState.Name(item.state).removeprefix("WORK_ITEM_STATE_")

    def henan(self, state: ComplaintState.ValueType, question: str = "") -> None:
        """The next version of Henan arrives, by an update or by a receipt."""
        self._now += MINUTE
        self._item.version += 1
        rules.enter(self._item, state, now=self._now, region=HENAN, reason="x")
        if question:
            moment = to_timestamp(self._now)
            self._item.notes.append(ComplaintNote(author="henan/li", time=moment, text=question, asks_customer=True))
        told = Complaint()
        told.CopyFrom(self._item)
        handling.adopt(self._node.tx, self._node.context, told, self._now)

    def customer_answers(self) -> None:
        """The customer answers at the counter."""
        self._now += MINUTE
        asked = ComplaintCommand(ticket_id=self.ticket_id, requester=COUNTER)
        asked.respond.text = "on Friday"
        handling.command(self._node.tx, self._node.context, self._caller(f"{self._now}"), asked, self._now)

    def _caller(self, request_id: str) -> Caller:
        return Caller(Identity("china", Role.ROLE_OPERATOR, "sichuan", "counter"), request_id, "")


@pytest.fixture(name="case")
def one_case() -> Iterator[Case]:
    with archive() as node:
        node.customer()
        found = Case(node)
        found.henan(rules.IN_PROGRESS)
        yield found


def test_a_work_item_waits_for_the_customer_until_the_answer_whatever_is_heard_of_it_on_the_way(case: Case) -> None:
    assert case.state() == "IN_PROGRESS"
    case.henan(rules.PENDING, question="which day?")
    assert case.state() == "AWAITING_CUSTOMER"
    case.henan(rules.PENDING)
    assert case.state() == "AWAITING_CUSTOMER", "the customer has not answered"
    case.customer_answers()
    assert case.state() == "IN_PROGRESS"
    case.henan(rules.PENDING)
    assert case.state() == "IN_PROGRESS", "Henan sent that before it heard the answer"
    case.henan(rules.IN_PROGRESS)
    assert case.state() == "IN_PROGRESS"
    case.henan(rules.PENDING, question="which hour?")
    assert case.state() == "AWAITING_CUSTOMER"
