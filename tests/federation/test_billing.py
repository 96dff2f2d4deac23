"""A month's usage at home, billed by a clock that moves, asked for from elsewhere; arrears, and their end there."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1 import billing_service_pb2 as api
from gateway.api.region.v1.billing_service_pb2 import RecordUsageRequest, Usage, UsageKind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.time.clock import from_timestamp, to_timestamp
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running

CHINA = ZoneInfo("Asia/Shanghai")
CALL, MESSAGE, DATA = UsageKind.USAGE_KIND_CALL, UsageKind.USAGE_KIND_MESSAGE, UsageKind.USAGE_KIND_DATA
ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED


async def itemised(counter: Counter, number: str, month: str) -> api.Bill:
    """The bill of a month with every use."""
    request = api.QueryBillRequest(
        number=number,
        month=month,
        applicant=Applicant.APPLICANT_HOLDER,
        documents=[counter.document("ID_ORIG")],
        requester=REQUESTER,
        itemised=True,
    )
    return (await counter.billing.QueryBill(request, timeout=CALL_SECONDS)).bill


async def test_a_months_usage_is_billed_at_home_and_shown_elsewhere_and_arrears_end_where_they_are_paid(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)  # 29 yuan, 60 minutes, 20 messages and 3 GiB of it free
        month = f"{federation.clock.now().astimezone(CHINA):%Y-%m}"
        for kind, quantity in ((CALL, 3601), (CALL, 30), (MESSAGE, 1), (DATA, 3073 * 1024 + 1)):
            assert (await sichuan.record_usage(number, kind, quantity)).recorded == 1
        running_month = await itemised(guangdong, number, month)
        assert [use.amount.minor_units for use in running_month.usage] == [15, 15, 0, 6]
        assert not running_month.HasField("total")

        await federation.advance(timedelta(days=31))
        await federation.until_billed("sichuan")
        bill = await itemised(guangdong, number, month)
        assert (bill.total.minor_units, bill.abnormal, len(bill.usage)) == (2900 + 30 + 6, False, 4)
        assert [
            (line.description.en, line.amount.minor_units) for line in bill.lines if "rent" not in line.description.en
        ] == [
            ("Calls (62 minutes, 60 of them free, 0.15 CNY each)", -30),
            ("Data (3074 MiB, 3072 of them free, 0.03 CNY each)", -6),
        ]
        assert bill.closing_balance.minor_units == -bill.total.minor_units
        due = from_timestamp(bill.payment_due_time)
        database = federation.database("sichuan")
        told = database.rows("SELECT kind FROM notices WHERE number = ?", database.index_of(number))
        assert told == [("bill",)]

        for days in (28, 30):  # told, and suspended two days later
            await federation.advance(due + timedelta(days=days, hours=12) - federation.clock.now())
            await federation.until_billed("sichuan")
        line = (await sichuan.read(number)).product
        assert (line.status, line.suspension_kind, line.emergency_calls_allowed) == (
            SUSPENDED,
            SuspensionKind.SUSPENSION_KIND_ARREARS,
            True,
        )
        refused = await guangdong.order("RESUME", number)
        assert (refused.state, refused.error.parameters["amount"]) != (OrderState.ORDER_STATE_COMPLETED, "")
        paid_part = await guangdong.order("PAY", number, amount="100")
        assert paid_part.state == OrderState.ORDER_STATE_COMPLETED
        assert (await sichuan.read(number)).product.status == SUSPENDED
        assert (await guangdong.order("PAY", number, amount="20000")).state == OrderState.ORDER_STATE_COMPLETED
        assert (await sichuan.read(number)).product.status == ACTIVE
        kinds = database.rows(
            "SELECT kind FROM notices WHERE number = ? AND kind <> 'bill' ORDER BY create_time",
            database.index_of(number),
        )
        assert kinds == [("suspension-ahead",), ("suspended",), ("resumed",)]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("id", "", "REQUEST_INVALID"),
        ("id", "nul\0", "CHARACTER_NOT_ALLOWED"),
        ("kind", 0, "REQUEST_INVALID"),
        ("quantity", 0, "REQUEST_INVALID"),
        ("quantity", 2**60, "REQUEST_INVALID"),
        ("other_number", "+" * 40, "REQUEST_INVALID"),
        ("number", "12", "NUMBER_INVALID"),
        ("number", "+8619851999998", "SUBSCRIPTION_NOT_FOUND"),
    ],
)
async def test_usage_that_is_not_valid_is_refused_with_all_of_its_batch(
    federation: Federation, sichuan: Counter, field: str, value: str | int, reason: str
) -> None:
    number = await sichuan.new_customer()

    def use(name: str) -> Usage:
        now = to_timestamp(federation.clock.now())
        return Usage(id=f"{number}/{name}", number=number, kind=CALL, usage_time=now, quantity=1)

    good, bad = use("good"), use("bad")
    setattr(bad, field, value)
    request = RecordUsageRequest(usage=[good, bad], requester=REQUESTER)
    assert (await refusal(sichuan.billing.RecordUsage(request, timeout=CALL_SECONDS))).reason == reason
    taken = await sichuan.billing.RecordUsage(
        RecordUsageRequest(usage=[good, good], requester=REQUESTER), timeout=CALL_SECONDS
    )
    assert (taken.recorded, taken.existing) == (1, 1)


async def test_only_a_lines_own_region_takes_its_usage(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    assert (await refusal(guangdong.record_usage(number, CALL, 1))).reason == "SUBSCRIPTION_NOT_FOUND"


async def test_more_usage_than_a_batch_holds_is_refused(sichuan: Counter) -> None:
    request = RecordUsageRequest(usage=[Usage()] * 501, requester=REQUESTER)
    assert (await refusal(sichuan.billing.RecordUsage(request, timeout=CALL_SECONDS))).reason == "REQUEST_INVALID"
