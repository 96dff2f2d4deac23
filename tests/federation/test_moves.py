"""A customer moves to another home region for good, while other regions go on with its number."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import grpc
import pytest

from gateway.api.region.v1.agreement_pb2 import Agreement
from gateway.api.region.v1.agreement_service_pb2 import EndAgreementRequest, ListAgreementsRequest
from gateway.api.region.v1.billing_service_pb2 import Bill
from gateway.api.region.v1.complaint_pb2 import Remedy
from gateway.api.region.v1.customer_move_pb2 import CustomerMove, MovedLine, MoveState
from gateway.api.region.v1.customer_move_service_pb2 import ListMovesRequest, StartMoveRequest
from gateway.api.region.v1.customer_move_service_pb2_grpc import CustomerMoveServiceStub
from gateway.api.region.v1.joint_order_pb2 import JointOrderState
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.sharing_service_pb2 import DisclosureKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Refused, from_rpc_error
from gateway.time.clock import from_timestamp, to_microseconds
from tests.federation.agreements import Agreements
from tests.federation.archive import Archive, scan
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.complainant import Complainant
from tests.federation.counter import REQUESTER, Counter, Reviewer, code_in
from tests.federation.databases import Databases
from tests.federation.joint_staff import JointStaff
from tests.federation.losses import Recovery, until_head_is_kept
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until
from tests.federation.test_complaint_remedies import BOOKED, in_review, stands
from tests.federation.test_complaints import IN_PROGRESS, RESOLVED, staff

MOVED = DisclosureKind.DISCLOSURE_KIND_MOVED
CONTACT = "+8613812341234"
CREDIT = 1200  # minor units
COMPLETED = OrderState.ORDER_STATE_COMPLETED
STAFF = ("--staff-id", "4711")


async def said(federation: Federation, *words: str, code: int = 0, home: str = "sichuan") -> str:
    """The output of a command at the present home."""
    who = as_caller(federation, home, "operator/counter")
    ended = await run_command("region_node.cli.main", "customers", *words, *STAFF, environment=who)
    assert ended.code == code, ended.out + ended.err
    return ended.out + ended.err


async def require_remedied(federation: Federation, ticket_id: str) -> None:
    """The old home, which owns an open complaint, answers it, and the new home credits the money."""
    desk, owner = Complainant(federation, "henan"), staff(federation, "sichuan")
    await owner.propose(ticket_id, amount=CREDIT, remedy=Remedy.REMEDY_CREDIT)
    await desk.reaches(ticket_id, RESOLVED)
    await desk.accept(ticket_id)
    order_id = (await in_review(owner, ticket_id)).remedy.order_id
    await Reviewer(federation, "guangdong").approve(order_id)
    await stands(owner, ticket_id, BOOKED)


async def billed(counter: Counter, number: str) -> Bill:
    """The bill of the running month, once the number plan of the counter's region names the new home."""
    found = list[Bill]()

    async def is_told() -> bool:
        try:
            found.append(await counter.bill(number))
        except grpc.aio.AioRpcError:
            return False
        return True

    await until(is_told, f"the bill is told in {counter.region}")
    return found[0]


async def require_bills(federation: Federation, number: str) -> None:
    """The bill of the month has the part of the old home, which answers the new home alone."""
    bill, abroad = [await billed(Counter(federation, region), number) for region in ("guangdong", "henan")]
    assert (bill.region, bill.former_region, bill.former.region) == ("guangdong", "sichuan", "sichuan")
    assert bill.former.closing_balance.minor_units == 0, "the old home has handed its balance over"
    assert bill.former.lines
    assert (abroad.former_region, abroad.HasField("former")) == ("sichuan", False)


async def can_read(archive: Archive, number: str, document_id: str, content: bytes) -> bool:
    try:
        return await archive.content(number, document_id) == content
    except grpc.aio.AioRpcError:
        return False


