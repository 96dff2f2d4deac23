"""Every kind of entry is booked by the path that books it, and the bills with it are read in both languages."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1.agreement_pb2 import OutageCause, ServiceOutage
from gateway.api.region.v1.agreement_service_pb2 import CreateAgreementRequest
from gateway.api.region.v1.billing_service_pb2 import Bill, QueryBillRequest
from gateway.api.region.v1.customer_service_pb2 import RatingType
from gateway.api.region.v1.fault_envelopes_pb2 import FaultCommand
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.region.v1.reconciliation_pb2 import RepairAct
from gateway.api.region.v1.settlement_pb2 import SettlementState, SettlementStatement, SettlementTerms
from gateway.api.types.v1.types_pb2 import Applicant, Channel, Document, LocalizedText, Money, Requester
from gateway.time.clock import to_timestamp
from region_node.app.registered import settlement
from region_node.business.billing.operations import read_bill
from region_node.business.billing.rules import Month
from region_node.business.orders import books as order_books
from region_node.business.orders.business import line_to_open
from region_node.business.orders.repairing import SETTLED_REMEDIES
from region_node.business.orders.rows import OrderRow, insert_order
from region_node.business.orders.rules import Value
from region_node.business.orders.steps import carry_out
from region_node.business.reconciliation.port import Act
from region_node.business.settlement.booking import keep
from region_node.customers import operations as customers
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import CHARGES, COMPENSATION, SETTLING, EntryKind, earned, payable, transfer
from region_node.customers.rows import CustomerRow
from region_node.customers.subscriptions import Subscription
from region_node.customers.taking_over import NewCustomer
from region_node.lifecycle.moving.books import book_moved
from region_node.network.agreements import operations as agreements
from region_node.network.agreements.outages import note_outage
from region_node.network.agreements.statements import settle
from region_node.network.faults import handling, owner, parts, regional, repair
from region_node.requests.auditing import AuditedCall
from region_node.requests.caller import OwnNode
from region_node.requests.checks import Questioner
from tests.unit.billing_scene import CALL, DATA, MESSAGE, Books, books
from tests.unit.situations import LINE

CHINA = ZoneInfo("Asia/Shanghai")
MONTHS = ("2030-06", "2030-07", "2030-08")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COMPLETED, FAILED = OrderState.ORDER_STATE_COMPLETED, OrderState.ORDER_STATE_FAILED
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def at(month: int, day: int, hour: int = 12) -> datetime:
    """A time of 2030 in China."""
    return datetime(2030, month, day, hour, tzinfo=CHINA).astimezone(UTC)


def paper(now: datetime) -> Document:
    return Document(code="ID_ORIG", verifier="wang", verify_time=to_timestamp(now - HOUR), keyed_hash=b"1" * 32)


@pytest.fixture(name="node")
def a_region() -> Iterator[Books]:
    with books(at(6, 1, 2)) as found:
        yield found


def taken_over(node: Books) -> None:
    """Two customers, one who pays in advance, with everything that a month is charged for."""
    began = at(6, 1, 3)
    offerings = ("ring-tones", "data-5gb", "roaming", "contract-12")
    for number in (1, 2):
        line = replace(
            LINE,
            product_id=f"product-{number}",
            customer_id=f"customer-{number}",
            account_id=f"account-{number}",
            number=f"+861985100000{number}",
            rating_type=RatingType.RATING_TYPE_PREPAID if number == 2 else RatingType.RATING_TYPE_POSTPAID,
        )
        held = tuple(
            Subscription(f"s{number}-{each}", line.product_id, f"sichuan-{each}", began, None) for each in offerings
        )
        new = NewCustomer(CustomerRow(line.customer_id, "王芳", ""), line, 100 * number, held)
        customers.create(node.tx, [new], "CNY", AuditedCall("test", "clerk", began))


def month_of_use(node: Books) -> None:
    """Usage above every allowance; the bill is out, unpaid, and costs late fees; then it is paid."""
    for number in (LINE.number, "+8619851000002"):
        node.use(number, CALL, 60 * 500, at(6, 5))
        for _ in range(60):
            node.use(number, MESSAGE, 1, at(6, 6))
        node.use(number, DATA, 1024 * 1024 * 40, at(6, 7))
    node.run(at(7, 1, 3))
    for day in range(20, 32):
        node.run(at(7, day, 3))


def ordered(node: Books, business: str, told: dict[str, Value], now: datetime) -> None:
    """An order of Guangdong about the line that is carried out now, as it would be late by then."""
    order = Order(id=f"guangdong/counter/{business}", origin_region="guangdong", home_region="sichuan")
    order.request.business = business
    order.request.applicant = Applicant.APPLICANT_HOLDER
    order.request.documents.append(paper(now))
    order.request.characteristics.update({name: str(value) for name, value in told.items()})
    order.create_time.CopyFrom(to_timestamp(now - 60 * DAY))
    order.expected_completion_time.CopyFrom(to_timestamp(now - 3 * DAY))
    context = node.orders
    opens = context.rules[business].opens_line
    order.request.number = "" if opens else LINE.number
    line = line_to_open(order) if opens else node.line(LINE.product_id)
    situation = context.situation(node.tx, order, told, line, now)
    carry_out(node.tx, context, situation, context.rule(situation.business).fulfil(situation))


def money_of_orders(node: Books, now: datetime) -> None:
    """Orders of other regions at home, and what this region books for orders of its own at another home."""
    ordered(node, "PAY", {"amount": 10**6}, now)
    disputed: dict[str, Value] = {"month": "2030-06", "charge": "calls", "category": "wrong-charge", "amount": 5}
    ordered(node, "BILL_CORRECTION", {**disputed, "settlement": "offset"}, now + DAY)
    given: dict[str, Value] = {"ticket_id": "guangdong/1", "cause": "x", "amount": 1200, "reason": "x"}
    ordered(node, "COMPLAINT_REMEDY", {**given, "settlement": "refund"}, now + 2 * DAY)
    access: dict[str, Value] = {
        "region": "sichuan",
        "plan": "sichuan-broadband-300",
        "name": "赵敏",
        "address": "成都市天府大道1号",
    }
    ordered(node, "BB_INSTALL", access, now + 3 * DAY)
    for business, state in (("PAY", COMPLETED), ("PAY", FAILED), ("COMPLAINT_REMEDY", COMPLETED)):
        before = Order(id=f"sichuan/counter/{business}-{state}", origin_region="sichuan", home_region="henan")
        before.request.business, before.request.characteristics["amount"] = business, "700"
        after = Order()
        after.CopyFrom(before)
        after.state = state
        order_books.book_intake(node.tx, node.orders, before, now)
        order_books.close_books(node.tx, node.orders, before, after, now)
    remedy = Order(id="sichuan/counter/remedy", origin_region="sichuan", home_region="henan", state=COMPLETED)
    remedy.request.business, remedy.request.characteristics["amount"] = "COMPLAINT_REMEDY", "700"
    insert_order(node.tx, OrderRow(remedy, ""), now)
    SETTLED_REMEDIES.repairs[RepairAct.REPAIR_ACT_CORRECT](
        node.tx, node.context, Act("henan/staff/li/r1", remedy.id, "henan", 7), now
    )


def money_of_the_network(node: Books, now: datetime) -> None:
    """A fault that lasts too long and needs a part, and an agreement whose month was bad, and then less so."""
    tx, context = node.tx, node.context
    report = FaultReport(number=LINE.number, description="no signal", place=FaultPlace(site="chengdu"), alarm_id="a1")
    fault = handling.report(tx, context, OwnNode("sichuan", "late", ""), report, now)
    part = WorkOnFaultRequest.NamePart(name="ONU", price=Money(minor_units=12000, currency="CNY"), in_warranty=False)
    for step in (WorkOnFaultRequest(take_up=WorkOnFaultRequest.TakeUp()), WorkOnFaultRequest(name_part=part)):
        step.fault_id = fault.id
        repair.work(tx, context, step, "wang", now)
    decided = FaultCommand(fault_id=fault.id, requester=Requester(staff_id="4711"))
    decided.decide_quote.part, decided.decide_quote.accepted = 1, True
    owner.apply_command(tx, context, decided, now)
    solved = WorkOnFaultRequest.Resolve(cause=FaultCause.FAULT_CAUSE_CABLE, text="done")
    for step in (
        WorkOnFaultRequest(install_part=WorkOnFaultRequest.InstallPart(part=1)),
        WorkOnFaultRequest(resolve=solved),
    ):
        step.fault_id = fault.id
        repair.work(tx, context, step, "wang", now + 100 * HOUR)
    asked = CreateAgreementRequest(
        number=LINE.number,
        service="lines-chengdu-guangzhou",
        template="leased-line",
        monthly_charge=Money(minor_units=100_000, currency="CNY"),
    )
    agreement = agreements.create(tx, context, "chen", asked, at(7, 1))
    of_another = ServiceOutage(
        source="guangdong/fault/F2",
        service=asked.service,
        region="guangdong",
        start_time=to_timestamp(at(7, 8)),
        end_time=to_timestamp(at(7, 8) + HOUR),
        cause=OutageCause.OUTAGE_CAUSE_OPERATOR,
        version=1,
    )
    note_outage(tx, context, of_another, now)
    for version, hours in ((1, 10), (2, 1)):
        outage = ServiceOutage(
            source="sichuan/fault/F1",
            service=asked.service,
            region="sichuan",
            start_time=to_timestamp(at(7, 5)),
            end_time=to_timestamp(at(7, 5) + hours * HOUR),
            cause=OutageCause.OUTAGE_CAUSE_OPERATOR,
            version=version,
        )
        note_outage(tx, context, outage, now)
        settle(tx, context, agreement, Month.of("2030-07", "Asia/Shanghai"), now + version * HOUR)
    elsewhere = Fault(id="henan/F1", origin_region="henan", owner_region="henan", home_region="sichuan")
    price = Money(minor_units=9900, currency="CNY")
    elsewhere.repair.parts.add(number=1, price=price, quote=parts.FREE, install_time=to_timestamp(now))
    elsewhere.outages.add(cause=FaultCause.FAULT_CAUSE_CABLE)
    regional.claim_rent(tx, context, elsewhere, 0, 1200, now, now)
    regional.settle_parts(tx, context, elsewhere, now)


def money_between_regions(node: Books, now: datetime) -> None:
    """A signed statement settles the part."""
    terms = SettlementTerms(first_region="henan", second_region="sichuan", month="2030-08")
    price = Money(minor_units=-9900, currency="CNY")
    terms.lines.add(charge_kind="warranty-part", of_month="2030-08", quantity=-1, amount=price)
    signed = SettlementState.SETTLEMENT_STATE_SIGNED
    statement = SettlementStatement(id="henan/settlement/sichuan/2030-08", terms=terms, state=signed)
    keep(node.tx, settlement(node.context), "henan", statement, now)


def bills(node: Books, now: datetime) -> Sequence[Bill]:
    """The bills of every line and month."""
    numbers = [node.line(str(each)).number for (each,) in node.rows("SELECT product_id FROM products")]
    requests = [
        QueryBillRequest(
            number=number,
            month=month,
            applicant=Applicant.APPLICANT_HOLDER,
            documents=[paper(now)],
            requester=Requester(staff_id="4711", channel=Channel.CHANNEL_COUNTER),
        )
        for number in numbers
        for month in MONTHS
    ]
    return [read_bill(node.tx, node.context, each, Questioner("henan", "counter"), now) for each in requests]


def test_every_kind_is_booked_by_its_path_and_told_on_a_bill_in_both_languages(node: Books) -> None:
    taken_over(node)
    month_of_use(node)
    money_of_orders(node, at(8, 2))
    money_of_the_network(node, at(8, 10))
    book_moved(node.tx, "sichuan/counter/move", LINE.account_id, -100, payable("henan"), "CNY", at(8, 11))
    money_between_regions(node, at(9, 2))
    booked = {str(kind) for (kind,) in node.rows("SELECT DISTINCT kind FROM ledger_entries")}
    assert booked == {str(kind) for kind in EntryKind}
    lines = [line for bill in bills(node, at(8, 28)) for line in bill.lines]
    owed = "SELECT kind, COUNT(*) FROM ledger_entries WHERE account LIKE 'account-%' GROUP BY kind"
    on_accounts = {EntryKind.of(str(kind)): count for kind, count in node.rows(owed)}
    for language in ("zh_cn", "en"):
        told = [str(getattr(line.description, language)) for line in lines]
        for kind, count in on_accounts.items():
            name = str(getattr(kind.description, language))
            begin = [each for each in told if each == name or re.match(re.escape(name) + r"(（| \()", each)]
            assert len(begin) == count, (kind, language)
    assert len(lines) == sum(int(str(count)) for count in on_accounts.values())


def test_what_is_credited_after_a_bill_counts_towards_it_whatever_it_is_for() -> None:
    wrong = []
    for kind in SETTLING:
        with books(at(6, 1, 2)) as found:
            found.open(LINE)
            found.run(at(7, 1, 2))
            given = transfer("p1", kind, 5900, debit=COMPENSATION, credit=LINE.account_id)
            ledger.post(found.tx, given, "CNY", at(7, 21))
            found.run(at(7, 25))
            stands = (found.balance(earned(EntryKind.LATE_FEE)), found.rows("SELECT settled FROM bills"))
            if stands != (0, [(1,)]):
                wrong.append(f"{kind}: {stands}")
    assert wrong == []


def test_no_two_kinds_are_told_or_stored_alike_and_each_is_told_in_both_languages() -> None:
    kinds = list(EntryKind)
    told: list[LocalizedText] = [kind.description for kind in kinds]
    assert all(CHINESE.search(each.zh_cn) and each.en and not CHINESE.search(each.en) for each in told)
    for names in ({str(kind) for kind in kinds}, {each.zh_cn for each in told}, {each.en for each in told}):
        assert len(names) == len(kinds)
    assert [EntryKind.of(str(kind)) for kind in kinds] == kinds
    for kind in CHARGES:
        why = kind.evidence(3, 2, "0.15")
        assert bool(why.zh_cn) == bool(why.en)
        assert "{" not in why.zh_cn + why.en


def test_what_no_entry_was_ever_stored_as_is_a_defect() -> None:
    with pytest.raises(ValueError, match="pay day"):
        EntryKind.of("pay day")
