"""Sends the head of this region's audit chain to its witnesses, every 30 s, and stores their heads of it.

A statement and its answer also tell which configuration each of the two holds.
"""

import asyncio
import hmac
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from google.protobuf.message import DecodeError

from gateway.api.federation.v1.federation_pb2 import AuditHead
from gateway.api.region.v1.witnessing_pb2 import WitnessAnswer, WitnessStatement
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.auditing.audit_heads import dated_bytes
from gateway.errors import Refused
from gateway.federation.witnesses import may_witness, witnesses_of
from gateway.relay.border import Border
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.queries import Asker
from gateway.relay.transport import Transport
from gateway.rpc.element_counts import parsed
from gateway.security.signing import AUDIT_HEAD, WITNESSED_HEAD
from gateway.store import losses, vault
from gateway.store.port import Store, Transaction
from gateway.time.clock import from_microseconds, from_timestamp
from gateway.time.looks import until_look
from region_node.node.erased_key_rows import NumberedKey, erased_after_number
from region_node.node.erased_keys import KEY_ID
from region_node.node.witnessing import rows
from region_node.node.witnessing.revisions import Known, hear
from region_node.node.witnessing.rows import WitnessRow
from region_node.node.witnessing.witness import IDS_AT_ONCE

LOOK_AGAIN = 1.0  # seconds: a stepped clock is noticed after at most this
ANSWER_SECONDS = 5.0
_LIFETIME = timedelta(seconds=30)
_NO_TRACE = ""
_DESTROYED, _PROOF = "destroyed key", 32  # the kind of the index that proves an id, and its characters
_NEVER = from_microseconds(0)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WitnessNotifierPorts:
    """The ports of the notifier."""

    border: Border
    store: Store
    transport: Transport
    source: random.Random
    destroy_again: Callable[[Transaction, Sequence[str], datetime], int]
    """Destroys the keys with the given ids where an older database brought them back."""
    compare: Callable[[Transaction, str, Head, datetime], object]
    """Compares this region's chain with the head that a witness keeps of it."""


@dataclass(frozen=True)
class _Statement:
    """A statement to a witness, with the state that it is based on."""

    before: WitnessRow
    erased: Sequence[NumberedKey]
    message: WitnessStatement = field(repr=False)


