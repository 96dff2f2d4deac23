"""A claim on rent that a later configuration may admit waits for it, and no other one does."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved, FaultWaived
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.types_pb2 import Money
from gateway.federation.catalogue import Federation
from gateway.relay.border import Command, RevisionAwaited
from gateway.time.clock import to_timestamp
from region_node.business.settlement.debts import is_noted
from region_node.lifecycle.moving.faults import MovedFaultEnvelopes
from region_node.network.faults import outages, regional
from region_node.network.faults import rules as fault_rules
from region_node.network.faults.relayed import FaultEnvelopes
from region_node.network.faults.rows import FaultRow, insert_fault
from tests.unit.reconciling import HOME, Region
from tests.unit.situations import LINE
from tests.unit.test_moved_faults import HOUR, MOVE_ID, NEW, REPORTED, TRACE, Both, homes

REPAIRED = REPORTED + 60 * HOUR


class Claims:
    """The old home, whose network had a fault, and what Guangdong claims of it for the outage."""

    def __init__(self, both: Both) -> None:
        self._region: Region = both.old
        self._context = both.old.context.node
        fault = Fault(id=f"{HOME}/F9", origin_region=NEW, owner_region=HOME, home_region=NEW, version=3)
        fault.report.number, fault.state = LINE.number, fault_rules.RESOLVED
        fault.create_time.CopyFrom(to_timestamp(REPORTED))
        outages.set_first(self._context.federation, fault)
        outages.repair(fault, REPAIRED)
        insert_fault(self._region.tx, FaultRow(fault, TRACE), 9, REPAIRED)
        self._fault, most = fault, regional.most_rent(self._context, outages.span_of(fault.outages[0]))
        self._amount = most + 1

    @property
    def revision(self) -> int:
        """Of the configuration in force here."""
        return self._context.border.current.revision

    def by_update(self, revision: int) -> str:
        """Guangdong's answer to a version of the fault, by a revision; returns the serial of the rent."""
        kind = EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE
        content = EnvelopeContent(id="u", origin=HOME, destination=NEW, subject=self._fault.id, kind=kind)
        self._answers(FaultEnvelopes(self._context).kinds()[kind], content, revision)
        return regional.rent_serial(self._fault.id, 0)

    def by_move(self, revision: int) -> str:
        """Guangdong's answer as the new home of the line; returns the serial of the rent."""
        kind, outage = EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED, self._fault.outages[0]
        told = FaultMoved(move_id=MOVE_ID, fault_id=self._fault.id, number=LINE.number, owed=True)
        told.start_time.CopyFrom(outage.start_time)
        told.end_time.CopyFrom(outage.end_time)
        content = EnvelopeContent(id="m", origin=HOME, destination=NEW, subject=MOVE_ID, kind=kind)
        content.payload = told.SerializeToString()
        self._answers(MovedFaultEnvelopes(self._context).kinds()[kind], content, revision)
        return regional.moved_serial(told)

    def _answers(self, command: object, content: EnvelopeContent, revision: int) -> None:
        assert isinstance(command, Command)
        waived = FaultWaived()
        each = waived.waived.add(outage=0, owed=Money(minor_units=self._amount, currency=self._context.currency))
        each.waiver.time.CopyFrom(to_timestamp(REPAIRED + timedelta(minutes=1)))
        receipt = ReceiptContent(outcome=Outcome.OUTCOME_ACCEPTED, result=waived.SerializeToString())
        receipt.federation_revision = revision
        command.answered(self._region.tx, content, receipt, REPAIRED + HOUR)

    def owes(self, serial: str) -> bool:
        """Whether the rent is booked."""
        return is_noted(self._region.tx, regional.RENT, serial)

    def gets_dearer_plans(self) -> None:
        """The next revision arrives, by which the claimed rent is that of a plan."""
        configuration = Configuration()
        configuration.CopyFrom(self._context.federation.configuration)
        for each in configuration.plans:
            each.monthly_rent.minor_units *= 2
        self._context.border.current.update(Federation(self.revision + 1, configuration), [])


@pytest.fixture(name="claims")
def _claims() -> Iterator[Claims]:
    with homes() as both:
        yield Claims(both)


@pytest.mark.parametrize("claim", [Claims.by_update, Claims.by_move])
def test_rent_by_a_dearer_plan_of_a_later_configuration_is_owed_once_that_is_here(
    claims: Claims, claim: Callable[[Claims, int], str]
) -> None:
    later = claims.revision + 1
    with pytest.raises(RevisionAwaited):
        claim(claims, later)
    claims.gets_dearer_plans()
    assert claims.owes(claim(claims, later))


@pytest.mark.parametrize("claim", [Claims.by_update, Claims.by_move])
def test_rent_beyond_every_plan_of_the_configuration_of_its_claim_is_not_owed(
    claims: Claims, claim: Callable[[Claims, int], str]
) -> None:
    assert not claims.owes(claim(claims, claims.revision))
