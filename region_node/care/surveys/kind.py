"""Registration of surveys for erasure and retention."""

from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.store.port import Transaction
from region_node.care.surveys.follow_ups import forget_notices, unwatch
from region_node.care.surveys.purging import Surveys
from region_node.care.surveys.rows import forget_counts, month_of, remove_surveys
from region_node.records.kinds import ErasurePort, RecordKind, RetentionPort

_COUNTED = timedelta(days=5 * 366)


def _forget_counts(tx: Transaction, now: datetime) -> None:
    forget_counts(tx, month_of(now - _COUNTED))


def _forget_surveys(tx: Transaction, customer_id: str) -> None:
    for survey_id in remove_surveys(tx, customer_id):
        unwatch(tx, survey_id)
        forget_notices(tx, survey_id)


SURVEYS = RecordKind(
    "survey",
    ErasurePort(forget={"customer": _forget_surveys}),
    retention=RetentionPort(purgers={DataClass.DATA_CLASS_SURVEYS: Surveys()}, forget=_forget_counts),
)
