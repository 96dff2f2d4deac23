"""The consoles in a real browser: each page in both languages, on a laptop and a tablet, with pictures to look at."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.coordinator.v1.administration_pb2 import ReinstateRegionRequest, SuspendRegionRequest
from gateway.api.region.v1.fault_pb2 import FaultSeverity
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from tests.chromium import PROGRAM, Door, Tab, browser_tab, certified_door
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.fault_reporter import FaultReporter
from tests.federation.probe import Probe, measured, raised
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.support_staff import LINK, SupportStaff
from tests.federation.test_console_imports import imported

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: Debian's package chromium"),
]
PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
LANGUAGES = {"en": "en", "zh": "zh-CN"}
WIDTHS = (1280, 768)
OWN_LINK = "guangzhou-shenzhen-1"
STAFF, ADMIN = "region/guangdong/staff/wang", "admin/root"
HEAD_LINES = (  # lines in which the parts of the head stand
    "new Set([...document.querySelectorAll('.head > *')].map(each => each.getBoundingClientRect())"
    ".map(each => Math.round((each.top + each.bottom) / 2))).size"
)
NOTICES_CUTS = (
    "new MutationObserver(([change]) => { window.wasCut ||= !change.target.hidden; })"
    ".observe(document.querySelector('[data-cut]'), {attributes: true})"
)


@asynccontextmanager
async def signed_in(federation: Federation, language: str, person: str = STAFF) -> AsyncIterator[tuple[Tab, str]]:
    """A browser whose person has signed in, and the address of the console."""
    async with signed_in_by_a_door(federation, language, person) as (tab, door):
        yield tab, f"{door.origin}/console"


@asynccontextmanager
async def signed_in_by_a_door(federation: Federation, language: str, person: str) -> AsyncIterator[tuple[Tab, Door]]:
    """A browser whose person has signed in, and the door by which it reaches the server."""
    member = "coordinator" if person == ADMIN else "guangdong"
    web, own = federation.web[member], federation.certificates.credentials(person)
    assert web.port_file is not None
    shown = federation.certificates.credentials("region/guangdong")  # of the door
    async with (
        certified_door(int(web.port_file.read_text()), shown, own) as door,
        browser_tab(LANGUAGES[language]) as tab,
    ):
        await tab.resize(WIDTHS[0])
        await tab.go(f"{door.origin}/console")
        await photograph(tab, f"{member}-sign-in-{language}-{WIDTHS[0]}")
        await tab.click("main button")
        yield tab, door


async def photograph(tab: Tab, name: str) -> None:
    """Writes the picture of a page into `build/screenshots`."""
    picture = await tab.screenshot()

    def write() -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{name}.png").write_bytes(picture)

    await asyncio.to_thread(write)


async def work(federation: Federation, guangdong: Counter, sichuan: Counter) -> Mapping[str, str]:
    """Work for the staff of Guangdong; the paths of the pages to look at, by the names of their pictures."""
    numbers = [await guangdong.new_customer(name="陈晓明") for _ in range(3)]
    orders = [await sichuan.order("TERMINATE", number) for number in numbers[:2]]
    for business in ("PAY", "SUSPEND", "RESUME"):
        await sichuan.order(business, numbers[2])
    away = await guangdong.order("SUSPEND", await sichuan.new_customer())
    desk = Complainant(federation, "guangdong")
    complaint = await desk.file("BILL_WRONG", numbers[0], description="三月份的账单多收了两次月租费，请核实并退款。")
    await desk.file("NET_SPEED", numbers[0])
    await desk.file("", numbers[1], description="好像有点问题")
    staff = Complainant(federation, "guangdong", "staff/wang")
    await staff.respond(complaint.ticket_id, "我们正在核查三月份的账单")
    reporter = FaultReporter(federation, "guangdong")
    fault = await reporter.report(numbers[0], site="guangzhou")
    engineer = FaultReporter(federation, "guangdong", "staff/wang")
    await engineer.report(site="shenzhen", severity=FaultSeverity.FAULT_SEVERITY_CRITICAL)
    await engineer.takes_up(fault.id)
    await engineer.work(
        fault.id, WorkOnFaultRequest(name_part=WorkOnFaultRequest.NamePart(name="光猫", in_warranty=True))
    )
    now, probe = federation.clock.now(), Probe(federation, "guangdong", source=federation.next_id())
    traffic = ((150, 31), (120, 38), (90, 44), (60, 47), (30, 58), (0, 63))
    for number, (days, gbit) in enumerate(traffic, 1):
        window = measured(now - timedelta(days=days, minutes=5), link=OWN_LINK, throughput=gbit * 1_000_000)
        await probe.send([window], first=number)
    await probe.report(raised(federation.next_id(), now, link=OWN_LINK))
    alarms = await probe.alarms()
    await imported(federation, guangdong, 4)
    support = await SupportStaff(federation, "guangdong").open(numbers[1], link=LINK)
    return {
        "work": "/work",
        "work-reviews": "/work?kind=reviews&within=168",
        "orders": "/orders",
        "orders-none": "/orders?state=held",
        "order-review": f"/orders/{orders[0].id}",
        "order-done": f"/orders/{away.id}?hops=signed",
        "complaints": "/complaints",
        "complaint": f"/complaints/{complaint.ticket_id}",
        "customer": f"/customers?number=%2B{numbers[0].removeprefix('+')}",
        "customer-away": f"/customers?number=%2B{away.request.number.removeprefix('+')}",
        "faults": "/faults",
        "fault": f"/faults/{fault.id}",
        "network": "/network",
        "link": f"/network/links/{OWN_LINK}",
        "alarm": f"/network/alarms/{alarms[0].id}",
        "support": "/support",
        "support-request": f"/support/{support.id}",
        "imports": "/imports",
        "refused": "/orders/guangdong/counter/none",
    }


OF_THE_COORDINATOR = {
    "board": "/board",
    "region": "/regions/sichuan?connection=test",
    "membership": "/regions/sichuan/membership",
    "unknown-region": "/regions/nowhere",
    "overseen-complaints": "/complaints?ended=yes",
    "overseen-orders": "/orders",
    "issues": "/issues",
    "risks": "/risks?show=all",
    "body": "/body",
    "configuration": "/configuration?part=policies",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("person", [STAFF, ADMIN])
async def test_every_page_fits_its_window_breaks_no_policy_and_is_photographed(
    federation: Federation, guangdong: Counter, sichuan: Counter, person: str, language: str
) -> None:
    of_the_region = await work(federation, guangdong, sichuan)
    pages = of_the_region
    if person == ADMIN:
        overseen = {f"overseen-{each}": of_the_region[each] for each in ("complaint", "order-review")}
        pages = {**OF_THE_COORDINATOR, **overseen}
    async with signed_in(federation, language, person) as (tab, console):
        for name, path in pages.items():
            for width in WIDTHS:
                await tab.resize(width)
                await tab.go(console + path)
                await photograph(tab, f"{name}-{language}-{width}")
                assert await tab.evaluate("document.documentElement.scrollWidth") == width, f"{name} at {width}"
                assert width != WIDTHS[0] or await tab.evaluate(f"{HEAD_LINES} === 1"), f"the head of {name} at {width}"
                assert await tab.evaluate("document.documentElement.lang") == LANGUAGES[language]
        unexpected = [each for each in tab.problems if "404" not in each]
        assert not unexpected, unexpected


async def test_the_board_shows_a_suspension_by_itself_also_after_its_stream_was_cut(
    databases: Databases, tmp_path: Path
) -> None:
    async with (
        running(tmp_path, databases, ("henan",), web=["coordinator"]) as federation,
        signed_in_by_a_door(federation, "en", ADMIN) as (tab, door),
    ):
        members = federation.membership
        await tab.evaluate(NOTICES_CUTS)
        await members.SuspendRegion(SuspendRegionRequest(region="henan", note="first suspicion"), timeout=CALL_SECONDS)
        await until_true(tab, "document.body.textContent.includes('first suspicion')")
        door.cut()
        await until_true(tab, "window.wasCut")
        await members.ReinstateRegion(ReinstateRegionRequest(region="henan"), timeout=CALL_SECONDS)
        await until_true(tab, "!document.body.textContent.includes('first suspicion')")
        assert await tab.evaluate("document.querySelector('[data-cut]').hidden")


async def until_true(tab: Tab, expression: str) -> None:
    """Returns once an expression is true in the page."""

    async def holds() -> bool:
        return await tab.evaluate(f"Boolean({expression})") is True

    await until(holds, f"the page has {expression}")


async def test_a_review_is_decided_by_the_keyboard_alone(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await sichuan.order("TERMINATE", await guangdong.new_customer())
    async with signed_in(federation, "en") as (tab, console):
        await tab.go(f"{console}/orders/{order.id}")
        await focus(tab, "decision")
        assert await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await tab.press("Space")
        await focus(tab, "note")
        await tab.write("all is there")
        await tab.press("Tab")
        async with tab.loading():
            await tab.press("Enter")
        assert await tab.evaluate("document.querySelector('[role=status]') !== null")
    assert [note.text for note in (await sichuan.get(order.id)).notes] == ["all is there"]


async def focus(tab: Tab, name: str) -> None:
    """Goes on by the Tab key to the field of a name."""
    for _ in range(60):
        await tab.press("Tab")
        if await tab.evaluate("document.activeElement.name") == name:
            return
    raise AssertionError(f"no way leads to {name} by the keyboard")
