"""The consoles in a real browser: each page in both languages, on a laptop and a tablet, with pictures to look at."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from statistics import median
from urllib.parse import quote

import pytest

from gateway.api.coordinator.v1.administration_pb2 import ReinstateRegionRequest, SuspendRegionRequest
from gateway.api.federation.v1.configuration_pb2 import SharedField
from gateway.api.region.v1.fault_pb2 import FaultSeverity
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.web.console import live
from tests.chromium import PROGRAM, Door, Tab, browser_tab, certified_door
from tests.federation.archive import Archive
from tests.federation.browser import Browser
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.databases import Databases
from tests.federation.fault_reporter import FaultReporter
from tests.federation.issue_staff import IssueStaff
from tests.federation.joint_staff import JointStaff, with_broadband
from tests.federation.networks import Network, counted_by
from tests.federation.probe import Probe, measured, raised
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.sharing_counter import SharingCounter
from tests.federation.support_staff import LINK, SupportStaff
from tests.federation.test_console_customers import code_of
from tests.federation.test_console_imports import imported
from tests.federation.test_coordinator_console_network import CHANGED
from tests.unit.network_events import event

IN_A_BROWSER = (
    pytest.mark.slow,
    pytest.mark.skipif(
        PROGRAM is None and not os.environ.get("CI"), reason="Chromium is not installed: Debian's package chromium"
    ),
)
pytestmark = list(IN_A_BROWSER)
PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
LANGUAGES = {"en": "en", "zh": "zh-CN"}
TABLET = 768
WIDTHS = (1280, TABLET)
OWN_LINK = "guangzhou-shenzhen-1"
STAFF, ADMIN = "region/guangdong/staff/wang", "admin/root"
HEAD_LINES = (  # lines in which the parts of the head stand
    "new Set([...document.querySelectorAll('.head > *')].map(each => each.getBoundingClientRect())"
    ".map(each => Math.round((each.top + each.bottom) / 2))).size"
)
SEEN = "[...document.querySelectorAll('{}')].filter(each => each.checkVisibility()).map(each => each.outerHTML)"
USED_ON_A_SCREEN = SEEN.format("header, nav, form, button, input, select, textarea, summary, .filters, .pages")
PRINTED_ADDRESS = "document.querySelector('.printed').innerText === location.pathname + location.search"
CUT_ON_PAPER = (
    "[...document.querySelectorAll('main .scroll, main .file')]"
    ".filter(each => getComputedStyle(each).overflow !== 'visible' && each.scrollHeight > each.clientHeight)"
)
CUT_CAPTIONS = (  # of tables that are wider than their window
    "[...document.querySelectorAll('.scroll caption')]"
    ".filter(each => each.offsetWidth > each.closest('.scroll').clientWidth).map(each => each.textContent)"
)
HIDDEN_COLUMNS = (
    "Math.max(...[...document.querySelectorAll('.scroll')].map(each => each.scrollWidth - each.clientWidth))"
)
CUT = (  # what is wider than its box, and is no table whose columns readers compare, no command and no field
    "[...document.querySelectorAll('main, main *')].filter(each => each.clientWidth"
    " && each.scrollWidth > each.clientWidth && getComputedStyle(each).clipPath === 'none'"
    " && !each.matches('.compared, .command, input, select, textarea, svg *'))"
    ".map(each => each.outerHTML.slice(0, 500))"
)
CONTENT = SEEN.format("h1, h2, table, svg")
BY_ITSELF = timedelta(seconds=1)  # in which a board shows a suspension, as docs/console.md says
ROUNDS = 5
WAITS_FOR_TEXT = """window.shown = new Promise(resolve => {
  const look = () => document.body.textContent.includes('TEXT') && resolve(true);
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}), null"""
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
    issue = await IssueStaff(federation, "guangdong").open("guangdong", "sichuan")
    together = JointStaff(federation, "guangdong")
    joint = await together.submits(
        together.request("BB_MOVE", ["sichuan", "guangdong"], await with_broadband(federation, "sichuan"))
    )
    return {
        "work": "/work",
        "work-reviews": "/work?kind=reviews&within=168",
        "orders": "/orders",
        "orders-none": "/orders?state=held",
        "businesses": "/orders/new",
        "business": "/orders/new?business=SUSPEND",
        "new-order": f"/orders/new?business=SUSPEND&applicant=agent&number=%2B{numbers[0].removeprefix('+')}",
        "new-joint-order": "/joint-orders/new?business=LEASED_LINE&applicant=enterprise&region.1=henan&region.2=hunan",
        "order-review": f"/orders/{orders[0].id}",
        "order-done": f"/orders/{away.id}?hops=signed",
        "joint-orders-of-the-region": "/joint-orders",
        "joint-order": f"/joint-orders/{joint.id}",
        "complaints": "/complaints",
        "new-complaint": f"/complaints/new?number=%2B{numbers[0].removeprefix('+')}",
        "complaint": f"/complaints/{complaint.ticket_id}",
        "customer": f"/customers?number=%2B{numbers[0].removeprefix('+')}",
        "customer-away": f"/customers?number=%2B{away.request.number.removeprefix('+')}",
        "identity-check": f"/customers/identity-check?number=%2B{numbers[0].removeprefix('+')}",
        "identity-checked": await checked(federation, guangdong, numbers[0]),
        "shared-record": await granted(federation, away.request.number),
        "faults": "/faults",
        "new-fault": f"/faults/new?number=%2B{numbers[0].removeprefix('+')}",
        "fault": f"/faults/{fault.id}",
        "network": "/network",
        "link": f"/network/links/{OWN_LINK}",
        "alarm": f"/network/alarms/{alarms[0].id}",
        "support": "/support",
        "support-request": f"/support/{support.id}",
        "issues-of-the-region": "/issues",
        "issue": f"/issues/{issue.id}",
        "imports": "/imports",
        "audit": "/audit",
        "refused": "/orders/guangdong/counter/none",
    }


async def checked(federation: Federation, guangdong: Counter, number: str) -> str:
    """The path of the page of a customer whose code a member of staff has checked."""
    staff = Browser.of(federation, STAFF)
    await staff.sign_in()
    path = f"customers/identity-check?number={quote(number)}"
    await Archive(guangdong).put(number)
    sent = await staff.fill_in(path, "send-code", {})
    known = await staff.fill_in(sent.headers["location"], "verify", {"code": code_of(federation, number)})
    return known.headers["location"].removeprefix("/console")


async def granted(federation: Federation, number: str) -> str:
    """The path of the page of a customer who lets Guangdong read a part of the record."""
    fields = (SharedField.SHARED_FIELD_NAME, SharedField.SHARED_FIELD_STATUS)
    await SharingCounter.of(federation, "guangdong").consent(number, "guangdong", fields=fields)
    return f"/customers/shared-record?number=%2B{number.removeprefix('+')}&purpose=counter-service"


@asynccontextmanager
async def accident(federation: Federation) -> AsyncIterator[str]:
    """The path of the page of an accident whose reports are due; it is over afterwards."""
    network, begins, name = Network(federation), federation.clock.now(), federation.next_id()
    told = [
        event(
            f"henan/alarm/{name}", links=["shijiazhuang-zhengzhou-1"], services=["broadband-zhengzhou"], raised=begins
        ),
        event(f"henan/fault/{name}", services=["broadband-zhengzhou"], raised=begins),
    ]
    for each in told:
        await network.tell(each)
    found = await network.of(told[0].id, counted_by("henan"))
    await network.count(found.header.id, "henan", 2_000_000, found.header.version, complaints=7)
    await network.of(told[0].id, lambda each: bool(each.reports))
    try:
        yield f"/problems/{found.header.id}"
    finally:
        await network.clear(told, federation.clock.now())


OF_THE_COORDINATOR = {
    "board": "/board",
    "region": "/regions/sichuan?connection=test",
    "membership": "/regions/sichuan/membership",
    "unknown-region": "/regions/nowhere",
    "overseen-complaints": "/complaints?ended=yes",
    "complaint-report": "/complaints/report?by=region,month",
    "overseen-orders": "/orders",
    "paths": f"/network?{CHANGED}",
    "paths-of-two": f"/network/paths?from=sichuan&to=guangdong&{CHANGED}",
    "problems": "/problems?show=all",
    "issues": "/issues",
    "risks": "/risks?show=all",
    "body": "/body",
    "quality": "/quality",
    "quality-figure": "/quality?figure=ordersInTime",
    "reconciliation": "/reconciliation?days=31",
    "settlement": "/settlement",
    "joint-orders": "/joint-orders",
    "configuration": "/configuration?part=policies",
    "revisions": "/configuration/revisions",
    "proposal-unsigned": "/configuration/proposal",
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
    barriers: dict[tuple[str, int, str], object] = {}
    cut: dict[tuple[str, int], object] = {}
    async with AsyncExitStack() as stack:
        if person == ADMIN:
            pages = {**pages, "problem": await stack.enter_async_context(accident(federation))}
        tab, console = await stack.enter_async_context(signed_in(federation, language, person))
        for name, path in pages.items():
            for width in WIDTHS:
                await tab.resize(width)
                await tab.go(console + path)
                await photograph(tab, f"{name}-{language}-{width}")
                assert await tab.evaluate("document.documentElement.scrollWidth") == width, f"{name} at {width}"
                assert await tab.evaluate(CUT_CAPTIONS) == [], f"{name} at {width}"
                if found := await tab.evaluate(CUT):
                    cut[name, width] = found
                if (name, width) == ("audit", WIDTHS[0]):
                    assert await tab.evaluate(HIDDEN_COLUMNS) == 0, "the audit page at 1280"
                assert width != WIDTHS[0] or await tab.evaluate(f"{HEAD_LINES} === 1"), f"the head of {name} at {width}"
                assert await tab.evaluate("document.documentElement.lang") == LANGUAGES[language]
                schemes = ("dark", "light") if width == TABLET else ("light",)
                barriers |= {(name, width, scheme): await found_barriers(tab, scheme) for scheme in schemes}
        met = {place: found for place, found in barriers.items() if found}
        assert not met, met
        assert not cut, cut
        unexpected = [each for each in tab.problems if "404" not in each]
        assert not unexpected, unexpected


async def found_barriers(tab: Tab, scheme: str) -> object:
    """The rules of accessibility that a page breaks in its colours of a scheme, each with the elements."""
    await tab.prefer(scheme)
    await tab.evaluate((files("axe_core_python") / "axe.min.js").read_text("utf-8"))
    told = "each.id + ' ' + each.nodes.map(node => node.target.join(' ') + ': ' + node.failureSummary).join('; ')"
    return await tab.evaluate(f"axe.run().then(found => found.violations.map(each => {told}))")


async def looked_at(tab: Tab, console: str, pages: Mapping[str, str]) -> AsyncIterator[str]:
    """Opens each page in each language and width; the names of what is open."""
    for language, width in itertools.product(LANGUAGES, WIDTHS):
        await tab.speak(LANGUAGES[language])
        await tab.resize(width)
        for name, path in pages.items():
            await tab.go(console + path)
            yield f"{name} {language} {width}"


@pytest.mark.parametrize("person", [STAFF, ADMIN])
async def test_each_printed_page_has_its_content_whole_and_its_address_and_nothing_that_people_use_on_a_screen(
    federation: Federation, guangdong: Counter, sichuan: Counter, person: str
) -> None:
    pages = await work(federation, guangdong, sichuan) if person == STAFF else OF_THE_COORDINATOR
    async with signed_in(federation, "en", person) as (tab, console):
        async for place in looked_at(tab, console, pages):
            await tab.show_on("screen")
            on_screen = await tab.evaluate(f"[{USED_ON_A_SCREEN}.length, {CONTENT}.length]")
            await tab.show_on("print")
            on_paper = await tab.evaluate(f"[{USED_ON_A_SCREEN}, {CONTENT}.length]")
            assert isinstance(on_screen, list)
            assert isinstance(on_paper, list)
            assert min(on_screen) > 0, place
            assert on_paper == [[], on_screen[1]], place
            assert await tab.evaluate(f"[{PRINTED_ADDRESS}, {CUT_ON_PAPER}.length]") == [True, 0], place


async def test_the_board_shows_a_suspension_within_a_second_besides_the_time_that_the_page_itself_takes(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BY_ITSELF.total_seconds() >= 2 * live.LOOK_SECONDS
    monkeypatch.setattr(live, "WHOLE_SECONDS", 600.0)  # a change is found by a look alone
    taken: list[float] = []
    async with (
        running(tmp_path, databases, ("henan",), web=["coordinator"]) as federation,
        signed_in(federation, "en", ADMIN) as (tab, _),
    ):
        members = federation.membership
        for each in range(ROUNDS):
            note = f"suspicion {each}"
            at_once = await duration(tab.evaluate("fetch(location).then(answer => answer.text()).then(() => true)"))
            await tab.evaluate(WAITS_FOR_TEXT.replace("TEXT", note))
            await members.SuspendRegion(SuspendRegionRequest(region="henan", note=note), timeout=CALL_SECONDS)
            taken.append(await duration(tab.evaluate("window.shown")) - at_once)
            await members.ReinstateRegion(ReinstateRegionRequest(region="henan"), timeout=CALL_SECONDS)
            await until_true(tab, f"!document.body.textContent.includes('{note}')")
    assert median(taken) <= 2 * live.LOOK_SECONDS, taken


async def duration(act: Awaitable[object]) -> float:
    """The seconds that an act takes."""
    begin = time.perf_counter()
    await act
    return time.perf_counter() - begin


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


async def test_a_saved_filter_is_not_deleted_before_its_button_is_pressed(federation: Federation) -> None:
    async with signed_in(federation, "en") as (tab, console):
        await tab.go(f"{console}/work?within=4")
        await tab.point("details:has(#filter) > summary")
        await tab.enter("#filter", "soon")
        await tab.click("form:has(#filter) button")
        chosen = "document.querySelector('form[method=post] select')"
        await tab.evaluate(f"{chosen}.dispatchEvent(new Event('change'))")
        assert await tab.evaluate(f"[{chosen}.value, {chosen}.form.dataset.sent ?? '']") == ["soon", ""]
