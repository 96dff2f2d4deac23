"""The page of a customer whose identity a code has proven: the months of bills that it asks for, and their chart."""

import html
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.terms_pb2 import RegionTerm, Terms
from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillRequest, QueryBillResponse
from gateway.api.region.v1.catalogue_service_pb2 import GetTermsResponse
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintRequest
from gateway.api.region.v1.sharing_service_pb2 import Disclosure, ListDisclosuresResponse
from gateway.api.region.v1.verification_service_pb2 import SendCodeResponse, VerifyResponse
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.web.console.pages import Rpc
from tests.unit.console_pages import CONSOLE, PROVEN, Answering, M, view_of, visit, written_by

TICKET_ID = "guangdong/20261124-1"
LATE = datetime(2026, 11, 30, 17, tzinfo=UTC)
"""The first hour of December in Guangdong."""


class Billing(Answering):
    """The RPCs of a region with bills since October; a month before is refused for a reason.

    A home `names` the month before each bill, or is of a version that does not.
    """

    def __init__(self, reason: Reason.ValueType, *, names: bool = False) -> None:
        region = RegionTerm(region="guangdong", time_zone="Asia/Shanghai")
        super().__init__(GetTermsResponse(terms=Terms(regions=[region])))
        self.asked: list[str] = []
        self._reason, self._names = reason, names

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        """As `Answering`; with the bill of a month."""
        if not isinstance(request, QueryBillRequest):
            return await super().ask(rpc, request)
        self.asked.append(request.month)
        if request.month < "2026-10":
            raise Refused(self._reason)
        bill = Bill(month=request.month)
        if self._names and request.month > "2026-10":
            bill.previous_month = "an earlier one"
        if request.month < "2026-12":
            bill.total.CopyFrom(Money(minor_units=5_990, currency="CNY"))
        answer = QueryBillResponse(bill=bill)
        assert isinstance(answer, rpc.answer)
        return answer


@pytest.mark.parametrize(
    ("reason", "shown"), [(Reason.REASON_BILL_OUT_OF_RANGE, True), (Reason.REASON_STORE_UNAVAILABLE, False)]
)
def test_bills_are_shown_by_the_months_of_the_region_back_to_the_oldest_that_is_kept_or_the_refusal_of_one(
    reason: Reason.ValueType, *, shown: bool
) -> None:
    calling = Billing(reason)
    page = written_by(CONSOLE, view_of("/customers/identity-check"), replace(visit(PROVEN), now=LATE), calling)
    assert calling.asked == ["2026-12", "2026-11", "2026-10", "2026-09"]
    assert [f">{month}<" in page for month in calling.asked] == [shown, shown, shown, False]
    assert ("2026-10: 59.90 CNY；2026-11: 59.90 CNY" in page, "<svg" in page) == (shown, shown)
    assert (Reason.Name(reason).removeprefix("REASON_") in page) == (not shown)
    assert "披露记录指对共享资料的读取" in page, "an empty list does not say that nobody of this region has looked"
    empty = ["orders", "complaints", "consents", "disclosures", *(["lines of the chosen bill"] if shown else [])]
    assert page.count("没有记录。") == len(empty)


def test_no_month_is_asked_for_beyond_the_oldest_of_which_its_home_has_a_bill() -> None:
    calling = Billing(Reason.REASON_BILL_OUT_OF_RANGE, names=True)
    written_by(CONSOLE, view_of("/customers/identity-check"), replace(visit(PROVEN), now=LATE), calling)
    assert calling.asked == ["2026-12", "2026-11", "2026-10"]


def with_month(month: str) -> str:
    """The query of the page with the bill of a month line by line."""
    return re.sub(r"month=\d{4}-\d\d", f"month={month}", PROVEN)


class Complaints(Billing):
    """As `Billing`, with money for a complaint on each bill; the complaint is read, or refused for a reason."""

    def __init__(self, reason: Reason.ValueType) -> None:
        super().__init__(Reason.REASON_BILL_OUT_OF_RANGE)
        self._of_complaint = reason

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        """As `Billing`."""
        if isinstance(request, GetComplaintRequest) and self._of_complaint:
            raise Refused(self._of_complaint, complaint=request.ticket_id)
        answer = await super().ask(rpc, request)
        if isinstance(answer, QueryBillResponse):
            answer.bill.lines.add(ticket_id=TICKET_ID)
        return answer


@pytest.mark.parametrize(
    ("reason", "leads"),
    [
        (Reason.REASON_UNSPECIFIED, True),
        (Reason.REASON_COMPLAINT_NOT_FOUND, False),
        (Reason.REASON_STORE_UNAVAILABLE, True),
    ],
)
def test_a_line_of_money_leads_to_its_complaint_and_says_so_where_this_region_does_not_have_it_any_more(
    reason: Reason.ValueType, *, leads: bool
) -> None:
    asked = replace(visit(with_month("2026-11")), now=LATE)
    page = html.unescape(written_by(CONSOLE, view_of("/customers/identity-check"), asked, Complaints(reason)))
    assert (f'href="/console/complaints/{TICKET_ID}"' in page, "本地区没有或已不再保存" in page) == (leads, not leads)
    assert page.count(TICKET_ID) == 1 + leads


def test_a_month_without_a_bill_says_so_and_the_chosen_month_stays_chosen_through_the_check() -> None:
    view = view_of("/customers/identity-check")
    asked = replace(visit(with_month("2020-01")), now=LATE)
    page = written_by(CONSOLE, view, asked, Billing(Reason.REASON_BILL_OUT_OF_RANGE))
    assert "归属地没有或已不再保存该月账单。" in page
    for form, answer in zip(view.forms, (SendCodeResponse(), VerifyResponse()), strict=True):
        assert form.then is not None
        assert "month=2020-01" in form.then(asked, answer)


def test_the_page_leads_to_the_disclosures_before_those_that_it_has() -> None:
    region = RegionTerm(region="guangdong", time_zone="Asia/Shanghai")
    disclosure = Disclosure(region="henan", purpose="billing")
    answers = ListDisclosuresResponse(disclosures=[disclosure], next_page_token="a/b")
    calling = Answering(GetTermsResponse(terms=Terms(regions=[region])), answers)
    page = written_by(CONSOLE, view_of("/customers/identity-check"), replace(visit(PROVEN), now=LATE), calling)
    assert "looks=a%2Fb" in page