class WitnessNotifier:
    """A loop of each process of a region. The claimant of a witness sends the statement."""

    def __init__(self, ports: WitnessNotifierPorts) -> None:
        self._ports = ports
        self._asker = Asker(ports.border, ports.transport, ports.border.clock, ports.source)

    async def run(self) -> None:
        """Runs until cancelled. A failed statement is sent again after the interval."""
        while True:
            (failed,) = await asyncio.gather(self.tell(), return_exceptions=True)
            if isinstance(failed, Exception) and not isinstance(failed, Refused):
                _log.error("the audit head could not be told to witnesses", exc_info=failed)
            await asyncio.sleep(until_look(LOOK_AGAIN))

    async def tell(self) -> None:
        """Sends a statement to each due witness.

        Raises Refused where the store does not respond, and with CLOCK_UNTRUSTED while the clock is not settled: it
        dates the claim, and each answer that is stored.
        """
        border = self._ports.border
        if not border.current.revision:
            return
        for witness in witnesses_of(border.region, candidates(border)):
            now = border.clock.settled_now()
            if await self._ports.store.read(lambda tx, each=witness, at=now: is_due(tx, each, at)):  # type: ignore[misc]
                await self._tell(witness, now)

    async def _tell(self, witness: str, now: datetime) -> None:
        told = await self._ports.store.write(lambda tx: self._statement(tx, witness, now))
        if told is None:
            return
        border = self._ports.border
        outgoing = OutgoingEnvelope(
            envelope_id=f"{border.region}/witness/{told.message.head.sequence}>{witness}",
            destination=witness,
            kind=EnvelopeKind.ENVELOPE_KIND_WITNESS,
            payload=told.message.SerializeToString(),
            subject=f"{border.region}/witness",
            operator="",
            lifetime=_LIFETIME,
        )
        try:
            answer = parsed(WitnessAnswer, await self._asker.ask(outgoing, ANSWER_SECONDS, _NO_TRACE, attempts=1))
        except (Refused, DecodeError) as error:
            _log.info("the witness %s was not told the audit head: %s", witness, error)
            return
        heard = border.clock.settled_now()
        await self._ports.store.write(lambda tx: self._heard(tx, told, answer, heard))

    def _statement(self, tx: Transaction, witness: str, now: datetime) -> _Statement | None:
        """Claims the witness, and makes its statement. None while a loss of the database is open."""
        if self._ports.store.lost_commits or losses.has_open(tx):
            return None
        before = rows.claim(tx, witness, now)
        if before is None:
            return None
        head = audit.head(tx)
        known = audit.head_at(tx, before.head.sequence)
        erased = erased_after_number(tx, before.erased, IDS_AT_ONCE)
        signature = self._ports.border.signer.sign(AUDIT_HEAD, head.signed_bytes())
        message = WitnessStatement(
            head=AuditHead(sequence=head.sequence, hash=head.hash, signature=signature),
            known=AuditHead(sequence=known.sequence, hash=known.hash) if known is not None else None,
            # An earlier version may have stored proofs of others as ids.
            destroyed_key_ids=[proven_key(tx, each.key_id) for each in erased if KEY_ID.fullmatch(each.key_id)],
            heard=before.heard,
            held_revision=Known.of(self._ports.border.current).held(),
        )
        return _Statement(before, erased, message)

    def _heard(self, tx: Transaction, told: _Statement, answer: WitnessAnswer, now: datetime) -> None:
        """Stores the signed answer of a witness, and destroys keys that have come back."""
        before, border = told.before, self._ports.border
        if answer.HasField("held_revision"):
            hear(tx, Known.of(border.current), before.witness, answer.held_revision, now)
        head, time = Head(answer.kept.sequence, answer.kept.hash), from_timestamp(answer.tell_time)
        is_own = border.keys.verify(border.region, AUDIT_HEAD, head.signed_bytes(), answer.kept.signature)
        signed = dated_bytes(border.region, head, time)
        if not is_own or not border.keys.verify(before.witness, WITNESSED_HEAD, signed, answer.signature):
            _log.error("the witness %s answers with a head that is not signed by both regions", before.witness)
            return
        if answer.contradicted and not before.contradicted:
            self._alarm(tx, before.witness, head, now)
        self._ports.compare(tx, f"region/{before.witness}", head, now)
        proven = [each for each in map(partial(key_proven, tx), answer.destroyed_key_ids[:IDS_AT_ONCE]) if each]
        self._ports.destroy_again(tx, proven, now)
        # A replaced witness holds fewer keys than it reported before: it receives everything again.
        lost = answer.held < before.heard
        acknowledged = told.erased[-1].sequence if told.erased else before.erased
        rows.update(
            tx,
            replace(
                before,
                head=head,
                told=time,
                signature=answer.signature,
                contradicted=answer.contradicted,
                erased=0 if lost else acknowledged,
                heard=0 if lost else before.heard + len(answer.destroyed_key_ids),
            ),
        )

    def _alarm(self, tx: Transaction, witness: str, kept: Head, now: datetime) -> None:
        subject = f"region/{self._ports.border.region}"
        detail = f"the witness keeps row {kept.sequence} {kept.hash.hex()}"
        audit.append(
            tx, now=now, actor=f"region/{witness}", action="AUDIT_HEAD_CONTRADICTED", subject=subject, detail=detail
        )
        _log.error("the audit chain of this region contradicts what its witness %s keeps: %s", witness, detail)


def candidates(border: Border) -> list[str]:
    """The regions that may witness, by the state in force. Raises Refused with CONFIGURATION_MISSING before it."""
    state = border.current.state()
    return may_witness(state.federation.configuration, state.members, state.suspended, border.keys.has_certified)


def is_due(tx: Transaction, witness: str, now: datetime) -> bool:
    """Whether a witness is due for a statement; cheap, and without a claim.

    A witness of an empty chain receives the first rows immediately: until then a rewrite of them would go unnoticed.
    """
    known = next((row for row in rows.known_witnesses(tx) if row.witness == witness), None)
    if known is None or known.asked <= now - rows.INTERVAL or known.asked > now:
        return True
    keeps_nothing = known.told > _NEVER and not known.head.sequence and known.asked <= now - rows.AGAIN
    return keeps_nothing and audit.head(tx).sequence > 0


def proven_key(tx: Transaction, key_id: str) -> str:
    """The id of a destroyed key as witnesses keep it: with a proof that this region has reported it.

    Without one a witness could name the key of anybody, and so erase them.
    """
    return f"{key_id}.{vault.index_of(tx, _DESTROYED, key_id)[:_PROOF]}"


def key_proven(tx: Transaction, told: str) -> str:
    """The id that a witness returns; empty without the proof of this region."""
    key_id = told.partition(".")[0]
    return key_id if hmac.compare_digest(told.encode(), proven_key(tx, key_id).encode()) else ""
