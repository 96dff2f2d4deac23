"""Lines that are opened from another region, and contracts renewed there: from the need to the handing over."""

import hashlib
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import grpc
import pytest

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.order_pb2 import OrderRequest, OrderState, Party
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant
from gateway.time.clock import from_timestamp
from tests.federation.counter import Counter, Reviewer
from tests.federation.running import Federation, until

COMPLETED, PENDING = OrderState.ORDER_STATE_COMPLETED, OrderState.ORDER_STATE_PENDING
IN_PROGRESS, REJECTED = OrderState.ORDER_STATE_IN_PROGRESS, OrderState.ORDER_STATE_REJECTED
CANCELLED = OrderState.ORDER_STATE_CANCELLED


def asked(
    counter: Counter, business: str, papers: tuple[str, ...], person: str = "", **characteristics: str
) -> OrderRequest:
    """A request for a line that does not exist yet, by a person whose papers are the same each time."""
    person = person or counter.federation.next_id()
    request = counter.request(business, "", papers=papers, **characteristics)
    for document in request.documents:
        document.keyed_hash = hashlib.sha256(
            f"{person or counter.federation.next_id()}{document.code}".encode()
        ).digest()
    return request


def new_line(counter: Counter, region: str = "sichuan", person: str = "", **characteristics: str) -> OrderRequest:
    """A request for a mobile line in a region."""
    told = {"region": region, "plan": f"{region}-29", "name": "赵敏", "need": "studies there", **characteristics}
    return asked(counter, "NEW_LINE", ("ID_ORIG", "FACE"), person, **told)


def broadband(counter: Counter, **characteristics: str) -> OrderRequest:
    """A request for a broadband line in Sichuan."""
    told = {"region": "sichuan", "plan": "sichuan-broadband-300", "name": "赵敏", "address": "成都市天府大道1号"}
    return asked(counter, "BB_INSTALL", ("ID_ORIG", "ADDR"), **{**told, **characteristics})


