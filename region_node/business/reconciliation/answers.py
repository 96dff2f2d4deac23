"""The form of another region's answers in a comparison. An honest region keeps to it, and no other is taken. Pure."""

from gateway.api.region.v1.reconciliation_envelopes_pb2 import DayDigests, ReconciledRecords
from gateway.api.region.v1.reconciliation_pb2 import ReconciledRecord, RecordStanding
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.reconciliation.rules import MOST_BUCKETS
from region_node.requests.checks import is_name

MOST_RECORDS = 5_000  # in an answer: twenty times what an honest one has, and still short for the store
_MOST_KINDS = 100
_MOST_COUNTED = 2**32  # records of a day
_LARGEST_AMOUNT = 10**15  # minor units: their differences still fit in every column
_DIGEST_BYTES = 32
_LONGEST_SERIAL, _LONGEST_WORD = 256, 64  # characters


def require_digests(told: DayDigests) -> None:
    """Requires the digests of a day: one for each kind. Raises Refused with ENVELOPE_INVALID."""
    names = {each.record_kind for each in told.kinds}
    _require("kinds", len(told.kinds) <= _MOST_KINDS and len(names) == len(told.kinds))
    for each in told.kinds:
        _require("digest", len(each.digest) == _DIGEST_BYTES)
        _require("records", max(each.records, each.open_records) <= _MOST_COUNTED)


def require_records(told: ReconciledRecords, regions: tuple[str, str], *, of_any_origin: bool) -> None:
    """Requires records that one of the two regions has taken in, or `of_any_origin`, each once.

    Raises Refused with ENVELOPE_INVALID.
    """
    _require("buckets", len(told.buckets) <= MOST_BUCKETS)
    serials = {each.serial for each in told.records}
    _require("records", len(told.records) <= MOST_RECORDS and len(serials) == len(told.records))
    for each in told.records:
        origin = each.serial.partition("/")[0]
        is_origin = origin in regions or (of_any_origin and is_name(origin))
        _require("serial", is_origin and len(each.serial) <= _LONGEST_SERIAL)
        _require("standing", each.standing != RecordStanding.RECORD_STANDING_UNSPECIFIED)
        _require("state", 0 < len(each.state) <= _LONGEST_WORD)
        _require("amount", _is_amount(each))


def _is_amount(told: ReconciledRecord) -> bool:
    """Whether an amount has postings, and no amount has none."""
    if not told.HasField("amount"):
        return told.postings == 0
    is_small = abs(told.amount.minor_units) <= _LARGEST_AMOUNT and told.postings <= _MOST_COUNTED
    return told.postings > 0 and is_small and 0 < len(told.amount.currency) <= _LONGEST_WORD


def _require(field: str, holds: bool) -> None:
    if not holds:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem=f"{field} of a comparison")
