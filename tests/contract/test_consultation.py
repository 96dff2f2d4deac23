"""Consultation: search, plans by use, service points, offerings and what a guide promises (specification 2.1)."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import Allowance, Configuration, Offering, OfferingKind
from gateway.api.region.v1 import catalogue_service_pb2 as api
from gateway.api.region.v1.billing_service_pb2 import UsageKind
from gateway.api.region.v1.catalogue_service_pb2_grpc import CatalogueServiceStub
from gateway.api.region.v1.order_pb2 import Order, OrderRequest, OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, LocalizedText, Money, Requester
from gateway.auditing import audit
from gateway.rpc.channels import invoke
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.business.orders.rows import OrderRow, insert_order, update_order
from region_node.customers.rows import CustomerRow, insert_customer, insert_line
from tests.contract.small_federation import CONFIGURATION
from tests.contract.test_catalogue_service import TIMEOUT, asked, refusal
from tests.unit.situations import LINE

REQUESTER = Requester(staff_id="clerk-7", channel=Channel.CHANNEL_COUNTER)
NUMBER, SICHUAN = "+8619844000001", "028-87654321"
GUANGDONG_LINE = replace(LINE, number=NUMBER, plan_id="guangdong-79")
NOW = datetime(2026, 2, 10, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Stopped:
    """A clock that stands still."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant


def found(directory: Path, query: str) -> list[str]:
    request = api.SearchBusinessesRequest(query=query)
    answer = asked(directory, lambda stub: invoke(stub.SearchBusinesses, request, TIMEOUT))
    return [business.code for business in answer.businesses]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("停机", {"SUSPEND"}),
        ("我想换卡", {"SIM_REPLACE"}),
        ("ＳＩＭ card lost", {"SIM_REPLACE", "LOSS_REPORT"}),
        ("pay bill", {"PAY", "QRY_BILL"}),
        ("change my tariff plan", {"PLAN_CHANGE"}),
        ("销户", {"TERMINATE"}),
        ("补卡", {"SIM_REPLACE"}),
        ("手机丢了", {"LOSS_REPORT"}),
        ("我的卡丢了", {"LOSS_REPORT"}),
        ("交话费", {"PAY"}),
    ],
)
@pytest.mark.clause("2.1.2")
def test_what_people_type_finds_the_business_that_they_mean(tmp_path: Path, query: str, best: set[str]) -> None:
    codes = found(tmp_path, query)
    assert codes[0] in best, codes
    # Others may speak of the same things, but few of them come between.
    assert best <= set(codes[:4]), codes


def test_words_of_no_business_find_nothing_and_no_words_are_refused(tmp_path: Path) -> None:
    assert found(tmp_path, "天气 weather") == []
    assert found(tmp_path, "!?") == []
    for query in ("", "  ", "x" * 101):
        assert refusal(lambda query=query: found(tmp_path, query)) == Reason.REASON_REQUEST_INVALID  # type: ignore[misc]


def compared(directory: Path, request: api.ComparePlansRequest, *months: str) -> api.ComparePlansResponse:
    return asked(directory, lambda stub: invoke(stub.ComparePlans, request, TIMEOUT), known=lambda tx: use(tx, *months))


def use(tx: Transaction, *months: str) -> None:
    """A customer who, in each billed month, has called for 61 s and for 60 s, and used 1,025 KiB."""
    insert_customer(tx, CustomerRow("customer-1", "Li Wei", ""))
    insert_line(tx, GUANGDONG_LINE)
    for month in months:
        tx.execute(
            "INSERT INTO bills (account_id, month, total, payment_due, abnormal, settled)"
            " VALUES (:account, :month, 7900, NULL, 0, 1)",
            account=GUANGDONG_LINE.account_id,
            month=month,
        )
        uses = ((UsageKind.USAGE_KIND_CALL, 61), (UsageKind.USAGE_KIND_CALL, 60), (UsageKind.USAGE_KIND_DATA, 1025))
        for number, (kind, quantity) in enumerate(uses):
            tx.execute(
                "INSERT INTO usage_records (usage_id, product_id, account_id, month, kind, usage_time, quantity,"
                " other_number) VALUES (:id, :product, :account, :month, :kind, 0, :quantity, '')",
                id=f"{month}-{number}",
                product=GUANGDONG_LINE.product_id,
                account=GUANGDONG_LINE.account_id,
                month=month,
                kind=kind,
                quantity=quantity,
            )


