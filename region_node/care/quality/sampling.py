"""Samples of handled records: the population, the draw, and the judgement (specification 1.4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.api.federation.v1.quality_pb2 import SampledKind
from gateway.api.region.v1.quality_service_pb2 import Sample, SampledRecord
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.catalogue import Federation
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds, to_timestamp
from gateway.values.lists import one_of
from gateway.values.requesters import is_same_person
from region_node.business.billing.rules import Month
from region_node.business.orders.rows import completed_page, require_order
from region_node.care.complaints.figure_rows import Filed, counted_page
from region_node.care.complaints.rows import require_complaint
from region_node.care.quality import sample_rows
from region_node.care.quality.draws import Draw
from region_node.node.context import RegionContext
from region_node.requests.rows import has_requested

SIZE = "supervision-sample"
"""The policy with the number of records of a sample."""
LARGEST = 500
PAGE = 500
_ORDERS, _COMPLAINTS = SampledKind.SAMPLED_KIND_ORDERS, SampledKind.SAMPLED_KIND_COMPLAINTS
Place = tuple[int, str]
"""A time in microseconds and the id of the record before."""


@dataclass(frozen=True)
class Population:
    """The handled records of a kind and a month."""

    region: str
    kind: SampledKind.ValueType
    month: Month

    @property
    def start(self) -> Place:
        """The place before the first record."""
        return to_microseconds(self.month.start), ""

    def page(self, tx: Transaction, draw: Draw, after: Place) -> Place | None:
        """Takes a page of the population into a draw; returns the place behind it, None behind the last."""
        start, end = to_microseconds(self.month.start), to_microseconds(self.month.end)
        if self.kind == _ORDERS:
            orders = completed_page(tx, self.region, end, after, PAGE)
            for each in orders:
                draw.take(each.business, each.order_id)
            return (orders[-1].completion_time, orders[-1].order_id) if len(orders) == PAGE else None
        complaints = counted_page(tx, Filed(self.region, start, end), after, PAGE)
        for complaint in complaints:
            if complaint.resolved is not None:
                draw.take(complaint.category, complaint.ticket_id)
        return (complaints[-1].create_time, complaints[-1].ticket_id) if len(complaints) == PAGE else None


def require_kind(kind: SampledKind.ValueType) -> None:
    """Raises Refused with REQUEST_INVALID for a kind that is not sampled."""
    if kind not in (_ORDERS, _COMPLAINTS):
        raise invalid("kind", "not of orders or complaints", "须为订单或投诉")


def size_of(federation: Federation, region: str, asked: int) -> int:
    """The number of records of a sample. Raises Refused with REQUEST_INVALID or CONFIGURATION_INVALID."""
    if asked > LARGEST:
        raise invalid("size", f"it is more than {LARGEST}", f"不得超过{LARGEST}")
    return asked or federation.figure(SIZE, (region,))


def sample_of(population: Population, draw: Draw, seed: str, staff_id: str, now: datetime) -> Sample:
    """The sample of a draw; its id is the caller's. Raises Refused with SAMPLE_EMPTY."""
    drawn = draw.drawn()
    if not drawn:
        raise Refused(Reason.REASON_SAMPLE_EMPTY, month=population.month.name)
    return Sample(
        month=population.month.name,
        kind=population.kind,
        seed=seed,
        population=draw.population.total(),
        staff_id=staff_id,
        create_time=to_timestamp(now),
        records=[SampledRecord(id=record_id, stratum=stratum) for stratum, record_id in drawn],
    )


@dataclass(frozen=True)
class Judgement:
    """A judgement by a member of staff, `caller` as requests name them."""

    sample_id: str
    record_id: str
    failed: Sequence[str]
    staff_id: str
    caller: str


def judge(tx: Transaction, context: RegionContext, made: Judgement, now: datetime) -> Sample:
    """Stores a judgement, once; returns the sample after it.

    Raises Refused with SAMPLE_NOT_FOUND, REQUEST_INVALID for a criterion of another kind, SAMPLED_RECORD_JUDGED,
    OWN_WORK, and as the record is missing or belongs to an erased customer.
    """
    sample = sample_rows.find_sample(tx, made.sample_id)
    record = next((each for each in sample.records if each.id == made.record_id), None) if sample else None
    if sample is None or record is None:
        raise Refused(Reason.REASON_SAMPLE_NOT_FOUND, sample=made.sample_id, record=made.record_id)
    failed = sorted(set(made.failed))
    _require_criteria(context.federation, sample.kind, failed)
    if record.judge:
        if (record.judge, list(record.failed_criteria)) == (made.staff_id, failed):
            return sample
        raise Refused(Reason.REASON_SAMPLED_RECORD_JUDGED, judge=record.judge, record=record.id)
    _require_work_of_others(tx, context.region, sample.kind, made)
    record.failed_criteria[:], record.judge = failed, made.staff_id
    record.judge_time.CopyFrom(to_timestamp(now))
    sample_rows.judge(tx, sample, record)
    return sample


def _require_criteria(federation: Federation, kind: SampledKind.ValueType, codes: Sequence[str]) -> None:
    known = {each.code for each in federation.configuration.quality.criteria if kind in each.kinds}
    unknown = sorted(set(codes) - known)
    if unknown:
        raise invalid("failed_criteria", *one_of(sorted(known)))


def _require_work_of_others(tx: Transaction, region: str, kind: SampledKind.ValueType, made: Judgement) -> None:
    """Raises Refused with OWN_WORK for staff whom the record names, or who decided on it by a request."""
    record: Message = (
        require_order(tx, made.record_id).order if kind == _ORDERS else require_complaint(tx, made.record_id).complaint
    )
    names = {made.staff_id, f"{region}/{made.staff_id}", made.caller}
    if names_one_of(record, names) or has_requested(tx, made.caller, made.record_id):
        raise Refused(Reason.REASON_OWN_WORK, record=made.record_id)


_STAFF_FIELDS = frozenset({"staff_id", "author", "operator"})


def names_one_of(record: Message, names: set[str]) -> bool:
    """Whether a field of the record for a member of staff has one of the names."""
    for field, value in record.ListFields():
        is_staff = field.type == FieldDescriptor.TYPE_STRING and field.name in _STAFF_FIELDS
        if is_staff and any(is_same_person(value, each) for each in names):
            return True
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            parts = value if field.is_repeated else [value]
            # The keys of a map are no messages.
            if any(isinstance(part, Message) and names_one_of(part, names) for part in parts):
                return True
    return False
