"""The network at the console of a real node: alarms are acknowledged and cleared, links have a page."""

from datetime import timedelta
from http import HTTPStatus

import pytest

from tests.federation.browser import ROOT, Browser
from tests.federation.probe import Probe, measured, raised
from tests.federation.running import Federation
from tests.federation.test_console import STAFF

LINK = "guangzhou-shenzhen-1"


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of a member of Guangdong's staff, who has not signed in."""
    return Browser.of(federation, STAFF)


async def test_an_alarm_is_seen_on_the_network_page_acknowledged_and_cleared(
    federation: Federation, browser: Browser
) -> None:
    probe, name = Probe(federation, "guangdong", source=federation.next_id()), federation.next_id()
    await probe.report(raised(name, federation.clock.now(), link=LINK))
    alarm = next(each for each in await probe.alarms() if each.external_id == name)
    await browser.sign_in()
    path = f"network/alarms/{alarm.id}"
    assert f'href="{ROOT}/{path}"' in (await browser.open("network")).text
    assert (await browser.fill_in(path, "acknowledge", {})).status == HTTPStatus.SEE_OTHER
    assert 'value="acknowledge"' not in (await browser.open(path)).text
    assert (await browser.fill_in(path, "clear", {})).status == HTTPStatus.SEE_OTHER
    assert alarm.id not in [each.id for each in await probe.alarms()]
    found = next(each for each in await probe.alarms(include_cleared=True) if each.id == alarm.id)
    assert (found.ack_user, found.clear_user) == ("wang", "wang")


async def test_a_link_has_a_page_with_its_traffic_and_an_unknown_one_none(
    federation: Federation, browser: Browser
) -> None:
    probe = Probe(federation, "guangdong", source=federation.next_id())
    minute = federation.clock.now() - timedelta(minutes=5)
    await probe.send([measured(minute, link=LINK, throughput=40_000_000)])
    await browser.sign_in()
    page = await browser.open(f"network/links/{LINK}")
    assert (page.status, page.text.count("<polyline")) == (HTTPStatus.OK, 2)
    unknown = await browser.open("network/links/none")
    assert (unknown.status, "LINK_UNKNOWN" in unknown.text) == (HTTPStatus.NOT_FOUND, True)
