"""The questions for receipts that other regions have still to answer: a later start goes on with those left."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.auditing.audit import Head
from gateway.relay import inbox
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import to_microseconds

MOST = 8
"""Questions to a region: as many starts, with commands of it in between, may pass without an answer."""


class ReceiptQuestion(NamedTuple):
    """A row: the question to a region for its receipts of before a start. Instants are in microseconds."""

    region: str
    start_time: int
    last_time: int
    place: str = ""
    """Behind which the answer of the region goes on: no pause and no restart begins its search anew."""
    first_head: int | None = None
    """The last row of the audit chain before the first start that it is about; None in one of a former version."""
    last_head: int | None = None
    """The same before the last start."""


class LastRow(NamedTuple):
    """The last row of the audit chain before a start: its number, and its time. 0 and 1970 for an empty chain."""

    sequence: int
    time: datetime


class ShownRow(NamedTuple):
    """The audit row of this region in a receipt that another one shows."""

    head: Head
    decide_time: int
    """The instant of the receipt in microseconds, by a clock of this region."""


RECEIPT_QUESTIONS = Table("receipt_questions", ReceiptQuestion, key=("region", "start_time"))


def quiet(tx: Transaction, regions: Iterable[str], start_time: datetime) -> set[ReceiptQuestion]:
    """The last question of before a start to each region, where the region was given no receipt since.

    The look at the inbox may take long: it comes before the write that keeps questions.
    """
    asked = left(tx)
    last = (_last_before(asked, each, to_microseconds(start_time)) for each in regions)
    return {each for each in last if each is not None and not _has_sent_since(tx, each)}


def ask(
    tx: Transaction,
    regions: Iterable[str],
    start_time: datetime,
    last: LastRow,
    widened: Collection[ReceiptQuestion],
) -> None:
    """Keeps a question to each region about a start. `last` is the last row before it.

    One question serves for several starts between which the region was given no receipt: none hides a lost one. These
    are `widened`, as `quiet` has found them. A question about a later start, by a clock that was ahead, stays apart.
    """
    asked = left(tx)
    for region in regions:
        time = to_microseconds(last.time)
        question = ReceiptQuestion(region, to_microseconds(start_time), time, "", last.sequence, last.sequence)
        before = _last_before(asked, region, question.start_time)
        is_full = sum(each.region == region for each in asked) >= MOST
        if before is not None and (is_full or before in widened):
            end(tx, before)
            head = None if before.first_head is None else min(before.first_head, last.sequence)
            question = question._replace(last_time=min(before.last_time, time), first_head=head)
        tx.keep(RECEIPT_QUESTIONS, question)


def left(tx: Transaction) -> list[ReceiptQuestion]:
    """The questions without an answer, by region and start."""
    columns = ", ".join(ReceiptQuestion._fields)
    return tx.all(ReceiptQuestion, f"SELECT {columns} FROM receipt_questions ORDER BY region, start_time")  # noqa: S608


def go_on(tx: Transaction, question: ReceiptQuestion, place: str) -> ReceiptQuestion | None:
    """Has a question go on behind a place, or end without one. Returns it as it is left, None at its end.

    One with which another process is further, or that another start has widened, stays as it is.
    """
    kept = tx.find(RECEIPT_QUESTIONS, question.region, question.start_time)
    if kept != question:
        return kept
    if not place:
        end(tx, question)
        return None
    further = question._replace(place=place)
    tx.keep(RECEIPT_QUESTIONS, further)
    return further


def end(tx: Transaction, question: ReceiptQuestion) -> None:
    """Removes a question, unless a process has changed it meanwhile."""
    if tx.find(RECEIPT_QUESTIONS, question.region, question.start_time) == question:
        tx.remove(RECEIPT_QUESTIONS, question.region, question.start_time)


def _last_before(asked: Sequence[ReceiptQuestion], region: str, start_time: int) -> ReceiptQuestion | None:
    earlier = [each for each in asked if each.region == region and each.start_time <= start_time]
    return earlier[-1] if earlier else None


def _has_sent_since(tx: Transaction, question: ReceiptQuestion) -> bool:
    return bool(inbox.received_after(tx, question.region, (question.start_time, ""), 1))
