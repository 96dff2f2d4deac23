"""The network at the console of a real node: alarms are acknowledged and cleared, live, and links have a page."""

from datetime import timedelta
from http import HTTPStatus

import pytest

from gateway.web.console import live
from tests.federation.browser import ROOT, Browser
from tests.federation.event_stream import event_stream
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


async def test_an_alarm_comes_to_the_open_network_page_and_goes_as_somebody_clears_it(
    federation: Federation, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WHOLE_SECONDS", 600.0)
    probe, name = Probe(federation, "guangdong", source=federation.next_id()), federation.next_id()
    await browser.sign_in()
    assert f'data-events="{ROOT}/network/events"' in (await browser.open("network")).text
    async with event_stream(browser, "network/events") as stream:
        before = await stream.next()
        assert (before.name, "<main" in before.data) == ("message", False)
        await probe.report(raised(name, federation.clock.now(), link=LINK))
        alarm = next(each for each in await probe.alarms() if each.external_id == name)
        row = f'href="{ROOT}/network/alarms/{alarm.id}"'
        assert row not in before.data
        while row not in (await stream.next()).data:
            pass
        await browser.fill_in(f"network/alarms/{alarm.id}", "clear", {})
        while row in (await stream.next()).data:
            pass


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
