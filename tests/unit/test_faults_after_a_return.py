"""A customer moves away and comes back: each home gives back its own part of a fault that is repaired after that."""

from collections.abc import Iterator

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.customer_move_pb2 import CustomerMove
from gateway.federation.catalogue import Federation
from region_node.app.registered import registry
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import REFUNDS_DUE
from region_node.customers.moved_numbers import note_named
from region_node.lifecycle.moving import operations, rules
from tests.unit.reconciling import HOME
from tests.unit.situations import LINE
from tests.unit.test_moved_faults import HOUR, NEW, RENTS, REPORTED, Both, homes, share, told_late

BACK = f"{NEW}/crm/back"
REPAIRED = REPORTED + 60 * HOUR


@pytest.fixture(name="both")
def _both() -> Iterator[Both]:
    with homes() as both:
        yield both


def plan_names(both: Both, region: str) -> None:
    """Both homes read a number plan by which the customer's number is of a region."""
    for each in (both.old, both.new):
        current, configuration = each.context.node.border.current, Configuration()
        configuration.CopyFrom(each.context.node.federation.configuration)
        del configuration.number_plan.exceptions[:]
        configuration.number_plan.exceptions.add(number=LINE.number, region=region)
        newest = Federation(current.revision + 1, configuration)
        current.update(newest, [Member(region=name, state=MemberState.MEMBER_STATE_JOINED) for name in (HOME, NEW)])
        note_named(each.tx, [LINE.number], region, newest)


def leaves_and_returns(both: Both) -> None:
    """The customer is at the new home from the tenth hour to the 54th."""
    both.moves(REPORTED + 10 * HOUR)
    plan_names(both, NEW)
    kinds, at = registry(both.new.context.node), REPORTED + 54 * HOUR
    asked = CustomerMove(id=BACK, to_region=HOME)
    asked.lines.add(number=LINE.number, plan_id=LINE.plan_id)
    operations.start(both.new.tx, kinds, asked, LINE.number, at)
    operations.confirm(both.new.tx, kinds, BACK, at, "")
    both.delivers(at)
    plan_names(both, HOME)


def given(both: Both) -> tuple[int, int, int]:
    """The refunds due at the old home and at the new one, and what the line has got that came back."""
    sql = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entries"
    sql += " WHERE account = :account AND kind = 'rent-waived'"
    back = both.old.tx.first(int, sql, account=f"account-{rules.ids_at_new_home(BACK)}-0") or 0
    return ledger.balance(both.old.tx, REFUNDS_DUE), ledger.balance(both.new.tx, REFUNDS_DUE), back


def test_a_fault_of_the_first_stay_is_given_back_by_each_home_of_its_time_once(both: Both) -> None:
    fault = both.reports()
    leaves_and_returns(both)
    both.repairs(fault, REPAIRED)
    both.delivers(REPAIRED, times=2)
    assert given(both) == (share(RENTS[HOME], 10), share(RENTS[NEW], 44), share(RENTS[HOME], 6))
    assert both.told() == ([f"fault/{fault.id}/waived/0"], [])


def test_a_fault_that_another_region_took_for_the_first_homes_while_the_customer_was_away_is_given_back_by_both(
    both: Both,
) -> None:
    leaves_and_returns(both)
    told_late(both.old, HOME, REPORTED + 11 * HOUR, REPAIRED)
    both.delivers(REPAIRED, times=2)
    assert given(both) == (0, share(RENTS[NEW], 43), share(RENTS[HOME], 6))
    assert both.told() == (["fault/henan/F1/waived/0"], [])
