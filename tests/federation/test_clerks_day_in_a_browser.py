"""A day of a clerk at the console in a real browser, by mouse and keyboard, from an order to the customer's bill."""

from collections.abc import Mapping

from gateway.api.region.v1.complaint_pb2 import ComplaintState, RemedyState
from gateway.api.region.v1.order_pb2 import OrderState
from tests.chromium import Tab
from tests.federation.archive import Archive
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.fault_reporter import CLOSED, FaultReporter
from tests.federation.running import Federation
from tests.federation.test_console_customers import code_of
from tests.federation.test_console_in_a_browser import IN_A_BROWSER, STAFF, signed_in

pytestmark = list(IN_A_BROWSER)
COLLEAGUE = "region/guangdong/staff/li"
EMAIL = "li@example.com"
REFUND = "12.34"


async def test_a_clerk_by_mouse_and_keyboard_takes_in_an_order_pays_a_complaint_ends_a_fault_and_shows_the_bill(
    federation: Federation, guangdong: Counter
) -> None:
    number = await guangdong.new_customer()
    await Archive(guangdong).put(number)
    async with (
        signed_in(federation, "en", STAFF) as (clerk, _),
        signed_in(federation, "en", COLLEAGUE) as (colleague, _),
    ):
        await take_in_an_order_and_have_it_reviewed(guangdong, clerk, colleague, number)
        await settle_a_complaint_and_have_its_money_reviewed(
            Complainant(federation, "guangdong", "staff/wang"), clerk, colleague, number
        )
        await end_a_fault(FaultReporter(federation, "guangdong", "staff/wang"), clerk, number)
        assert REFUND in await lines_of_the_bill(federation, clerk, number)
        unexpected = [each for each in (*clerk.problems, *colleague.problems) if "Failed to load resource" not in each]
        assert not unexpected, unexpected


async def take_in_an_order_and_have_it_reviewed(guangdong: Counter, clerk: Tab, colleague: Tab, number: str) -> None:
    """The clerk finds the business by words, and may not review the order; the colleague does."""
    await clerk.click("nav a[href$='/orders']")
    await clerk.click("main a[href$='/orders/new']")
    await clerk.enter("#search", "personal data")
    await clerk.enter("#number", number)
    await clerk.click("form.filters button")
    await clerk.click("main a[href*='business=PROFILE_UPD']")
    await clerk.choose("#applicant", "holder")
    await clerk.click("form.filters button")
    papers = {"paper.ID_ORIG": "11010519491231002X", "paper.FACE": "20260101-7"}
    await send(clerk, "submit", {"value.email": EMAIL, **papers})
    order_id = await shown(clerk, "h1")
    assert not await clerk.evaluate("document.querySelector('[name=decision]') !== null")
    assert "a colleague decides" in await shown(clerk, "main")
    assert (await guangdong.read(number)).email == ""
    await approve_from_the_work_list(colleague, order_id)
    assert await shown(colleague, "[role=status]")
    await guangdong.reaches(order_id, OrderState.ORDER_STATE_COMPLETED)
    assert (await guangdong.read(number)).email == EMAIL


async def settle_a_complaint_and_have_its_money_reviewed(
    desk: Complainant, clerk: Tab, colleague: Tab, number: str
) -> None:
    """Only the text of the complaint says what it is about. The customer, who stands at the counter, accepts."""
    await look_up(clerk, number)
    await clerk.click("main a[href*='/complaints/new']")
    said = {"complaint.description": "I was charged twice, the bill is wrong", "complaint.remedy_sought": "refund"}
    await send(clerk, "file", said)
    ticket_id = await shown(clerk, "h1")
    assert "BILL_WRONG" in (await desk.get(ticket_id)).request.category
    await send(clerk, "respond", {"text": "we look into it"})
    proposal = {"text": "refunded", "cause": "billing-error", "remedy": "refund", "amount": REFUND}
    await send(clerk, "propose", proposal)
    await send(clerk, "accept", {"rating": "5"})
    awaiting = await desk.follows(
        ticket_id, lambda found: found.remedy.awaiting_action == "review", "the money is reviewed"
    )
    await approve_from_the_work_list(colleague, awaiting.remedy.order_id)
    paid = await desk.follows(
        ticket_id, lambda found: found.remedy.state == RemedyState.REMEDY_STATE_BOOKED, "the money is booked"
    )
    assert (paid.state, paid.rating) == (ComplaintState.COMPLAINT_STATE_CLOSED, 5)


async def end_a_fault(desk: FaultReporter, clerk: Tab, number: str) -> None:
    """The clerk reports what the customer says, and records the repair."""
    await clerk.click("nav a[href$='/faults']")
    await clerk.click("main a[href$='/faults/new']")
    said = {"report.number": number, "report.description": "no dial tone", "report.place.site": "guangzhou"}
    await send(clerk, "report", said)
    fault_id = await shown(clerk, "h1")
    await send(clerk, "take_up", {})
    await send(clerk, "resolve", {"cause": "cable", "text": "spliced"})
    await send(clerk, "close", {})
    assert (await desk.get(fault_id)).state == CLOSED


async def lines_of_the_bill(federation: Federation, clerk: Tab, number: str) -> str:
    """The lines of the newest bill, which the clerk opens by the code that the customer reads out."""
    await look_up(clerk, number)
    await clerk.click("main a[href*='/identity-check']")
    await send(clerk, "send-code", {})
    await send(clerk, "verify", {"code": code_of(federation, number)})
    await clerk.click("main a[href*='month=']")
    return await shown(clerk, "[role=region][aria-label^='Bill of']")


async def look_up(tab: Tab, number: str) -> None:
    """Opens the page of a customer by its tab."""
    await tab.click("nav a[href$='/customers']")
    await tab.enter("#number", number)
    async with tab.loading():
        await tab.press("Enter")


async def approve_from_the_work_list(tab: Tab, order_id: str) -> None:
    """Finds a review in the work list, and approves it."""
    await tab.click("nav a[href$='/work']")
    await tab.click(".tiles a[href*='kind=reviews']")
    await tab.click(f"main a[href$='/orders/{order_id}']")
    await approve(tab)


async def approve(tab: Tab) -> None:
    """Chooses the first decision of a review by the keyboard, and sends it by the mouse."""
    await tab.reach("[name=decision]")
    await tab.press("Space")
    await tab.click("form:has([name=decision]) button")


async def send(tab: Tab, act: str, fields: Mapping[str, str]) -> None:
    """Fills in a form by the keyboard, and sends it; it is done."""
    sent = f":has([name=act][value={act}])"
    form = f"form{sent}"
    if await tab.evaluate(f'document.querySelector("details:not([open]) {form}") !== null'):
        await tab.point(f"details{sent} > summary")
    for name, text in fields.items():
        field = f"{form} [name='{name}']"
        is_list = await tab.evaluate(f'document.querySelector("{field}").matches("select")')
        await (tab.choose(field, text) if is_list else tab.enter(field, text))
    await tab.reach(f"{form} button")
    async with tab.loading():
        await tab.press("Enter")
    assert await shown(tab, "[role=status]"), act


async def shown(tab: Tab, selector: str) -> str:
    """The text of an element of the page; none where it has no such element."""
    return str(await tab.evaluate(f'document.querySelector("{selector}")?.textContent ?? ""')).strip()
