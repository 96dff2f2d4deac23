"""Forged envelopes about the books of two regions: reconciliation and settlement."""

from gateway.api.region.v1.reconciliation_envelopes_pb2 import (
    ReconciliationQuestion,
    RepairDecided,
    RepairEvidence,
    RepairProposed,
)
from gateway.api.region.v1.reconciliation_pb2 import Repair, RepairAct, RepairState
from gateway.api.region.v1.settlement_pb2 import SettlementSignature, SettlementStatement, SettlementTerms
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from tests.federation.forged import Forged, Table


def of_the_books() -> Table:
    """A lie of each kind about them."""
    return {**of_reconciliation(), **of_settlement()}


def of_reconciliation() -> Table:
    """The comparison of records, and repairs."""
    repair = Repair(
        id="guangdong/staff/li/r1",
        deciding_region="sichuan",
        record_kind="order",
        serial="guangdong/counter/1",
        act=RepairAct.REPAIR_ACT_CORRECT,
        acting_region="sichuan",
        note="forged",
        proposer="guangdong/li",
        state=RepairState.REPAIR_STATE_PROPOSED,
    )
    return {
        EnvelopeKind.ENVELOPE_KIND_RECONCILIATION: Forged(
            "any region, of what it shares with the asked one",
            "sichuan",
            ReconciliationQuestion(day="2030-06-14"),
            "reconciliation/2030-06-13",
        ),
        EnvelopeKind.ENVELOPE_KIND_REPAIR_PROPOSED: Forged(
            "any region, of its own staff", "sichuan", RepairProposed(repair=repair), f"repair/{repair.id}"
        ),
        EnvelopeKind.ENVELOPE_KIND_REPAIR_DECIDED: Forged(
            "the deciding region, a repair of which it has the proposal",
            "guangdong",
            RepairDecided(repair=repair),
            f"repair/{repair.id}",
            "REPAIR_NOT_FOUND",
        ),
        EnvelopeKind.ENVELOPE_KIND_REPAIR_EVIDENCE: Forged(
            "the acting region, of a repair that both have agreed to, with what the other one has signed",
            "sichuan",
            RepairEvidence(repair=repair),
            repair.serial,
            "REPAIR_NOT_FOUND",
        ),
    }


def of_settlement() -> Table:
    """Statements of months."""
    told = SettlementStatement(
        id="guangdong/settlement/sichuan/2030-05",
        terms=SettlementTerms(first_region="guangdong", second_region="sichuan", month="2030-05", version=1),
    )
    signed = SettlementSignature(statement=told)
    return {
        EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_PROPOSED: Forged(
            "the region of a pair whose id comes first", "sichuan", signed, f"settlement/{told.id}"
        ),
        EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_DECIDED: Forged(
            "the other region of the pair", "guangdong", signed, f"settlement/{told.id}"
        ),
    }
