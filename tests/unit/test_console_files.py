"""The files of pages of both consoles: each has the facts that its page shows."""

import html
import json
import re
from collections.abc import Iterable, Iterator

import pytest

from gateway.web.console.exports import JSON, exported
from gateway.web.console.pages import Calling, Shown, View, Visit, WebConsole
from tests.unit import console_pages, test_coordinator_console

_FACTS = re.compile(r"<dt>(.*?)</dt><dd>(.*?)</dd>", re.DOTALL)
_TILES = re.compile(r"<li><b>(.*?)</b><span[^>]*>(.*?)</span></li>", re.DOTALL)
_TITLE = re.compile(r'<div class="title">\s*<h1>.*?</h1>(.*?)</div>', re.DOTALL)
_LISTS = re.compile(r'<section[^>]* aria-labelledby="(?:guide|required)">(.*?)</section>', re.DOTALL)
_ITEMS = re.compile(r"<li>(.*?)</li>", re.DOTALL)
_PIECES = re.compile(r">([^<]+)<")
_FORMS = {"new complaint", "new fault"}
"""The pages that show a form alone."""


def told_by(page: str) -> Iterable[str]:
    """The texts of the facts, the counts and the state of a page."""
    for name, text in (*_FACTS.findall(page), *_TILES.findall(page)):
        yield from (name, text)
    for title in _TITLE.findall(page):
        for piece in _PIECES.findall(title):
            yield from piece.split(" · ")
    for section in _LISTS.findall(page):
        yield from _ITEMS.findall(section)


def plain(text: str) -> str:
    """The text without markup, each row of blanks as one."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


def written_in(value: object) -> Iterable[str]:
    """All texts of a JSON value."""
    if isinstance(value, str):
        yield " ".join(value.split())
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from (name, *written_in(each))
    elif isinstance(value, list):
        for each in value:
            yield from written_in(each)


def test_the_file_of_each_page_has_its_facts_its_counts_and_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[View, Shown]] = []
    show = console_pages.shown_by

    def noted(served: WebConsole, view: View, asked: Visit, calling: Calling) -> Shown:
        found = show(served, view, asked, calling)
        shown.append((view, found))
        return found

    monkeypatch.setattr(console_pages, "shown_by", noted)
    lacking = []
    for console, pages in (
        (console_pages.CONSOLE, console_pages.full_pages),
        (test_coordinator_console.CONSOLE, test_coordinator_console.full_pages),
    ):
        unseen = {each.path for each in console.views}
        for name, page in pages():
            view, page_shown = shown[-1]
            unseen -= {view.path}
            lacking += [f"{name}: {each}" for each in missing(page, page_shown, has_form_alone=name in _FORMS)]
        lacking += unseen
    assert not lacking


def missing(page: str, shown: Shown, *, has_form_alone: bool) -> Iterator[str]:
    """The texts of a page that its file lacks; the file, where there is none."""
    told = [found for each in told_by(page) if (found := plain(each))]
    if not shown.tables:
        yield from told or ([] if has_form_alone else ["the file"])
        return
    body = exported(shown, JSON).text
    assert body is not None
    file = "\n".join(written_in(json.loads(body)))
    yield from (each for each in told if each not in file)
