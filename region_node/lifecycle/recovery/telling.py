"""Reports to a region the commands that both have exchanged, with receipts, or its receipts alone.

Its database may have lost its newest part.
"""

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from operator import itemgetter

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.recovery_envelopes_pb2 import AnsweredCommand, CatchUpAnswer, CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, EnvelopeKind, Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay import inbox, outbox
from gateway.relay.border import Kinds, SlowQuery
from gateway.relay.envelopes import Answer
from gateway.store.port import Store, Transaction
from gateway.time.clock import from_microseconds, from_timestamp, is_dated, to_microseconds, to_timestamp
from region_node.node.payloads import received

CATCH_UP = EnvelopeKind.ENVELOPE_KIND_CATCH_UP
PAGE = 200  # commands or receipts in an answer
PAGE_BYTES = 1024 * 1024  # of them; the last one may exceed it
RECEIPTS = 1000  # of a page, the last of which are of before the start: more than batches bring of several processes
_Place = tuple[int, str]
_NEWEST: _Place = (2**63 - 1, "")


class CatchUpEnvelopes:
    """The kind of envelope of regions that catch up. Each reported page is a row of the audit chain."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asking = set[tuple[str, bool]]()

    def kinds(self) -> Kinds:
        """The handler here: a page is read beside the commits of others."""
        return {CATCH_UP: SlowQuery(self._told)}

    async def _told(self, content: EnvelopeContent, now: datetime) -> Answer:
        """Reports to a region only commands that it has sent or received itself, and none of an erased customer.

        Raises Refused with TOO_BUSY for a region while it is given another page of the same sort: a long search for
        its receipts delays no report of commands.
        """
        question, region = received(CatchUpQuestion, content.payload), content.origin
        if not is_dated(question.begin_time) or not is_dated(question.start_time):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="a time that is none")
        since = to_microseconds(from_timestamp(question.begin_time))
        asking = region, question.wants_furthest_receipt
        if asking in self._asking:
            raise Refused(Reason.REASON_TOO_BUSY)
        self._asking.add(asking)
        try:
            answer = await self._store.read(lambda tx: _answer(tx, region, since, question))
        finally:
            self._asking.discard(asking)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=answer.SerializeToString())


def _answer(tx: Transaction, region: str, since: int, question: CatchUpQuestion) -> CatchUpAnswer:
    if question.HasField("after_sequence"):
        return receipts_behind(tx, region, since, question)
    if question.wants_furthest_receipt:
        until = from_timestamp(question.start_time) if question.HasField("start_time") else None
        return furthest_receipt(tx, region, since, until, question.place)
    return page_of(tx, region, since, question.place)


def furthest_receipt(tx: Transaction, region: str, since: int, until: datetime | None, place: str) -> CatchUpAnswer:
    """The kept receipt of a region with the furthest row of its audit chain, of a page since an instant.

    The instant is in microseconds. The newest page comes first. A receipt that the region has decided after `until`, by
    its own clock, hides none of before: the search goes on behind a page with one. Raises Refused as `page_of`.
    """
    [before] = _places(place, 1) if place else [_NEWEST]
    page = outbox.newest_answered(tx, region, since, before, RECEIPTS)
    kept = [each for _, name in page if (each := outbox.receipt(tx, name)) is not None]
    read = [(ReceiptContent.FromString(each.content), each) for each in kept]
    rows = [(content.audit_sequence, each) for content, each in read if not _is_after(content.decide_time, until)]
    answer = CatchUpAnswer(furthest_receipt=max(rows, key=itemgetter(0), default=(0, None))[1])
    if len(page) == RECEIPTS and (not rows or len(rows) < len(kept)):
        time, name = page[-1]
        answer.next_place = f"{time} {name}"
    return answer


def receipts_behind(tx: Transaction, region: str, since: int, question: CatchUpQuestion) -> CatchUpAnswer:
    """The kept receipts of a region that name rows of its audit chain behind its start, of a page since an instant.

    The instant is in microseconds. The newest page comes first. Receipts of after the start count too: the clock of the
    region may have stepped, so that times do not distinguish them from lost ones. So may the clock of this region, by
    which receipts have their order: a page of earlier rows alone does not end the search. Raises Refused as `page_of`.
    """
    [before] = _places(question.place, 1) if question.place else [_NEWEST]
    page = outbox.newest_answered(tx, region, since, before, RECEIPTS)
    answer, left, looked = CatchUpAnswer(), PAGE_BYTES, 0
    for _, name in page:
        if len(answer.receipts) == PAGE or left <= 0:
            break
        looked += 1
        kept = outbox.receipt(tx, name)
        if kept is not None:
            content = ReceiptContent.FromString(kept.content)
            if _is_wanted(content, question):
                answer.receipts.append(kept)
                left -= kept.ByteSize()
    if looked < len(page) or len(page) == RECEIPTS:
        time, name = page[looked - 1]
        answer.next_place = f"{time} {name}"
    return answer


def _is_wanted(content: ReceiptContent, question: CatchUpQuestion) -> bool:
    """Whether a receipt may name a lost row: one of the next rows, or one further that has a time before the start."""
    if content.audit_sequence <= question.after_sequence:
        return False
    is_next = content.audit_sequence <= question.last_sequence
    return is_next or not _is_after(content.decide_time, from_timestamp(question.start_time))


def _is_after(time: Timestamp, until: datetime | None) -> bool:
    return until is not None and is_dated(time) and from_timestamp(time) > until


def page_of(tx: Transaction, region: str, since: int, place: str) -> CatchUpAnswer:
    """The commands exchanged with a region behind a place, at first those since an instant in microseconds.

    They have the order in which they were answered. Raises Refused with ENVELOPE_INVALID for a place that is
    none.
    """
    taken, sent = _places(place, 2) if place else ((since, ""), (since, ""))
    of_theirs = inbox.received_after(tx, region, taken, PAGE)
    of_ours = outbox.answered_after(tx, region, sent, PAGE)
    answer, left, count = CatchUpAnswer(), PAGE_BYTES, 0
    for time, is_ours, name in merge(_marked(of_theirs, 0), _marked(of_ours, 1)):
        if count == PAGE or left <= 0:
            break
        count += 1
        taken, sent = (taken, (time, name)) if is_ours else ((time, name), sent)
        told = _ours(tx, name) if is_ours else _theirs(tx, region, name)
        if told is not None:
            answer.commands.append(told)
            left -= told.ByteSize()
    if count == PAGE or count < len(of_theirs) + len(of_ours):
        answer.next_place = f"{taken[0]} {taken[1]} {sent[0]} {sent[1]}"
    if before := inbox.forgotten_before(tx):
        answer.purge_time.CopyFrom(to_timestamp(from_microseconds(before)))
    return answer


def _marked(found: list[_Place], is_ours: int) -> Iterator[tuple[int, int, str]]:
    return ((time, is_ours, name) for time, name in found)


def _places(place: str, count: int) -> list[_Place]:
    try:
        words = place.split(" ")
        found = [(int(time), name) for time, name in zip(words[::2], words[1::2], strict=True)]
        for time, _ in found:
            from_microseconds(time)  # no number beyond those of a column
    except (ValueError, OverflowError):
        found = []
    if len(found) != count:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no place of an answer")
    return found


def _ours(tx: Transaction, envelope_id: str) -> AnsweredCommand | None:
    envelope, receipt = outbox.sent(tx, envelope_id), outbox.receipt(tx, envelope_id)
    return None if envelope is None or receipt is None else AnsweredCommand(envelope=envelope, receipt=receipt)


def _theirs(tx: Transaction, region: str, envelope_id: str) -> AnsweredCommand | None:
    try:
        row = inbox.find(tx, region, envelope_id)
    except Refused:
        return None  # of an erased customer
    if row is None:
        return None
    return AnsweredCommand(
        envelope=Envelope(content=row.content, signature=row.signature),
        receipt=Receipt(content=row.receipt_content, signature=row.receipt_signature),
    )
