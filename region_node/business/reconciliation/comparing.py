"""The comparison of a business day with another region, as three steps of envelopes and their receipts.

The asking region sends one digest for each kind; the receipt has the other region's. Where they differ, it sends
digests of buckets, and the receipt has the records of differing buckets. Each region asks, and stores its own findings.
"""

import hashlib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from gateway.api.region.v1.reconciliation_envelopes_pb2 import (
    BucketDigests,
    DayDigests,
    KindDigest,
    ReconciledRecords,
    ReconciliationQuestion,
)
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.errors import invalid
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send, was_sent
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.business.reconciliation import days, rules
from region_node.business.reconciliation.port import Reconciliation, SettledKind
from region_node.business.reconciliation.repair_rows import act_time, is_under_way, repairs_about
from region_node.business.reconciliation.rows import (
    DayRow,
    close_unseen,
    count_open,
    expect_answer,
    keep_day,
    keep_difference,
    keep_open,
    note_repair,
    record_of,
    told_record,
)
from region_node.business.reconciliation.rules import Record

SUBJECTS = "reconciliation/"
_LIFETIME = timedelta(hours=20)  # the next night asks again
MOST_DIFFERENCES = 50_000  # of a day: one of the regions has lost its records, or lies, and people have to look
_MOST_KINDS = 50  # in a question, of which each costs this region a query
_log = logging.getLogger(__name__)


def compare(tx: Transaction, context: Reconciliation, region: str, day: date, now: datetime) -> None:
    """Starts the comparison of a business day with another region.

    Raises Refused with CONFIGURATION_INVALID where the federation has no policy for it.
    """
    found = _records(tx, context, region, day)
    digests = [_kind_digest(kind, records) for kind, records in found.items()]
    expect_answer(tx, region, f"{day}")
    question = ReconciliationQuestion(day=f"{day}", digests=DayDigests(kinds=digests), start_time=to_timestamp(now))
    _ask(tx, context, region, question, now)


def answer(
    tx: Transaction, context: Reconciliation, region: str, question: ReconciliationQuestion
) -> DayDigests | ReconciledRecords:
    """This region's part of another region's comparison: of the records that both have, and no other.

    Raises Refused with REQUEST_INVALID.
    """
    day = days.parsed_day(question.day)
    if question.HasField("buckets"):
        return _records_of_buckets(tx, context, region, day, question.buckets)
    asked = {each.record_kind for each in question.digests.kinds[:_MOST_KINDS]}
    found = _records(tx, context, region, day, only=asked)
    return DayDigests(kinds=[_kind_digest(kind, records) for kind, records in found.items()])


def digests_answered(
    tx: Transaction,
    context: Reconciliation,
    region: str,
    question: ReconciliationQuestion,
    told: DayDigests,
    now: datetime,
) -> None:
    """Takes the other region's digests, and requests the records of the kinds that differ.

    A kind that the other region does not know is left out of the comparison.
    """
    day, started = date.fromisoformat(question.day), from_timestamp(question.start_time)
    found = _records(tx, context, region, day)
    ours = [_kind_digest(kind, records) for kind, records in found.items()]
    theirs = {each.record_kind: each for each in told.kinds}
    shared = [each for each in ours if each.record_kind in theirs]
    open_records = sum(max(each.open_records, theirs[each.record_kind].open_records) for each in shared)
    row = DayRow(
        region=region,
        day=question.day,
        records_here=sum(each.records for each in shared),
        records_there=sum(theirs[each.record_kind].records for each in shared),
        digest_here=_together(shared),
        digest_there=_together(theirs[each.record_kind] for each in shared),
        open_records=open_records,
        compare_time=to_microseconds(now),
        is_settled=int(open_records == 0 and all(each.digest == theirs[each.record_kind].digest for each in shared)),
    )
    keep_day(tx, row)
    for each in shared:
        if each.digest == theirs[each.record_kind].digest:
            close_unseen(tx, region, question.day, each.record_kind, started, now)
        else:
            records = found[each.record_kind]
            # The region with more records decides: a bucket of all its records would be too large for a receipt.
            buckets = rules.bucket_count(max(len(records), theirs[each.record_kind].records))
            _ask_for_records(tx, context, region, question, each.record_kind, rules.in_buckets(records, buckets), now)


