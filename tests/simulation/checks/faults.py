"""Faults: kept, equal in all following regions, worked on as requested, their rent given back once."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from gateway.api.region.v1.fault_pb2 import Fault, FaultCause
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import reason_name
from gateway.time.clock import from_microseconds, from_timestamp
from region_node.network.faults.outages import Span, rent_of
from region_node.network.faults.rows import facts
from region_node.tickets.sending import followers
from tests.simulation import fault_status
from tests.simulation.checks.moved_rents import WAIVED, ZONE, moved_rents, united
from tests.simulation.evidence import Evidence
from tests.simulation.fault_status import FaultObserver
from tests.simulation.network_plans import FaultErrand
from tests.simulation.world import PLANS, configuration, subscribers

DURABLE, LOST, AGREE = "durable", "nothing lost", "regions agree on a fault"
TOLD = "told once"
_CUSTOMERS_OWN = (FaultCause.FAULT_CAUSE_CUSTOMER, FaultCause.FAULT_CAUSE_TERMINAL)
_Given = tuple[int, str, Span]
"""How much rent was given back, in which region, and for which time."""
_CLOCKS = timedelta(minutes=1)  # by which clocks differ at most


def check(evidence: Evidence) -> None:
    """Checks every fault in a response, and every stored one."""
    timers = {row["timer_id"] for _, row in evidence.rows("SELECT timer_id FROM timers")}
    for errand in evidence.network.faults:
        _kept(evidence, errand)
    for fault_id, stored in evidence.faults.items():
        owners = [region for region, fault in stored.items() if fault.owner_region == region and fault.version]
        if len(owners) != 1:
            evidence.broken(AGREE, fault_id, f"it is in {owners}")
            continue
        owner = stored[owners[0]]
        for region, fault in stored.items():
            FaultObserver(region, evidence.history).check_changes(fault)
        _agree(evidence, owner, stored)
        _watched(evidence, owner, timers)
        _worked_on(evidence, owner)
    for errand in evidence.network.faults:
        _said(evidence, errand)
    _waivers(evidence)
    _told(evidence)


def _kept(evidence: Evidence, errand: FaultErrand) -> None:
    if errand.refused is not None:
        told = f"{errand.region}/{errand.request_id} was not taken in: {reason_name(errand.refused)}"
        evidence.broken("right outcome", "-", told)
    if not errand.fault_id:
        return
    fault = evidence.faults.get(errand.fault_id, {}).get(errand.region)
    if fault is None:
        evidence.broken(DURABLE, errand.fault_id, "it was reported and is gone")
    elif errand.report is not None and fault.report.description != errand.report.description:
        evidence.broken(DURABLE, errand.fault_id, "it is not what was reported")


def _agree(evidence: Evidence, owner: Fault, stored: dict[str, Fault]) -> None:
    """Every follower has the last version of the owner region."""
    follow = {owner.origin_region} if owner.report.number in evidence.moved else set(followers(facts(owner)))
    for region in follow:
        if region not in stored:
            evidence.broken(AGREE, owner.id, f"{region} follows it and does not know it")
    for region, fault in stored.items():
        shown = [f"{fault_status.name(each.state)} v{each.version}" for each in (fault, owner)]
        if shown[0] != shown[1]:
            evidence.broken(AGREE, owner.id, f"{shown[0]} in {region}, {shown[1]} where it is")
        elif _course(fault) != _course(owner):
            evidence.broken(AGREE, owner.id, f"{region} has another course of it")


def _course(fault: Fault) -> tuple[object, ...]:
    """The part of a fault that is equal in all regions: all but the amount of rent given back."""
    outages = [
        (each.start_time, each.due_time, each.breach_time, each.end_time, each.HasField("waiver"))
        for each in fault.outages
    ]
    said = [(each.author, each.text) for each in fault.notes]
    return list(fault.state_changes), outages, said, fault.cause, fault.reopenings, fault.problem_id, fault.severity


def _watched(evidence: Evidence, fault: Fault, timers: set[str]) -> None:
    """Every unrepaired fault has a limit, and a missed limit is noted."""
    last = fault.outages[-1]
    is_due = not last.HasField("breach_time") and not _is_excluded(fault) and fault.state in fault_status.UNREPAIRED
    if is_due and f"fault-repair/{fault.id}" not in timers:
        evidence.broken(LOST, fault.id, "it is not repaired, and nobody watches its limit")
    if is_due and evidence.now > from_timestamp(last.due_time) + _CLOCKS:
        evidence.broken(LOST, fault.id, "it is late, and that was never noted")
    for each in fault.outages:
        if each.HasField("breach_time") and each.breach_time.ToNanoseconds() < each.due_time.ToNanoseconds():
            evidence.broken("right outcome", fault.id, "it is late before its limit")


def _is_excluded(fault: Fault) -> bool:
    return fault.terminal_caused or fault.cause in _CUSTOMERS_OWN


def _worked_on(evidence: Evidence, fault: Fault) -> None:
    """A fault was reopened as often as somebody did so, and closed with the required data."""
    said = [
        (what, taken)
        for errand in evidence.network.faults
        for what, _, taken in (_outcomes(evidence, errand) if errand.fault_id == fault.id else ())
    ]
    again = sum(step == "reopen" for step, about in evidence.network.worked.values() if about == fault.id)
    again += said.count(("reopen", True))
    if fault.reopenings != again:
        evidence.broken("exactly once", fault.id, f"it was opened again {fault.reopenings} times, {again} were asked")
    if fault.state == fault_status.CLOSED and not fault.cause:
        evidence.broken("right outcome", fault.id, "it is closed without a cause")


def _said(evidence: Evidence, errand: FaultErrand) -> None:
    """The customer's message is stored once if it was accepted, and else not at all."""
    stored = evidence.faults.get(errand.fault_id, {})
    fault = next((each for region, each in stored.items() if each.owner_region == region), None)
    if fault is None:
        return
    notes = Counter(each.text for each in fault.notes)
    for what, request_id, is_taken in _outcomes(evidence, errand):
        times = notes[f"said as {errand.fault_id}/{request_id}"]
        if what == "respond" and times != is_taken:
            evidence.broken("exactly once", fault.id, f"what was said as {request_id} is there {times} times")
        if what == "cancel" and is_taken and fault.state not in fault_status.FINAL:
            evidence.broken("exactly once", fault.id, "it was cancelled, and is worked on")


