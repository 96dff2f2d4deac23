"""Envelopes about settlement."""

from datetime import datetime, timedelta

from gateway.api.region.v1.settlement_pb2 import (
    SettlementProposed,
    SettlementSignature,
    SettlementState,
    SettlementStatement,
    SettlementTerms,
)
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.border import Command, Kinds
from gateway.relay.envelopes import Answer
from gateway.store.port import Transaction
from gateway.time.months import is_month
from region_node.business.settlement import rules, signing
from region_node.business.settlement.booking import keep
from region_node.business.settlement.port import Settlement
from region_node.business.settlement.proofs import SUBJECTS, evidence_of, note_signature, proven_signers
from region_node.business.settlement.rows import find_statement
from region_node.node.payloads import parse, received

_CLOCKS = timedelta(hours=1)  # by which the clocks of two regions may differ
_LOST_MONTHS = 24  # in one receipt; the next proposal learns of the rest


class SettlementEnvelopes:
    """The kinds of envelope that settlement uses."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        return {
            EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_PROPOSED: Command(self._proposed, self._proposal_answered),
            EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_DECIDED: Command(self._decided, self._decision_answered),
        }

    def _proposed(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The first region's signature: it is kept for the staff of this one, who compare it with their own records."""
        signature, known = self._told(tx, content)
        told, terms = signature.statement, signature.statement.terms
        is_theirs = terms.first_region == content.origin and told.proposer.startswith(f"{content.origin}/")
        if not is_theirs:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if told.state != signing.PROPOSED or told.decider or told.issue_id or not rules.is_sound(terms):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no proposal of a statement")
        if not signing.has_ended(self._settlement, content.origin, terms.month, now + _CLOCKS):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="the month has not ended")
        # A proposer that was restored from a backup may replace what it has lost, as long as nothing is signed.
        signed = signing.signed_since(tx, content.origin, signing.counted_since(terms))
        lost = [each for each in signed if each.terms.month not in signature.signed_months][:_LOST_MONTHS]
        is_known = known is not None and (known.terms, known.propose_time) == (terms, told.propose_time)
        if not lost and not is_known:
            if known is not None and (known.state == signing.SIGNED or terms.version <= known.terms.version):
                raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="it is known")
            keep(tx, self._settlement, content.origin, told, now)
        if not lost:
            self._note(tx, content, terms)
        is_disputed = not lost and known is not None and is_known and known.state == signing.DISPUTED
        evidence = evidence_of(tx, self._settlement.node, content.origin, lost)
        result = SettlementProposed(signed=lost, disputed=known if is_disputed else None, evidence=evidence)
        return Answer(Outcome.OUTCOME_ACCEPTED, result=result.SerializeToString())

    def _decided(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The second region's signature, or its dispute, of exactly what this region has proposed."""
        signature, known = self._told(tx, content)
        told = signature.statement
        is_theirs = told.terms.second_region == content.origin and told.decider.startswith(f"{content.origin}/")
        if not is_theirs or told.state not in (signing.SIGNED, signing.DISPUTED):
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        is_again = known is not None and (known.state, known.terms) == (signing.SIGNED, told.terms)
        if is_again and told.state == signing.SIGNED:  # by a region that was restored from a backup
            self._note(tx, content, told.terms)
            return Answer(Outcome.OUTCOME_ACCEPTED)
        # The receipt of a proposal that was sent once more may have told the dispute already.
        open_states = {signing.PROPOSED, told.state} if told.state == signing.DISPUTED else {signing.PROPOSED}
        if known is None or known.state not in open_states or known.terms != told.terms:
            raise Refused(Reason.REASON_SETTLEMENT_NOT_FOUND, region=content.origin, month=told.terms.month)
        _keep_decision(tx, self._settlement, content.origin, known, told, now)
        self._note(tx, content, told.terms)
        return Answer(Outcome.OUTCOME_ACCEPTED)

    def _note(self, tx: Transaction, content: EnvelopeContent, terms: SettlementTerms) -> None:
        """The envelope is the evidence of the sender's signature."""
        note_signature(tx, self._settlement.node, content.origin, terms.month, content.origin, content.id)

    def _told(
        self, tx: Transaction, content: EnvelopeContent
    ) -> tuple[SettlementSignature, SettlementStatement | None]:
        """The signature under a statement of this region and the sender, and the statement as this region has it."""
        signature = received(SettlementSignature, content.payload)
        told, terms = signature.statement, signature.statement.terms
        is_ours = [terms.first_region, terms.second_region] == sorted((content.origin, self._settlement.node.region))
        is_named = told.id == signing.statement_id(terms) and content.subject == f"{SUBJECTS}{told.id}"
        if not is_ours or not is_named:
            raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)
        if not is_month(terms.month):
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="no month")
        return signature, find_statement(tx, content.origin, terms.month)

    def _proposal_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """A proposal that the other region does not take counts as disputed: the month can be signed again.

        The receipt may name statements that both have signed, and a dispute: this region has lost them since.
        """
        terms, region = parse(SettlementSignature, content.payload).statement.terms, content.destination
        is_taken = receipt.outcome == Outcome.OUTCOME_ACCEPTED
        told = parse(SettlementProposed, receipt.result) if is_taken else SettlementProposed()
        lost, disputed = told.signed, told.disputed
        if not is_taken or lost:
            self._reopen(tx, region, terms, signing.PROPOSED, signing.DISPUTED, now)
        known = find_statement(tx, region, terms.month)
        is_disputed = (disputed.state, disputed.terms) == (signing.DISPUTED, terms) and disputed.decider.startswith(
            f"{region}/"
        )
        if is_disputed and known is not None and (known.state, known.terms) == (signing.PROPOSED, terms):
            _keep_decision(tx, self._settlement, region, known, disputed, now)
        both = {terms.first_region, terms.second_region}
        sound = [
            each
            for each in lost
            if _is_signed(each, terms) and proven_signers(self._settlement.node, each, told.evidence) == both
        ]
        signing.learn(tx, self._settlement, region, sound, now)

    def _decision_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        """A dispute that the other region does not take, as of a statement that it has signed, is one no more."""
        told = parse(SettlementSignature, content.payload).statement
        if receipt.outcome == Outcome.OUTCOME_REFUSED and told.state == signing.DISPUTED:
            self._reopen(tx, content.destination, told.terms, signing.DISPUTED, signing.PROPOSED, now)

    def _reopen(
        self,
        tx: Transaction,
        region: str,
        terms: SettlementTerms,
        before: SettlementState.ValueType,
        after: SettlementState.ValueType,
        now: datetime,
    ) -> None:
        """Puts the statement of just these terms from a state into another one."""
        known = find_statement(tx, region, terms.month)
        if known is not None and (known.state, known.terms) == (before, terms):
            known.state = after
            keep(tx, self._settlement, region, known, now)


def _keep_decision(
    tx: Transaction,
    settlement: Settlement,
    region: str,
    known: SettlementStatement,
    told: SettlementStatement,
    now: datetime,
) -> None:
    """Stores the other region's decision about the proposal that this one has made."""
    known.state, known.decider, known.issue_id = told.state, told.decider, told.issue_id
    known.decide_time.CopyFrom(told.decide_time)
    keep(tx, settlement, region, known, now)


def _is_signed(statement: SettlementStatement, terms: SettlementTerms) -> bool:
    """Whether the other region's statement is one of the pair of some terms, with two signatures and right sums."""
    told = statement.terms
    return (
        [told.first_region, told.second_region] == [terms.first_region, terms.second_region]
        and statement.state == signing.SIGNED
        and is_month(told.month)
        and statement.id == signing.statement_id(told)
        and statement.proposer.startswith(f"{told.first_region}/")
        and statement.decider.startswith(f"{told.second_region}/")
        and rules.is_sound(told)
    )
