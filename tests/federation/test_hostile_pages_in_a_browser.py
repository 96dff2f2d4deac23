"""Pages of both consoles in a real browser, with markup and acting characters behind each text that they show."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.values.plain_text import acting_character
from gateway.web.console import assets
from gateway.web.html_pages import HtmlPages
from gateway.web.tables import Cell
from tests.chromium import Tab, browser_tab
from tests.contract.small_federation import Certificates
from tests.contract.test_web_server import Process
from tests.federation.test_console_in_a_browser import IN_A_BROWSER
from tests.unit import console_pages as of_region
from tests.unit import test_coordinator_console as of_coordinator
from tests.unit.test_hostile_pages import EVIL

pytestmark = list(IN_A_BROWSER)
ACTING = "\x1b]52;c;cm0=\x07\u202e\u2066\u2067\u061c\u200f\u2028"
RAN = "window.ran = 1"
HOSTILE = f"{EVIL}<img src=/none onerror='{RAN}'><svg onload='{RAN}'><script>{RAN}</script>&#8238;{ACTING}"
"""Markup of which each part runs a script, and characters that turn texts around or write a clipboard."""
LIVE = "document.querySelectorAll('[data-events]').forEach(each => renew(each, each.innerHTML))"
"""What the script does with each event of a live page."""
FOREIGN = (  # elements of the hostile markup, handlers, and addresses that run a script or lead away
    "[...document.querySelectorAll('img, svg[onload], script:not([src]), a, form')].filter(each => "
    "!each.matches('a, form') || new URL(each.href ?? each.getAttribute('action'), location).origin !== location.origin"
    ").map(each => each.outerHTML)"
)

HEBREW = "שלום!"
BESIDE = """{% import "parts.html.j2" as parts %}<!DOCTYPE html>
<link rel="stylesheet" href="/console/assets/console.css">
<p>{{ page.text }}</p>
<p>{{ parts.worded(page) }} 12 {{ parts.worded(page) }}</p>
"""
PLACES = """[...document.querySelectorAll('p')].map(each => {
  const places = [], texts = document.createTreeWalker(each, NodeFilter.SHOW_TEXT);
  for (let text; (text = texts.nextNode()); ) {
    for (const found of text.data.matchAll(/\\p{L}+|[^\\p{L}\\s]+/gu)) {
      const range = document.createRange();
      range.setStart(text, found.index);
      range.setEnd(text, found.index + found[0].length);
      places.push([range.getBoundingClientRect().left, found[0]]);
    }
  }
  return places.sort(([one], [other]) => one - other).map(([, word]) => word);
})"""
"""The words and marks of each paragraph from the left to the right, as they are drawn."""


@pytest.fixture
def pages() -> Mapping[str, str]:
    """The pages, by their consoles and names."""
    consoles = {"region": of_region.full_pages, "coordinator": of_coordinator.full_pages}
    return {f"{console} {name}": page for console, full in consoles.items() for name, page in full(HOSTILE)}


async def test_hostile_texts_run_no_script_break_no_policy_and_turn_no_text_around_in_a_browser(
    tmp_path: Path, pages: Mapping[str, str]
) -> None:
    async with served(tmp_path, list(pages.values())) as origin, browser_tab("zh-CN") as tab:
        for number, name in enumerate(pages):
            await tab.go(f"{origin}/console/pages/{number}")
            await tab.evaluate(LIVE)
            assert await found_in(tab) == (None, [], None), name
            shows_texts = await tab.evaluate("document.body.textContent.includes('onerror=')")
            assert shows_texts or name == "region imports", name  # which has hashes and numbers alone
        unexpected = [each for each in tab.problems if "404" not in each]  # of a stream of events, which has none
        assert not unexpected, unexpected


async def test_a_text_from_right_to_left_ends_at_its_left_and_leaves_what_stands_beside_it_in_place(
    tmp_path: Path,
) -> None:
    (tmp_path / "beside.html.j2").write_text(BESIDE)
    page = HtmlPages(tmp_path).written("beside.html.j2", "x", "en", Cell(HEBREW, badge="late"))
    async with served(tmp_path, [page]) as origin, browser_tab("en") as tab:
        await tab.go(f"{origin}/console/pages/0")
        word, mark = HEBREW[:-1], HEBREW[-1]
        assert await tab.evaluate(PLACES) == [[mark, word], [mark, word, "12", mark, word]]


async def found_in(tab: Tab) -> tuple[object, object, object]:
    """The mark of a script that has run, foreign elements, and the first acting character of what the page holds."""
    html = await tab.evaluate("document.documentElement.outerHTML")
    ran, foreign = await tab.evaluate("window.ran"), await tab.evaluate(FOREIGN)
    return ran, foreign, acting_character(str(html), lines=True)


@asynccontextmanager
async def served(folder: Path, pages: list[str]) -> AsyncIterator[str]:
    """The origin of the listener of a process, which has pages below `/console/pages` by their places."""
    shared = of_region.pages_of(of_region.CONSOLE.templates)
    files = {"console.css": assets.style(shared), "console.js": assets.script(), "icon.svg": assets.icon()}

    async def show(request: web.Request) -> web.StreamResponse:
        return web.Response(text=pages[int(request.match_info["number"])], content_type="text/html")

    site = web.Application()
    site.router.add_get(r"/pages/{number:\d+}", show)
    site.router.add_routes([web.get(f"/assets/{name}", each.show) for name, each in files.items()])
    server = await Process(Certificates(folder)).server(apis={"/console": site}, needs_certificate=False)
    port = await server.start("127.0.0.1:0")
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        await server.close()
