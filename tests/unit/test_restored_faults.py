"""A fault that one region has lost is restored with its parts, credits and money, by what that region has signed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.api.region.v1.fault_envelopes_pb2 import FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault, FaultCause, FaultPlace, FaultReport
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused
from gateway.relay import inbox, outbox
from gateway.security.signing import ENVELOPE, RECEIPT
from gateway.store.port import Value
from region_node.app.registered import settlement
from region_node.business.settlement import signing
from region_node.customers.accounts import ledger
from region_node.customers.rows import CustomerRow, insert_customer, insert_line
from region_node.network.faults import handling, repair
from region_node.network.faults.rows import NUMBERS, require_fault, update_fault
from region_node.requests.caller import OwnNode
from tests.unit.reconciling import HOME, NIGHT, ORIGIN, THIRD, Region, Two, two_regions
from tests.unit.situations import LINE
from tests.unit.test_restoring import EVIDENCE, agreed, evidence_on_its_way, other_of, refused, standing

REPORTED = datetime(2030, 6, 10, 4, tzinfo=UTC)
REPAIRED = REPORTED + timedelta(hours=60)  # behind the limit
DAY, REPAIR_DAY = date(2030, 6, 10), date(2030, 6, 13)
SOUTH, WEST = "guangzhou", "chengdu"  # places of the two regions
FACTS = {
    "faults": "fault_id, fault_number, origin_region, home_region, owner_region, state, create_time",
    "fault_waivers": "fault_id, outage, start_time, end_time, amount, time",
    "waived_times": "product_id, source, start_time, end_time",
    "regional_debts": "kind, serial, region, debtor, create_time",
    "ledger_entries": "posting_id, account, amount, currency, kind",
}


@pytest.fixture(name="two")
def regions_and_a_customer() -> Iterator[Two]:
    """The customer is at home in the region HOME."""
    with two_regions(with_third=True) as two:
        settle_in(two)
        yield two


def settle_in(two: Two) -> None:
    """The customer has been at home for long."""
    insert_customer(two.home.tx, CustomerRow(LINE.customer_id, "王芳", ""))
    insert_line(two.home.tx, replace(LINE, start_time=datetime(2020, 1, 1, tzinfo=UTC)))


def repaired(
    two: Two, by: Region, site: str, *, cause: FaultCause.ValueType = FaultCause.FAULT_CAUSE_CABLE, name: str = "a1"
) -> str:
    """A fault of the customer's line that was reported in a region, and repaired late with a part; its id."""
    place = FaultPlace(site=site)
    report = FaultReport(number=LINE.number, description="no signal", place=place, alarm_id=name)
    fault = handling.report(by.tx, by.context.node, OwnNode(by.name, name, ""), report, REPORTED)
    two.exchange(REPORTED)
    owner = two.by_name[fault.owner_region]
    price = Money(minor_units=9900, currency="CNY")
    for step in (
        WorkOnFaultRequest(take_up=WorkOnFaultRequest.TakeUp()),
        WorkOnFaultRequest(name_part=WorkOnFaultRequest.NamePart(name="modem", price=price, in_warranty=True)),
        WorkOnFaultRequest(install_part=WorkOnFaultRequest.InstallPart(part=1)),
        WorkOnFaultRequest(resolve=WorkOnFaultRequest.Resolve(cause=cause, text="done")),
        WorkOnFaultRequest(close=WorkOnFaultRequest.Close()),
    ):
        step.fault_id = fault.id
        repair.work(owner.tx, owner.context.node, step, "wang", REPAIRED)
        two.exchange(REPAIRED)
    return fault.id


def facts_of(region: Region, fault_id: str, tables: Sequence[str] = tuple(FACTS)) -> dict[str, list[tuple[Value, ...]]]:
    """What a region has stored and booked of a fault; versions and texts apart."""
    beginning = {"faults": "fault_id", "fault_waivers": "fault_id", "waived_times": "source"}
    return {
        table: region.tx.all(
            lambda *row: row,
            f"SELECT {FACTS[table]} FROM {table} WHERE {column} LIKE :id ORDER BY 1, 2",
            id=f"{fault_id}%",
        )
        for table in tables
        for column in [beginning.get(table) or ("serial" if table == "regional_debts" else "posting_id")]
    }


