"""Deliberate defects, each of a kind that somebody could write: the simulation must find every one."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.simulation import swarm
from tests.simulation.accountants import AGREE, FIRST_RECONCILED, NAMED, REPAIRED
from tests.simulation.federation import Report, simulate
from tests.simulation.joint_orders import FIRST_SEED
from tests.simulation.losing import FOUND, SAME, fail_over, lose, lose_little
from tests.simulation.mutants import (
    coordinating,
    joining,
    moving,
    providing,
    receiving,
    reconciling,
    recovering,
    sending,
    signing,
    storing,
    supporting,
    timing,
)
from tests.simulation.relocating import FIRST_SEED as MOVES
from tests.simulation.relocating import ONE
from tests.simulation.replicas import HOLDS, replicate

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """A defect, the guarantee that it breaks, and in how many seeds of a `run` it is seen at the latest, from `first`.

    A later first seed only spares the time of those that do not happen to show it.
    """

    patch: Patch
    breaks: str
    first: int = 0
    within: int = 200
    run: Callable[[int], Report] = simulate

    @property
    def name(self) -> str:
        """The defect of the mutant."""
        return self.patch.__name__.replace("_", "-")


MUTANTS = (
    Mutant(receiving.inbox_without_unique, "exactly once"),
    Mutant(receiving.effect_and_inbox_in_two_transactions, "exactly once", first=3),
    Mutant(receiving.receipt_serialised_again, "same answer"),
    Mutant(receiving.moved_without_a_tombstone, "exactly once", first=52),
    Mutant(receiving.tombstone_of_a_cancellation_forgotten, "exactly once", first=118, within=400),
    Mutant(receiving.older_versions_adopted, "monotonic status", first=3),
    Mutant(receiving.expiry_before_the_stored_receipt, "exactly once", first=82),
    Mutant(sending.new_id_on_retry, "exactly once"),
    Mutant(sending.sealed_anew_without_moved, "exactly once"),
    Mutant(sending.outbox_closed_before_the_answer, "nothing lost"),
    Mutant(sending.outbox_forgotten_at_restart, "nothing lost"),
    Mutant(sending.claims_of_a_dead_process_left, "nothing lost", first=swarm.FIRST_SEED + 4, within=20),
    Mutant(sending.gives_up_after_a_failure, "nothing lost"),
    Mutant(sending.crowded_lane_forgets_what_was_accepted, "nothing lost", first=swarm.FIRST_SEED + 3, within=20),
    Mutant(sending.taken_back_though_it_was_sent, "exactly once", first=7),
    Mutant(sending.payment_kept_though_it_was_refused, "money"),
    Mutant(signing.path_of_a_wrong_tree_accepted, "non-repudiation"),
    Mutant(signing.one_signature_for_the_receipts_of_two_commits, "non-repudiation"),
    Mutant(storing.answer_before_the_commit, "durable", first=1),
    Mutant(storing.failed_commit_told_as_done, "same answer", first=23),
    Mutant(storing.lost_answer_told_as_done, "nothing lost", first=swarm.FIRST_SEED + 2, within=20),
    Mutant(storing.audit_after_an_await, "audit", first=19),
    Mutant(storing.requests_not_remembered, "same answer"),
    Mutant(storing.put_rows_of_a_table_dropped, "audit"),
    Mutant(storing.known_values_survive_a_rollback, "audit"),
    Mutant(timing.gate_of_the_clock_left_out, "right outcome"),
    Mutant(providing.effects_before_the_provider_has_done_it, "carried out"),
    Mutant(providing.number_of_the_provider_ignored, "carried out", first=16),
    Mutant(providing.nothing_undone, "carried out", first=105),
    Mutant(providing.fee_at_every_try, "money", first=110),
    Mutant(providing.fee_forgotten_after_the_provider, "money", first=1),
    Mutant(providing.line_opened_at_the_quote, "one line per order", first=1),
    Mutant(supporting.rent_given_back_twice_for_two_faults, "rent waived once", first=100),
    Mutant(supporting.limit_forgotten_after_the_first_step, "nothing lost"),
    Mutant(supporting.home_region_not_told, "regions agree on a fault", first=1),
    Mutant(supporting.customer_told_at_each_version, "told once"),
    Mutant(supporting.home_region_by_two_plans, "told once", first=83),
    Mutant(supporting.children_do_not_follow, "problems are followed"),
    Mutant(supporting.event_forgotten_that_changed_on_its_way, "nothing lost", first=104),
    Mutant(supporting.followed_before_it_was_told, "problems are followed", first=1),
    Mutant(supporting.outage_told_to_one_region, "outages are at every home"),
    Mutant(supporting.whole_credit_at_each_correction, "credited once", first=9),
    Mutant(supporting.planned_outages_counted, "credited once", first=12),
    Mutant(supporting.waived_time_credited_again, "credited once", first=1),
    Mutant(joining.commitment_without_a_reservation, "committed everywhere", first=FIRST_SEED),
    Mutant(joining.release_after_a_commitment, "no release after a commitment", first=FIRST_SEED),
    Mutant(joining.reservation_without_an_end, "nothing stays reserved", first=FIRST_SEED),
    Mutant(reconciling.last_record_of_an_answer_left_out, NAMED, first=FIRST_RECONCILED, within=20),
    Mutant(reconciling.repair_posted_in_both_regions, REPAIRED, first=FIRST_RECONCILED, within=20),
    Mutant(reconciling.in_flight_called_missing, NAMED, first=FIRST_RECONCILED + 23, within=20),
    Mutant(reconciling.differences_never_closed, AGREE, first=FIRST_RECONCILED, within=20),
    Mutant(moving.double_move, ONE, first=MOVES, within=20),
    Mutant(moving.customer_kept_after_the_hand_over, ONE, first=MOVES, within=20),
    Mutant(moving.balance_handed_over_and_kept, ONE, first=MOVES, within=20),
    Mutant(moving.rent_of_a_move_not_owed, "money", first=MOVES + 426, within=20),
    Mutant(moving.whole_outage_given_back_at_both_homes, "rent waived once", first=MOVES + 1, within=20),
    Mutant(moving.restored_database_believed, ONE, first=MOVES, within=20),
    Mutant(moving.lost_customer_not_asked_for, ONE, first=MOVES, within=20),
    Mutant(storing.timer_removed_in_another_transaction, "fires once"),
    Mutant(storing.timer_fired_though_another_process_has, "fires once", first=swarm.FIRST_SEED + 10, within=20),
    Mutant(storing.failing_timers_come_first, swarm.FIRES, first=swarm.FIRST_SEED, within=20),
    Mutant(recovering.older_database_believed, FOUND, within=20, run=lose),
    Mutant(recovering.receipts_not_asked_for, FOUND, within=20, run=lose_little),
    Mutant(recovering.lost_commits_overwritten, FOUND, within=20, run=fail_over),
    Mutant(recovering.others_not_asked_after_a_loss, SAME, within=20, run=lose),
    Mutant(coordinating.lease_of_a_coordinator_not_proven, HOLDS, within=50, run=replicate),
)
