"""The proposal of a repair ends by time and with its proposer's certificate: nobody confirms it or acts on it."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import grpc
import pytest

from gateway.api.region.v1 import reconciliation_service_pb2 as api
from gateway.api.region.v1.reconciliation_envelopes_pb2 import RepairDecided
from gateway.api.region.v1.reconciliation_pb2 import Repair
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.calls import Call, enter
from gateway.security.identity import Identity
from gateway.security.revocations import Revocations
from gateway.store.port import Operation, Store
from gateway.time.clock import Clock, to_timestamp
from region_node.approvals.rules import TO_DECIDE, TO_DECIDE_OF_PROVIDER
from region_node.business.reconciliation import repairs
from region_node.business.reconciliation.repair_rows import keep_repair, require_repair
from region_node.business.reconciliation.service import ReconciliationService
from tests.unit.reconciling import HOME, NIGHT, ORIGIN, Region, Two
from tests.unit.staff_of_origin import no_revocations, revoke
from tests.unit.test_reconciliation_repairs import (
    DECIDED,
    REPAIR,
    asked_back,
    decided,
    proposed,
    reason_of,
    states,
)
from tests.unit.test_reconciliation_repairs import regions_of_which_the_home_has_booked_less as booked_less

two_of_which_one_has_booked_less = booked_less
ANEW = f"{ORIGIN}/staff/zhao/r2"
BACK = f"{HOME}/staff/wang/r1"
LATE = NIGHT + TO_DECIDE
SECOND = timedelta(seconds=1)
FORBIDS, REVOKED = Reason.REASON_REPAIR_STATE_FORBIDS, Reason.REASON_PROPOSER_CERTIFICATE_REVOKED


@pytest.fixture(name="revocations")
def in_both_regions(two: Two, monkeypatch: pytest.MonkeyPatch) -> Revocations:
    found = no_revocations()
    for region in two.by_name.values():
        monkeypatch.setattr(region.context.node.border.keys, "revocations", found)
    return found


def listed(region: Region) -> dict[str, str]:
    """The states of the repairs as staff of a region are told them at LATE, by id."""

    async def read(operation: Operation[list[Repair]]) -> list[Repair]:
        return operation(region.tx)

    async def answer() -> api.ListRepairsResponse:
        enter(Call(Identity("china", Role.ROLE_STAFF, region.name, "chen"), "ListRepairs", None))
        clock = cast("Clock", SimpleNamespace(now=lambda: LATE))
        service = ReconciliationService(region.context, cast("Store", SimpleNamespace(write=read)), clock)
        context = cast("grpc.aio.ServicerContext[api.ListRepairsRequest, api.ListRepairsResponse]", None)
        return await service.ListRepairs(api.ListRepairsRequest(), context)

    return {each.id: repairs.state_name(each.state) for each in asyncio.run(answer()).repairs}


@pytest.mark.parametrize("acting", [HOME, ORIGIN])
def test_a_repair_that_nobody_confirms_in_a_week_is_proposed_anew_and_staff_are_told_so(two: Two, acting: str) -> None:
    proposed(two, acting)
    with pytest.raises(Refused, match="REPAIR_STATE_FORBIDS"):
        proposed(two, acting, repair_id=ANEW, at=LATE - SECOND)
    assert reason_of(two.home, at=LATE) == FORBIDS
    proposed(two, acting, repair_id=ANEW, at=LATE)
    assert [listed(each) for each in (two.origin, two.home)] == [{REPAIR: "expired", ANEW: "proposed"}] * 2
    decided(two, repair_id=ANEW, at=LATE)
    decided(two, confirmed=False, at=LATE)
    assert (states(two, ANEW), states(two)) == (["done", "done"], ["rejected", "rejected"])


def test_a_repair_is_confirmed_until_its_week_is_over(two: Two) -> None:
    proposed(two, HOME)
    decided(two, at=LATE - SECOND)
    assert states(two) == ["done", "done"]


def test_a_proposal_for_which_an_identity_provider_vouches_ends_after_a_day_in_the_other_region_too(two: Two) -> None:
    proposed(two, HOME, certificates=())
    assert reason_of(two.home, at=NIGHT + TO_DECIDE_OF_PROVIDER) == FORBIDS


@pytest.mark.parametrize("told", [None, timedelta(days=365)])
def test_a_region_that_tells_no_end_or_a_late_one_has_its_repairs_confirmed_for_a_week(
    two: Two, told: timedelta | None
) -> None:
    proposed(two, HOME, certificates=())
    repair = require_repair(two.home.tx, two.home.context.kinds, REPAIR)
    repair.ClearField("expire_time")
    if told is not None:
        repair.expire_time.CopyFrom(to_timestamp(NIGHT + told))
    keep_repair(two.home.tx, two.home.context.kinds, repair)
    assert reason_of(two.home, at=LATE) == FORBIDS
    decided(two, at=LATE - SECOND)


@pytest.mark.parametrize("acting", [HOME, ORIGIN])
def test_nobody_confirms_the_repair_of_a_thief_once_the_certificate_is_revoked(
    two: Two, revocations: Revocations, acting: str
) -> None:
    proposed(two, acting)
    revoke(revocations)
    assert reason_of(two.home) == REVOKED
    proposed(two, acting, repair_id=ANEW, certificates=())
    decided(two, repair_id=ANEW)
    decided(two, confirmed=False)
    assert (states(two, ANEW), states(two)) == (["done", "done"], ["rejected", "rejected"])


def test_the_proposing_region_does_not_act_for_a_thief_whose_certificate_is_revoked_after_the_confirmation(
    two: Two, revocations: Revocations
) -> None:
    proposed(two, ORIGIN)
    repairs.decide(two.home.tx, two.home.context, REPAIR, "wang", NIGHT, confirmed=True)
    revoke(revocations)
    two.settle()
    assert states(two) == ["failed", "failed"]
    assert require_repair(two.home.tx, two.home.context.kinds, REPAIR).failure == REVOKED


def test_the_proposing_region_does_not_act_on_a_confirmation_after_the_end(two: Two) -> None:
    told = proposed(two, ORIGIN)
    told.state, told.decider = repairs.CONFIRMED, f"{HOME}/wang"
    told.decide_time.CopyFrom(to_timestamp(LATE))
    payload = RepairDecided(repair=told).SerializeToString()
    content = EnvelopeContent(subject=f"repair/{REPAIR}", origin=HOME, payload=payload)
    two.handler(two.origin, DECIDED).act(two.origin.tx, content, LATE)
    failed = require_repair(two.origin.tx, two.origin.context.kinds, REPAIR)
    assert (failed.state, failed.failure) == (repairs.FAILED, FORBIDS)


def test_a_region_confirms_nothing_beside_an_ended_proposal_of_its_own_until_the_other_region_rejects_that(
    two: Two,
) -> None:
    proposed(two, HOME)
    repairs.propose(two.home.tx, two.home.context, BACK, "wang", (), asked_back(), LATE)
    two.settle(LATE)
    assert reason_of(two.origin, repair_id=BACK, at=LATE) == FORBIDS, "its confirmation may be on the way"
    decided(two, confirmed=False, at=LATE)
    repairs.decide(two.origin.tx, two.origin.context, BACK, "li", LATE, confirmed=True)
    two.settle(LATE)
    assert states(two, BACK) == ["done", "done"]