def lose(region: Region, fault_id: str) -> None:
    """The region loses a fault with all that it has brought about, and every message about it."""
    region.unlock_ledger()
    for table, column in {
        "ledger_entries": "posting_id",
        "regional_debts": "serial",
        "waived_times": "source",
        "fault_waivers": "fault_id",
        "fault_events": "fault_id",
        "faults": "fault_id",
        "outbox": "subject",
        "inbox": "subject",
    }.items():
        region.tx.execute(f"DELETE FROM {table} WHERE {column} LIKE :id", id=f"{fault_id}%")


SCENES = {
    "at home, of the origin's network": (ORIGIN, SOUTH, HOME),
    "at home, of another network, reported at home": (HOME, SOUTH, HOME),
    "at the owner": (ORIGIN, SOUTH, ORIGIN),
    "at the owner, reported at home": (HOME, SOUTH, ORIGIN),
    "at the origin": (ORIGIN, WEST, ORIGIN),
    "at home, reported in a third region": (THIRD, SOUTH, HOME),
    "at the owner, reported in a third region": (THIRD, SOUTH, ORIGIN),
}


def test_a_home_that_catches_up_owes_and_claims_rent_as_of_its_first_receipt(two: Two) -> None:
    fault_id = repaired(two, two.origin, SOUTH)
    before = facts_of(two.home, fault_id)
    assert before["regional_debts"]
    lose(two.home, fault_id)
    sent = two.origin.tx.all(
        str, "SELECT envelope_id FROM outbox WHERE subject = :id ORDER BY created, rowid", id=fault_id
    )
    for envelope_id in sent:
        envelope, receipt = outbox.sent(two.origin.tx, envelope_id), outbox.receipt(two.origin.tx, envelope_id)
        assert envelope is not None
        assert receipt is not None
        sealed = outbox.sealed_from(envelope.content, envelope.signature)
        border, kinds = two.home.context.node.border, two.kinds(two.home)
        assert inbox.take_again(two.home.tx, border, kinds, sealed, receipt, NIGHT) is not None
    after = facts_of(two.home, fault_id)
    assert after == before
    two.compare(REPAIR_DAY)
    assert (two.origin.named, two.home.named) == ({}, {})


@pytest.mark.parametrize(("scene", "kind"), [*((each, "credit") for each in SCENES), ("at the owner", "part")])
def test_a_lost_fault_comes_back_with_its_part_its_credit_and_all_money_once(two: Two, scene: str, kind: str) -> None:
    loses_and_restores(two, scene, kind)


def loses_and_restores(two: Two, scene: str, kind: str) -> None:
    """Plays a scene to its end; also on PostgreSQL."""
    by, site, losing = SCENES[scene]
    fault_id = repaired(two, two.everyone[by], site)
    lost = two.by_name[losing]
    before = facts_of(lost, fault_id)
    assert before["faults"], "something is lost"
    next_number = NUMBERS.next(lost.tx)
    lose(lost, fault_id)
    serial = {"credit": f"{fault_id}#waived0", "part": f"{fault_id}#part1"}[kind]
    repair_id = agreed(two, lost, proposer=lost, kind=kind, serial=serial, day=DAY)
    two.exchange(NIGHT)
    assert standing(two, repair_id) == ["done", "done"]
    assert facts_of(lost, fault_id) == before
    assert NUMBERS.next(lost.tx) == next_number
    for day in (DAY, REPAIR_DAY):
        two.compare(day, NIGHT + timedelta(days=1))
    assert (two.origin.named, two.home.named) == ({}, {})


def lost_at_home(two: Two) -> tuple[str, EnvelopeContent]:
    """The home region has lost a fault, and the evidence of its credit is on the way."""
    fault_id = repaired(two, two.origin, SOUTH)
    lose(two.home, fault_id)
    agreed(two, two.home, proposer=two.home, kind="credit", serial=f"{fault_id}#waived0", day=DAY)
    return fault_id, evidence_on_its_way(two)


