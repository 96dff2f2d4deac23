"""Many complaints of one category at one owner region are a group: seen as one, and raised once each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gateway.api.coordinator.v1 import complaint_oversight_service_pb2 as api
from gateway.api.region.v1.complaint_oversight_service_pb2 import ComplaintHeader
from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintState
from region_node.care.complaints.groups import SIZE_POLICY
from tests.federation.complainant import Complainant
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_catalogue_changes import put_in_force
from tests.federation.test_complaints import triggers
from tests.federation.test_raised import levels_raised, until_told

IN_PROGRESS = ComplaintState.COMPLAINT_STATE_IN_PROGRESS
GROUPED = (4, "GROUP")


@pytest.fixture(name="desk")
def first_contact(federation: Federation) -> Complainant:
    return Complainant(federation, "guangdong")


@pytest.fixture(name="quality")
def staff_of_the_responsible_region(federation: Federation) -> Complainant:
    return Complainant(federation, "sichuan", "staff/wang")


@asynccontextmanager
async def groups_of(federation: Federation, size: int) -> AsyncIterator[None]:
    """A context in which `size` complaints make a group."""
    configuration = await federation.configuration()
    (policy,) = [each for each in configuration.policies if each.name == SIZE_POLICY]
    shipped, policy.figure.value = policy.figure.value, size
    await put_in_force(federation, configuration)
    try:
        yield
    finally:
        configuration = await federation.configuration()
        (policy,) = [each for each in configuration.policies if each.name == SIZE_POLICY]
        policy.figure.value = shipped
        await put_in_force(federation, configuration)


async def taken_up(desk: Complainant, quality: Complainant, category: str) -> Complaint:
    """A complaint of another number each time, once the owner region has it."""
    filed = await desk.file(category, desk.federation.next_number("sichuan"))
    return await quality.reaches(filed.ticket_id, IN_PROGRESS)


async def listed(federation: Federation, group: str) -> list[ComplaintHeader]:
    request = api.ListComplaintHeadersRequest(group_id=group, page_size=500)
    response = await federation.complaint_oversight.ListComplaintHeaders(request, timeout=CALL_SECONDS)
    return list(response.complaints)


async def test_the_complaint_that_makes_a_group_raises_all_of_it_once_and_later_ones_join_it(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    await federation.advance(timedelta(hours=25))  # what other tests have filed is no part of it
    async with groups_of(federation, 3):
        other_desk = Complainant(federation, "henan")
        first = await taken_up(desk, quality, "BILL_REFUND_LATE")
        second = await taken_up(other_desk, quality, "BILL_REFUND_LATE")
        assert [(each.level, each.group_id) for each in (first, second)] == [(1, ""), (1, "")]
        other = await taken_up(desk, quality, "SVC_PORTING")
        third = await taken_up(desk, quality, "BILL_REFUND_LATE")
        group = f"sichuan/BILL_REFUND_LATE/{first.ticket_id}"
        assert (third.group_id, triggers(third)[-1]) == (group, GROUPED)
        later = await taken_up(desk, quality, "BILL_REFUND_LATE")
        assert (later.group_id, later.level) == (group, 4)
        for each, contact in ((first, desk), (second, other_desk)):
            found = await contact.rises(each.ticket_id, 4)
            assert (found.group_id, triggers(found)[-1]) == (group, GROUPED)
            await until_told(federation, "sichuan", each.ticket_id, [2, 3, 4])
            assert levels_raised(federation, "sichuan", each.ticket_id) == [2, 3, 4]
        assert ((await quality.get(other.ticket_id)).group_id, other.level) == ("", 1)
        headers = await listed(federation, group)
        assert {each.ticket_id for each in headers} == {each.ticket_id for each in (first, second, third, later)}
        assert {(each.group_id, each.level) for each in headers} == {(group, 4)}


async def test_what_was_resolved_or_filed_a_day_before_makes_no_group(
    federation: Federation, desk: Complainant, quality: Complainant
) -> None:
    await federation.advance(timedelta(hours=25))
    async with groups_of(federation, 2):
        await quality.propose((await taken_up(desk, quality, "SVC_CONTRACT")).ticket_id)
        assert (await taken_up(desk, quality, "SVC_CONTRACT")).group_id == ""
        await federation.advance(timedelta(hours=25))
        assert (await taken_up(desk, quality, "SVC_CONTRACT")).group_id == ""
        assert (await taken_up(desk, quality, "SVC_CONTRACT")).group_id != ""