def records_answered(
    tx: Transaction,
    context: Reconciliation,
    region: str,
    question: ReconciliationQuestion,
    told: ReconciledRecords,
    now: datetime,
) -> None:
    """Stores the differences of the buckets in an answer, requests the next ones, and at the end closes all others."""
    day, started, asked = date.fromisoformat(question.day), from_timestamp(question.start_time), question.buckets
    kind = context.kinds.get(asked.record_kind)
    if kind is None or count_open(tx, region, question.day) >= MOST_DIFFERENCES:
        _log.error("the comparison of %s with %s ends: too many differences, or no known kind", question.day, region)
        return
    records = kind.records(tx, days.wanted(context.node, region, day))
    buckets = rules.in_buckets(records, len(asked.digests) // rules.BUCKET_BYTES)
    named = {number for number in told.buckets if number < len(buckets)}
    ours = [each for number in named for each in buckets[number]]
    # Where this region has changed a record or acted on it since the question, their copy may be that from before.
    changed = {number for number in named if rules.differs(buckets[number], asked.digests, number)}
    late = days.late_after(context.node)
    theirs = (record_of(each) for each in told.records)
    # A record outside of its bucket would be a difference that no later comparison finds again, and closes.
    placed = [each for each in theirs if rules.bucket_of(each.serial, len(buckets)) in named]
    for pair in rules.differences(ours, placed):
        if pair.here is None and kind.is_erased(tx, pair.serial):
            continue  # the erasure is on its way to the other region
        repairs = repairs_about(tx, context.kinds, kind.name, pair.serial)
        acted = max(filter(None, map(act_time, repairs)), default=None)
        has_acted = acted is not None and started <= acted <= now
        if has_acted or rules.bucket_of(pair.serial, len(buckets)) in changed:
            keep_open(tx, region, kind.name, pair.serial, started)
            continue
        keep_difference(tx, kind, region, question.day, pair, started, now, late)
        for repair in filter(is_under_way, repairs):
            note_repair(tx, region, kind.name, pair.serial, repair.id)  # the other region has found it first
    if asked.first_bucket < told.next_bucket < len(buckets):
        following = ReconciliationQuestion()
        following.CopyFrom(question)
        following.buckets.first_bucket = told.next_bucket
        _ask(tx, context, region, following, now)
    else:
        close_unseen(tx, region, question.day, asked.record_kind, started, now)


def _records_of_buckets(
    tx: Transaction, context: Reconciliation, region: str, day: date, asked: BucketDigests
) -> ReconciledRecords:
    kind = context.kinds.get(asked.record_kind)
    if kind is None or not rules.is_bucket_digests(asked.digests):
        raise invalid("buckets", "no known kind, or no digests", "类别未知，或没有摘要")
    records = kind.records(tx, days.wanted(context.node, region, day))
    found = rules.differing(records, asked.digests, asked.first_bucket)
    told = (told_record(each) for each in found.records)
    return ReconciledRecords(
        buckets=found.buckets, records=[each for each in told if each is not None], next_bucket=found.following
    )


def _ask_for_records(
    tx: Transaction,
    context: Reconciliation,
    region: str,
    question: ReconciliationQuestion,
    record_kind: str,
    buckets: Sequence[Sequence[Record]],
    now: datetime,
) -> None:
    asked = BucketDigests(record_kind=record_kind, digests=rules.bucket_digests(buckets))
    _ask(
        tx,
        context,
        region,
        ReconciliationQuestion(day=question.day, buckets=asked, start_time=question.start_time),
        now,
    )


def _ask(
    tx: Transaction, context: Reconciliation, region: str, question: ReconciliationQuestion, now: datetime
) -> None:
    """Sends a question. Its id names the comparison, the kind and the first bucket.

    A night and staff may begin at one instant, since the timers of a moment fire with one time: that is one comparison.
    """
    started = to_microseconds(from_timestamp(question.start_time))
    part = f"{question.buckets.record_kind}/{question.buckets.first_bucket}" if question.HasField("buckets") else "day"
    envelope_id = f"{context.node.region}/{SUBJECTS}{question.day}/{started}/{part}>{region}"
    if was_sent(tx, envelope_id):
        return
    outgoing = OutgoingEnvelope(
        envelope_id=envelope_id,
        destination=region,
        kind=EnvelopeKind.ENVELOPE_KIND_RECONCILIATION,
        payload=question.SerializeToString(),
        subject=f"{SUBJECTS}{question.day}",
        operator="",
        lifetime=_LIFETIME,
        bulk=True,
    )
    send(tx, context.node.border, outgoing, now=now, traceparent="")


def _records(
    tx: Transaction, context: Reconciliation, region: str, day: date, only: Collection[str] | None = None
) -> Mapping[str, Sequence[Record]]:
    """The records that this region shares with another, by kind; `only` the named kinds."""
    wanted = days.wanted(context.node, region, day)
    kinds: Iterable[SettledKind] = context.kinds.values()
    return {each.name: each.records(tx, wanted) for each in kinds if only is None or each.name in only}


def _kind_digest(record_kind: str, records: Sequence[Record]) -> KindDigest:
    counts = rules.counted(records)
    return KindDigest(
        record_kind=record_kind,
        records=counts[rules.SETTLED],
        digest=rules.digest(records),
        open_records=counts[rules.OPEN],
    )


def _together(digests: Iterable[KindDigest]) -> bytes:
    """One digest of a day."""
    return hashlib.sha256(b"".join(each.digest for each in digests)).digest()
