"""Joint orders at the console of real nodes: surveyed, worked on and cancelled from the pages of their regions."""

from http import HTTPStatus
from urllib.parse import quote, unquote

from gateway.api.federation.v1.configuration_pb2 import JointMilestoneKind
from gateway.api.region.v1.joint_order_pb2 import JointItemState, JointOrderState
from tests.federation.browser import ROOT, Browser, hidden_fields
from tests.federation.joint_staff import JointStaff, item_of, with_broadband
from tests.federation.running import Federation, until

STAFF = "region/guangdong/staff/wang"
FILLED = {
    "channel": "counter",
    "address.1": "旧址1号",
    "address.2": "新址2号",
    "paper.BIZ_LIC": "91510000MA6DABCD1X",
    "paper.ADDR": "P-7",
}


async def test_a_joint_order_of_another_region_is_found_in_the_work_list_and_its_item_is_done_from_its_page(
    federation: Federation,
) -> None:
    west, south = JointStaff(federation, "sichuan"), JointStaff(federation, "guangdong")
    browser = Browser.of(federation, STAFF)
    number = await with_broadband(federation, "henan")
    order = await west.submits(west.request("BB_MOVE", ["henan", "guangdong"], number))
    await south.follows(order.id, lambda each: each.version > 0, "taken in")
    await browser.sign_in()
    path = f"joint-orders/{order.id}"
    for listed in ("work?kind=joint", "joint-orders?state=surveying"):
        assert f'href="{ROOT}/{path}"' in (await browser.open(listed)).text, listed
    page = (await browser.open(path)).text
    assert "guangdong人民路1号" in page
    late = {**hidden_fields(page, "refuse"), "item": "install", "refuse": "没有空闲管道"}
    assert (await browser.fill_in(path, "reserve", {"item": "install"})).status == HTTPStatus.SEE_OTHER

    async def waits_no_more() -> bool:
        return f'href="{ROOT}/{path}"' not in (await browser.open("work?kind=joint")).text

    await until(waits_no_more, f"{order.id} waits for Guangdong no more")
    told = await browser.send(path, late)
    assert ("JOINT_ITEM_STATE_FORBIDS" in told.text, "没有空闲管道</textarea>" in told.text) == (True, True)
    await JointStaff(federation, "henan").reserves(order.id, "remove")
    begun = await south.follows(order.id, lambda each: item_of(each, "install").HasField("begin_time"), "begins")
    for milestone in item_of(begun, "install").milestones[1:]:
        kind = JointMilestoneKind.Name(milestone.kind).removeprefix("JOINT_MILESTONE_KIND_").lower()
        head, *rest = kind.split("_")
        reached = {"item": "install", "reach": head + "".join(each.capitalize() for each in rest)}
        assert (await browser.fill_in(path, "reach", reached)).status == HTTPStatus.SEE_OTHER, kind
    assert item_of(await south.get(order.id), "install").state == JointItemState.JOINT_ITEM_STATE_COMPLETED
    file = (await browser.open(f"{path}?format=csv")).text
    assert all(each in file for each in (number, "install", "guangdong人民路1号"))


async def test_a_clerk_submits_a_joint_order_from_the_catalogue_and_cancels_it_each_once_however_often_it_is_sent(
    federation: Federation,
) -> None:
    south, browser = JointStaff(federation, "guangdong"), Browser.of(federation, STAFF)
    number = quote(await with_broadband(federation, "sichuan"))
    await browser.sign_in()
    listed = (await browser.open(f"orders/new?number={number}")).text
    assert f'href="{ROOT}/joint-orders/new?business=BB_MOVE&amp;number={number}"' in listed
    page = f"joint-orders/new?business=BB_MOVE&applicant=enterprise&number={number}&region.1=sichuan&region.2=henan"
    sent = {**hidden_fields((await browser.open(page)).text, "submit"), **FILLED}
    lacking = await browser.send(page, {**sent, "address.2": ""})
    assert (lacking.status, 'id="submit-address.2-problem"' in lacking.text) == (HTTPStatus.BAD_REQUEST, True)
    assert all(f'value="{FILLED[each]}"' in lacking.text for each in ("address.1", "paper.ADDR"))
    answers = [await browser.send(page, sent) for _ in range(2)]
    assert {each.status for each in answers} == {HTTPStatus.SEE_OTHER}, answers[0].text
    (led_to,) = {each.headers["location"] for each in answers}
    path = led_to.removeprefix(f"{ROOT}/")
    order = await south.get(unquote(path.removeprefix("joint-orders/")))
    assert [(each.region, each.address) for each in order.places] == [("sichuan", "旧址1号"), ("henan", "新址2号")]
    assert {each.id: each.region for each in order.items} == {"install": "henan", "remove": "sichuan"}
    assert (order.operator, order.request.requester.staff_id) == ("staff/wang", "wang")
    assert {(each.code, each.verifier) for each in order.request.documents} == {("BIZ_LIC", "wang"), ("ADDR", "wang")}
    form = {**hidden_fields((await browser.open(path)).text, "cancel"), "reason": "办公室不搬了"}
    assert [(await browser.send(path, form)).status for _ in range(2)] == [HTTPStatus.SEE_OTHER] * 2
    cancelled = await south.reaches(order.id, JointOrderState.JOINT_ORDER_STATE_CANCELLED)
    assert cancelled.cancellation_reason == "办公室不搬了"
    page = (await browser.open(path)).text
    assert ("办公室不搬了" in page, 'name="act" value="cancel"' in page) == (True, False)
    assert f'href="{ROOT}/{path}"' in (await browser.open(f"joint-orders?number={number}")).text