async def require_belongings(
    federation: Federation, number: str, kept: Mapping[Counter, str], promised: Agreement
) -> None:
    """The new home has the documents of the old home and of a third region, and the agreement."""
    archive = Archive(Counter(federation, "guangdong"))

    async def has_registered() -> bool:
        sql = "SELECT COUNT(*) FROM documents WHERE keyed_by = 'sichuan'"
        moved = federation.database("guangdong").rows(sql) == [(len(kept),)]
        return moved and {each.document_id for each in await archive.list(number)} == set(kept.values())

    await until(has_registered, "the new home has the documents")
    for verified, document_id in kept.items():
        # The verifying region may have yet to hear of the new home.
        await until(partial(can_read, archive, number, document_id, scan(mark=verified.region)), "content is readable")
    assert federation.database("sichuan").rows("SELECT document_id FROM documents") == []
    there, here = Agreements(federation, "guangdong"), Agreements(federation, "sichuan")
    listed = await there.node.ListAgreements(
        ListAgreementsRequest(number=number, requester=REQUESTER), timeout=CALL_SECONDS
    )
    (running,) = listed.agreements
    assert (running.former_id, running.terms) == (promised.id, promised.terms)
    assert running.monthly_charge == promised.monthly_charge
    ((end,),) = federation.database("sichuan").rows("SELECT end_time FROM agreements")
    assert end == to_microseconds(from_timestamp(running.start_time)), (
        "each home has its part, and no moment is in both"
    )
    request = EndAgreementRequest(request_id=federation.next_id(), agreement_id=promised.id)
    with pytest.raises(grpc.aio.AioRpcError, match="moved"):
        await here.node.EndAgreement(request, timeout=CALL_SECONDS)
    sql = "SELECT region FROM disclosures WHERE kind = ?"
    assert federation.database("guangdong").rows(sql, MOVED) == [("sichuan",)], "the customer's own list says it"


async def listed(federation: Federation) -> str:
    """The open moves of all regions in Chinese, as an administrator sees them."""
    who = as_administrator(federation) | {"CROSSREGION_LANG": "zh"}
    ended = await run_command("coordinator.cli.main", "moves", environment=who)
    assert ended.code == 0, ended.err
    return ended.out