@pytest.mark.clause("1.2.2", "3.1.1")
def test_plans_are_compared_by_what_a_month_of_use_costs(tmp_path: Path) -> None:
    request = api.ComparePlansRequest(usage=Allowance(minutes=101, mebibytes=1))
    plans = compared(tmp_path, request).plans
    assert {each.plan.region for each in plans} == {"guangdong"}
    assert all("broadband" not in each.plan.id for each in plans)
    costs = [each.cost.minor_units for each in plans]
    assert costs == sorted(costs)
    by_id = {each.plan.id: each.cost for each in plans}
    assert by_id["guangdong-39"] == Money(minor_units=3900 + 19, currency="CNY")
    assert by_id["guangdong-79"] == Money(minor_units=7900, currency="CNY")


def test_a_number_is_compared_by_its_mean_use_of_the_last_three_billed_months(tmp_path: Path) -> None:
    request = api.ComparePlansRequest(number=NUMBER, requester=REQUESTER)
    answer = compared(tmp_path, request, "2025-09", "2025-10", "2025-11", "2025-12")
    assert answer.usage == Allowance(minutes=3, mebibytes=2)
    assert [each.plan.id for each in answer.plans if each.current] == ["guangdong-79"]


def recorded(directory: Path) -> list[audit.AuditRow]:
    with closing(sqlite3.connect(directory / "store.db")) as file:
        return list(audit.rows(SqliteTransaction(file)))


def test_comparing_a_number_is_recorded(tmp_path: Path) -> None:
    compared(tmp_path, api.ComparePlansRequest(number=NUMBER, requester=REQUESTER), "2025-12")
    assert [(row.actor, row.action, row.subject, row.detail) for row in recorded(tmp_path)] == [
        ("region/guangdong/operator/crm", "ComparePlans", "customer-1", "staff clerk-7")
    ]


def test_comparing_a_month_of_use_is_about_nobody_and_not_recorded(tmp_path: Path) -> None:
    compared(tmp_path, api.ComparePlansRequest(usage=Allowance(minutes=1)), "2025-12")
    assert recorded(tmp_path) == []


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (api.ComparePlansRequest(number=NUMBER), Reason.REASON_REQUEST_INVALID),
        (api.ComparePlansRequest(number=NUMBER, requester=REQUESTER), Reason.REASON_REQUEST_INVALID),
        (api.ComparePlansRequest(number=SICHUAN, requester=REQUESTER), Reason.REASON_NOT_HOME),
        (api.ComparePlansRequest(number="+8619844999998", requester=REQUESTER), Reason.REASON_SUBSCRIPTION_NOT_FOUND),
        (api.ComparePlansRequest(usage=Allowance(minutes=2**32 - 1)), Reason.REASON_REQUEST_INVALID),
        (api.ComparePlansRequest(region="atlantis"), Reason.REASON_REGION_UNKNOWN),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, request_: api.ComparePlansRequest, reason: Reason.ValueType
) -> None:
    assert refusal(lambda: compared(tmp_path, request_)) == reason


@pytest.mark.clause("1.3.2", "1.3.3")
def test_service_points_say_whether_they_are_open_and_until_when(tmp_path: Path) -> None:
    request = api.ListServicePointsRequest()
    answer = asked(tmp_path, lambda stub: invoke(stub.ListServicePoints, request, TIMEOUT), clock=Stopped(NOW))
    points = {each.service_point.id: each for each in answer.service_points}
    assert list(points) == sorted(points)
    assert {each.service_point.region for each in answer.service_points} == {"guangdong"}
    counter = points["guangzhou-tianhe"]  # Tuesday, 11:00 in China
    assert (counter.open, from_timestamp(counter.next_change_time)) == (True, datetime(2026, 2, 10, 10, 30, tzinfo=UTC))
    hotline = points["guangdong-hotline"]
    assert (hotline.open, hotline.HasField("next_change_time")) == (True, False)


