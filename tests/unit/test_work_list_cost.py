"""What the work list costs: its lists are read together, and a row is few texts to be escaped."""

import asyncio

import pytest
from google.protobuf.message import Message

from gateway.api.region.v1.order_service_pb2 import ListOrdersResponse
from gateway.web import html_pages
from gateway.web.console.assets import FRAMES
from gateway.web.console.pages import Calling, Rpc
from gateway.web.html_pages import HtmlPages
from tests.unit.console_pages import CONSOLE, Answering, M, frame, order, shown_by, view_of, visit

PATIENCE = 10.0
"""Seconds until RPCs that wait for each other have failed."""
TEXTS_OF_A_ROW = 17


class AllAtOnce(Calling):
    """RPCs none of which answers before a number of them are asked."""

    def __init__(self, count: int) -> None:
        self._asked = asyncio.Barrier(count)

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        """See `Calling`."""
        async with asyncio.timeout(PATIENCE):
            await self._asked.wait()
        return rpc.answer()


def test_the_lists_of_the_work_list_are_read_together_each_once() -> None:
    view = view_of("/work")
    shown = shown_by(CONSOLE, view, visit(), AllAtOnce(len(view.rpcs)))
    assert not shown.tables[0].rows


def test_a_row_of_the_work_list_is_few_texts_to_be_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (escaped(monkeypatch, 11) - escaped(monkeypatch, 1)) / 10 <= TEXTS_OF_A_ROW


def escaped(monkeypatch: pytest.MonkeyPatch, rows: int) -> int:
    """The texts that a work list with so many orders escapes."""
    texts = list[object]()

    def escape(value: object) -> object:
        texts.append(value)
        return value

    monkeypatch.setattr(html_pages, "_shown", escape)
    waiting = ListOrdersResponse(orders=[order(f"{number}") for number in range(rows)])
    shown = shown_by(CONSOLE, view_of("/work"), visit(), Answering(waiting))
    pages = HtmlPages(CONSOLE.templates, FRAMES)
    pages.written(shown.template, shown.title, "zh", shown.page, frame(CONSOLE, shown, None))
    return len(texts)
