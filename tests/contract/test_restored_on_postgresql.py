"""What is restored on SQLite is restored on PostgreSQL: the region that loses it, or the other one, works there."""

from collections.abc import Iterator

import pytest

from gateway.store.port import Transaction
from gateway.store.postgresql_connection import PostgresqlTransaction
from tests.contract.test_purging import a_transaction as a_transaction
from tests.unit import test_restored_credits as agreements
from tests.unit import test_restored_faults as faults
from tests.unit import test_restored_joint_orders as joint_orders
from tests.unit.reconciling import HOME, ORIGIN, Two, two_regions

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("tx", ["postgresql"], indirect=True)]


@pytest.fixture(params=[ORIGIN, HOME], name="two")
def two_on_both_engines(request: pytest.FixtureRequest, tx: Transaction) -> Iterator[Two]:
    """One of the regions is on PostgreSQL."""
    assert isinstance(tx, PostgresqlTransaction)
    with two_regions({request.param: tx}, with_third=True) as two:
        yield two


@pytest.mark.parametrize("scene", faults.SCENES)
def test_a_lost_fault_comes_back_with_its_part_its_credit_and_all_money_once(two: Two, scene: str) -> None:
    faults.settle_in(two)
    faults.loses_and_restores(two, scene, "credit")


@pytest.mark.parametrize("losing", [ORIGIN, HOME])
@pytest.mark.parametrize("kind", faults.DEBTS)
def test_a_lost_debt_is_booked_once_more_in_either_region(two: Two, kind: str, losing: str) -> None:
    faults.settle_in(two)
    faults.loses_and_restores_a_debt(two, kind, losing)


@pytest.mark.parametrize("losing", [ORIGIN, HOME])
def test_each_lost_claim_is_booked_once_more_with_its_own_sign_in_either_region(two: Two, losing: str) -> None:
    agreements.plays(two, losing)


@pytest.mark.parametrize("losing", [ORIGIN, HOME])
def test_a_lost_joint_order_comes_back_with_its_items_once(two: Two, losing: str) -> None:
    joint_orders.plays(two, "joint", losing)
