"""The page of a complaint leads to the order of its money and back, and tells the rating of the customer."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.api.federation.v1.terms_pb2 import RegionTerm, Terms
from gateway.api.region.v1.complaint_pb2 import RemedyState
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintResponse
from gateway.api.region.v1.order_service_pb2 import GetOrderResponse
from gateway.time.clock import to_timestamp
from gateway.web.console.parts import Fact
from gateway.web.console.ticket import TicketPage
from gateway.wording.languages import for_reader
from gateway.wording.terms import learn
from tests.unit.console_pages import CONSOLE, STAFF, Answering, complaint, order, view_of, visit, written_by

ORDER_ID, TICKET_ID = "sichuan/node/guangdong.20261124-1.1", "guangdong/20261124-1"


@pytest.mark.parametrize(("region", "leads"), [("sichuan", True), ("hunan", True), ("guangdong", False)])
def test_a_complaint_leads_to_the_order_of_its_money_where_its_owner_or_its_home_reads_it(
    region: str, leads: bool
) -> None:
    found = complaint()
    found.owner_region, found.home_region, found.remedy.order_id = "sichuan", "hunan", ORDER_ID
    asked = visit(person=replace(STAFF, region=region))
    page = written_by(CONSOLE, view_of("/complaints/{id:.+}"), asked, Answering(GetComplaintResponse(complaint=found)))
    assert (ORDER_ID in page, f'href="/console/orders/{ORDER_ID}"' in page) == (True, leads)


@pytest.mark.parametrize(("region", "leads"), [("sichuan", True), ("guangdong", False)])
def test_an_order_of_money_leads_to_its_complaint_where_its_origin_reads_it(region: str, leads: bool) -> None:
    found = order()
    found.request.characteristics["ticket_id"] = TICKET_ID
    asked = visit(person=replace(STAFF, region=region))
    page = written_by(CONSOLE, view_of("/orders/{id:.+}"), asked, Answering(GetOrderResponse(order=found)))
    assert (TICKET_ID in page, f'href="/console/complaints/{TICKET_ID}"' in page) == (True, leads)


def test_booked_money_leads_to_the_bill_of_its_month_at_the_home_region_and_other_money_to_none() -> None:
    found = complaint()
    found.request.number, found.home_region = "+8619844000001", "hunan"
    found.remedy.state_time.CopyFrom(to_timestamp(datetime(2026, 10, 31, 17, tzinfo=UTC)))  # November in China
    for state, leads in ((RemedyState.REMEDY_STATE_BOOKED, True), (RemedyState.REMEDY_STATE_ORDERED, False)):
        found.remedy.state = state
        with for_reader("en", CONSOLE.texts):
            learn(Terms(regions=[RegionTerm(region="hunan", time_zone="Asia/Shanghai")]))
            shown = view_of("/complaints/{id:.+}").show(visit(), GetComplaintResponse(complaint=found)).page
        assert isinstance(shown, TicketPage)
        address = "/console/customers/identity-check?number=%2B8619844000001&month=2026-11"
        assert (Fact("On the bill of", "2026-11", address) in shown.facts) == leads


def test_a_complaint_tells_the_rating_of_the_customer_where_there_is_one() -> None:
    found, view = complaint(), view_of("/complaints/{id:.+}")
    for rating, told in ((4, True), (0, False)):
        found.rating = rating
        page = written_by(CONSOLE, view, visit(), Answering(GetComplaintResponse(complaint=found)))
        assert ("满意度" in page, "4分（满分5分）" in page) == (told, told)
