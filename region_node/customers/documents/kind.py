"""The registration of documents for erasure, legal holds and retention."""

from collections.abc import Sequence
from functools import partial

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.at_rest import envelope_subject
from gateway.store.port import Transaction
from region_node.customers.documents.files import StoredFile, find_file, remove_file
from region_node.customers.documents.purging import Documents, Uploads
from region_node.customers.documents.rows import DOCUMENT_SUBJECTS, document_subject, forget_documents, kept_of
from region_node.node.context import RegionContext
from region_node.node.subjects import indexed_number_subject
from region_node.records.kinds import Customer, ErasurePort, HoldPort, Kept, RecordKind, RetentionPort, ToErase


def _kept_of(tx: Transaction, customer: Customer) -> Sequence[Kept]:
    found = ((document_subject(each.document_id), each.region) for each in kept_of(tx, customer.customer_id))
    return [Kept(subject, [envelope_subject(subject)], [region]) for subject, region in found]


def _forget_number(tx: Transaction, index: str) -> None:
    tx.execute(
        "UPDATE document_files SET subject = '', number_hash = '' WHERE subject = :subject",
        subject=indexed_number_subject(index),
    )


def _find(tx: Transaction, subject: str) -> StoredFile | None:
    return find_file(tx, subject.removeprefix(DOCUMENT_SUBJECTS)) if subject.startswith(DOCUMENT_SUBJECTS) else None


def _told(tx: Transaction, context: RegionContext, origin: str, subject: str) -> ToErase | None:
    file = _find(tx, subject)
    if file is None:
        return None
    if file.home != origin:
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    remove = partial(remove_file, document_id=file.document_id)
    return ToErase([envelope_subject(subject)], file.number_hash, remove=remove)


def _is_of_another(tx: Transaction, index: str, home: str) -> bool:
    found = tx.first(
        int,
        "SELECT 1 FROM document_files WHERE subject = :subject AND home NOT IN ('', :home)",
        subject=indexed_number_subject(index),
        home=home,
    )
    return found is not None


def _may_hold(tx: Transaction, context: RegionContext, origin: str, subject: str) -> bool | None:
    file = _find(tx, subject)
    return None if file is None else file.home == origin


DOCUMENTS = RecordKind(
    "document",
    ErasurePort(
        kept_of=_kept_of,
        forget={"customer": forget_documents, "number": _forget_number},
        told=_told,
        is_of_another=_is_of_another,
        indexed=("documents", "document_files"),
    ),
    HoldPort(
        held="SELECT held.subject, number_hash FROM held"  # noqa: S608 - a beginning of ids
        f" JOIN document_files ON document_id = SUBSTR(held.subject, {len(DOCUMENT_SUBJECTS) + 1})"
        f" AND home = held.origin WHERE held.subject LIKE '{DOCUMENT_SUBJECTS}%'",
        may_hold=_may_hold,
        early=DOCUMENT_SUBJECTS,
    ),
    RetentionPort(purgers={DataClass.DATA_CLASS_DOCUMENTS: Documents(), DataClass.DATA_CLASS_UPLOADS: Uploads()}),
)