@pytest.mark.clause("1.2.1", "3.1.4", "3.1.6", "3.1.7")
async def test_a_line_is_opened_in_the_region_that_the_customer_chose_and_handed_over(
    guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.submit(new_line(guangdong, contract="sichuan-contract-12"))
    assert (order.state, order.awaiting.action, order.home_region) == (PENDING, "confirm", "sichuan")
    opened = await guangdong.confirm(order.id)
    assert (opened.state, opened.awaiting.party, opened.awaiting.action) == (PENDING, Party.PARTY_CUSTOMER, "accept")
    number = opened.results["number"]
    assert number in opened.quote.description.zh_cn
    customer = await sichuan.read(number)
    assert customer.name == "赵敏"
    assert customer.product.status == ProductStatus.PRODUCT_STATUS_ACTIVE
    assert customer.product.plan_id == "sichuan-29"
    assert customer.product.HasField("contract_end_time")
    done = await guangdong.confirm(order.id, agreed=True, note="voice mail and roaming explained")
    assert done.state == COMPLETED
    assert [note.text for note in done.notes] == ["voice mail and roaming explained"]
    paid = await guangdong.order("PAY", number)
    assert paid.state == COMPLETED


async def test_the_customer_may_choose_the_region_where_the_counter_is(guangdong: Counter) -> None:
    order = await guangdong.submit(new_line(guangdong, "guangdong", plan="guangdong-39"))
    opened = await guangdong.confirm(order.id)
    assert (await guangdong.read(opened.results["number"])).product.plan_id == "guangdong-39"


@pytest.mark.clause("1.2.4", "3.2.6")
async def test_what_the_customer_finds_wrong_goes_back_to_the_home_region_s_staff(
    federation: Federation, guangdong: Counter
) -> None:
    order = await guangdong.submit(new_line(guangdong))
    await guangdong.confirm(order.id)
    refused = await guangdong.confirm(order.id, agreed=False, note="no data connection")
    assert (refused.state, refused.awaiting.party, refused.awaiting.action) == (
        IN_PROGRESS,
        Party.PARTY_HOME_STAFF,
        "adjust",
    )
    adjusted = await Reviewer(federation, "sichuan").approve(order.id)
    assert (adjusted.state, adjusted.awaiting.action) == (PENDING, "accept")
    await guangdong.reaches(order.id, PENDING)
    assert (await guangdong.confirm(order.id, agreed=True, note="")).state == COMPLETED


@pytest.mark.clause("1.2.5")
async def test_silence_accepts_what_was_done(federation: Federation, guangdong: Counter) -> None:
    order = await guangdong.submit(new_line(guangdong))
    opened = await guangdong.confirm(order.id)
    await federation.advance(from_timestamp(opened.awaiting.due_time) - federation.clock.now())
    done = await guangdong.reaches(order.id, COMPLETED)
    assert done.results["number"] == opened.results["number"]


async def test_a_line_that_is_open_is_not_cancelled_by_cancelling_its_order(guangdong: Counter) -> None:
    order = await guangdong.submit(new_line(guangdong))
    await guangdong.confirm(order.id)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await guangdong.cancel(order.id)
    assert "ORDER_TOO_LATE_TO_CANCEL" in str(raised.value.trailing_metadata())


async def test_before_it_is_confirmed_nothing_is_opened(federation: Federation, guangdong: Counter) -> None:
    order = await guangdong.submit(new_line(guangdong))
    assert (await guangdong.cancel(order.id)).state == CANCELLED
    taken = federation.database("sichuan").rows("SELECT 1 FROM products WHERE product_id = ?", order.product_id)
    assert taken == []


async def test_a_sixth_line_of_one_person_is_refused(guangdong: Counter) -> None:
    person = guangdong.federation.next_id()
    for _ in range(5):
        order = await guangdong.submit(new_line(guangdong, person=person))
        await guangdong.confirm(order.id)
    sixth = await guangdong.submit(new_line(guangdong, person=person))
    assert (sixth.state, sixth.error.reason) == (REJECTED, Reason.REASON_CARD_LIMIT_REACHED)


async def test_a_number_that_somebody_has_is_not_given_again(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    request = new_line(guangdong)
    request.characteristics["number"] = number
    order = await guangdong.submit(request)
    assert (order.state, order.error.reason) == (REJECTED, Reason.REASON_NUMBER_TAKEN)


@pytest.mark.parametrize("papers", [("FACE",), ("ID_ORIG",)])
@pytest.mark.clause("3.1.3")
async def test_a_new_line_needs_the_identity_document_and_the_person(
    guangdong: Counter, papers: tuple[str, ...]
) -> None:
    request = new_line(guangdong)
    kept = [document for document in request.documents if document.code in papers]
    del request.documents[:]
    request.documents.extend(kept)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await guangdong.submit(request)
    assert "DOCUMENT_MISSING" in str(raised.value.trailing_metadata())


async def test_nobody_opens_a_line_for_another(guangdong: Counter) -> None:
    request = new_line(guangdong)
    request.applicant = Applicant.APPLICANT_AGENT
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await guangdong.submit(request)
    assert "APPLICANT_NOT_ALLOWED" in str(raised.value.trailing_metadata())


async def test_broadband_is_installed_at_an_address_in_another_region(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.submit(broadband(guangdong))
    assert order.awaiting.action == "review"
    await Reviewer(federation, "sichuan").approve(order.id)
    await guangdong.reaches(order.id, PENDING)
    installed = await guangdong.confirm(order.id)
    assert installed.awaiting.action == "accept"
    customer = await sichuan.read(installed.results["number"])
    assert customer.product.kind == LineKind.LINE_KIND_BROADBAND
    assert customer.billing_account.balance.minor_units == -10_000
    assert (await guangdong.confirm(order.id)).state == COMPLETED


async def test_a_late_installation_pays_one_per_cent_a_day(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order = await guangdong.submit(broadband(guangdong))
    await federation.advance(
        from_timestamp(order.expected_completion_time) + timedelta(hours=1) - federation.clock.now()
    )
    await Reviewer(federation, "sichuan").approve(order.id)
    await guangdong.reaches(order.id, PENDING)
    installed = await guangdong.confirm(order.id)
    assert await sichuan.balance(installed.results["number"]) == -10_000 + 100


@pytest.mark.clause("3.4.4")
async def test_a_contract_is_renewed_from_another_region(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    end = federation.clock.now() + timedelta(days=20)
    number = await sichuan.new_customer(contract_end_time=end)
    order = await guangdong.submit(
        guangdong.request("RENEW", number, papers=("ID_ORIG",), contract="sichuan-contract-12")
    )
    assert order.awaiting.action == "confirm"
    assert (await guangdong.confirm(order.id)).state == COMPLETED
    renewed = from_timestamp((await sichuan.read(number)).product.contract_end_time)
    assert timedelta(days=364) <= renewed - end <= timedelta(days=366)


@pytest.mark.clause("3.4.1")
async def test_a_customer_is_reminded_thirty_fifteen_and_three_days_before_a_contract_ends(
    federation: Federation, sichuan: Counter
) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    end = federation.clock.now() + timedelta(days=40)
    number = await sichuan.new_customer(contract_end_time=end)

    def told() -> list[int]:
        database = federation.database("sichuan")
        found = database.rows(
            "SELECT notice_id FROM notices WHERE kind = 'contract-reminder' AND number = ?", database.index_of(number)
        )
        return sorted((int(str(row[0]).rpartition("/")[2]) for row in found), reverse=True)

    for expected in ([30], [30, 15], [30, 15, 3]):
        day = end.astimezone(zone).date() - timedelta(days=expected[-1])
        # Lines are looked at in the morning.
        await federation.advance(datetime.combine(day, time(10), zone) - federation.clock.now())

        async def holds(expected: list[int] = expected) -> bool:
            return told() == expected

        await until(holds, f"the reminder {expected[-1]} days before is told")
