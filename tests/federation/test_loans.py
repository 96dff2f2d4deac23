"""Loans between regions: found, requested, lent in part, received, prolonged, returned."""

from datetime import timedelta

import pytest

from gateway.api.region.v1.loan_envelopes_pb2 import LoanCommand
from gateway.api.region.v1.loan_pb2 import ReturnCondition
from gateway.api.region.v1.loan_service_pb2 import WorkOnLoanRequest
from gateway.time.clock import to_timestamp
from region_node.care.loans.rules import CLOSED, LENT, REFUSED, RETURNED
from tests.federation.loan_staff import GIVE_BACK, RECEIVE, LoanStaff
from tests.federation.refusals import refusal
from tests.federation.running import Federation

PART = WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend(quantity=1))


@pytest.mark.clause("10.3(3)")
async def test_a_region_finds_what_another_shares_borrows_a_part_of_it_for_a_time_and_returns_it(
    federation: Federation,
) -> None:
    south, west = LoanStaff(federation, "guangdong"), LoanStaff(federation, "sichuan")
    shared = await west.shares("otdr-story", 2)
    assert shared in (await south.finds("otdr")).resources
    request = south.request("sichuan", shared.id, quantity=2)
    asked = await south.asks(request, "loan-story")
    assert (await south.asks(request, "loan-story")).id == asked.id
    await south.follows(asked.id, lambda each: each.version > 0, "taken")
    assert (await refusal(south.work(asked.id, PART))).reason == "LOAN_NOT_RESPONSIBLE"
    assert (await refusal(west.work(asked.id, RECEIVE))).reason == "LOAN_NOT_RESPONSIBLE"
    await west.work(asked.id, PART)
    await south.follows(asked.id, lambda each: (each.state, each.quantity) == (LENT, 1), "lent")
    other = await south.asks(south.request("sichuan", shared.id, 2, 6, quantity=2))
    await south.follows(other.id, lambda each: each.version > 0, "taken")
    everything = WorkOnLoanRequest(lend=WorkOnLoanRequest.Lend())
    assert (await refusal(west.work(other.id, everything))).reason == "RESOURCE_NOT_FREE"
    await west.work(other.id, WorkOnLoanRequest(refuse="已借出"))
    await south.follows(other.id, lambda each: each.state == REFUSED, "refused")
    longer = LoanCommand.Prolong(end_time=to_timestamp(federation.clock.now() + timedelta(days=9)))
    await south.work(asked.id, RECEIVE)
    assert (await south.work(asked.id, WorkOnLoanRequest(prolong=longer))).end_time == longer.end_time
    assert (await south.work(asked.id, GIVE_BACK)).state == RETURNED
    complete = WorkOnLoanRequest.ConfirmReturn(condition=ReturnCondition.RETURN_CONDITION_COMPLETE)
    await west.work(asked.id, WorkOnLoanRequest(confirm_return=complete))
    ended = await south.follows(asked.id, lambda each: each.state == CLOSED, "closed")
    assert ended == await west.get(asked.id)


async def test_a_request_for_what_is_not_shared_ends_with_the_reason_of_the_other_region(
    federation: Federation,
) -> None:
    south = LoanStaff(federation, "guangdong")
    asked = await south.asks(south.request("sichuan", "nothing"))
    refused = await south.follows(asked.id, lambda each: each.version > 0, "answered")
    assert refused.state == REFUSED
    assert "nothing" in refused.state_changes[-1].reason
