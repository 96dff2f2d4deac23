"""Joint orders of all regions in one list, queried through a real coordinator from programmable region servers."""

from datetime import timedelta
from pathlib import Path

from coordinator.oversight.listings import NEWEST_JOINT_ORDERS
from coordinator.wording.answers import unanswered_line
from gateway.api.coordinator.v1.administration_pb2 import ListJointOrderSummariesRequest
from gateway.api.region.v1.joint_order_pb2 import JointOrderState
from gateway.api.region.v1.order_oversight_service_pb2 import JointItemSummary, JointOrderSummary
from gateway.time.clock import to_timestamp
from tests.contract.coordinators import join_request, keys_of, refused, run
from tests.contract.small_federation import NOTHING_LISTENS, Certificates
from tests.contract.test_coordinator_oversight import HENAN, SICHUAN, START, overseen, unanswered

SURVEYING = JointOrderState.JOINT_ORDER_STATE_SURVEYING
IN_PROGRESS = JointOrderState.JOINT_ORDER_STATE_IN_PROGRESS


def joint(
    number: int, *, leader: str = HENAN, version: int = 1, state: JointOrderState.ValueType = SURVEYING, items: str = ""
) -> JointOrderSummary:
    """A joint order with an item in each of the regions, separated by blanks."""
    return JointOrderSummary(
        id=f"{leader}/J20261124-{number}",
        business="LEASED_LINE",
        state=state,
        version=version,
        leader_region=leader,
        create_time=to_timestamp(START + timedelta(minutes=number)),
        items=[JointItemSummary(id=f"access-{place}", region=each) for place, each in enumerate(items.split(), 1)],
    )


def test_a_joint_order_is_listed_once_as_its_leading_region_has_it_whatever_others_claim(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        led, behind = joint(1, version=4, state=IN_PROGRESS), joint(1, version=3)
        claimed = joint(1, version=99)
        claimed.leader_region = "hunan"
        async with overseen(certificates, tmp_path / "data", henan=[led], sichuan=[behind], hunan=[claimed]) as it:
            response = await it.list_joint(ListJointOrderSummariesRequest())
            assert (list(response.orders), unanswered(response), response.next_page_token) == ([led], {}, "")
            narrow = ListJointOrderSummariesRequest(region="atlantis")
            assert await refused(it.list_joint(narrow)) == "REGION_UNKNOWN"
            for size in (-1, 501):
                assert await refused(it.list_joint(ListJointOrderSummariesRequest(page_size=size))) == "REQUEST_INVALID"

    run(scenario())


def test_regions_that_do_not_answer_are_named_and_the_newest_version_of_the_others_is_listed(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        older, newer = joint(1, leader=SICHUAN, version=2), joint(1, leader=SICHUAN, version=3, state=IN_PROGRESS)
        async with overseen(certificates, tmp_path / "data", henan=[older], hunan=[newer], hubei=[]) as it:
            it.regions["hubei"].is_old = True
            sichuan = keys_of(certificates, SICHUAN)
            await it.federation.join(sichuan, join_request(sichuan, NOTHING_LISTENS))
            response = await it.list_joint(ListJointOrderSummariesRequest())
            assert list(response.orders) == [newer]
            assert unanswered(response) == {SICHUAN: "REGION_UNREACHABLE", "hubei": "METHOD_UNKNOWN"}
            told = [unanswered_line(each) for each in response.unanswered if each.region == "hubei"]
            assert told == ["hubei could not be asked: it runs an older version, upgrade it first"]

    run(scenario())


def test_pages_give_every_joint_order_once_newest_first_and_filters_narrow_them(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def scenario() -> None:
        of_both = [joint(number, items="henan sichuan") for number in range(0, 12, 3)]
        here = [joint(number, state=IN_PROGRESS, items="henan") for number in range(1, 12, 3)]
        async with overseen(certificates, tmp_path / "data", henan=of_both + here, sichuan=of_both) as it:
            it.regions[SICHUAN].largest_page = 1
            found, request = list[JointOrderSummary](), ListJointOrderSummariesRequest(page_size=3)
            while True:
                page = await it.list_joint(request)
                found += page.orders
                request.page_token = page.next_page_token
                if not request.page_token:
                    break
            assert found == sorted([*of_both, *here], key=NEWEST_JOINT_ORDERS.key, reverse=True)
            working = await it.list_joint(ListJointOrderSummariesRequest(states=[IN_PROGRESS]))
            assert list(working.orders) == here[::-1]
            of_sichuan = await it.list_joint(ListJointOrderSummariesRequest(region=SICHUAN))
            assert list(of_sichuan.orders) == of_both[::-1]
            plain = "b3JkZXJz"  # no token of this list
            assert await refused(it.list_joint(ListJointOrderSummariesRequest(page_token=plain))) == "TOKEN_INVALID"

    run(scenario())
