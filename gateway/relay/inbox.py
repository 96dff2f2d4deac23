"""Receives commands of other regions: each is executed once, and has one permanent receipt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.relay.v1.relay_pb2 import Envelope, EnvelopeContent, EnvelopeKind, Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, lasting
from gateway.process import failpoints
from gateway.relay.at_rest import INBOX, INBOX_RECEIPT, envelope_subject, inbox_key, open_signed, seal_signed
from gateway.relay.border import Act, Border, Command, Kinds, Moved, Query, SlowQuery
from gateway.relay.commit_signing import sign_at_commit
from gateway.relay.envelopes import Answer, Sealed, UntilUpgraded, answer_in, seal_receipt, unsigned_receipt
from gateway.relay.receipt_differences import difference, receipt_of
from gateway.security.signing import RECEIPT
from gateway.store import vault
from gateway.store.catch_ups import is_catching_up
from gateway.store.port import Store, Transaction, WriteAfterRefusal
from gateway.store.reading_ahead import Wanted, row_wanted
from gateway.store.tables import Table, prints_without
from gateway.store.vault import KeyDestroyed
from gateway.time.clock import BETWEEN_TRUSTED, from_microseconds, from_timestamp, to_microseconds
from gateway.values.names import name_of


@dataclass(frozen=True)
class InboxRow:
    """A command that was acted on."""

    content: bytes = field(repr=False)
    signature: bytes
    receipt_content: bytes = field(repr=False)
    receipt_signature: bytes


@prints_without("content", "receipt_content")
class _Row(NamedTuple):
    """The columns of a command; its content and its receipt are sealed."""

    origin: str
    envelope_id: str
    subject: str
    content: bytes
    signature: bytes
    receipt_content: bytes
    receipt_signature: bytes
    received: int
    is_sealed: int = 1


_INBOX = Table("inbox", _Row, key=("origin", "envelope_id"))
_FORGOTTEN = "inbox_forgotten"


def receive(tx: Transaction, border: Border, kinds: Kinds, sealed: Sealed, now: datetime) -> Receipt:
    """Executes a verified envelope and returns its receipt; for a repeated command, the stored receipt.

    The commit signs the receipt.

    Raises Refused, without a receipt and without a write, for a suspended sender or region, or an erased subject. The
    same holds for an id already used for other bytes, an unavailable store, and an unreadable command. A repeat of a
    kind that is soon forgotten gets a receipt for an erased subject, too. Raises WriteAfterRefusal for a handler that
    writes before it refuses: a refusal has no effect.
    """
    content = sealed.content
    _require_not_suspended(border, content.origin)
    kind = kinds.get(content.kind)
    if kind is None or isinstance(kind, SlowQuery):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    row = tx.find(_INBOX, content.origin, content.id)
    if row is not None:
        return _answer_repeat(tx, border, kind, row, sealed, now)
    border.clock.require_trusted()
    answer = _decide(tx, kind, sealed, now)
    if isinstance(kind, Command):
        _require_unwritten(tx, content, answer)
        if answer.outcome == Outcome.OUTCOME_REFUSED:
            kind.refused(tx, content, answer, now)
    if isinstance(kind, Command) or kind.is_noted:
        _note(tx, content, answer, now)
    audited = audit.head(tx) if isinstance(kind, Command) else None
    receipt = unsigned_receipt(sealed, answer, now=now, revision=border.current.revision, row=audited)
    sign_at_commit(tx, border, RECEIPT, receipt, content.origin)
    if isinstance(kind, Command):
        failpoints.reach("S9.before-commit")
        _keep(tx, border, sealed, receipt, now)
    return receipt


def _answer_repeat(
    tx: Transaction, border: Border, kind: Command | Query, row: _Row, sealed: Sealed, now: datetime
) -> Receipt:
    """The answer to a command whose id is known. Raises Refused as `receive`."""
    stored = _opened(tx, row)
    if stored is None:
        if isinstance(kind, Query) or not kind.is_soon_forgotten:
            raise Refused(Reason.REASON_ENVELOPE_CONTENT_DESTROYED)
        return _answer_unstored(tx, border, sealed, _refusal(Refused(Reason.REASON_ENVELOPE_FORGOTTEN)), now)
    if stored.content == sealed.envelope.content:
        return Receipt(content=stored.receipt_content, signature=stored.receipt_signature)
    return _answer_again(tx, border, kind, stored, sealed, now)


def _answer_again(
    tx: Transaction, border: Border, kind: Command | Query, stored: InboxRow, sealed: Sealed, now: datetime
) -> Receipt:
    """The first answer to a command, for one of its id by an origin whose database has lost the first since.

    Nothing is done or stored. Raises Refused with ENVELOPE_ID_REUSED for any other command of that id, and with
    UPGRADE_REQUIRED where only a later version can compare both.
    """
    first, content = EnvelopeContent.FromString(stored.content), sealed.content
    is_about_same = (first.kind, first.subject) == (content.kind, content.subject)
    if not isinstance(kind, Command) or not is_about_same or content.incarnation <= first.incarnation:
        raise Refused(Reason.REASON_ENVELOPE_ID_REUSED)
    answer = answer_in(ReceiptContent.FromString(stored.receipt_content))
    with UntilUpgraded(border.region):
        is_same = kind.wants_same(first, content)
    if not is_same:
        answer = Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_COMMAND_LOST, parameters={"command": content.id})
    return _answer_unstored(tx, border, sealed, answer, now)


def _answer_unstored(tx: Transaction, border: Border, sealed: Sealed, answer: Answer, now: datetime) -> Receipt:
    """The receipt of a command whose row is that of its first execution; it is not stored."""
    border.clock.require_trusted()
    receipt = unsigned_receipt(sealed, answer, now=now, revision=border.current.revision)
    sign_at_commit(tx, border, RECEIPT, receipt, sealed.content.origin)
    _note(tx, sealed.content, answer, now)
    return receipt


def is_kept(tx: Transaction, origin: str, envelope_id: str) -> bool:
    """Whether a command was executed, as far as that is kept."""
    return tx.find(_INBOX, origin, envelope_id) is not None


def take_again(
    tx: Transaction, border: Border, kinds: Kinds, sealed: Sealed, receipt: Receipt, now: datetime
) -> Answer | None:
    """Executes a command that this region has lost, and keeps the `receipt` that it gave before, verified, for it.

    A command that was refused then has no effect now, unless as a forgotten repeat: its first receipt was lost. The
    version in the receipt of a refusal is restored. A command of before the inbox's memory is refused now: it may have
    been executed, and purged. One that cannot be done as then leaves nothing behind. Returns the present answer; None
    where the command is known. Raises as `receive`, and UnknownChoice for a refusal with a record of a later version.
    """
    content = sealed.content
    if is_kept(tx, content.origin, content.id):
        return None
    _require_not_suspended(border, content.origin)
    border.clock.require_trusted()
    kind = kinds.get(content.kind)
    if not isinstance(kind, Command):
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
    first = ReceiptContent.FromString(receipt.content)
    answer = answer_in(first)
    is_forgotten = kind.is_soon_forgotten and first.reason == Reason.REASON_ENVELOPE_FORGOTTEN
    if first.outcome == Outcome.OUTCOME_ACCEPTED or is_forgotten:
        answer = _act_again(tx, kind, sealed, first, now)
    _require_unwritten(tx, content, answer)
    if answer.outcome not in (Outcome.OUTCOME_ACCEPTED, first.outcome):
        return answer
    if answer.outcome == Outcome.OUTCOME_REFUSED:
        if first.result:
            kind.refused_again(tx, content, first, now)
        kind.refused(tx, content, answer, now)
    _keep(tx, border, sealed, receipt, now)
    _note(tx, content, answer, now)
    return answer


def receiving_wanted(tx: Transaction, kinds: Kinds, content: EnvelopeContent) -> list[Wanted]:
    """The queries of `receive`, to be announced."""
    kind = kinds.get(content.kind)
    wanted = [row_wanted(_INBOX, content.origin, content.id)]
    if isinstance(kind, Command):
        wanted += [vault.key_wanted(envelope_subject(content.subject)), *kind.reads(tx, content)]
    return wanted


async def answer_slowly(store: Store, border: Border, query: SlowQuery, sealed: Sealed, now: datetime) -> Receipt:
    """Answers a verified envelope of a kind that takes more than one transaction, and returns the signed receipt.

    Raises Refused as `receive` does.
    """
    _require_not_suspended(border, sealed.content.origin)
    border.clock.require_trusted()
    try:
        _require_in_time(query, sealed, now)
        with UntilUpgraded(border.region):
            answer = await query.answer(sealed.content, now)
    except (Moved, Refused) as refused:
        answer = _refusal(refused)
    except KeyDestroyed:
        answer = _refusal(Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND))
    await store.write(lambda tx: _note(tx, sealed.content, answer, now))
    return seal_receipt(sealed, answer, border.signer, now=now, revision=border.current.revision)


def find(tx: Transaction, origin: str, envelope_id: str) -> InboxRow | None:
    """The inbox row of a command; None where no such command was executed.

    Raises Refused with ENVELOPE_CONTENT_DESTROYED where the key of its subject was destroyed since.
    """
    row = tx.find(_INBOX, origin, envelope_id)
    if row is None:
        return None
    stored = _opened(tx, row)
    if stored is None:
        raise Refused(Reason.REASON_ENVELOPE_CONTENT_DESTROYED)
    return stored


def _opened(tx: Transaction, row: _Row) -> InboxRow | None:
    """The row of a command in plain text; None where the key of its subject was destroyed."""
    key = inbox_key(row.origin, row.envelope_id)
    content = open_signed(tx, row.subject, INBOX, key, row.content)
    receipt = open_signed(tx, row.subject, INBOX_RECEIPT, key, row.receipt_content)
    if content is None or receipt is None:
        return None
    return InboxRow(content, row.signature, receipt_of(receipt, content), row.receipt_signature)


def commands_about(tx: Transaction, subject: str, origin: str) -> list[Envelope]:
    """The kept commands of a region about a subject, as signed, the latest first."""
    rows = tx.find_all(_INBOX, subject=subject, origin=origin)
    found = []
    for row in sorted(rows, key=lambda each: (each.received, each.envelope_id), reverse=True):
        content = open_signed(tx, subject, INBOX, inbox_key(origin, row.envelope_id), row.content)
        if content is not None:
            found.append(Envelope(content=content, signature=row.signature))
    return found


def ids_about(tx: Transaction, subject: str) -> list[tuple[str, str]]:
    """The kept commands about a subject: the origin of each, and its id."""
    query = "SELECT origin, envelope_id FROM inbox WHERE subject = :subject ORDER BY origin, envelope_id"
    return tx.all(_name, query, subject=subject)


def received_after(tx: Transaction, origin: str, place: tuple[int, str], limit: int) -> list[tuple[int, str]]:
    """The commands of a region behind a place: when each was received, in microseconds, and its id."""
    return tx.all(
        _place,
        "SELECT received, envelope_id FROM inbox WHERE (received, origin, envelope_id) > (:received, :origin, :id)"
        " AND origin = :origin ORDER BY received, origin, envelope_id LIMIT :limit",
        received=place[0],
        id=place[1],
        origin=origin,
        limit=limit,
    )


def forget(tx: Transaction, rows: Sequence[tuple[str, str]], before: int, now: datetime) -> None:
    """Removes commands, each an origin and the id of an envelope, all made before an instant in microseconds.

    The inbox then refuses all commands made before the instant, except repeatable ones. No removed command has a second
    effect, whatever the rules of retention and the clock say later. Raises ValueError for an instant after `now`: the
    inbox would refuse new commands.
    """
    if before > to_microseconds(now):
        raise ValueError(f"{from_microseconds(before)} is after {now}: the inbox would refuse new commands")
    tx.execute(
        "INSERT INTO inbox_forgotten (id, create_time) VALUES (1, :before) ON CONFLICT (id) DO UPDATE SET create_time ="
        " CASE WHEN excluded.create_time > inbox_forgotten.create_time THEN excluded.create_time"
        " ELSE inbox_forgotten.create_time END",
        before=before,
    )
    tx.execute_many(
        "DELETE FROM inbox WHERE origin = :origin AND envelope_id = :envelope_id",
        [{"origin": origin, "envelope_id": envelope_id} for origin, envelope_id in rows],
    )


def _require_not_suspended(border: Border, origin: str) -> None:
    """Checks suspension again: an outdated coordinator may deliver batches that no other would."""
    state = border.current.state()
    for region in (origin, border.region):
        if state.member_state(region) == MemberState.MEMBER_STATE_SUSPENDED:
            raise Refused(Reason.REASON_REGION_SUSPENDED, region=region)


def _decide(tx: Transaction, kind: Command | Query, sealed: Sealed, now: datetime) -> Answer:
    try:
        _require_in_time(kind, sealed, now)
        if isinstance(kind, Command) and not kind.is_repeatable:
            _require_remembered(tx, sealed)
    except Refused as refused:
        return _refusal(refused)
    return _act(tx, kind.act, sealed, now)


def _act_again(tx: Transaction, kind: Command, sealed: Sealed, first: ReceiptContent, now: datetime) -> Answer:
    if not kind.is_repeatable and _is_forgotten(sealed.content, _memory(tx)):
        return _refusal(Refused(Reason.REASON_ENVELOPE_FORGOTTEN))
    again = kind.act_again
    if again is None:
        return _act(tx, kind.act, sealed, now)
    return _act(tx, lambda tx, content, now: again(tx, content, first, now), sealed, now)


def _act(tx: Transaction, act: Act, sealed: Sealed, now: datetime) -> Answer:
    try:
        with UntilUpgraded(sealed.content.destination):
            return act(tx, sealed.content, now)
    except (Moved, Refused) as refused:
        return _refusal(refused)
    except KeyDestroyed:  # to other regions, an erased customer looks like an unknown one
        return _refusal(Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND))


def _require_in_time(kind: Command | Query | SlowQuery, sealed: Sealed, now: datetime) -> None:
    # A query lives for seconds only, less than two trusted clocks may differ; its asker gives up by itself.
    late = timedelta() if isinstance(kind, Command) else BETWEEN_TRUSTED
    if now > from_timestamp(sealed.content.expire_time) + late:
        raise Refused(Reason.REASON_ENVELOPE_EXPIRED)


@dataclass(frozen=True)
class _Memory:
    """What the inbox lacks, and may have acted on."""

    forgotten: int
    """The instant before which commands may have been removed, in microseconds; 0 for none."""
    catch_ups: int
    """How many losses of the database other regions help to catch up after."""


def forgotten_before(tx: Transaction) -> int:
    """The instant before which commands may have been removed, in microseconds since 1970; 0 where none was."""
    return _memory(tx).forgotten


def _memory(tx: Transaction) -> _Memory:
    query = (
        "SELECT COALESCE((SELECT create_time FROM inbox_forgotten WHERE id = 1), 0),"
        " (SELECT COUNT(*) FROM losses WHERE catch_up_from IS NOT NULL AND accept_time IS NOT NULL)"
    )
    return tx.once(_FORGOTTEN, "limit", lambda: tx.first(_Memory, query)) or _Memory(0, 0)


def _require_remembered(tx: Transaction, sealed: Sealed) -> None:
    """Raises Refused for a command that may have been executed: with CATCHING_UP where its origin tells that soon."""
    memory, content = _memory(tx), sealed.content
    if _is_forgotten(content, memory):
        raise Refused(Reason.REASON_ENVELOPE_FORGOTTEN)
    if memory.catch_ups and is_catching_up(tx, content.origin):
        raise Refused(Reason.REASON_CATCHING_UP, region=content.destination)


def _is_forgotten(content: EnvelopeContent, memory: _Memory) -> bool:
    return to_microseconds(from_timestamp(content.create_time)) < memory.forgotten


def _require_unwritten(tx: Transaction, content: EnvelopeContent, answer: Answer) -> None:
    if answer.outcome != Outcome.OUTCOME_ACCEPTED and tx.has_written():
        raise WriteAfterRefusal(f"{EnvelopeKind.Name(content.kind)} {content.id}: {Outcome.Name(answer.outcome)}")


def _refusal(refused: Moved | Refused) -> Answer:
    """A lasting refusal is an answer too; a temporary one is passed on as Refused."""
    if isinstance(refused, Moved):
        return Answer(Outcome.OUTCOME_MOVED, moved_to=refused.region)
    last = lasting(refused)
    return Answer(Outcome.OUTCOME_REFUSED, reason=last.reason, parameters=last.parameters)


def _note(tx: Transaction, content: EnvelopeContent, answer: Answer, now: datetime) -> None:
    audit.append(
        tx,
        now=now,
        actor=f"region/{content.origin}",
        action=name_of(EnvelopeKind, content.kind),
        subject=content.subject,
        detail=f"{content.id} {name_of(Outcome, answer.outcome)} {name_of(Reason, answer.reason)}",
    )


def _keep(tx: Transaction, border: Border, sealed: Sealed, receipt: Receipt, now: datetime) -> None:
    sent, stored = sealed.content, receipt.content
    if border.stores_differences():
        stored = difference(stored, sealed.envelope.content)
    key = inbox_key(sent.origin, sent.id)
    row = _Row(
        origin=sent.origin,
        envelope_id=sent.id,
        subject=sent.subject,
        content=seal_signed(tx, sent.subject, INBOX, key, sealed.envelope.content),
        signature=sealed.envelope.signature,
        receipt_content=seal_signed(tx, sent.subject, INBOX_RECEIPT, key, stored),
        receipt_signature=b"",
        received=to_microseconds(now),
    )
    tx.insert_late(_INBOX, row, lambda row: row._replace(receipt_signature=receipt.signature))


def _place(received: int, envelope_id: str) -> tuple[int, str]:
    return received, envelope_id


def _name(origin: str, envelope_id: str) -> tuple[str, str]:
    return origin, envelope_id