@pytest.mark.files  # the commands are the same on either engine
@pytest.mark.long("eight commands, one after another, and a federation of three regions")
async def test_a_customer_moves_and_what_is_sent_to_the_old_home_arrives_once_at_the_new_one(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    henan = Counter(federation, "henan")
    number = await sichuan.new_customer()
    old_account = (await sichuan.read(number)).billing_account.id
    wanted = ("--to", "guangdong", "--plan", "guangdong-79", "--request-id")
    await said(federation, "set-contact", number, "--quiet")
    assert CONTACT in await said(federation, "set-other-contacts", number, CONTACT)
    contacts = list((await sichuan.read(number)).other_contacts)
    kept = {each: await Archive(each).put(number, scan(mark=each.region)) for each in (sichuan, henan)}
    promised = await Agreements(federation, "sichuan").make(number)
    stays = await sichuan.new_customer()
    assert "sichuan/counter/m0" in await said(federation, "move", stays, *wanted, "m0")
    assert "cancelled" in await said(federation, "cancel-move", "sichuan/counter/m0")
    filed = await Complainant(federation, "henan").file("BILL_WRONG", number)
    await staff(federation, "sichuan").reaches(filed.ticket_id, IN_PROGRESS)
    hall = JointStaff(federation, "sichuan", "operator/hall")
    joint_order_id = await refused_for_a_joint_order(federation, number, *wanted, "m1")
    await said(federation, "move", number, *wanted, "m1")
    told = await listed(federation)
    for part in ("sichuan/counter/m1", "客户确认"):
        assert part in told
    assert number not in told, "a coordinator is told of no customer"
    wrong = await said(federation, "confirm-move", "sichuan/counter/m1", number, "--code", "000000", code=1)
    assert "code" in wrong
    code = code_in(federation.texts(number)[-1])
    await said(federation, "confirm-move", "sichuan/counter/m1", number, "--code", code)

    async def is_moved() -> bool:
        return (await known_move(federation)).state == MoveState.MOVE_STATE_MOVED

    await until(is_moved, "the old home has given the customer up")
    assert (await refusal(hall.get(joint_order_id))).reason == "JOINT_ORDER_NOT_FOUND"
    assert await hall.list(number) == []
    assert (await refused_elsewhere(federation, number)).reason == Reason.REASON_NOT_HOME
    assert "moved" in await said(federation, "moves")
    order = await henan.order("PAY", number)
    done = await henan.reaches(order.id, COMPLETED)
    assert done.home_region == "guangdong"
    sql = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries WHERE account = ?"
    moved = f"{sql} AND kind = 'moved-balance'"
    owed, due, left = (
        int(federation.database(region).rows(asked, account)[0][0] or 0)
        for region, asked, account in (
            ("sichuan", moved, "payable/guangdong"),
            ("guangdong", moved, "receivable/sichuan"),
            ("sichuan", sql, old_account),
        )
    )
    debts = [
        federation.database(region).rows("SELECT serial, debtor, create_time FROM regional_debts WHERE kind = ?", kind)
        for region in ("sichuan", "guangdong")
        for kind in ("moved-balance",)
    ]
    assert debts[0] == debts[1], "both homes settle it"
    assert [tuple(each)[:2] for each in debts[0]] == [("sichuan/counter/m1", "sichuan")]
    assert (due, left) == (-owed, 0), "both regions have booked the same, and nothing is left in the closed account"
    assert await guangdong.balance(number) == owed + 5000
    assert list((await guangdong.read(number)).other_contacts) == contacts, "a new contact waits no shorter by a move"
    await require_bills(federation, number)
    await require_belongings(federation, number, kept, promised)
    await require_remedied(federation, filed.ticket_id)
    assert await guangdong.balance(number) == owed + 5000 + CREDIT

    async def names_the_new_home() -> bool:
        return (await known_move(federation)).is_planned

    await until(names_the_new_home, "the old home knows that the number plan names the new one")
    await require_assigned(federation, number)


async def refused_for_a_joint_order(federation: Federation, number: str, *wanted: str) -> str:
    """The id of a joint order that blocks a move until it has ended."""
    desk, home = JointStaff(federation, "henan", "operator/counter"), JointStaff(federation, "sichuan")
    order = await desk.submits(desk.request("LEASED_CHANGE", ["henan", "guangdong"], number))
    await home.follows(order.id, lambda each: each.version > 0, "the home follows it")
    waits = await said(federation, "move", number, *wanted, code=1)
    assert f"{order.id} (surveying, henan, guangdong)" in waits, "it says which order is open, and whom to ask"
    await desk.cancels(order.id)
    await home.reaches(order.id, JointOrderState.JOINT_ORDER_STATE_CANCELLED)
    return order.id


async def require_assigned(federation: Federation, number: str) -> None:
    """Asserts that an assignment names the new home, and that the configuration says nothing of the number."""
    plan = (await federation.configuration()).number_plan
    assert number not in [each.number for each in plan.exceptions], "no move changes the configuration"
    ended = await run_command(
        "coordinator.cli.main", "federation", "number", number, environment=as_administrator(federation)
    )
    assert ended.code == 0, ended.err
    for part in ("home: guangdong", "by its prefix: sichuan", "Assignments", "yes"):
        assert part in ended.out


async def known_move(federation: Federation) -> CustomerMove:
    """The newest move of the old home."""
    node = CustomerMoveServiceStub(federation.dial_node("sichuan", "region/sichuan/operator/counter"))
    request = ListMovesRequest(requester=Requester(staff_id="4711", channel=Channel.CHANNEL_COUNTER))
    return (await node.ListMoves(request, timeout=CALL_SECONDS)).moves[0]


async def moved(federation: Federation, number: str, home: str, new_home: str, plan: str) -> None:
    """A customer moves, and both the new home and the number plan have heard of it."""
    name = f"to-{new_home}"
    words = ("--to", new_home, "--plan", plan, "--request-id", name)
    await said(federation, "move", number, *words, home=home)
    code = code_in(federation.texts(number, home)[-1])
    await said(federation, "confirm-move", f"{home}/counter/{name}", number, "--code", code, home=home)
    assert (await billed(Counter(federation, new_home), number)).region == new_home


async def refused_elsewhere(federation: Federation, number: str) -> Refused:
    """The refusal of a move that is asked of a region which is not the home."""
    node = CustomerMoveServiceStub(federation.dial_node("sichuan", "region/sichuan/operator/counter"))
    lines = [MovedLine(number=number, plan_id="henan-59")]
    asked = StartMoveRequest(request_id="not-here", number=number, to_region="henan", lines=lines, requester=REQUESTER)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await node.StartMove(asked, timeout=CALL_SECONDS)
    refused = from_rpc_error(error.value)
    assert refused is not None, error.value
    return refused


@pytest.mark.files
async def test_a_region_moves_no_customer_of_another_one_and_says_whose_it_is(
    federation: Federation, guangdong: Counter
) -> None:
    refused = await refused_elsewhere(federation, await guangdong.new_customer())
    assert (refused.reason, refused.parameters) == (Reason.REASON_NOT_HOME, {"region": "guangdong"})


@pytest.mark.slow
@pytest.mark.files
async def test_a_customer_who_moves_back_has_documents_and_agreement_again_and_no_second_copy(
    federation: Federation, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    document_id = await Archive(sichuan).put(number, scan())
    await Agreements(federation, "sichuan").make(number)
    await moved(federation, number, "sichuan", "guangdong", "guangdong-79")
    await moved(federation, number, "guangdong", "sichuan", "sichuan-59")
    assert await can_read(Archive(sichuan), number, document_id, scan())
    assert [each.document_id for each in await Archive(sichuan).list(number)] == [document_id]
    there = "SELECT document_id FROM documents WHERE document_id = ?"
    assert federation.database("guangdong").rows(there, document_id) == []
    asked = ListAgreementsRequest(number=number, requester=REQUESTER)
    (back,) = (await Agreements(federation, "sichuan").node.ListAgreements(asked, timeout=CALL_SECONDS)).agreements
    assert back.former_id.startswith("guangdong/")
    bill = await sichuan.bill(number)
    assert (bill.former_region, bill.former.region, bill.former.former_region) == ("guangdong", "guangdong", "")


@pytest.mark.slow
async def test_a_new_home_with_a_database_of_before_the_move_takes_the_customer_over_once_more(
    tmp_path: Path, databases: Databases
) -> None:
    regions = ("guangdong", "sichuan", "henan")
    async with running(tmp_path, databases, regions) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number, stays = await sichuan.new_customer(), await guangdong.new_customer()
        await federation.stop_node("guangdong")
        restore = federation.back_up("guangdong")
        await federation.start_node("guangdong")
        await moved(federation, number, "sichuan", "guangdong", "guangdong-79")
        given = await guangdong.balance(number)
        verified = {
            await Archive(each).put(number, scan(mark=each.region)) for each in (sichuan, Counter(federation, "henan"))
        }
        await until_head_is_kept(federation, "guangdong")
        await federation.stop_node("guangdong")
        await federation.stop_node("sichuan")
        restore()
        await federation.start_node("guangdong")
        await Recovery(federation, "guangdong").accept()
        assert (await refusal(guangdong.bill(number))).reason == "HAND_OVER_AWAITED", "the former home is away"
        assert await guangdong.balance(stays) is not None
        await federation.start_node("sichuan")
        bill = await billed(guangdong, number)
        assert (bill.region, bill.former_region) == ("guangdong", "sichuan")
        assert await guangdong.balance(number) == given
        order = await Counter(federation, "henan").order("PAY", number)
        done = await Counter(federation, "henan").reaches(order.id, COMPLETED)
        assert done.home_region == "guangdong"
        assert await guangdong.balance(number) == given + 5000
        sql = "SELECT COUNT(*) FROM inbox WHERE subject = 'sichuan/counter/to-guangdong'"
        assert federation.database("guangdong").rows(sql) == [(1,)], "it came through the inbox"
        sql = "SELECT COUNT(*) FROM audit WHERE action = 'HandOverWanted'"
        assert federation.database("sichuan").rows(sql) == [(1,)]

        async def has_registered() -> bool:
            return {each.document_id for each in await Archive(guangdong).list(number)} == verified

        await until(has_registered, "what others have verified since the move is registered again")
