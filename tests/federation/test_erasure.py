"""The erasure of a customer: its obstacles, its effect on reads, and a restored backup."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import grpc
import pytest

from gateway.api.region.v1 import erasure_service_pb2 as api
from gateway.api.region.v1.complaint_pb2 import ComplaintState
from gateway.api.region.v1.customer_service_pb2 import ListCustomersRequest, ProductStatus
from gateway.api.region.v1.order_envelopes_pb2 import OrderErasure
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.order_service_pb2 import ListOrdersRequest, WatchOrdersRequest
from gateway.auditing import audit
from gateway.errors import from_rpc_error, reason_name
from gateway.store import vault
from region_node.lifecycle.holds import operations
from region_node.lifecycle.holds.operations import Hold
from region_node.node.erased_keys import ERASED_KEYS
from tests.federation.archive import Archive
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTED, REQUESTER, Approver, Counter, Reviewer
from tests.federation.databases import Databases
from tests.federation.forger import ERASURE, Forger, refused
from tests.federation.losses import Recovery, until_head_is_kept
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.test_order_events import past
from tests.federation.test_profiles import profile
from tests.federation.test_terminate import approved

SECRET = "欧阳娜娜".encode()
COMPLETED, REJECTED = OrderState.ORDER_STATE_COMPLETED, OrderState.ORDER_STATE_REJECTED
TERMINATED = int(ProductStatus.PRODUCT_STATUS_TERMINATED)
WITHDRAWN = api.ErasureReason.ERASURE_REASON_CONSENT_WITHDRAWN


def customer_of(number: str) -> str:
    """The id of a customer whom a counter has created."""
    return f"customer-{number.removeprefix('+')}"


async def left(guangdong: Counter, sichuan: Counter, reviewer: Reviewer) -> tuple[str, Order]:
    """A customer of Sichuan who has terminated the line in Guangdong: the number, and the order as it ended."""
    number = await sichuan.new_customer(name="Ouyang Nana")
    order = await approved(guangdong, reviewer, number)
    done = await guangdong.confirm(order.id)
    assert done.state == COMPLETED
    return number, done


def end_line(federation: Federation, number: str) -> None:
    """Closes a line, as an order would."""
    federation.database("sichuan").change(
        f"UPDATE products SET status = {TERMINATED} WHERE product_id = 'product-{number.removeprefix('+')}'"
    )


async def listed(counter: Counter) -> set[str]:
    """The ids of all customers that a region lists."""
    found: set[str] = set()
    token = ""
    while True:
        request = ListCustomersRequest(page_size=100, page_token=token, requester=REQUESTER)
        page = await counter.customers.ListCustomers(request, timeout=CALL_SECONDS)
        found |= {customer.id for customer in page.customers}
        token = page.next_page_token
        if not token:
            return found


async def orders_about(counter: Counter, number: str) -> set[str]:
    """The ids of the orders that a region lists about a number."""
    request = ListOrdersRequest(number=number, requester=REQUESTER)
    page = await counter.orders.ListOrders(request, timeout=CALL_SECONDS)
    return {order.id for order in page.orders}


@pytest.mark.clause("7.3(4)")
async def test_once_erased_nothing_of_a_customer_is_read_at_home_nor_where_the_orders_were_handled(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number, order = await left(guangdong, sichuan, reviewer)
    home, handling = federation.sealing("sichuan"), federation.sealing("guangdong")
    at_home = [f"customer/{customer_of(number)}", home.number_subject(number), f"envelope/{order.id}"]
    at_handling = [handling.number_subject(number), f"envelope/{order.id}"]
    sealed = [(home, subject, home.seal(subject, SECRET)) for subject in at_home]
    sealed += [(handling, subject, handling.seal(subject, SECRET)) for subject in at_handling]
    neighbour = await sichuan.new_customer()
    kept = home.seal(f"customer/{customer_of(neighbour)}", SECRET)
    keys = [
        (database, key)
        for database, subjects in (
            (federation.database("sichuan"), at_home),
            (federation.database("guangdong"), at_handling),
        )
        for subject in subjects
        for (key,) in database.rows("SELECT wrapped FROM data_keys WHERE subject = ?", subject)
    ]
    assert all(isinstance(key, bytes) and key in database.raw() for database, key in keys)

    erasure = await sichuan.erase(number)
    assert (erasure.customer_id, erasure.reason) == (customer_of(number), REQUESTED)
    assert (erasure.keys_destroyed, erasure.orders_erased, erasure.requester) == (3, 1, REQUESTER)

    def is_gone() -> bool:
        stands = any(isinstance(key, bytes) and key in database.raw() for database, key in keys)
        return not stands and not any(sealing.opens(subject, each) for sealing, subject, each in sealed)

    # Of a thread of its own: a look takes long, and those that destroy share the loop of this test.
    await until(partial(asyncio.to_thread, is_gone), "every key is destroyed in both regions, and in no byte of a file")
    assert home.opens(f"customer/{customer_of(neighbour)}", kept)
    assert (await sichuan.read(neighbour)).id == customer_of(neighbour)
    for counter in (sichuan, guangdong):
        assert (await refusal(counter.get(order.id))).reason == "CUSTOMER_ERASED"
        assert await orders_about(counter, number) == set()
    assert customer_of(number) not in await listed(sichuan)
    assert (await refusal(sichuan.read(number))).reason == "CUSTOMER_ERASED"
    assert [event.order_id for event in (await past(guangdong))[0] if event.order_id == order.id]
    found = federation.database("sichuan").rows(
        "SELECT actor, detail FROM audit WHERE action = 'EraseCustomer' AND subject = ?", customer_of(number)
    )
    ((actor, detail),) = found
    assert actor == sichuan.path
    assert is_of_two(detail, ", ERASURE_REASON_REQUESTED, 3 keys destroyed")


async def test_to_other_regions_an_erased_customer_is_one_who_does_not_exist(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number, _ = await left(guangdong, sichuan, reviewer)
    await sichuan.erase(number)
    nobody = federation.next_number("sichuan")

    async def asked(counter: Counter, about: str) -> list[str]:
        request_id = federation.next_id()
        calls = (counter.bill(about), counter.verify(about, request_id, code="000000"))
        order = await counter.order("RESUME", about)
        assert order.state == REJECTED
        return [*[(await refusal(call)).reason for call in calls], order.error.message.en]

    assert await asked(guangdong, number) == await asked(guangdong, nobody)
    told = await asked(sichuan, number)
    assert told[:2] == ["CUSTOMER_ERASED", "CODE_EXPIRED"]
    assert "erased" in told[2]


async def test_only_the_home_region_has_an_order_erased_and_only_one_that_is_final(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    done, under_way = await guangdong.order("PAY", number), await guangdong.order("TERMINATE", number)
    sealed = federation.sealing("guangdong").seal(f"envelope/{done.id}", SECRET)
    forged = Forger(federation, "henan").seal("guangdong", ERASURE, OrderErasure(), done.id)
    assert refused(await Forger(federation, "henan").deliver(forged, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    early = Forger(federation, "sichuan").seal("guangdong", ERASURE, OrderErasure(), under_way.id)
    assert refused(await Forger(federation, "sichuan").deliver(early, "guangdong")) == "ORDER_STATE_FORBIDS"
    assert federation.sealing("guangdong").opens(f"envelope/{done.id}", sealed)
    for order in (done, under_way):
        assert (await guangdong.get(order.id)).request.number == number


async def test_an_erasure_is_done_once_however_often_it_is_asked_for(federation: Federation, sichuan: Counter) -> None:
    number, request_id = await sichuan.new_customer(balance=0), federation.next_id()
    end_line(federation, number)
    federation.sealing("sichuan").seal(f"customer/{customer_of(number)}", SECRET)
    first = await sichuan.erase(number, request_id=request_id)
    assert await sichuan.erase(number, request_id=request_id) == first
    other = sichuan.erase(number, request_id=request_id, reason=WITHDRAWN)
    assert (await refusal(other)).reason == "REQUEST_ID_REUSED"
    assert (await refusal(sichuan.erase(number))).reason == "CUSTOMER_ERASED"
    assert (await refusal(sichuan.restrict(number))).reason == "CUSTOMER_ERASED"
    assert (await refusal(sichuan.release(number))).reason == "CUSTOMER_ERASED"
    by_request = api.GetErasureRequest(request_id=request_id, requester=REQUESTER)
    by_customer = api.GetErasureRequest(customer_id=customer_of(number), requester=REQUESTER)
    for request in (by_request, by_customer):
        found = (await sichuan.erasure.GetErasure(request, timeout=CALL_SECONDS)).erasure
        found.ClearField("unrecoverable_time")
        assert found == first
    app = Counter(federation, "sichuan", "app")
    assert (await refusal(app.erasure.GetErasure(by_request, timeout=CALL_SECONDS))).reason == "CUSTOMER_NOT_FOUND"
    assert len(federation.database("sichuan").rows("SELECT 1 FROM erasures WHERE request_id = ?", request_id)) == 1


async def has_lines(federation: Federation, sichuan: Counter) -> str:
    """A customer whose line is in service."""
    return await sichuan.new_customer(balance=0)


async def has_orders(federation: Federation, sichuan: Counter) -> str:
    """A customer whose order is in review."""
    number = await sichuan.new_customer()
    order = await Counter(federation, "guangdong").order("TERMINATE", number)
    assert order.awaiting.action == "review"
    end_line(federation, number)
    return number


async def has_balance(federation: Federation, sichuan: Counter) -> str:
    """A customer who is owed something."""
    number = await sichuan.new_customer(balance=1)
    end_line(federation, number)
    return number


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (has_lines, "CUSTOMER_HAS_LINES"),
        (has_orders, "CUSTOMER_HAS_ORDERS (inProgress, review, sichuan)"),
        (has_balance, "CUSTOMER_HAS_BALANCE"),
    ],
)
async def test_an_erasure_is_refused_while_anything_is_open(
    federation: Federation, sichuan: Counter, made: Callable[[Federation, Counter], Awaitable[str]], reason: str
) -> None:
    number = await made(federation, sichuan)
    home, subject = federation.sealing("sichuan"), f"customer/{customer_of(number)}"
    sealed = home.seal(subject, SECRET)
    told = await refusal(sichuan.erase(number))
    assert f"{told.reason} {told.parameters.get('order', '').partition(' ')[2]}".strip() == reason
    assert home.opens(subject, sealed)
    assert (await sichuan.read(number)).id == customer_of(number)


async def test_a_customers_complaints_end_with_the_customer_and_an_open_one_keeps_both(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(balance=0), Complainant(federation, "sichuan")
    end_line(federation, number)
    complaint = await desk.file("BILL_WRONG", number)
    told = await refusal(sichuan.erase(number))
    assert (told.reason, told.parameters["complaint"]) == ("CUSTOMER_HAS_COMPLAINTS", complaint.ticket_id)
    await desk.withdraw(complaint.ticket_id)
    await sichuan.erase(number)
    assert (await refusal(desk.get(complaint.ticket_id))).reason == "COMPLAINT_NOT_FOUND"


async def test_what_other_regions_keep_of_a_customer_ends_too(federation: Federation, sichuan: Counter) -> None:
    number = await sichuan.new_customer(balance=0)
    henan, desk = Archive(Counter(federation, "henan")), Complainant(federation, "guangdong")
    document_id = await henan.put(number)
    complaint = await desk.file("BILL_WRONG", number)
    await desk.withdraw(complaint.ticket_id)

    async def is_withdrawn() -> bool:
        staff = Complainant(federation, "sichuan", "staff/wang")
        return (await staff.get(complaint.ticket_id)).state == ComplaintState.COMPLAINT_STATE_CANCELLED

    await until(is_withdrawn, "the home region knows that it was withdrawn")
    end_line(federation, number)
    assert await henan.content(number, document_id)
    await sichuan.erase(number)
    assert await reason_of(anext(aiter(henan.pieces(number, document_id)))) == "DOCUMENT_CONTENT_DENIED"

    async def is_gone() -> bool:
        files = federation.database("henan").rows("SELECT 1 FROM document_files WHERE document_id = ?", document_id)
        return not files and await reason_of(desk.get(complaint.ticket_id)) == "COMPLAINT_NOT_FOUND"

    await until(is_gone, "content and complaint are gone")
    assert federation.database("henan").rows("SELECT 1 FROM document_chunks WHERE document_id = ?", document_id) == []
    assert list(await henan.list(number)) == []


async def reason_of(call: Awaitable[object]) -> str:
    """Why a call is refused; empty where it is not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        return "" if refused is None else reason_name(refused.reason)
    return ""