def _outcomes(evidence: Evidence, errand: FaultErrand) -> Iterator[tuple[str, str, bool]]:
    """The messages, each with its request, and whether the owner region accepted it."""
    for request_id, (what, refused) in errand.said.items():
        reason = evidence.reasons.get((errand.region, errand.operator, request_id))
        if reason is None and refused is None:
            evidence.broken("same answer", errand.fault_id, f"{request_id} was taken in and is not remembered")
        elif None not in (reason, refused) and reason != refused:
            evidence.broken("same answer", errand.fault_id, f"{request_id} was refused for another reason")
        yield what, request_id, reason == Reason.REASON_UNSPECIFIED


def _waivers(evidence: Evidence) -> None:
    """Rent was given back for every outage that was too long, once, and for no moment twice."""
    rows: dict[tuple[str, int], list[_Given]] = {}
    for region, row in evidence.rows("SELECT fault_id, outage, start_time, end_time, amount FROM fault_waivers"):
        span = from_microseconds(row["start_time"]), from_microseconds(row["end_time"])
        rows.setdefault((row["fault_id"], row["outage"]), []).append((row["amount"], region, span))
    for fault, number in _due(evidence):
        if (fault.id, number) not in rows:
            evidence.broken(WAIVED, fault.id, f"no rent was given back for outage {number}")
    for (fault_id, number), found in rows.items():
        stored = evidence.faults.get(fault_id, {})
        outage = next((each.outages[number] for each in stored.values() if number < len(each.outages)), None)
        if sum(amount > 0 for amount, _, _ in found) > 1:
            evidence.broken(WAIVED, fault_id, f"outage {number} was given back {len(found)} times")
        if outage is None or not outage.HasField("breach_time") or not outage.HasField("end_time"):
            evidence.broken(WAIVED, fault_id, f"outage {number} was given back, and is no such outage")
    wanted = {f"{fault}#waived{number}": max(found)[0] for (fault, number), found in rows.items() if max(found)[0]}
    _equal_postings(evidence, wanted | {each.serial: each.amount for each in moved_rents(evidence) if each.amount})
    _no_moment_twice(evidence, rows)


