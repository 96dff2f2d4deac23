"""A home region counts what others do with its lines; its staff look at anomalies by a command."""

import json
from collections.abc import Awaitable

from gateway.api.region.v1.billing_service_pb2 import QueryBillRequest
from gateway.api.region.v1.customer_service_pb2 import GetCustomerRequest
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Requester
from region_node.requests.dealings import hour_of
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import Counter
from tests.federation.databases import Row
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until

WHO = ("guangdong", "counter", "clerk-7")
PROBER = "clerk-9"
NOBODY = "+8619851999999"
COMPLETED = OrderState.ORDER_STATE_COMPLETED


def _requester(staff_id: str) -> Requester:
    return Requester(staff_id=staff_id, channel=Channel.CHANNEL_COUNTER)


async def said(federation: Federation, *words: str, language: str = "en", code: int = 0) -> str:
    """The output of the command, as a member of staff of Sichuan."""
    environment = as_caller(federation, "sichuan", "staff/wang", language=language)
    ended = await run_command("region_node.cli.main", "anomalies", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


def counted(federation: Federation) -> list[Row]:
    return federation.database("sichuan").rows(
        "SELECT region, operator, staff_id, lines, failures FROM dealings WHERE operator = 'counter'"
    )


def _name_many_unknown_numbers(federation: Federation) -> None:
    """A member of staff of each of two regions has done so in this hour."""
    hour = hour_of(federation.clock.now())
    for region in ("guangdong", "sichuan"):
        federation.database("sichuan").change(
            "INSERT INTO dealings (hour, region, operator, staff_id, lines, failures, unknown_numbers)"
            f" VALUES ({hour}, '{region}', 'counter', '{PROBER}', 0, 0, 500)"
        )


async def test_a_home_region_counts_what_another_region_does_with_its_lines_and_alerts_its_staff(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, database = await sichuan.new_customer(), federation.database("sichuan")
    await guangdong.reaches((await guangdong.order("SUSPEND", number)).id, COMPLETED)
    await guangdong.bill(number)
    refused = await guangdong.order("SUSPEND", NOBODY)
    await guangdong.reaches(refused.id, OrderState.ORDER_STATE_REJECTED)
    assert counted(federation) == [(*WHO, 2, 1)]

    code = await guangdong.receive_code(number, "own")
    proven = guangdong.request("RESUME", number)
    proven.documents.extend(await guangdong.verify(number, "own", code=code))
    await guangdong.reaches((await guangdong.submit(proven, request_id="own")).id, COMPLETED)
    assert counted(federation) == [(*WHO, 2, 1)], "what the customer has proven is no dealing of others"

    database.change("UPDATE dealings SET failures = 1000 WHERE operator = 'counter'")
    _name_many_unknown_numbers(federation)
    alerted = "SELECT COUNT(*) FROM audit WHERE action = 'AlertOfAnomaly'"

    async def is_found() -> bool:
        return database.rows(alerted) >= [(4,)]

    await until(is_found, "the loop has looked: at the members of staff, and at the operator system")
    found = json.loads(await said(federation, "list", "--json"))["anomalies"]
    assert {each["operator"] for each in found} == {"counter"}
    assert "clerk-7" in await said(federation, "list")

    for each in (number, NOBODY):
        order = await guangdong.submit(guangdong.request("SUSPEND", each, staff_id=PROBER))
        assert order.state == OrderState.ORDER_STATE_REJECTED
        assert order.error.reason == Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY, "who has a number is told no more"
        read = GetCustomerRequest(number=each, requester=_requester(PROBER))
        own = sichuan.customers.GetCustomer(read, timeout=CALL_SECONDS)
        for asked in (sichuan.submit(sichuan.request("SUSPEND", each, staff_id=PROBER)), own):
            told = await refusal(asked)
            assert (told.reason, told.retry_seconds > 0) == ("UNKNOWN_NUMBERS_TOO_MANY", True)
    await guangdong.reaches((await guangdong.order("SUSPEND", number)).id, COMPLETED)


async def test_a_home_region_counts_what_its_own_operator_system_reads_of_its_lines(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    reader, number = _requester("clerk-11"), await sichuan.new_customer()

    def rows() -> list[Row]:
        return federation.database("sichuan").rows(
            "SELECT region, lines, failures, unknown_numbers FROM dealings WHERE staff_id = 'clerk-11'"
        )

    def read(of: str) -> Awaitable[object]:
        return sichuan.customers.GetCustomer(GetCustomerRequest(number=of, requester=reader), timeout=CALL_SECONDS)

    def bill(of: str, *codes: str) -> Awaitable[object]:
        papers, holder = [sichuan.document(each) for each in codes], Applicant.APPLICANT_HOLDER
        request = QueryBillRequest(number=of, applicant=holder, documents=papers, requester=reader)
        return sichuan.billing.QueryBill(request, timeout=CALL_SECONDS)

    await read(number)
    await bill(number, "ID_ORIG")
    assert rows() == [("sichuan", 2, 0, 0)]
    await refusal(read(NOBODY))
    await refusal(bill(NOBODY, "ID_ORIG"))
    await refusal(bill(number))
    assert rows() == [("sichuan", 2, 3, 2)]
    await refusal(read(await guangdong.new_customer()))
    assert rows() == [("sichuan", 2, 3, 2)], "a number of another region tells nothing here"


async def test_staff_acknowledge_an_anomaly_with_a_finding_and_its_file(federation: Federation) -> None:
    federation.database("sichuan").change(
        "INSERT INTO anomalies (id, hour, cause, region, operator, staff_id, counted, most, find_time, due_time,"
        " finding, reference, acknowledger)"
        " VALUES ('first', 1, 2, 'henan', 'crm', '', 21, 20, 2000000, 3000000, 0, '', '')"
    )
    assert "失败过多" in await said(federation, "list", language="zh")
    done = ("acknowledge", "first", "--finding", "mistake", "--reference", "INC-7")
    assert "acknowledged" in await said(federation, *done)
    assert "acknowledged" in await said(federation, *done), "a repeat changes nothing"
    other = ("acknowledge", "first", "--finding", "misuse", "--reference", "INC-8")
    assert "ANOMALY_ACKNOWLEDGED" in await said(federation, *other, code=1)
    assert "ANOMALY_NOT_FOUND" in await said(federation, "acknowledge", "none", *other[2:], code=1)
    assert "first" not in await said(federation, "list")
    kept = json.loads(await said(federation, "list", "--all", "--json"))["anomalies"]
    assert [(each["reference"], each["acknowledger"]) for each in kept if each["id"] == "first"] == [("INC-7", "wang")]