async def test_an_erasure_is_refused_while_somebody_must_keep_the_data(
    federation: Federation, sichuan: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await sichuan.new_customer(balance=0)
    end_line(federation, number)
    held = Hold(customer_of(number), "case 4711", federation.clock.now(), None, "region/sichuan/staff/zhao")
    with monkeypatch.context() as patched:
        patched.setattr(operations, "holds_of", lambda tx, customer_id: [held])
        told = await refusal(sichuan.erase(number))
    assert (told.reason, told.parameters) == ("CUSTOMER_ON_HOLD", {"hold": "case 4711"})
    assert (await sichuan.erase(number)).customer_id == customer_of(number)


async def test_what_is_sealed_under_a_destroyed_key_is_told_as_erased_and_never_as_a_defect(
    federation: Federation, guangdong: Counter, sichuan: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await sichuan.new_customer()

    def destroyed(*_: object) -> None:
        raise vault.KeyDestroyed("the key 1 is gone")

    for place in ("operations", "profiles"):
        monkeypatch.setattr(f"region_node.customers.{place}.find_customer", destroyed)
    assert (await refusal(sichuan.read(number))).reason == "CUSTOMER_ERASED"
    request_id = federation.next_id()
    documents = await guangdong.verify(number, request_id, code=await guangdong.receive_code(number, request_id))
    assert (await refusal(profile(guangdong, number, request_id, documents))).reason == "SUBSCRIPTION_NOT_FOUND"
    monkeypatch.setattr("region_node.business.orders.service._watch_start", destroyed)
    watch = guangdong.orders.WatchOrders(WatchOrdersRequest(requester=REQUESTER), timeout=CALL_SECONDS)
    assert (await refusal(watch.read())).reason == "CUSTOMER_ERASED"


async def test_an_erasure_names_somebody_who_is_there_and_a_reason(federation: Federation, sichuan: Counter) -> None:
    assert (await refusal(sichuan.erase(federation.next_number("sichuan")))).reason == "CUSTOMER_NOT_FOUND"
    assert (await refusal(sichuan.erase("12"))).reason == "NUMBER_INVALID"
    number = await sichuan.new_customer()
    for request in (
        api.EraseCustomerRequest(number=number, reason=REQUESTED, requester=REQUESTER),
        api.EraseCustomerRequest(request_id="R", number=number, requester=REQUESTER),
        api.EraseCustomerRequest(request_id="R", reason=REQUESTED, requester=REQUESTER),
        api.EraseCustomerRequest(request_id="R", number=number, reason=REQUESTED),
    ):
        call = sichuan.erasure.EraseCustomer(request, timeout=CALL_SECONDS)
        assert (await refusal(call)).reason == "REQUEST_INVALID"
    nothing = sichuan.erasure.GetErasure(api.GetErasureRequest(requester=REQUESTER), timeout=CALL_SECONDS)
    assert (await refusal(nothing)).reason == "REQUEST_INVALID"


def is_of_two(detail: object, told: str) -> bool:
    """Whether the detail of a row names the proven first person and the second one."""
    text = str(detail)
    return text.startswith("staff clerk-7 by certificate ") and text.endswith(f"{told}, confirmed by staff zhao")


async def test_an_operator_system_alone_neither_erases_nor_restricts_anybody(
    federation: Federation, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(balance=0)
    restricting = api.RestrictCustomerRequest(number=number, reason=REQUESTED, requester=REQUESTER)
    told = await refusal(sichuan.erasure.RestrictCustomer(restricting, timeout=CALL_SECONDS))
    assert told.reason == "STAFF_NOT_PROVEN", "nobody has proven to be clerk-7"
    told = await refusal(sichuan.erasure.RestrictCustomer(restricting, timeout=CALL_SECONDS, metadata=sichuan.proof))
    assert told.reason == "APPROVAL_AWAITED"
    proposer = Approver(federation, "sichuan", REQUESTER.staff_id)
    assert (await refusal(proposer.confirm(told.parameters["approval"]))).reason == "APPROVER_IS_PROPOSER"
    await Approver(federation, "sichuan").decide(told.parameters["approval"], confirmed=False)
    await sichuan.read(number)
    end_line(federation, number)
    erasing = api.EraseCustomerRequest(request_id="R", number=number, reason=REQUESTED, requester=REQUESTER)
    told = await refusal(sichuan.erasure.EraseCustomer(erasing, timeout=CALL_SECONDS))
    assert told.reason == "STAFF_NOT_PROVEN"
    told = await refusal(sichuan.erasure.EraseCustomer(erasing, timeout=CALL_SECONDS, metadata=sichuan.proof))
    assert told.reason == "APPROVAL_AWAITED"
    assert (await sichuan.read(number)).id == customer_of(number)


async def test_of_a_restricted_customer_nothing_is_read_and_nothing_goes_on_until_that_is_lifted(
    federation: Federation, guangdong: Counter, sichuan: Counter, reviewer: Reviewer
) -> None:
    number, request_id = await sichuan.new_customer(), federation.next_id()
    documents = await guangdong.verify(number, request_id, code=await guangdong.receive_code(number, request_id))
    under_way = await guangdong.order("TERMINATE", number)
    assert (await sichuan.restrict(number)).status == api.CustomerStatus.CUSTOMER_STATUS_RESTRICTED
    await sichuan.restrict(number)
    calls = (
        sichuan.read(number),
        sichuan.bill(number),
        guangdong.bill(number),
        profile(guangdong, number, request_id, documents),
        reviewer.approve(under_way.id),
    )
    assert {(await refusal(call)).reason for call in calls} == {"CUSTOMER_RESTRICTED"}
    texts = len(federation.texts(number))
    await guangdong.receive_code(number, federation.next_id())
    assert len(federation.texts(number)) == texts, "it is answered as for anybody, and nothing is sent"
    assert customer_of(number) not in await listed(sichuan)
    for counter in (guangdong, sichuan):
        order = await counter.order("SUSPEND", number)
        assert (order.state, "restricted" in order.error.message.en) == (REJECTED, True)
    assert (await sichuan.release(number)).status == api.CustomerStatus.CUSTOMER_STATUS_ACTIVE
    await sichuan.release(number)
    assert customer_of(number) in await listed(sichuan)
    assert (await guangdong.order("SUSPEND", number)).state == COMPLETED
    found = federation.database("sichuan").rows(
        "SELECT action, detail FROM audit WHERE subject = ? AND action IN ('RestrictCustomer', 'LiftRestriction')"
        " ORDER BY sequence",
        customer_of(number),
    )
    (restricted, detail), lifted = found
    assert (restricted, lifted) == ("RestrictCustomer", ("LiftRestriction", "staff clerk-7"))
    assert is_of_two(detail, ", ERASURE_REASON_REQUESTED")


@pytest.mark.clause("7.3(2)")
async def test_a_restored_older_database_does_not_bring_an_erased_customer_back(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases, ("guangdong", "sichuan")) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number, order = await left(guangdong, sichuan, Reviewer(federation, "sichuan"))
        home, subject = federation.sealing("sichuan"), f"customer/{customer_of(number)}"
        sealed = {each: home.seal(each, SECRET) for each in (subject, f"envelope/{order.id}")}
        await federation.stop_node("sichuan")
        restore = federation.back_up("sichuan")
        await federation.start_node("sichuan")
        erased = (await sichuan.erase(number)).keys_destroyed
        file = federation.region_settings("sichuan").data / ERASED_KEYS
        assert len(file.read_text().split()) == erased >= len(sealed)
        assert file.stat().st_mode & 0o077 == 0
        await until_head_is_kept(federation, "sichuan")
        await federation.stop_node("sichuan")
        restore()
        home = federation.sealing("sichuan")
        assert all(home.opens(each, content) for each, content in sealed.items()), "the backup is from before"
        await federation.start_node("sichuan")
        assert not any(home.opens(each, content) for each, content in sealed.items())
        await Recovery(federation, "sichuan").accept()
        for call in (sichuan.read(number), sichuan.get(order.id)):
            assert (await refusal(call)).reason == "CUSTOMER_ERASED"
        assert customer_of(number) not in await listed(sichuan)
        with federation.region_settings("sichuan").database.look() as tx:
            audit.verify(audit.rows(tx))
            details = tx.all(str, "SELECT detail FROM audit WHERE action = 'ErasedAgain'")
            assert details == [f"{erased} keys had come back with an older database"]
        await federation.stop_node("sichuan")
        await federation.start_node("sichuan")
        assert federation.database("sichuan").rows("SELECT COUNT(*) FROM audit WHERE action = 'ErasedAgain'") == [(1,)]


@pytest.mark.long("it has a federation of its own, with two processes of a region")
@pytest.mark.several_processes
async def test_what_one_process_erases_the_others_of_its_region_remember_too(
    tmp_path: Path, databases: Databases
) -> None:
    async with running(tmp_path, databases, ("guangdong", "sichuan")) as federation:
        await federation.start_node("sichuan/1")
        sichuan = Counter(federation, "sichuan")
        number = await sichuan.new_customer(balance=0)
        end_line(federation, number)
        federation.sealing("sichuan").seal(f"customer/{customer_of(number)}", SECRET)
        await sichuan.erase(number)
        files = [federation.region_settings(node).data / ERASED_KEYS for node in ("sichuan", "sichuan/1")]

        async def is_known() -> bool:
            return all(file.exists() for file in files) and files[0].read_text() == files[1].read_text()

        await until(is_known, "both processes remember the keys")


async def test_of_a_case_nothing_is_left_at_any_region_that_had_a_part_in_it(
    federation: Federation, sichuan: Counter
) -> None:
    number, desk = await sichuan.new_customer(balance=0), Complainant(federation, "guangdong")
    end_line(federation, number)
    case = await desk.file("BILL_ROAM", number, location_region="henan")
    first, second = (each.ticket_id for each in case.items)
    home, other = (Complainant(federation, region, "staff/wang") for region in ("sichuan", "henan"))
    await home.reaches(first, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    await home.give_back(first)
    told = await refusal(sichuan.erase(number))
    assert (told.reason, told.parameters["complaint"]) == ("CUSTOMER_HAS_COMPLAINTS", first)
    await other.reaches(second, ComplaintState.COMPLAINT_STATE_IN_PROGRESS)
    await desk.withdraw(case.ticket_id)
    await home.reaches(first, ComplaintState.COMPLAINT_STATE_CANCELLED)
    await sichuan.erase(number)

    async def is_gone() -> bool:
        asked = (desk.get(case.ticket_id), home.get(first), other.get(second))
        return [await reason_of(each) for each in asked] == ["COMPLAINT_NOT_FOUND"] * 3

    await until(is_gone, "the case and its items are gone")
