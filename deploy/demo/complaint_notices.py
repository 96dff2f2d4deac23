"""Prints the complaint of the story: its holders, its levels, and its notices."""

from collections.abc import Sequence
from datetime import timedelta

from rich.text import Text

from deploy.demo import wording
from deploy.demo.complaint_cast import Elsewhen
from deploy.demo.stage import Stage
from gateway.api.region.v1.complaint_pb2 import Complaint, Escalation, EscalationTrigger, LedgerEntry, TimeReason
from gateway.time.clock import from_timestamp
from gateway.values.money import in_major_units
from gateway.wording.words import english
from region_node.care.complaints.course import length_of
from region_node.customers.accounts.rules import EntryKind

_BAR = 40  # characters of the whole time


def holder(region: str, reason: TimeReason.ValueType) -> str:
    """The holder of a complaint."""
    if reason == TimeReason.TIME_REASON_WAITING_FOR_COORDINATOR:
        return "the coordinator"
    return region or "the customer"


def reached(raised: Escalation, in_time: timedelta) -> str:
    """How a level was reached."""
    late = from_timestamp(raised.time) - from_timestamp(raised.due_time)
    return f"L{raised.level} within 5 s" if timedelta() <= late <= in_time else f"L{raised.level} after {late}"


async def whole_story(stage: Stage, there: Elsewhen, case: Complaint) -> None:
    """Prints all stored data of the case, and checks its consistency."""
    told = await there.desk.told(case.ticket_id)
    _who_had_it(stage, told.complaint)
    _where_its_time_went(stage, told.complaint, told.ledger)
    items = [(await there.staff["guangdong"].told(each.ticket_id)).complaint for each in case.items]
    await _how_high(stage, there, [told.complaint, *items])
    notices = await there.desk.notices(case.request.number)
    stage.say("What the customer was told, by Guangdong alone:")
    for each in notices:
        stage.told(wording.time(each.create_time), each.text)
    kinds = [each.kind.removeprefix("complaint-") for each in notices]
    stage.check("the customer was told", "filed, resolved, resolved, ended, money", ", ".join(kinds), "each once")


async def billed(stage: Stage, there: Elsewhen, case: Complaint, amount: int) -> None:
    """Checks the bill of the month in which the money was booked, from the counter of the origin region."""
    booked = from_timestamp(case.remedy.state_time).astimezone(wording.ZONE)
    bill = await there.counters["guangdong"].bill(case.request.number, f"{booked:%Y-%m}")
    kinds = (EntryKind.REMEDY, EntryKind.REFUND)
    lines = [each for kind in kinds for each in bill.lines if each.description == kind.description]
    for each in lines:
        stage.told(wording.amount(each.amount), each.description)
    given, paid_out = (in_major_units(each, case.resolution.amount.currency) for each in (amount, -amount))
    stage.check(
        "the bill of the month, after the refund",
        f"{EntryKind.REMEDY.description.en} {given}, {EntryKind.REFUND.description.en} {paid_out}",
        ", ".join(f"{each.description.en} {wording.amount(each.amount)}" for each in lines),
        "in the customer's account, and paid out",
    )


def _who_had_it(stage: Stage, case: Complaint) -> None:
    starts = [from_timestamp(each.start_time) for each in case.custody]
    ends = [*starts[1:], from_timestamp(case.state_changes[-1].time)]
    rows = [
        (
            wording.time(each.start_time),
            holder(each.region, each.reason),
            english(TimeReason.Name(each.reason), "TIME_REASON_"),
            length_of(end - start),
        )
        for each, start, end in zip(case.custody, starts, ends, strict=True)
    ]
    stage.table(("since", "who had it", "for", "how long"), rows)


def _where_its_time_went(stage: Stage, case: Complaint, ledger: Sequence[LedgerEntry]) -> None:
    """Prints the ledger with closed hours apart; it sums to the whole."""
    whole = from_timestamp(case.state_changes[-1].time) - from_timestamp(case.create_time)
    amounts = [each.duration.ToTimedelta() for each in ledger]
    rows = [
        (
            holder(each.region, each.reason),
            english(TimeReason.Name(each.reason), "TIME_REASON_"),
            length_of(amount),
            Text("█" * round(_BAR * (amount / whole)), style="cyan"),
        )
        for each, amount in zip(ledger, amounts, strict=True)
    ]
    stage.table(("why late: who", "for", "how long", ""), rows)
    together = sum(amounts, timedelta())
    missing = "nothing is" if together == whole else f"{whole - together} are"
    stage.check(
        "its time sums to the whole",
        f"{length_of(whole)}, nothing is missing",
        f"{length_of(together)}, {missing} missing",
    )


async def _how_high(stage: Stage, there: Elsewhen, complaints: Sequence[Complaint]) -> None:
    """Prints each level, its due and actual time, and its notice."""
    levels = {
        f"{each.ticket_id}/L{raised.level}": raised
        for each in complaints
        for raised in each.escalations
        if raised.level
    }
    notices = await there.notified_recipients(len(levels))
    told = [each.id for each in notices]
    to_call = {each.id: f"{each.on_duty.region} {each.on_duty.contact.name}" for each in notices}
    rows = [
        (
            name,
            english(EscalationTrigger.Name(raised.trigger), "ESCALATION_TRIGGER_"),
            raised.region,
            wording.time(raised.due_time),
            f"{(from_timestamp(raised.time) - from_timestamp(raised.due_time)).total_seconds():.1f} s later",
            to_call.get(name, ""),
            f"{told.count(name)}x",
        )
        for name, raised in levels.items()
    ]
    stage.table(
        ("notification to escalation recipients", "why", "raised by", "due", "reached", "to call", "sent"), rows
    )
    seen = "each once" if sorted(told) == sorted(levels) else ", ".join(told)
    stage.check(
        "the escalation recipients were told of each level",
        "each once",
        seen,
        f"{len(told)} lines in three regions' files",
    )
