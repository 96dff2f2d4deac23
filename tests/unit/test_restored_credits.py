"""A credit of an agreement that one region has lost as a debt is booked once more, by what that region has signed."""

from collections.abc import Iterator
from datetime import date

import pytest

from gateway.api.region.v1.outage_envelopes_pb2 import CreditClaim
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairEvidence
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.signing import ENVELOPE, RECEIPT
from gateway.store.port import Value
from region_node.network.agreements.statements import settle
from tests.unit.reconciling import HOME, NIGHT, ORIGIN, Region, Two, two_regions
from tests.unit.test_regional_credits import DAY, HOUR, MONTH, OTHER, STATED, agree, lines, out
from tests.unit.test_restoring import EVIDENCE, agreed, evidence_on_its_way, standing

STATEMENT_DAY = date(2030, 7, 1)


@pytest.fixture(name="two")
def two_without_records() -> Iterator[Two]:
    with two_regions() as two:
        yield two


def claimed(two: Two) -> list[str]:
    """A claim, and one that gives a part of it back; the serials of both debts."""
    agreement = agree(two)
    out(two, OTHER, 2 * DAY, 10 * HOUR)
    out(two, HOME, 5 * DAY, 5 * HOUR)
    assert settle(two.home.tx, two.home.context.node, agreement, MONTH, STATED)
    two.exchange(STATED)
    out(two, OTHER, 2 * DAY, HOUR, version=2, withdrawn=True)
    assert settle(two.home.tx, two.home.context.node, agreement, MONTH, STATED + HOUR)
    two.exchange(STATED + HOUR)
    return two.home.tx.all(str, "SELECT serial FROM regional_debts ORDER BY serial")


def debts_of(region: Region) -> list[tuple[Value, ...]]:
    columns = "d.serial, d.debtor, d.create_time, e.account, e.amount, e.kind"
    return region.tx.all(
        lambda *row: row,
        f"SELECT {columns} FROM regional_debts AS d JOIN ledger_entries AS e ON e.posting_id = d.serial || '#owed'"
        " ORDER BY 1, 4",
    )


def lose(region: Region, serial: str) -> None:
    region.unlock_ledger()
    region.tx.execute("DELETE FROM ledger_entries WHERE posting_id = :id", id=f"{serial}#owed")
    region.tx.execute("DELETE FROM regional_debts WHERE serial = :serial", serial=serial)


def restore(two: Two, lost: Region, serial: str) -> str:
    return agreed(two, lost, proposer=lost, kind="agreement-credit", serial=serial, day=STATEMENT_DAY)


@pytest.mark.parametrize("losing", [ORIGIN, HOME])
def test_each_lost_claim_is_booked_once_more_with_its_own_sign_in_either_region(two: Two, losing: str) -> None:
    plays(two, losing)


def plays(two: Two, losing: str) -> None:
    """Loses and restores both claims; also on PostgreSQL."""
    serials, lost = claimed(two), two.by_name[losing]
    before, stated = debts_of(lost), lines(two.origin, HOME)
    assert len(serials) == 2
    assert len(before) == 4
    for serial in serials:
        lose(lost, serial)
    for serial in serials:
        repair_id = restore(two, lost, serial)
        evidence = evidence_on_its_way(two)
        two.handler(lost, EVIDENCE).act(lost.tx, evidence, NIGHT)
        with pytest.raises(Refused):
            two.handler(lost, EVIDENCE).act(lost.tx, evidence, NIGHT)
        assert "done" in standing(two, repair_id)
    assert debts_of(lost) == before
    two.compare(STATEMENT_DAY, STATED + DAY)
    assert (two.origin.named, two.home.named) == ({}, {})
    assert lines(two.origin, HOME) == lines(two.home, ORIGIN) == stated


@pytest.mark.parametrize("losing", [ORIGIN, HOME])
def test_a_region_books_no_claim_that_it_has_neither_made_nor_accepted(two: Two, losing: str) -> None:
    serials, lost = claimed(two), two.by_name[losing]
    holder = two.by_name[ORIGIN if losing == HOME else HOME]
    lose(lost, serials[0])
    before = debts_of(lost)
    restore(two, lost, serials[0])
    evidence = evidence_on_its_way(two)
    told = RepairEvidence.FromString(evidence.payload)
    if told.HasField("envelope"):
        content = EnvelopeContent.FromString(told.envelope.content)
        content.payload = dearer(content.payload)
        told.envelope.content = content.SerializeToString()
        told.envelope.signature = holder.context.node.border.signer.sign(ENVELOPE, told.envelope.content)
    else:
        content = EnvelopeContent.FromString(told.answered)
        content.payload = dearer(content.payload)
        told.answered = content.SerializeToString()
        told.receipt.signature = holder.context.node.border.signer.sign(RECEIPT, told.receipt.content)
    evidence.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(lost, EVIDENCE).act(lost.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN
    assert debts_of(lost) == before


def dearer(payload: bytes) -> bytes:
    claim = CreditClaim.FromString(payload)
    claim.owed.minor_units *= 2
    return claim.SerializeToString()


def test_the_evidence_of_one_revision_restores_no_other_one(two: Two) -> None:
    first, second = claimed(two)
    for serial in (first, second):
        lose(two.home, serial)
    restore(two, two.home, first)
    evidence = evidence_on_its_way(two)
    repair_id = restore(two, two.home, second)
    other = RepairEvidence.FromString(evidence_on_its_way(two).payload)
    told = RepairEvidence.FromString(evidence.payload)
    told.repair.CopyFrom(other.repair)
    evidence.payload = told.SerializeToString()
    with pytest.raises(Refused) as caught:
        two.handler(two.home, EVIDENCE).act(two.home.tx, evidence, NIGHT)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN
    assert "done" not in standing(two, repair_id)


def test_a_claim_without_any_word_of_the_other_region_stays_with_people(two: Two) -> None:
    serials = claimed(two)
    lose(two.home, serials[0])
    two.origin.tx.execute("DELETE FROM inbox")
    with pytest.raises(Refused) as caught:
        agreed(two, two.home, proposer=two.origin, kind="agreement-credit", serial=serials[0], day=STATEMENT_DAY)
    assert caught.value.reason == Reason.REASON_RECORD_NOT_PROVEN
