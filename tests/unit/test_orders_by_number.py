"""The coordinator's list of orders by a number, which the session keeps and the address does not have."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

import pytest
from google.protobuf.message import Message

from coordinator.wording.answers import unanswered_line
from gateway.api.coordinator.v1.administration_pb2 import (
    SearchOrderSummariesRequest,
    SearchOrderSummariesResponse,
    UnansweredRegion,
)
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, text
from gateway.web.console.exports import CSV, JSON, exported
from gateway.web.console.lists import ListPage
from gateway.web.console.pages import Rpc, Shown
from gateway.web.console.sessions import MOST_FILES, NO_CERTIFICATE, SMALL_BYTES, Sessions
from gateway.wording.languages import for_reader
from tests.unit.console_pages import ROOT, Answering, M, shown_by, visit, written_by
from tests.unit.test_complaint_report import read
from tests.unit.test_coordinator_console import ADMIN, CONSOLE, orders, view_of

NUMBER = "13812345678"


@dataclass
class Regions(Answering):
    """One order of each number on each of several pages, the last one with a token, too, where it is alone."""

    pages: int = 1
    asked: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        told = orders()
        found = SearchOrderSummariesResponse(orders=told.orders, unanswered=told.unanswered)
        pages = list[SearchOrderSummariesResponse]()
        for page in range(self.pages):
            found.search_id = f"5e4{page}"
            found.next_page_token = "" if 1 < self.pages == page + 1 else f"T{page}"
            pages.append(SearchOrderSummariesResponse.FromString(found.SerializeToString()))
        super().__init__(*pages)

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        self.asked.append(request)
        return await super().ask(rpc, request)


def found_by(query: str, regions: Regions, file: bytes | None = NUMBER.encode()) -> Shown:
    """The page of a search in Chinese."""
    return shown_by(CONSOLE, view_of("/orders"), replace(visit(query, ADMIN), file=file), regions)


def list_of(shown: Shown) -> ListPage:
    assert isinstance(shown.page, ListPage)
    return shown.page


def test_the_orders_of_a_kept_number_are_listed_by_the_filters_of_the_address() -> None:
    regions = Regions()
    shown = found_by("file=K1&state=held&region=henan", regions)
    held = [OrderState.ORDER_STATE_HELD]
    assert regions.asked == [SearchOrderSummariesRequest(number=NUMBER, states=held, region="henan", page_size=50)]
    assert [row[0].text for row in shown.tables[0].rows] == ["R1"]
    told, unanswered = list_of(shown).notes
    assert ("search/5e40" in told, "henan" in unanswered) == (True, True)


def test_a_list_of_a_number_in_another_order_names_the_audit_rows_of_all_searches_that_it_took() -> None:
    regions = Regions(2)
    told, _ = list_of(found_by("file=K1&sort=id", regions)).notes
    assert "search/5e40、search/5e41。" in told
    tokens = [each.page_token for each in regions.asked if isinstance(each, SearchOrderSummariesRequest)]
    assert tokens == ["", "T0"]


def test_audit_rows_are_named_though_a_later_page_is_refused() -> None:
    class Refusing(Regions):
        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            if self.asked:
                raise Refused(Reason.REASON_TOKEN_INVALID)
            return await super().ask(rpc, request)

    notes = list_of(found_by("file=K1&sort=id", Refusing(2))).notes
    assert "search/5e40。" in notes[0]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "henan was asked too often for the orders of a number: ask again in the next hour, or tomorrow"),
        ("zh", "向henan按号码查询订单过于频繁，请于下一小时或次日再试"),
    ],
)
def test_a_region_that_was_asked_too_often_is_named_so_and_not_as_one_that_is_away(language: str, said: str) -> None:
    refused = UnansweredRegion(region="henan", reason=Reason.REASON_ORDER_SEARCHES_TOO_MANY)
    with for_reader(language, ROOT / "coordinator" / "texts"):
        assert unanswered_line(refused) == said


def test_every_link_and_filter_of_a_search_keeps_the_name_of_the_number_and_nothing_has_the_number() -> None:
    shown = found_by("file=K1&sort=-create_time", regions := Regions())
    page = list_of(shown)
    assert page.kept == {"sort": "-create_time", "file": "K1"}
    links = [*(each.href for each in page.pages), *(each.href for each in page.table.head if each.href)]
    assert links
    assert {parse_qs(urlsplit(each).query)["file"][0] for each in links} == {"K1"}
    assert parse_qs(urlsplit(page.leads[0].href).query) == {}
    asked = replace(visit("file=K1", ADMIN), file=NUMBER.encode())
    written = written_by(CONSOLE, view_of("/orders"), asked, regions)
    files = [exported(shown, each).text or "" for each in (CSV, JSON)]
    assert not any(NUMBER in each for each in (written, *files))
    inputs = [each for tag, each in read(written).seen if tag == "input" and each.get("name") == "file"]
    assert [each["type"] for each in inputs] == ["tel", "hidden"]


def test_a_number_that_is_no_longer_kept_or_is_none_asks_for_another_one() -> None:
    class Refusing(Regions):
        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            await super().ask(rpc, request)
            raise Refused(Reason.REASON_NUMBER_INVALID, number="12")

    gone, wrong = Regions(), Refusing()
    shown = [found_by("file=K1", gone, None), found_by("file=K1", wrong, b"12\xff")]
    notes = ["".join(list_of(each).notes) for each in shown]
    assert (gone.asked, len(wrong.asked)) == ([], 1)
    told = text(Reason.REASON_NUMBER_INVALID, {"number": "12"}).zh_cn
    assert ("已不再保留" in notes[0], told in notes[1]) == (True, True)
    assert all(list_of(each).upload for each in shown)


def kept(sessions: Sessions, contents: Sequence[bytes]) -> Sequence[bool]:
    """Whether each of several sessions still has its file, once all are kept."""
    begun = [sessions.require(sessions.begin(f"admin/{i}", NO_CERTIFICATE), None, NO_CERTIFICATE) for i in range(9)]
    names = [sessions.keep(session, each) for session, each in zip(begun, contents, strict=False)]
    return [session.file_of(name) is not None for session, name in zip(begun, names, strict=False)]


def test_numbers_leave_the_large_files_of_others_in_their_place() -> None:
    large, number = bytes(SMALL_BYTES + 1), NUMBER.encode()
    assert all(kept(Sessions(lambda: 0.0), [large, *[number] * (MOST_FILES + 1)]))
    times = iter(range(100))
    assert kept(Sessions(lambda: float(next(times))), [large] * (MOST_FILES + 1)) == [False, *[True] * MOST_FILES]
