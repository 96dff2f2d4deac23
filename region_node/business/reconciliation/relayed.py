"""Envelopes about reconciliation, and the effects of their receipts."""

import logging
from datetime import datetime

from cryptography import x509

from gateway.api.region.v1.reconciliation_envelopes_pb2 import (
    DayDigests,
    ReconciledRecords,
    ReconciliationQuestion,
    RepairDecided,
    RepairEvidence,
    RepairProposed,
)
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from region_node.business.reconciliation import answers, comparing, repairs
from region_node.business.reconciliation.port import Reconciliation
from region_node.business.reconciliation.repair_rows import find_repair, keep_repair, require_repair
from region_node.node.payloads import parse, received
from region_node.requests.checks import require_length

_log = logging.getLogger(__name__)


class ReconciliationEnvelopes:
    """The kinds of envelope that reconciliation uses."""

    def __init__(self, context: Reconciliation) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        return {
            EnvelopeKind.ENVELOPE_KIND_RECONCILIATION: Command(self._asked, self._answered, is_repeatable=True),
            EnvelopeKind.ENVELOPE_KIND_REPAIR_PROPOSED: Command(self._proposed, self._proposal_answered),
            EnvelopeKind.ENVELOPE_KIND_REPAIR_DECIDED: Command(
                self._decided, self._decision_answered, is_named_by_id=True
            ),
            EnvelopeKind.ENVELOPE_KIND_REPAIR_EVIDENCE: Command(
                self._proven, self._evidence_answered, is_named_by_id=True
            ),
        }

    def _asked(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Another region compares a day: it is told of what it shares with this one, whatever it asks for."""
        question = received(ReconciliationQuestion, content.payload)
        if content.subject != f"{comparing.SUBJECTS}{question.day}":
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        told = comparing.answer(tx, self._context, content.origin, question)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=told.SerializeToString())

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        """The comparison goes on; one that the other region refused is begun again in the next night."""
        if receipt.outcome != Outcome.OUTCOME_ACCEPTED:
            return
        question, region = parse(ReconciliationQuestion, content.payload), content.destination
        try:
            told = self._told(question, region, receipt.result)
        except Refused as refused:
            _log.error("the answer of %s about %s is not taken: %s", region, content.subject, refused)
            return
        if isinstance(told, DayDigests):
            comparing.digests_answered(tx, self._context, region, question, told, now)
        else:
            comparing.records_answered(tx, self._context, region, question, told, now)

    def _told(self, question: ReconciliationQuestion, region: str, result: bytes) -> DayDigests | ReconciledRecords:
        """A region's answer to a question. Raises Refused where it has not the form of one."""
        if question.HasField("digests"):
            digests = received(DayDigests, result)
            answers.require_digests(digests)
            return digests
        records = received(ReconciledRecords, result)
        kind, regions = self._context.kinds.get(question.buckets.record_kind), (self._context.node.region, region)
        answers.require_records(records, regions, of_any_origin=kind is not None and kind.of_any_origin)
        return records

    def _proposed(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Another region proposes a repair of a record that both have; nothing is decided yet."""
        told = received(RepairProposed, content.payload)
        repair, chain = told.repair, told.proposer_certificates
        region, there = self._context.node.region, content.origin
        is_theirs = repairs.proposing_region(repair) == there and _is_staff(repair.proposer, there)
        if content.subject != f"{repairs.SUBJECTS}{repair.id}" or not is_theirs or repair.deciding_region != region:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        is_new = repair.state == repairs.PROPOSED and not repair.decider
        if not is_new or repair.record_kind not in self._context.kinds or repair.acting_region not in (region, there):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no proposal of a repair")
        require_length("note", repair.note, repairs.NOTE_LIMIT, required=True)
        if find_repair(tx, self._context.kinds, repair.id) is not None:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it is known")
        if chain and not _is_chain(chain):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no certificates of a proposer")
        repairs.take_proposal(tx, self._context, repair, chain)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _decided(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The deciding region's decision, or the proposing region's report of its act."""
        told = received(RepairDecided, content.payload).repair
        if content.subject != f"{repairs.SUBJECTS}{told.id}":
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        known = require_repair(tx, self._context.kinds, told.id)
        if told.state not in repairs.next_states(known, content.origin):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if known.state == repairs.PROPOSED and not _is_staff(told.decider, content.origin):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="decided by nobody of the deciding region")
        repairs.take_decision(tx, self._context, known, told, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _proven(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The other region has a record that this one has lost, and sends what this one has signed about it."""
        told = received(RepairEvidence, content.payload)
        known = require_repair(tx, self._context.kinds, told.repair.id)
        about = repairs.evidence_subject(self._context, known.record_kind, known.serial)
        if content.subject != about or not repairs.awaits_evidence(known, content.origin):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if known.state == repairs.PROPOSED and not _is_staff(told.repair.decider, content.origin):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="decided by nobody of the deciding region")
        repairs.take_evidence(tx, self._context, known, told, content.origin, now)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _evidence_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """The record is restored; or it is not, and the reason stays in both regions."""
        told = parse(RepairEvidence, content.payload).repair
        is_accepted = receipt.outcome == Outcome.OUTCOME_ACCEPTED
        failure = Reason.REASON_UNSPECIFIED if is_accepted else receipt.reason or Reason.REASON_REPAIR_IMPOSSIBLE
        repairs.evidence_answered(tx, self._context, told.id, failure, now)

    def _proposal_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """A proposal that the other region cannot take has failed."""
        repair = find_repair(tx, self._context.kinds, content.subject.removeprefix(repairs.SUBJECTS))
        if receipt.outcome == Outcome.OUTCOME_REFUSED and repair is not None and repair.state == repairs.PROPOSED:
            repair.state, repair.failure = repairs.FAILED, receipt.reason
            keep_repair(tx, self._context.kinds, repair)

    def _decision_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """A confirmation that the proposing region refuses has failed: that region has lost the repair."""
        told = parse(RepairDecided, content.payload).repair
        if receipt.outcome != Outcome.OUTCOME_REFUSED or told.state != repairs.CONFIRMED:
            return
        repair = find_repair(tx, self._context.kinds, told.id)
        if repair is not None and repair.state == repairs.CONFIRMED:
            repair.state, repair.failure = repairs.FAILED, receipt.reason
            keep_repair(tx, self._context.kinds, repair)


def _is_chain(pem: bytes) -> bool:
    """Whether bytes are certificates in PEM."""
    try:
        return len(pem) <= repairs.CHAIN_LIMIT and bool(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return False


def _is_staff(name: str, region: str) -> bool:
    """Whether a name is that of a member of a region's staff."""
    return name.startswith(f"{region}/") and len(name) <= repairs.STAFF_LIMIT
