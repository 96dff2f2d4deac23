"""Defects in the comparison of records, and in repairs."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.reconciliation_pb2 import DifferenceKind, Repair
from gateway.store.port import Transaction
from region_node.business.reconciliation import comparing, repairs, rows, rules
from region_node.business.reconciliation.port import Reconciliation
from region_node.business.reconciliation.rules import Differing, Pair, Record


def last_record_of_an_answer_left_out(patch: pytest.MonkeyPatch) -> None:
    """A region that answers leaves out the last record of its page."""

    def leave_out(records: Iterable[Record], theirs: bytes, first: int) -> Differing:
        found = differing(records, theirs, first)
        return found._replace(records=found.records[:-1])

    differing = rules.differing
    patch.setattr(rules, "differing", leave_out)


def repair_posted_in_both_regions(patch: pytest.MonkeyPatch) -> None:
    """The region that confirms a repair acts also where the other one is to act."""

    def act_as_well(
        tx: Transaction, context: Reconciliation, repair_id: str, staff_id: str, now: datetime, *, confirmed: bool
    ) -> Repair:
        repair = decide(tx, context, repair_id, staff_id, now, confirmed=confirmed)
        if repair.state == repairs.CONFIRMED:
            repairs._act(tx, context, repair, repairs.proposing_region(repair), now)
        return repair

    decide = repairs.decide
    patch.setattr(repairs, "decide", act_as_well)


def in_flight_called_missing(patch: pytest.MonkeyPatch) -> None:
    """A record that is open in one region counts as one that it does not have."""

    def name(pair: Pair, found: datetime, now: datetime, late: timedelta) -> DifferenceKind.ValueType:
        here = pair.here if pair.here is not None and pair.here.standing != rules.OPEN else None
        there = pair.there if pair.there is not None and pair.there.standing != rules.OPEN else None
        return named(pair._replace(here=here, there=there), found, now, late)

    named = rules.named
    patch.setattr(rows, "named", name)


def differences_never_closed(patch: pytest.MonkeyPatch) -> None:
    """A comparison closes nothing that it no longer finds."""
    patch.setattr(comparing, "close_unseen", lambda *about: 0)
