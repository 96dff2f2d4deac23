"""Defects in what is done for the network: faults, problems, outages and agreements."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from coordinator.problems import rules as problem_rules
from coordinator.problems.following import Following
from gateway.api.coordinator.v1.problem_service_pb2 import NetworkEvent, Problem
from gateway.api.region.v1.agreement_pb2 import AgreementStatement
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.relay.border import Border
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.store.timers import cancel_timer
from region_node.app.registered import PROBLEMS
from region_node.customers.accounts.rules import Posting
from region_node.customers.notices.rows import Notice
from region_node.customers.rows import Line
from region_node.network.agreements import outages as service_outages
from region_node.network.agreements import rules, statements
from region_node.network.faults import following, handling, notices, outages, owner
from region_node.network.faults.outages import Span
from region_node.network.problems import rows as problem_rows
from region_node.node.context import RegionContext
from region_node.tickets.followed import Facts


def rent_given_back_twice_for_two_faults(patch: pytest.MonkeyPatch) -> None:
    """Each fault of a line gives back the rent of its whole time, whatever was given back for another."""

    def whole(span: Span, known: Iterable[Span]) -> list[Span]:
        return [span]

    patch.setattr(outages, "without", whole)


def limit_forgotten_after_the_first_step(patch: pytest.MonkeyPatch) -> None:
    """The timer of the limit goes with the first change of a fault."""

    def watch_new(tx: Transaction, context: RegionContext, fault: Fault) -> None:
        if fault.version > 1:
            cancel_timer(tx, f"{owner.REPAIR_TIMER}/{fault.id}")
        else:
            watch(tx, context, fault)

    watch = owner.watch
    patch.setattr(owner, "watch", watch_new)


def home_region_not_told(patch: pytest.MonkeyPatch) -> None:
    """Only the region in which a fault was reported hears how it goes on."""

    def only_reporter(facts: Facts) -> Sequence[str]:
        return [each for each in (facts.origin,) if each != facts.owner]

    patch.setattr(owner, "followers", only_reporter)


def customer_told_at_each_version(patch: pytest.MonkeyPatch) -> None:
    """A late repair has a notice for each version."""

    def notice(fault: Fault, what: str, number: str, text: LocalizedText) -> Notice:
        return Notice(f"fault/{fault.id}/{what}/{fault.version}", f"fault-{what.partition('/')[0]}", number, text)

    patch.setattr(notices, "_notice", notice)
    patch.setattr(following, "_was_late", lambda before, number: False)


def home_region_by_two_plans(patch: pytest.MonkeyPatch) -> None:
    """The origin region of a fault keeps its own plan, whatever the owner region's plan is."""
    patch.setattr(handling, "home_of", lambda context, known, snapshot: known.home_region)


def children_do_not_follow(patch: pytest.MonkeyPatch) -> None:
    """A region takes over how a problem stands, and says nothing to its faults."""
    patch.setattr("tests.simulation.region.PROBLEMS", replace(PROBLEMS, evidence={}))


def event_forgotten_that_changed_on_its_way(patch: pytest.MonkeyPatch) -> None:
    """An event that a coordinator has is not sent again, though it has changed meanwhile."""

    def forget(tx: Transaction, events: Sequence[NetworkEvent]) -> None:
        sql = "DELETE FROM network_events_to_tell WHERE event_id = :event_id"
        tx.execute_many(sql, [{"event_id": each.id} for each in events])

    patch.setattr(problem_rows, "note_delivered", forget)


def followed_before_it_was_told(patch: pytest.MonkeyPatch) -> None:
    """A coordinator notes that a region knows before the region has said so."""
    tell_region = Following._tell_region

    async def note_and_tell(self: Following, region: str, problems: list[Problem]) -> None:
        for each in sorted(problems, key=problem_rules.place):
            await self._ports.registry.problems.note_followed(each.header.id, region, each.header.version)
        await tell_region(self, region, problems)

    patch.setattr(Following, "_tell_region", note_and_tell)


def outage_told_to_one_region(patch: pytest.MonkeyPatch) -> None:
    """Only the first of the other regions hears of an outage."""
    seen: dict[str, str] = {}

    def send_first(
        tx: Transaction, border: Border, outgoing: OutgoingEnvelope, *, now: datetime, traceparent: str
    ) -> None:
        if seen.setdefault(outgoing.envelope_id.rpartition(">")[0], outgoing.destination) == outgoing.destination:
            send(tx, border, outgoing, now=now, traceparent=traceparent)

    patch.setattr(service_outages, "send", send_first)


def whole_credit_at_each_correction(patch: pytest.MonkeyPatch) -> None:
    """A month that is computed again is credited again, and not the difference."""
    posting = statements._posting

    def post_all(statement: AgreementStatement, line: Line, difference: int) -> Posting:
        return posting(statement, line, statement.credit.minor_units or difference)

    patch.setattr(statements, "_posting", post_all)


def planned_outages_counted(patch: pytest.MonkeyPatch) -> None:
    """Works announced in time count as if they had no notice."""
    patch.setattr(rules, "is_in_time", lambda outage, notice: False)


def waived_time_credited_again(patch: pytest.MonkeyPatch) -> None:
    """Time with waived rent counts as downtime, too."""
    patch.setattr(statements, "waivers_of", lambda tx, product_id, span: [])
