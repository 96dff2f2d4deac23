"""The consoles by the keyboard alone, in a real browser."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.web.enum_words import told_word
from tests.chromium import Tab, browser_tab
from tests.federation.counter import Counter
from tests.federation.running import Federation
from tests.federation.test_console_in_a_browser import (
    ADMIN,
    IN_A_BROWSER,
    OF_THE_COORDINATOR,
    STAFF,
    found_barriers,
    looked_at,
    signed_in,
    work,
)
from tests.federation.test_hostile_pages_in_a_browser import served
from tests.unit import console_pages as of_region
from tests.unit import test_coordinator_console as of_coordinator

pytestmark = list(IN_A_BROWSER)
REACHABLE = (  # what the Tab key has to lead to: of radio buttons of one name the first
    "[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]"
    ".filter(each => each.checkVisibility({visibilityProperty: true}) && each.type !== 'hidden')"
    ".filter((each, place, all) => each.type !== 'radio' || all.findIndex(other => other.name === each.name) === place)"
)
NOTES_STOPS = f"""(() => {{
  const all = () => new Map({REACHABLE}.map((each, place) => [each, place]));
  let places = all();
  window.stops = [];
  addEventListener('keyup', () => {{
    const each = document.activeElement;
    if (!places.has(each)) places = all();  // a live page renews its elements
    const place = places.get(each) ?? -1;
    if (place < 0 || place === stops.at(-1)?.[0]) return;
    const head = document.querySelector('.head').getBoundingClientRect();
    const box = each.getBoundingClientRect(), style = getComputedStyle(each);
    const isSeen = each.closest('.head, .skip') || (box.bottom > head.bottom && box.top < innerHeight);
    const problem = style.outlineStyle === 'none' ? 'no outline' : isSeen ? '' : 'out of sight';
    stops.push([place, problem && each.outerHTML + ': ' + problem]);
  }}, true);
  return places.size;
}})()"""
STOPS = 8  # of the Tab key within one element: a field of a time has one for each of its parts
FOCUSED_AND_RENEWED = """(() => {
  const part = document.querySelector('[data-events]'), stops = () => [...part.querySelectorAll('a, [tabindex]')];
  const kept = stops().map((_, place) => {
    stops()[place].focus();
    renew(part, part.innerHTML);
    return stops().indexOf(document.activeElement);
  });
  return [[...kept.keys()], kept];
})()"""
"""The places of what takes the focus in a live page, and those of the focus after each has had it at a renewal."""


@pytest.mark.parametrize("person", [STAFF, ADMIN])
async def test_the_tab_key_leads_through_each_page_in_its_order_and_the_focus_is_seen(
    federation: Federation, guangdong: Counter, sichuan: Counter, person: str
) -> None:
    pages = await work(federation, guangdong, sichuan) if person == STAFF else OF_THE_COORDINATOR
    astray: dict[str, object] = {}
    async with signed_in(federation, "en", person) as (tab, console):
        async for place in looked_at(tab, console, pages):
            count = await tab.evaluate(NOTES_STOPS)
            assert isinstance(count, int)
            found = await passed(tab, count)
            if found != [[each, ""] for each in range(count)]:
                astray[place] = count, found
    assert not astray, astray


async def passed(tab: Tab, count: int) -> object:
    """The places of the elements that the Tab key leads to one after the other, each with what is wrong with it.

    Some elements take the key several times; a part that scrolls takes it, too.
    """
    stops: list[object] = []
    for _ in range(STOPS):
        await tab.press("Tab", count - len(stops))
        stops = cast("list[object]", await tab.evaluate("stops"))
    return stops


@pytest.mark.parametrize("person", [STAFF, ADMIN])
async def test_the_first_stop_of_the_tab_key_skips_the_head(federation: Federation, person: str) -> None:
    async with signed_in(federation, "en", person) as (tab, console):
        await tab.go(console + ("/work" if person == STAFF else "/board"))
        await tab.press("Tab")
        assert await tab.evaluate("document.activeElement.className") == "skip"
        await tab.press("Enter")
        assert await tab.evaluate("document.activeElement.id") == "content"
        await tab.press("Tab")
        assert await tab.evaluate("document.activeElement.closest('main') !== null")


@pytest.fixture
def live_pages() -> Mapping[str, str]:
    """The pages of both consoles that renew themselves."""
    full = [*of_region.full_pages(), *of_coordinator.full_pages()]
    return {name: page for name, page in full if "data-events" in page}


async def test_a_live_page_that_is_renewed_keeps_the_focus_on_each_of_its_links_and_tables(
    tmp_path: Path, live_pages: Mapping[str, str]
) -> None:
    assert "board" in live_pages
    async with served(tmp_path, list(live_pages.values())) as origin, browser_tab("en") as tab:
        for number, name in enumerate(live_pages):
            await tab.go(f"{origin}/console/pages/{number}")
            before, after = cast("list[object]", await tab.evaluate(FOCUSED_AND_RENEWED))
            assert before == after, name


async def test_a_review_is_decided_by_the_keyboard_alone(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await sichuan.order("TERMINATE", await guangdong.new_customer())
    async with signed_in(federation, "en") as (tab, console):
        await tab.go(f"{console}/orders/{order.id}")
        await tab.reach("[name=decision]")
        assert await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await tab.press("Space")
        await tab.enter("[name=note]", "all is there")
        await tab.press("Tab")
        async with tab.loading():
            await tab.press("Enter")
        assert await tab.evaluate("document.querySelector('[role=status]') !== null")
    assert [note.text for note in (await sichuan.get(order.id)).notes] == ["all is there"]


@pytest.mark.parametrize("person", [STAFF, ADMIN])
async def test_a_list_is_sorted_by_the_keyboard_alone_and_its_filters_keep_the_order(
    federation: Federation, guangdong: Counter, sichuan: Counter, person: str
) -> None:
    orders = [await sichuan.order("TERMINATE", await guangdong.new_customer()) for _ in range(3)]
    rows = "[...document.querySelectorAll('tbody th a')].map(each => each.textContent)"
    sorted_by = "[...document.querySelectorAll('th[aria-sort]')].map(each => `${each.textContent} ${each.ariaSort}`)"
    async with signed_in(federation, "en", person) as (tab, console):
        await tab.go(f"{console}/orders")
        for sort, is_falling, direction in (("id", False, "ascending"), ("-id", True, "descending")):
            await tab.reach(f"th a[href$='?sort={sort}']")
            async with tab.loading():
                await tab.press("Enter")
            ids = await tab.evaluate(rows)
            assert isinstance(ids, list)
            assert (len(ids) >= len(orders), ids) == (True, sorted(ids, reverse=is_falling))
            assert await tab.evaluate(sorted_by) == [f"Order {direction}"]
            assert [await found_barriers(tab, scheme) for scheme in ("dark", "light")] == [[], []]
        await tab.choose("#state", told_word(OrderState.DESCRIPTOR, orders[0].state))
        await tab.reach(".filters button")
        async with tab.loading():
            await tab.press("Enter")
        assert await tab.evaluate("new URLSearchParams(location.search).get('sort')") == "-id"
        assert await tab.evaluate(sorted_by) == ["Order descending"]
        assert not [each for each in tab.problems if "404" not in each]