def test_evidence_that_comes_twice_and_a_second_repair_book_once(two: Two) -> None:
    fault_id, evidence = lost_at_home(two)
    handler = two.handler(two.home, EVIDENCE)
    handler.act(two.home.tx, evidence, NIGHT)
    stored = facts_of(two.home, fault_id)
    with pytest.raises(Refused):
        handler.act(two.home.tx, evidence, NIGHT)
    repair_id = agreed(two, two.home, proposer=two.home, kind="part", serial=f"{fault_id}#part1", day=DAY)
    assert refused(two, repair_id) == ["failed REPAIR_IMPOSSIBLE"] * 2, "the part has come back with the fault"
    assert facts_of(two.home, fault_id) == stored


@pytest.mark.parametrize("kept", ["ledger_entries", "regional_debts", "fault_waivers"])
def test_what_the_home_region_still_has_of_a_credit_is_not_booked_again(two: Two, kept: str) -> None:
    fault_id = repaired(two, two.origin, SOUTH)
    before = facts_of(two.home, fault_id)
    rows = {"ledger_entries": "posting_id", "regional_debts": "serial", "fault_waivers": "fault_id"}
    two.home.tx.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {kept} WHERE {rows[kept]} LIKE '{fault_id}%'")
    lose(two.home, fault_id)
    two.home.tx.execute(f"INSERT INTO {kept} SELECT * FROM kept")
    agreed(two, two.home, proposer=two.home, kind="credit", serial=f"{fault_id}#waived0", day=DAY)
    two.settle()
    assert facts_of(two.home, fault_id) == before


def test_a_credit_whose_amount_nobody_was_told_stays_with_people(two: Two) -> None:
    fault_id = repaired(two, two.origin, SOUTH, cause=FaultCause.FAULT_CAUSE_FORCE_MAJEURE)
    lose(two.home, fault_id)
    repair_id = agreed(two, two.home, proposer=two.origin, kind="credit", serial=f"{fault_id}#waived0", day=DAY)
    assert refused(two, repair_id) == ["failed RECORD_AMOUNT_NOT_PROVEN"] * 2
    assert facts_of(two.home, fault_id)["ledger_entries"] == []


def test_a_credit_whose_line_is_gone_stays_with_people(two: Two) -> None:
    fault_id = repaired(two, two.origin, SOUTH)
    lose(two.home, fault_id)
    two.home.execute(f"UPDATE products SET number = 'other' WHERE product_id = '{LINE.product_id}'")
    repair_id = agreed(two, two.home, proposer=two.origin, kind="credit", serial=f"{fault_id}#waived0", day=DAY)
    assert refused(two, repair_id) == ["failed RECORD_LINE_UNKNOWN"] * 2


def test_a_home_region_believes_nothing_but_what_it_has_signed_and_no_other_version(two: Two) -> None:
    fault_id, evidence = lost_at_home(two)
    told = RepairEvidence.FromString(evidence.payload)
    answered = EnvelopeContent.FromString(told.answered)
    answered.payload = answered.payload.replace(b"modem", b"pump!")
    present = require_fault(two.origin.tx, fault_id).fault
    older, later, other = Fault(), Fault(), Fault()
    for each in (older, later, other):
        each.CopyFrom(present)
    older.version = 1
    later.outages[0].waiver.time.seconds += 1
    other.owner_region = "henan"
    forged: dict[str, dict[str, object]] = {
        "no signature": {"receipt": told.receipt.__class__(content=told.receipt.content, signature=bytes(64))},
        "no answered envelope": {"answered": b""},
        "another answered envelope": {"answered": answered.SerializeToString()},
        "both words": {"envelope": told.envelope.__class__(content=told.answered)},
        "an older version": {"record": older.SerializeToString()},
        "a credit at another time": {"record": later.SerializeToString()},
        "another owner": {"record": other.SerializeToString()},
    }
    before, wrong = facts_of(two.home, fault_id), list[str]()
    for case, change in forged.items():
        fake, content = RepairEvidence(), EnvelopeContent()
        fake.CopyFrom(told)
        content.CopyFrom(evidence)
        for name in change:
            fake.ClearField(name)  # type: ignore[arg-type]
        fake.MergeFrom(RepairEvidence(**change))  # type: ignore[arg-type]
        content.payload = fake.SerializeToString()
        with pytest.raises(Refused) as caught:
            two.handler(two.home, EVIDENCE).act(two.home.tx, content, NIGHT)
        if caught.value.reason != Reason.REASON_RECORD_NOT_PROVEN:
            wrong.append(case)
    assert (wrong, facts_of(two.home, fault_id)) == ([], before)