def _due(evidence: Evidence) -> Iterator[tuple[Fault, int]]:
    """The outages of repaired faults for which rent is due, as the regions say in which the faults are."""
    for stored in evidence.faults.values():
        for region, fault in stored.items():
            line = fault.report.number
            if (
                fault.owner_region != region
                or line in {"", *evidence.moved}
                or fault.state not in fault_status.REPAIRED
            ):
                continue
            for number, each in enumerate(fault.outages):
                if each.HasField("breach_time") and each.HasField("end_time") and not _is_excluded(fault):
                    yield fault, number


def _equal_postings(evidence: Evidence, wanted: dict[str, int]) -> None:
    sql = "SELECT posting_id, amount FROM ledger_entries WHERE kind = 'rent-waived' AND amount > 0"
    posted = [(row["posting_id"], row["amount"]) for _, row in evidence.rows(sql)]
    if sorted(posted) != sorted(wanted.items()):
        for posting in sorted({each for each, _ in posted} ^ wanted.keys()):
            evidence.broken(WAIVED, posting.partition("#")[0], f"{posting} is not both booked and noted")
        evidence.broken(WAIVED, "-", f"booked {sorted(posted)}, noted {sorted(wanted.items())}")


def _no_moment_twice(evidence: Evidence, rows: dict[tuple[str, int], list[_Given]]) -> None:
    """With a constant plan, the rent given back is that of the united times; cents are rounded once for each outage."""
    rents = {each.id: each.monthly_rent.minor_units for each in configuration().plans}
    customers = {each.number: rents[PLANS[each.region][0]] for each in subscribers() if "network" in each.traits}
    found: dict[str, list[tuple[Span, int]]] = {}
    for (fault_id, _), given in rows.items():
        number = next(iter(evidence.faults[fault_id].values())).report.number
        found.setdefault(number, []).extend((span, amount) for amount, _, span in given)
    for number, parts in found.items():
        if number in customers:
            exact = rent_of(customers[number], united([span for span, _ in parts]), ZONE)
            total = sum(amount for _, amount in parts)
            if abs(total - exact) > len(parts):
                evidence.broken(WAIVED, "-", f"{number} was given back {total} and not {exact}")


def _told(evidence: Evidence) -> None:
    """Customers get each required notice once: neither twice nor never.

    A region that receives several changes together sends the notice of the last one.
    """
    told: Counter[tuple[str, str]] = Counter()
    for _, row in evidence.rows("SELECT notice_id, kind FROM notices WHERE kind LIKE 'fault-%'"):
        told[row["notice_id"].removeprefix("fault/").rpartition(f"/{row['kind'][6:]}")[0], row["kind"][6:]] += 1
    rows = evidence.rows("SELECT fault_id, outage FROM fault_waivers WHERE amount > 0")
    given = {(row["fault_id"], row["outage"]) for _, row in rows}
    given |= {each.outage for each in moved_rents(evidence) if each.amount}
    waived = Counter(fault_id for fault_id, _ in given)
    for fault_id, stored in evidence.faults.items():
        fault = next((each for region, each in stored.items() if each.owner_region == region), None)
        if fault is None or not fault.report.number:
            continue
        changes = Counter(fault_status.name(each.state) for each in fault.state_changes)
        late = sum(each.HasField("breach_time") and each.breach_time == each.due_time for each in fault.outages)
        wanted = {
            "reported": (1, 1),
            "repaired": (int(fault.state in fault_status.REPAIRED), changes["RESOLVED"]),
            "asked": (int(fault.state == fault_status.PENDING), changes["PENDING"]),
            "reopened": (0, fault.reopenings),
            "ended": (changes["CANCELLED"],) * 2,
            "rejected": (changes["REJECTED"],) * 2,
            "late": (0 if fault.report.number in evidence.moved else late, late),
            "waived": (waived[fault_id],) * 2,
            "appointment": (0, len(fault.repair.appointments)),
        }
        for what, (least, most) in wanted.items():
            if not least <= told[fault_id, what] <= most:
                evidence.broken(TOLD, fault_id, f"{what} is told {told[fault_id, what]} times, not {least} to {most}")
