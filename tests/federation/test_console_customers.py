"""The page of a customer at the console of a real node: what staff may see, and that each look is recorded."""

from http import HTTPStatus

import pytest

from tests.federation.browser import ROOT, Browser
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.running import Federation
from tests.federation.test_console import STAFF, audited


def documents_read(federation: Federation, region: str) -> int:
    """The number of readings of documents on file that a region has recorded."""
    return len(federation.database(region).rows("SELECT 1 FROM audit WHERE action = 'ListDocuments'"))


@pytest.fixture
def browser(federation: Federation) -> Browser:
    """The browser of a member of Guangdong's staff, who has not signed in."""
    return Browser.of(federation, STAFF)


async def test_a_customer_of_the_region_is_shown_with_line_orders_and_complaints_and_each_look_is_recorded(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    number = await guangdong.new_customer(name="陈晓明")
    order = await sichuan.order("PAY", number)
    complaint = await Complainant(federation, "guangdong").file("BILL_WRONG", number)
    await browser.sign_in()
    before = len(audited(federation, STAFF))
    page = await browser.open(f"customers?number=%2B{number.removeprefix('+')}")
    assert (page.status, "陈晓明" in page.text) == (HTTPStatus.OK, True)
    for path in (f"orders/{order.id}", f"complaints/{complaint.ticket_id}"):
        assert f'href="{ROOT}/{path}"' in page.text
    looks = [action for action, _, _ in audited(federation, STAFF)[before:]]
    assert {"GetCustomer", "GetContactPreferences", "ListDocuments", "ListOrders"} <= set(looks)
    assert (
        f'href="{ROOT}/customers?number=%2B{number.removeprefix("+")}"'
        in (await browser.open(f"orders/{order.id}")).text
    )


async def test_of_a_customer_of_another_region_the_page_asks_that_region_nothing_and_has_the_own_work(
    federation: Federation, browser: Browser, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="李秀英")
    order = await guangdong.order("PAY", number)
    await browser.sign_in()
    before = documents_read(federation, "sichuan")
    page = await browser.open(f"customers?number=%2B{number.removeprefix('+')}")
    assert (page.status, "李秀英" in page.text) == (HTTPStatus.OK, False)
    assert documents_read(federation, "sichuan") == before
    assert f'href="{ROOT}/orders/{order.id}"' in page.text
    assert "CUSTOMER_NOT_FOUND" in page.text
    assert (await browser.open("customers")).status == HTTPStatus.OK
    wrong = await browser.open("customers?number=12")
    assert (wrong.status, wrong.text.count("NUMBER_INVALID")) == (HTTPStatus.BAD_REQUEST, 1)
