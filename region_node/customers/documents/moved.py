"""Documents of a customer who moves to another home: the register moves, and the content stays where it was verified.

The hand-over carries the newest rows, so that they count from the first moment. Each verifying region registers its
documents anew: the new home compares by keys of its own, and sends erasures and holds to that region.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver
from gateway.api.region.v1.document_envelopes_pb2 import DocumentHome, DocumentNotification, DocumentsWanted
from gateway.api.region.v1.document_service_pb2 import DocumentUpload, RegisteredDocument
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Moved
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send, was_sent
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer
from gateway.store.vault import KeyDestroyed
from gateway.time.clock import from_timestamp, to_microseconds, to_timestamp
from region_node.customers.documents import register, rules
from region_node.customers.documents.files import (
    COMPLETE,
    REGISTERED,
    StoredFile,
    files_about,
    find_file,
    seal_anew,
    set_state,
)
from region_node.customers.documents.rows import (
    DocumentRow,
    document_subject,
    documents_of,
    find_document,
    forget_documents,
    insert_document,
    kept_of,
)
from region_node.customers.documents.uploads import registration_of, send_notification
from region_node.node.context import RegionContext
from region_node.node.subjects import number_subject

MOST_HANDED_OVER = 64
"""Documents in a hand-over, of about 250 bytes each; the registrations of the verifying regions bring all others."""
SEALING_TIMER = "document-sealing"  # content of a customer who has left is sealed under another key
_LIFETIME = timedelta(days=3650)  # a verifying region may be away for long


def to_hand_over(tx: Transaction, customer_id: str) -> Sequence[RegisteredDocument]:
    """The documents of a customer for a hand-over, the one verified last first."""
    return documents_of(tx, customer_id, limit=MOST_HANDED_OVER)


def require_handed_over(documents: Sequence[RegisteredDocument]) -> None:
    """Raises Refused with ENVELOPE_INVALID for documents that no register has."""
    for each in documents:
        rules.require_document_id(each.document_id)
        is_whole = len(each.keyed_hash) == rules.HASH_BYTES and each.HasField("verify_time")
        if not (is_whole and rules.is_code(each.code)) or not each.document_id.startswith(f"{each.region}/"):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="not a registered document")
    if len({each.document_id for each in documents}) != len(documents) or len(documents) > MOST_HANDED_OVER:
        raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="documents twice, or too many")


def take_over(
    tx: Transaction, customer_id: str, documents: Sequence[RegisteredDocument], keyed_by: str, now: datetime
) -> None:
    """Registers the documents of a hand-over. Their keyed hashes stay those of the former home, `keyed_by`.

    Orders that are on their way name the documents by these hashes.
    """
    for each in documents:
        if find_document(tx, each.document_id) is not None:
            continue
        expire_time = to_microseconds(from_timestamp(each.expire_time)) if each.HasField("expire_time") else None
        withdrawn = to_microseconds(from_timestamp(each.withdraw_time)) if each.HasField("withdraw_time") else None
        row = DocumentRow(
            document_id=each.document_id,
            customer_id=customer_id,
            code=each.code,
            region=each.region,
            verifier=each.verifier,
            verify_time=to_microseconds(from_timestamp(each.verify_time)),
            expire_time=expire_time,
            withdraw_time=withdrawn,
            media_type=each.media_type,
            size=each.size,
            content_hash=each.keyed_hash.hex(),
            identity_hash="",
            register_time=to_microseconds(now),
            keyed_by=keyed_by,
        )
        insert_document(tx, row)


def give_up(tx: Transaction, context: RegionContext, customer_id: str, told: DocumentHome, now: datetime) -> None:
    """Removes a customer's register at the old home, and has all verifying regions tell the new one.

    `told` has the move, the new home and a number.
    """
    for each in kept_of(tx, customer_id):
        named = DocumentHome()
        named.CopyFrom(told)
        named.document_id = each.document_id
        if each.region == context.region:
            register_anew(tx, context, named, now)
            continue
        outgoing = OutgoingEnvelope(
            envelope_id=f"{each.document_id}#home/{told.move_id}>{each.region}",
            destination=each.region,
            kind=EnvelopeKind.ENVELOPE_KIND_DOCUMENT_HOME,
            payload=named.SerializeToString(),
            subject=document_subject(each.document_id),
            operator="",
            lifetime=_LIFETIME,
        )
        send(tx, context.border, outgoing, now=now, traceparent="")
    forget_documents(tx, customer_id)


def require_home(tx: Transaction, told: DocumentHome, origin: str) -> None:
    """Raises Refused with ENVELOPE_KIND_NOT_ALLOWED to a region that is not the home of a document's customer."""
    file = find_file(tx, told.document_id)
    # A withdrawal that was on its way may have named the new home already.
    if file is not None and file.home not in (origin, told.to_region):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)