def test_a_follower_takes_no_version_with_a_time_that_no_page_could_show(two: Two) -> None:
    fault_id, evidence = lost_at_home(two)
    undated = require_fault(two.origin.tx, fault_id).fault
    undated.expected_resolution_time.seconds = 10**15
    told = RepairEvidence.FromString(evidence.payload)
    told.record = undated.SerializeToString()
    evidence.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.home, EVIDENCE).act(two.home.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_ENVELOPE_INVALID
    assert facts_of(two.home, fault_id)["faults"] == []


def test_an_owner_takes_back_no_version_that_another_region_has_signed(two: Two) -> None:
    fault_id = repaired(two, two.origin, SOUTH)
    lose(two.origin, fault_id)
    agreed(two, two.origin, proposer=two.home, kind="part", serial=f"{fault_id}#part1", day=DAY)
    evidence = evidence_on_its_way(two)
    told = RepairEvidence.FromString(evidence.payload)
    content = EnvelopeContent.FromString(told.envelope.content)
    content.origin, content.destination = HOME, ORIGIN
    told.envelope.content = content.SerializeToString()
    told.envelope.signature = two.home.context.node.border.signer.sign(ENVELOPE, told.envelope.content)
    evidence.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.origin, EVIDENCE).act(two.origin.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN


def test_a_region_without_a_word_of_the_other_one_proposes_nothing(two: Two) -> None:
    fault_id = repaired(two, two.origin, SOUTH)
    lose(two.home, fault_id)
    two.origin.tx.execute("DELETE FROM outbox WHERE subject = :id", id=fault_id)
    with pytest.raises(Refused) as caught:
        agreed(two, two.home, proposer=two.origin, kind="credit", serial=f"{fault_id}#waived0", day=DAY)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN


def lines(two: Two) -> list[dict[str, tuple[int, int]]]:
    """The lines of the month's statement, as each of the two regions computes them."""
    found = []
    for each in two.by_name.values():
        terms = signing.computed(each.tx, settlement(each.context.node), other_of(two, each).name, "2030-06")
        found.append({line.charge_kind: (line.quantity, line.amount.minor_units) for line in terms.lines})
    return found


DEBTS = {"waived-rent": "waived0", "warranty-part": "part1"}


@pytest.mark.parametrize("by", [ORIGIN, THIRD])
@pytest.mark.parametrize("losing", [ORIGIN, HOME])
@pytest.mark.parametrize("kind", DEBTS)
def test_a_lost_debt_is_booked_once_more_in_either_region(two: Two, kind: str, losing: str, by: str) -> None:
    loses_and_restores_a_debt(two, kind, losing, by)


def loses_and_restores_a_debt(two: Two, kind: str, losing: str, by: str = ORIGIN) -> None:
    """The region loses the debt with its posting, and nothing else; `by` has reported the fault. Also on PostgreSQL."""
    fault_id = repaired(two, two.everyone[by], SOUTH)
    lost, serial = two.by_name[losing], f"{fault_id}#{DEBTS[kind]}"
    before = facts_of(lost, fault_id)
    lost.unlock_ledger()
    lost.tx.execute("DELETE FROM ledger_entries WHERE posting_id = :id", id=f"{serial}#owed")
    lost.tx.execute("DELETE FROM regional_debts WHERE serial = :serial", serial=serial)
    repair_id = agreed(two, lost, proposer=lost, kind=kind, serial=serial, day=REPAIR_DAY)
    evidence = evidence_on_its_way(two)
    handler = two.handler(lost, EVIDENCE)
    handler.act(lost.tx, evidence, NIGHT)
    assert facts_of(lost, fault_id) == before
    with pytest.raises(Refused):
        handler.act(lost.tx, evidence, NIGHT)
    assert facts_of(lost, fault_id) == before
    assert standing(two, repair_id)[two.home is lost] == "done"


@pytest.mark.parametrize(("lie", "is_kept"), [(990_000, False), (493, True)])
def test_an_owner_books_no_rent_above_the_rule_and_no_other_than_the_claim_that_it_still_has(
    two: Two, lie: int, is_kept: bool
) -> None:
    fault_id = repaired(two, two.origin, SOUTH)
    serial = f"{fault_id}#waived0"
    for each in two.by_name.values():
        each.unlock_ledger()
    two.origin.tx.execute("DELETE FROM ledger_entries WHERE posting_id = :id", id=f"{serial}#owed")
    two.origin.tx.execute("DELETE FROM regional_debts WHERE serial = :serial", serial=serial)
    if not is_kept:
        two.origin.tx.execute("DELETE FROM outbox WHERE subject = :id", id=fault_id)
    two.home.tx.execute(
        "UPDATE ledger_entries SET amount = :lie WHERE posting_id = :id AND account LIKE 'receivable%'",
        lie=-lie,
        id=f"{serial}#owed",
    )
    repair_id = agreed(two, two.origin, proposer=two.home, kind="waived-rent", serial=serial, day=REPAIR_DAY)
    assert refused(two, repair_id) == ["failed RECORD_NOT_PROVEN"] * 2
    assert [row for row in facts_of(two.origin, fault_id)["regional_debts"] if row[0] == "waived-rent"] == []


def test_an_older_copy_follows_the_owner_again(two: Two) -> None:
    fault_id = repaired(two, two.origin, WEST)
    older = require_fault(two.origin.tx, fault_id).fault
    present = Fault()
    present.CopyFrom(older)
    del older.repair.parts[:]
    older.version = 2
    update_fault(two.origin.tx, older, REPAIRED)
    agreed(two, two.origin, proposer=two.origin, kind="part", serial=f"{fault_id}#part1", day=DAY)
    two.settle()
    assert require_fault(two.origin.tx, fault_id).fault == present


def test_an_owner_takes_back_no_earlier_version_without_the_record_that_is_lost(two: Two) -> None:
    fault_id = repaired(two, two.origin, WEST)
    lose(two.home, fault_id)
    agreed(two, two.home, proposer=two.home, kind="part", serial=f"{fault_id}#part1", day=DAY)
    evidence = evidence_on_its_way(two)
    told = RepairEvidence.FromString(evidence.payload)
    words = inbox.commands_about(two.origin.tx, fault_id, HOME)
    [first] = [each for each in words if EnvelopeContent.FromString(each.content).id.startswith(f"{fault_id}@2>")]
    told.ClearField("receipt")
    told.envelope.CopyFrom(first)
    evidence.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.home, EVIDENCE).act(two.home.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN


def test_a_home_region_claims_no_other_rent_than_it_has_signed(two: Two) -> None:
    fault_id = repaired(two, two.origin, SOUTH)
    serial = f"{fault_id}#waived0"
    two.home.unlock_ledger()
    two.home.tx.execute("DELETE FROM ledger_entries WHERE posting_id = :id", id=f"{serial}#owed")
    two.home.tx.execute("DELETE FROM regional_debts WHERE serial = :serial", serial=serial)
    agreed(two, two.home, proposer=two.home, kind="waived-rent", serial=serial, day=REPAIR_DAY)
    evidence = evidence_on_its_way(two)
    told = RepairEvidence.FromString(evidence.payload)
    receipt = ReceiptContent.FromString(told.receipt.content)
    waived = FaultWaived.FromString(receipt.result)
    waived.waived[0].owed.minor_units += 1
    receipt.result = waived.SerializeToString()
    told.receipt.content = receipt.SerializeToString()
    told.receipt.signature = two.origin.context.node.border.signer.sign(RECEIPT, told.receipt.content)
    evidence.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.home, EVIDENCE).act(two.home.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN


def test_a_restored_credit_is_on_the_bill_and_in_the_statement_of_both_regions_as_before(two: Two) -> None:
    fault_id = repaired(two, two.origin, SOUTH)
    billed = ledger.balance(two.home.tx, LINE.account_id)
    south, west = lines(two)
    assert south == west
    assert {*south} == {"waived-rent", "warranty-part"}
    lose(two.home, fault_id)
    for day in (DAY, REPAIR_DAY):
        two.compare(day)
    assert lines(two) == [{}, {}], "a record with a difference is in no statement"
    agreed(two, two.home, proposer=two.home, kind="credit", serial=f"{fault_id}#waived0", day=DAY)
    two.settle()
    for day in (DAY, REPAIR_DAY):
        two.compare(day, NIGHT + timedelta(days=1))
    assert lines(two) == [south, west]
    assert ledger.balance(two.home.tx, LINE.account_id) == billed
