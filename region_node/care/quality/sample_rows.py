"""Supervision samples and their records, as stored. They name records by id and nobody else."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.api.federation.v1.quality_pb2 import SampledKind
from gateway.api.region.v1.quality_service_pb2 import Sample, SampledRecord
from gateway.store.port import Transaction
from gateway.store.tables import Table
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp


class _SampleRow(NamedTuple):
    sample_id: str
    month: str
    kind: int
    seed: str
    population: int
    staff_id: str
    create_time: int


class _RecordRow(NamedTuple):
    sample_id: str
    record_id: str
    stratum: str
    failed: str
    judge: str
    judge_time: int | None


_SAMPLES = Table("supervision_samples", _SampleRow, key=("sample_id",))
_RECORDS = Table("supervision_records", _RecordRow, key=("sample_id", "record_id"), fixed=("stratum",))


def insert_sample(tx: Transaction, sample: Sample) -> None:
    """Adds a sample without judgements."""
    created = to_microseconds(from_timestamp(sample.create_time))
    row = _SampleRow(sample.id, sample.month, sample.kind, sample.seed, sample.population, sample.staff_id, created)
    tx.insert(_SAMPLES, row)
    for each in sample.records:
        tx.insert(_RECORDS, _RecordRow(sample.id, each.id, each.stratum, "", "", None))


def find_sample(tx: Transaction, sample_id: str) -> Sample | None:
    """The sample with an id."""
    row = tx.find(_SAMPLES, sample_id)
    return None if row is None else _sample(tx, row)


def judge(tx: Transaction, sample: Sample, record: SampledRecord) -> None:
    """Stores the judgement of a record of a sample."""
    judged = to_microseconds(from_timestamp(record.judge_time))
    failed = " ".join(record.failed_criteria)
    tx.update(_RECORDS, _RecordRow(sample.id, record.id, record.stratum, failed, record.judge, judged))


def list_samples(tx: Transaction, before: tuple[int, str] | None, limit: int) -> Iterator[Sample]:
    """At most `limit` samples, newest first, older than `before` (time in microseconds, id).

    The records of a sample are read when its turn comes.
    """
    time, name = before or (2**63 - 1, "")
    found = tx.all(
        _SampleRow,
        f"SELECT {', '.join(_SAMPLES.columns)} FROM supervision_samples"  # noqa: S608 - column names only
        " WHERE (create_time, sample_id) < (:time, :name) ORDER BY create_time DESC, sample_id DESC LIMIT :limit",
        time=time,
        name=name,
        limit=limit,
    )
    return (_sample(tx, row) for row in found)


def judged_in(tx: Transaction, month: str) -> tuple[int, int]:
    """The judged records of the samples of a month, and how many of them passed."""
    found = tx.first(
        lambda judged, passed: (judged, passed),
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN r.failed = '' THEN 1 ELSE 0 END), 0) AS BIGINT)"
        " FROM supervision_samples AS s JOIN supervision_records AS r ON r.sample_id = s.sample_id"
        " WHERE s.month = :month AND r.judge_time IS NOT NULL",
        month=month,
    )
    return found or (0, 0)


def remove_samples(tx: Transaction, sample_ids: Sequence[str]) -> None:
    """Removes samples with their records."""
    names = [{"id": each} for each in sample_ids]
    for table in (_RECORDS, _SAMPLES):
        tx.execute_many(f"DELETE FROM {table.name} WHERE sample_id = :id", names)  # noqa: S608 - names of tables


def _sample(tx: Transaction, row: _SampleRow) -> Sample:
    records = sorted(tx.find_all(_RECORDS, sample_id=row.sample_id), key=lambda each: (each.stratum, each.record_id))
    return Sample(
        id=row.sample_id,
        month=row.month,
        kind=SampledKind.ValueType(row.kind),
        seed=row.seed,
        population=row.population,
        staff_id=row.staff_id,
        create_time=to_timestamp(from_microseconds(row.create_time)),
        records=[_record(each) for each in records],
    )


def _record(row: _RecordRow) -> SampledRecord:
    found = SampledRecord(id=row.record_id, stratum=row.stratum, failed_criteria=row.failed.split(), judge=row.judge)
    if row.judge_time is not None:
        found.judge_time.CopyFrom(to_timestamp(from_microseconds(row.judge_time)))
    return found
