"""Two regions that settle months, with every envelope between them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from gateway.api.region.v1.settlement_pb2 import (
    SettlementStatement,
)
from gateway.api.region.v1.settlement_service_pb2 import SignSettlementRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import inbox, outbox
from gateway.relay.border import Command
from gateway.relay.envelopes import Answer, Sealed
from gateway.security.identity import Identity
from region_node.app.registered import settlement
from region_node.business.settlement import signing
from region_node.business.settlement.relayed import SettlementEnvelopes
from region_node.business.settlement.rows import find_statement
from region_node.care.issues.relayed import IssueEnvelopes
from region_node.requests.caller import Caller
from tests.unit.reconciling import HOME, IN_PROGRESS, ORIGIN, Region, Two, two_regions

JUNE, JULY = "2030-06", "2030-07"
AFTER_JUNE, AFTER_JULY = datetime(2030, 7, 2, 4, tzinfo=UTC), datetime(2030, 8, 2, 4, tzinfo=UTC)
SETTLEMENTS = (EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_PROPOSED, EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_DECIDED)


@pytest.fixture(name="two")
def regions_with_payments_and_money_for_a_complaint() -> Iterator[Two]:
    """The origin took 100 and 250, and owes 40 that the home region credited for it."""
    with two_regions() as two:
        two.order("pay-1", 100)
        two.order("pay-2", 250)
        two.order("money-1", 40, business="COMPLAINT_REMEDY")
        two.order("slow", 70, at_origin=IN_PROGRESS)
        yield two


def settle(two: Two, now: datetime) -> list[EnvelopeContent]:
    """Has every envelope taken and answered; returns those about issues."""
    others = []
    while waiting := [(each, content) for each in two.by_name.values() for content in each.waiting()]:
        for sender, content in waiting:
            if content.kind not in SETTLEMENTS:
                others.append(content)
            receiver = two.by_name[content.destination]
            envelope = outbox.sent(sender.tx, content.id)
            assert envelope is not None
            try:
                outcome = handler(receiver, content).act(receiver.tx, content, now)
                keep_received(receiver, Sealed(envelope, content), outcome, now)
                receipt = ReceiptContent(envelope_id=content.id, outcome=outcome.outcome, result=outcome.result)
            except Refused:
                receipt = ReceiptContent(envelope_id=content.id, outcome=Outcome.OUTCOME_REFUSED)
            handler(sender, content).answered(sender.tx, content, receipt, now)
    return others


def keep_received(region: Region, sealed: Sealed, answer: Answer, now: datetime) -> None:
    """Stores an envelope, which the handler has acted on, as every border does."""
    acted = Command(lambda tx, content, now: answer, lambda tx, content, receipt, now: None)
    inbox.receive(region.tx, region.context.node.border, {sealed.content.kind: acted}, sealed, now)


def handler(region: Region, content: EnvelopeContent) -> Command:
    node = region.context.node
    found = {**SettlementEnvelopes(settlement(node)).kinds(), **IssueEnvelopes(node).kinds()}[content.kind]
    assert isinstance(found, Command)
    return found


def caller(region: Region) -> Caller:
    return Caller(Identity("china", Role.ROLE_STAFF, region.name, "li"), uuid4().hex, "")


def sign(two: Two, region: Region, month: str, now: datetime, *, accepts: bool = False) -> SettlementStatement:
    """A signature of a region's staff, which reaches the other region."""
    asked = SignSettlementRequest(
        region=HOME if region.name == ORIGIN else ORIGIN, month=month, accepts_difference=accepts
    )
    signed = signing.sign(region.tx, settlement(region.context.node), caller(region), asked, now)
    settle(two, now)
    return signed


def signed_by_both(two: Two, month: str, now: datetime) -> SettlementStatement:
    sign(two, two.origin, month, now)
    return sign(two, two.home, month, now)


def kept(region: Region, month: str = JUNE) -> SettlementStatement:
    found = find_statement(region.tx, HOME if region.name == ORIGIN else ORIGIN, month)
    assert found is not None
    return found


def lose_statements(region: Region) -> None:
    """The database is one from before every statement."""
    region.tx.execute("DELETE FROM settlement_statements")
    for trigger in ("ledger_never_changes", "ledger_never_forgets"):
        region.tx.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    region.tx.execute("DELETE FROM ledger_entries WHERE kind = 'settled'")


def told(statement: SettlementStatement) -> dict[str, tuple[int, int]]:
    """Quantity and amount by charge and month."""
    return {
        f"{each.charge_kind} {each.of_month}": (each.quantity, each.amount.minor_units)
        for each in statement.terms.lines
    }


def reason_of(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return Reason.Name(caught.value.reason).removeprefix("REASON_")
