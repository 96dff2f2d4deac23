"""Rent of lines that moved during a late fault: each home gives back its own time, once, and no time is left out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver
from gateway.api.region.v1.fault_envelopes_pb2 import FaultMoved
from gateway.api.region.v1.fault_pb2 import FaultCause
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.time.clock import from_microseconds, from_timestamp
from region_node.lifecycle.moving.rules import line_at_new_home
from region_node.network.faults.outages import Span, rent_of, without
from tests.simulation.checks.effects import completed
from tests.simulation.evidence import Evidence
from tests.simulation.world import PLANS, configuration

WAIVED = "rent waived once"
ZONE = "Asia/Shanghai"
_MOVED, _HAND_OVER = EnvelopeKind.ENVELOPE_KIND_FAULT_MOVED, EnvelopeKind.ENVELOPE_KIND_CUSTOMER_HAND_OVER
_Outage = tuple[str, int]
"""A fault, and the number of its outage."""


@dataclass(frozen=True)
class MovedRent:
    """The rent for an outage that the new home of a move, `new`, gave back at the word of the old one."""

    told: FaultMoved
    old: str
    new: str
    amount: int
    since: datetime
    """The confirmation of the move: the new home charges from then on."""

    @property
    def outage(self) -> _Outage:
        """The outage for which it was given back."""
        return self.told.fault_id, self.told.outage

    @property
    def serial(self) -> str:
        """The id of its posting."""
        return _serial(self.told)

    @property
    def line(self) -> str:
        """The line at the new home."""
        return line_at_new_home(self.told.move_id, self.told.line)


def moved_rents(evidence: Evidence) -> Sequence[MovedRent]:
    """All of them in the order of the moves, by the envelopes of old homes and the accounts of the customers."""
    sql = "SELECT posting_id, amount FROM ledger_entries WHERE kind = 'rent-waived' AND amount > 0"
    given = {(region, row["posting_id"]): row["amount"] for region, row in evidence.rows(sql)}
    since, found = dict(_confirmations(evidence)), list[MovedRent]()
    # The times of two moves are of two clocks.
    places = {move: place for each in evidence.relocations for place, move in enumerate(each.moves)}
    for region, row in evidence.sent:
        if row.kind == _MOVED:
            told = FaultMoved.FromString(EnvelopeContent.FromString(row.content).payload)
            amount = given.get((row.peer, _serial(told)), 0)
            found.append(MovedRent(told, region, row.peer, amount, since[told.move_id]))
    return sorted(found, key=lambda each: places[each.told.move_id])


def owed_rents(evidence: Evidence) -> Iterator[MovedRent]:
    """Those that the old home owes: the first one does, but for a disaster, or a fault of the new home's network."""
    known = set[_Outage]()
    for each in moved_rents(evidence):
        fault = evidence.faults[each.told.fault_id].get(each.old)
        if fault is None or each.outage in known:
            continue
        known.add(each.outage)
        cause = fault.outages[each.told.outage].cause or fault.cause
        if fault.owner_region != each.new and cause != FaultCause.FAULT_CAUSE_FORCE_MAJEURE:
            yield each


def check(evidence: Evidence) -> None:
    """Checks who was told of which time, and what was given back for it."""
    rents = moved_rents(evidence)
    evidence.history.counts["rents of faults before a move"] += len(rents)
    _accepted(evidence)
    _all_told(evidence, {(each.old, each.outage): each.since for each in reversed(rents)})
    _by_the_plan(evidence, rents)


def _accepted(evidence: Evidence) -> None:
    for _, row in evidence.sent:
        outcome = ReceiptContent.FromString(row.receipt_content or b"").outcome
        if row.kind == _MOVED and outcome != Outcome.OUTCOME_ACCEPTED:
            evidence.broken(WAIVED, row.envelope_id, "the new home gives nothing back for the time after the move")


def _all_told(evidence: Evidence, told: Mapping[tuple[str, _Outage], datetime]) -> None:
    """An old home gave back the rent up to the move of which it has told the next home, and else of the whole outage.

    It tells the next home also of an outage that ended before the move, where the rent is given back after it.
    """
    for region, row in evidence.rows("SELECT fault_id, outage, start_time, end_time FROM fault_waivers"):
        end = from_timestamp(evidence.faults[row["fault_id"]][region].outages[row["outage"]].end_time)
        since = told.get((region, (row["fault_id"], row["outage"])), end)
        if from_microseconds(row["end_time"]) != max(from_microseconds(row["start_time"]), min(end, since)):
            evidence.broken(
                WAIVED, row["fault_id"], f"{region} gave back until {row['end_time']}; {end}, moved {since}"
            )


def _by_the_plan(evidence: Evidence, rents: Sequence[MovedRent]) -> None:
    """A new home has given back the rent of the united times of a line; of one time to the cent."""
    plans = {each.id: each.monthly_rent.minor_units for each in configuration().plans}
    changed = {errand.number for errand, _ in completed(evidence, "PLAN_CHANGE")}
    parts: dict[tuple[str, str], dict[str, Span]] = {}
    posted = Counter[tuple[str, str]]()
    for region, row in evidence.rows(
        "SELECT w.product_id AS line, w.source, w.start_time, w.end_time, e.amount FROM waived_times AS w"
        " JOIN ledger_entries AS e ON e.posting_id = w.source AND e.kind = 'rent-waived' AND e.amount > 0"
    ):
        span = from_microseconds(row["start_time"]), from_microseconds(row["end_time"])
        parts.setdefault((region, row["line"]), {})[row["source"]] = span
        posted[region, row["line"]] += row["amount"]
    spans = dict(_spans(rents))
    for each in rents:
        parts.setdefault((each.new, each.line), {})[each.serial] = spans[each.serial]
    for new, line, number in {(each.new, each.line, each.told.number) for each in rents}:
        found = parts[new, line]
        exact = rent_of(plans[PLANS[new][0]], united(list(found.values())), ZONE)
        if number not in changed and abs(posted[new, line] - exact) > len(found) - 1:
            evidence.broken(WAIVED, "-", f"{number} was given back {posted[new, line]} in {new} and not {exact}")


def _spans(rents: Sequence[MovedRent]) -> Iterator[tuple[str, Span]]:
    """The time of each part, by its serial: from the confirmation of the move to the end, or to the next one told."""
    for place, each in enumerate(rents):
        start, end = from_timestamp(each.told.start_time), from_timestamp(each.told.end_time)
        after = next((later.since for later in rents[place + 1 :] if later.outage == each.outage), end)
        start = max(start, each.since)
        yield each.serial, (start, max(start, min(end, after)))


def _serial(told: FaultMoved) -> str:
    return f"{told.fault_id}#waived{told.outage}>{told.move_id}"


def _confirmations(evidence: Evidence) -> Iterator[tuple[str, datetime]]:
    """When the moves were confirmed, by move."""
    for _, row in evidence.sent:
        if row.kind == _HAND_OVER:
            move = CustomerHandOver.FromString(EnvelopeContent.FromString(row.content).payload).move
            yield move.id, from_timestamp(move.change_time)


def united(spans: Sequence[Span]) -> list[Span]:
    """Times without what several of them have in common twice."""
    found: list[Span] = []
    for each in sorted(spans):
        found += without(each, found)
    return found