@pytest.mark.clause("4.1")
def test_offerings_are_listed_by_region_and_page(tmp_path: Path) -> None:
    configuration = Configuration()
    configuration.CopyFrom(CONFIGURATION)
    configuration.ClearField("offerings")
    name = LocalizedText(zh_cn="炫铃", en="Ring tones")
    for number, region in enumerate(("guangdong", "sichuan", "guangdong", "guangdong")):
        configuration.offerings.add().CopyFrom(
            Offering(id=f"{region}-{number}", region=region, kind=OfferingKind.OFFERING_KIND_VALUE_ADDED, name=name)
        )

    async def pages(stub: CatalogueServiceStub) -> list[list[str]]:
        listed: list[list[str]] = []
        token = ""
        while not listed or token:
            request = api.ListOfferingsRequest(page_size=2, page_token=token)
            answer = await invoke(stub.ListOfferings, request, TIMEOUT)
            listed.append([offering.id for offering in answer.offerings])
            token = answer.next_page_token
        return listed

    listed = asked(tmp_path, pages, configuration=configuration)
    assert listed == [["guangdong-0", "guangdong-2"], ["guangdong-3"]]


def order(number: int, took: timedelta) -> tuple[Order, datetime]:
    intake = NOW - timedelta(days=2)
    made = Order(id=f"guangdong/crm/R{number}", create_time=to_timestamp(intake), state=OrderState.ORDER_STATE_PENDING)
    made.request.CopyFrom(OrderRequest(business="SUSPEND"))
    return made, intake + took


def complete_ten(tx: Transaction) -> None:
    """Ten orders that took one to ten hours, one of them changed again afterwards, and one that is still open."""
    for number in range(1, 11):
        made, done = order(number, timedelta(hours=number))
        insert_order(tx, OrderRow(made, ""), NOW)
        made.state = OrderState.ORDER_STATE_COMPLETED
        update_order(tx, made, done)
        update_order(tx, made, done + timedelta(hours=7))
    insert_order(tx, OrderRow(order(11, timedelta(0))[0], ""), NOW)


def guide(directory: Path, business: str, number: str, now: datetime = NOW) -> api.GetBusinessGuideResponse:
    request = api.GetBusinessGuideRequest(business=business, number=number)
    return asked(
        directory,
        lambda stub: invoke(stub.GetBusinessGuide, request, TIMEOUT),
        known=complete_ten,
        clock=Stopped(now),
    )


def test_the_guide_tells_how_long_the_orders_of_the_last_30_days_took(tmp_path: Path) -> None:
    told = guide(tmp_path, "SUSPEND", NUMBER).time_taken
    assert told.orders == 10
    # Times are rounded up to two digits of milliseconds.
    assert told.median.ToTimedelta() == timedelta(hours=5)
    assert timedelta(hours=9) <= told.ninth_decile.ToTimedelta() <= timedelta(hours=9.9)


def test_the_guide_forgets_orders_of_more_than_30_days_ago(tmp_path: Path) -> None:
    assert not guide(tmp_path, "SUSPEND", NUMBER, NOW + timedelta(days=31)).HasField("time_taken")


def test_the_guide_gives_the_limits_of_both_regions_and_the_policies_with_their_values(tmp_path: Path) -> None:
    told = guide(tmp_path, "RESUME", "0371-60000001")
    assert told.home_region == "henan"
    assert {limit.region for limit in told.limits} == {"", "henan"}
    assert from_timestamp(told.expected_completion_time) == NOW + timedelta(hours=24)
    assert [policy.name for policy in told.policies] == ["resume-after-payment"]
    assert [each.region for each in told.policies[0].regional] == ["henan"]
    assert not told.calendar_missing
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    told = guide(elsewhere, "RESUME", SICHUAN)
    assert [limit.region for limit in told.limits] == [""]
    assert list(told.policies[0].regional) == []


def test_the_guide_says_where_a_calendar_was_missing(tmp_path: Path) -> None:
    told = guide(tmp_path, "TERMINATE", NUMBER, datetime(2030, 9, 30, 3, 0, tzinfo=UTC))
    assert told.calendar_missing
    assert from_timestamp(told.expected_completion_time) == datetime(2030, 10, 3, 16, 0, tzinfo=UTC)