def register_anew(tx: Transaction, context: RegionContext, told: DocumentHome, now: datetime) -> None:
    """Registers a document that was verified here with the new home of its customer. Nothing for one that is gone."""
    file = find_file(tx, told.document_id)
    if file is None or file.state not in (COMPLETE, REGISTERED):
        return
    try:
        named = DocumentUpload.FromString(file.opened_name(tx))
    except KeyDestroyed:
        return
    named.number = told.number
    notes = [("register", registration_of(file.document_id, named))]
    if file.withdraw_time is not None:
        withdrawn = DocumentNotification(document_id=file.document_id, number=told.number)
        withdrawn.withdrawal.withdraw_time.CopyFrom(to_timestamp(file.withdraw_time))
        notes.append(("withdraw", withdrawn))
    set_state(tx, file.document_id, file.state, home=told.to_region)
    for step, note in notes:
        if told.to_region == context.region:
            _note_here(tx, context, note, now)
        elif not was_sent(tx, f"{file.document_id}#{step}/{told.move_id}>{told.to_region}"):
            send_notification(tx, context, note, told.to_region, f"{step}/{told.move_id}", "", "", now)
    timer_id = f"{SEALING_TIMER}/{file.document_id}"
    set_timer(tx, timer_id, kind=SEALING_TIMER, subject=file.document_id, due=now)
    failpoints.reach("document-rehomed.before-commit")


def want_again(
    tx: Transaction, context: RegionContext, told: CustomerHandOver, regions: Sequence[str], now: datetime
) -> None:
    """Has all verifying regions register the documents of a customer who was taken over once more.

    Their registrations since the first time were lost with the newer database. This region verified some for the former
    home itself.
    """
    move = told.move
    numbers = [each.number for each in move.lines]
    for region in [context.region, *regions]:
        named = [each.document_id for each in told.documents if each.region == region]
        wanted = DocumentsWanted(numbers=numbers, document_ids=named, move_id=move.id)
        if region == context.region:
            register_again(tx, context, wanted, (move.from_region, region), now)
            continue
        outgoing = OutgoingEnvelope(
            envelope_id=f"{move.id}#documents-wanted/{to_microseconds(now)}>{region}",
            destination=region,
            kind=EnvelopeKind.ENVELOPE_KIND_DOCUMENTS_WANTED,
            payload=wanted.SerializeToString(),
            subject=move.id,
            operator="",
            lifetime=_LIFETIME,
            bulk=True,
        )
        send(tx, context.border, outgoing, now=now, traceparent="")


def register_again(
    tx: Transaction, context: RegionContext, wanted: DocumentsWanted, homes: tuple[str, str], now: datetime
) -> None:
    """Registers the documents verified here that had the first of two homes, or the second, with the second.

    Documents of other homes are left out: the asking region learns of none that it has not known.
    """
    subjects = [number_subject(tx, each) for each in wanted.numbers]
    found = {each for subject in subjects for each in files_about(tx, subject)}.union(wanted.document_ids)
    for document_id in sorted(found):
        file = find_file(tx, document_id)
        if file is not None and file.home in homes:
            step = f"{wanted.move_id}/{to_microseconds(now)}"
            told = DocumentHome(document_id=document_id, number=wanted.numbers[0], move_id=step, to_region=homes[1])
            register_anew(tx, context, told, now)


def sealing_is_due(tx: Transaction, timer: Timer, now: datetime) -> None:
    """Seals the content of one document under the key of its number: the key of a customer who left ends with them."""
    file = find_file(tx, timer.subject)
    if file is not None:
        _seal_by_number(tx, file)


def _seal_by_number(tx: Transaction, file: StoredFile) -> None:
    try:
        named = DocumentUpload.FromString(file.opened_name(tx))
        subject = number_subject(tx, named.number)
        if file.subject != subject:
            seal_anew(tx, file, subject)
    except KeyDestroyed:  # the new home has erased the customer meanwhile
        return


def _note_here(tx: Transaction, context: RegionContext, note: DocumentNotification, now: datetime) -> None:
    """The new home is the verifying region itself. What it does not take as the home stays content alone."""
    try:
        register.take_note(tx, context, note, context.region, now)
    except (Moved, Refused):
        return
