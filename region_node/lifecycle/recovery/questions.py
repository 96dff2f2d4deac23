"""The questions for receipts that other regions have still to answer: a later start goes on with those left."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from gateway.relay import inbox
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import to_microseconds

MOST = 8
"""Questions to a region: as many starts, with commands of it in between, may pass without an answer."""


class ReceiptQuestion(NamedTuple):
    """A row: the question to a region for its furthest receipt of before a start. Instants are in microseconds."""

    region: str
    start_time: int
    last_time: int


RECEIPT_QUESTIONS = Table("receipt_questions", ReceiptQuestion, key=("region", "start_time"))


def ask(tx: Transaction, regions: Iterable[str], start_time: datetime, last_time: datetime) -> None:
    """Keeps a question to each region about a start. `last_time` is that of the last row before it.

    One question serves for several starts between which the region was given no receipt: none hides a lost one.
    """
    asked = left(tx)
    for region in regions:
        question = ReceiptQuestion(region, to_microseconds(start_time), to_microseconds(last_time))
        earlier = [each for each in asked if each.region == region]
        if earlier and (len(earlier) == MOST or not _has_sent_since(tx, earlier[-1])):
            last = earlier[-1]
            end(tx, last)
            start, end_of_chain = max(last.start_time, question.start_time), min(last.last_time, question.last_time)
            question = ReceiptQuestion(region, start, end_of_chain)
        tx.keep(RECEIPT_QUESTIONS, question)


def left(tx: Transaction) -> list[ReceiptQuestion]:
    """The questions without an answer, by region and start."""
    columns = ", ".join(ReceiptQuestion._fields)
    return tx.all(ReceiptQuestion, f"SELECT {columns} FROM receipt_questions ORDER BY region, start_time")  # noqa: S608


def end(tx: Transaction, question: ReceiptQuestion) -> None:
    """Removes a question, unless another start has widened it meanwhile."""
    if tx.find(RECEIPT_QUESTIONS, question.region, question.start_time) == question:
        tx.remove(RECEIPT_QUESTIONS, question.region, question.start_time)


def _has_sent_since(tx: Transaction, question: ReceiptQuestion) -> bool:
    return bool(inbox.received_after(tx, question.region, (question.start_time, ""), 1))
