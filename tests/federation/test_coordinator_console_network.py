"""The network at the console of a real coordinator: paths before and after a change, problems with their evidence."""

import json
from http import HTTPStatus

import pytest

from tests.federation.browser import ROOT, Browser, hidden_fields
from tests.federation.networks import Network, counted_by
from tests.federation.running import Federation
from tests.federation.test_coordinator_console import ADMIN, shown
from tests.unit.network_events import event

CHANGED = "class=y1541-0&basis=design&change=chengdu-guangzhou-1:delay_us=90000"


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of an administrator, who has not signed in."""
    return Browser.of(federation, ADMIN, "coordinator")


async def test_the_heat_map_leads_to_the_paths_of_two_regions_before_and_after_a_change(browser: Browser) -> None:
    await browser.sign_in()
    page = (await browser.open(f"network?region=sichuan&{CHANGED}")).text
    assert page.count('class="heat"') == 2
    link = next(each for each in page.split('"') if each.startswith(f"{ROOT}/network/paths") and "guangdong" in each)
    paths = await browser.open(shown(link).removeprefix(f"{ROOT}/"))
    assert paths.status == HTTPStatus.OK
    assert "chengdu-guangzhou-1" in paths.text
    assert "After the change" in paths.text
    file = await browser.open(shown(link).removeprefix(f"{ROOT}/") + "&format=json")
    assert [each["label"] for each in json.loads(file.text)["tables"]][1] == "Figures"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("network?class=none", "QUALITY_CLASS_UNKNOWN"),
        ("network?down=none", "LINK_UNKNOWN"),
        ("network?change=none:delay_us=1", "LINK_UNKNOWN"),
        ("network?change=fast", "REQUEST_INVALID"),
        ("network/paths?from=sichuan&to=nowhere", "SITE_UNKNOWN"),
        ("problems/none", "PROBLEM_NOT_FOUND"),
    ],
)
async def test_a_question_about_what_is_not_there_is_refused_by_its_name(
    browser: Browser, query: str, reason: str
) -> None:
    await browser.sign_in()
    page = await browser.open(query)
    assert (page.status >= HTTPStatus.BAD_REQUEST, reason in page.text) == (True, True)


async def test_a_problem_is_found_from_the_board_shows_its_evidence_and_its_report_is_noted_once(
    federation: Federation, browser: Browser
) -> None:
    network, begins = Network(federation), federation.clock.now()
    told = event("henan/fault/console", services=["broadband-zhengzhou"], raised=begins)
    await network.tell(told)
    found = await network.of(told.id, counted_by("henan"))
    name, version = found.header.id, found.header.version
    await network.count(name, "henan", 2_000_000, version, complaints=7)
    await network.of(told.id, lambda each: bool(each.reports))
    await browser.sign_in()
    href = f'href="{ROOT}/problems/{name}"'
    assert href in (await browser.open("board")).text
    assert href in (await browser.open("problems?show=reports&region=henan")).text
    page = (await browser.open(f"problems/{name}")).text
    assert {told.id in page, "2,000,000" in page, 'value="report-made"' in page} == {True}
    refused = await browser.fill_in(f"problems/{name}", "report-made", {"kind": "oral"})
    assert "REPORT_NOT_NEEDED" in refused.text
    sent = await browser.fill_in(f"problems/{name}", "report-made", {"kind": "monthly"})
    assert sent.status == HTTPStatus.SEE_OTHER
    made = (await network.show(name)).problem.reports
    assert [each.administrator for each in made if each.HasField("make_time")] == [ADMIN]
    await browser.send(f"problems/{name}", {**hidden_fields(page, "report-made"), "kind": "monthly"})
    assert (await network.show(name)).problem.reports == made, "noted once"
    await network.clear([told], federation.clock.now())
