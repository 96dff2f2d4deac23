"""The two kinds of envelope of a ticket with commands, and the effects of their receipts."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from google.protobuf.message import Message

from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.relay.border import Command, Kinds, Refiled
from gateway.relay.envelopes import Answer, answer_in
from gateway.relay.outbox import was_sent
from gateway.store.catch_ups import loss_of
from gateway.store.port import Transaction
from gateway.time.clock import from_timestamp
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.tickets import border
from region_node.tickets.followed import M
from region_node.tickets.rows import TicketRow, TicketRows
from region_node.tickets.sending import TicketMessages

C = TypeVar("C", bound=Message)


@dataclass(frozen=True)
class Commanded:
    """The fields that the commands of all kinds have."""

    name: str
    staff_id: str
    said: str | None
    """The arm of the command; `open` for a new ticket."""
    texts: Mapping[str, str]
    """The texts of the arms that need one."""


class TicketEnvelopes(ABC, Generic[M, C]):
    """Commands of the origin, or of helpers, to the owner, and the owner's versions to its followers.

    A kind names its messages and fail points, and says what it opens, decides, adopts and keeps.
    """

    messages: TicketMessages[M]
    rows: TicketRows[M]
    command: type[C]
    text_limit: int
    """The most characters of a text."""
    is_answered: str
    """The fail point of an answer to a command, before its commit."""
    is_updated: str
    """The fail point of an update, before its commit."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handlers of each kind and of its receipts."""
        known = border.reads_of(self.messages.kind)
        command = Command(
            self._commanded,
            self._command_answered,
            reads=known,
            answered_reads=known,
            act_again=self._commanded_again,
            refused_again=self._refused_again,
            refile=self._refile_command,
        )
        is_same = border.is_same_version(self.messages.kind, self._told)
        updated = Command(self._updated, _nothing, reads=known, refile=self._refile_update, is_same=is_same)
        return {self.messages.command: command, self.messages.update: updated}

    @abstractmethod
    def _said(self, command: C) -> Commanded:
        """The common fields of a command."""

    @abstractmethod
    def _opened(self, tx: Transaction, command: C, content: EnvelopeContent, now: datetime) -> M:
        """Accepts a new ticket, which may carry no decisions: those are this region's own. Raises Refused.

        The border has checked that the command is about a ticket of the sender, and has an author.
        """

    @abstractmethod
    def _filed(self, command: C) -> M:
        """The new ticket in a command that opens it."""

    @abstractmethod
    def _decide(self, tx: Transaction, command: C, region: str, now: datetime) -> M:
        """Executes a command of a region on a ticket of this one. Raises Refused."""

    @abstractmethod
    def _told(self, payload: bytes) -> M:
        """The ticket in an update."""

    @abstractmethod
    def _adopt(self, tx: Transaction, told: M, now: datetime, traceparent: str) -> None:
        """Stores a newer version of the owner."""

    @abstractmethod
    def _keep(self, tx: Transaction, row: TicketRow[M], why: str, now: datetime) -> None:
        """Keeps a ticket that the other region refuses. See `border.settle_filing`."""

    def _filed_again(self, tx: Transaction, ticket: M, sent: datetime) -> None:
        """Notes again what this region had noted when it filed a ticket that another region owns."""

    def _before_restoring(self, tx: Transaction, ticket: M, now: datetime) -> None:
        """Does again what hangs on a version of this region: timer, booking. Raises Refused before the first write."""

    def _require_followed(self, told: M) -> None:
        """This region may begin to follow an unknown ticket. Raises Refused."""
        raise Refused(Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED)

    def _heard(self, tx: Transaction, told: M, content: EnvelopeContent, now: datetime) -> None:
        """Handles a version that another region sends."""
        if border.updated(self.messages.kind, tx, told, content, now, self._require_followed):
            self._adopt(tx, told, now, content.traceparent)

    def _commanded(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles a new ticket of the origin, or a command of it or of a helper."""
        command = received(self.command, content.payload)
        said, kind = self._said(command), self.messages.kind
        if said.said == "open":
            border.require_origin(kind, said.name, content)
            border.require_author(said.staff_id, is_required=True)
            return border.accepted(self._opened(tx, command, content, now))
        known = border.commanded(kind, tx, self._context.region, said.name, content)
        border.require_author(said.staff_id, is_required=True)
        border.require_caught_up(self._context, tx, kind.facts(known), now)

        def decide() -> M:
            border.require_text(said.said, said.texts, self.text_limit, is_required=True)
            return self._decide(tx, command, content.origin, now)

        return border.decided(known, decide)

    def _commanded_again(
        self, tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime
    ) -> Answer:
        """Takes the version of the first receipt: this region has signed it, and later ones were made from it.

        Only the receipt has this region's word on the time: that of the command is the other region's.
        """
        told, signed = parse(self.messages.kind.records.message, first.result), from_timestamp(first.decide_time)
        self._restore(tx, told, content, content.origin, signed, now)
        return answer_in(first)

    def _refused_again(self, tx: Transaction, content: EnvelopeContent, first: ReceiptContent, now: datetime) -> None:
        """Takes the version of a refusal, which has made none, unless the ticket here has all of it."""
        told = parse(self.messages.kind.records.message, first.result)
        if not border.has_all_of(self.messages.kind, self.messages.kind.records.read(tx, content.subject), told):
            self._commanded_again(tx, content, first, now)

    def _refile_command(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Refiled:
        """Takes a ticket in again that this region had sent to its owner."""
        kind, command = self.messages.kind, parse(self.command, content.payload)
        if self._said(command).said != "open":
            return border.refile_of(kind)(tx, content, now)
        ticket = self._filed(command)
        if (found := border.filed_again(kind, tx, ticket)) is not None:
            return found
        sent = from_timestamp(content.create_time)
        self._insert_again(tx, TicketRow(ticket, content.traceparent), sent)
        self._filed_again(tx, ticket, sent)
        return Refiled.RESTORED

    def _refile_update(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Refiled:
        """Takes a version that this region had sent as the owner, or its word as the origin of an unknown ticket."""
        kind, told = self.messages.kind, self._told(content.payload)
        if border.is_other(kind, kind.records.read(tx, kind.facts(told).name), told):
            return Refiled.LOST
        is_known = kind.records.is_known(tx, content.subject)
        if kind.facts(told).owner != self._context.region and is_known:
            return Refiled.KNOWN
        signed = from_timestamp(content.create_time)
        is_restored = self._restore(tx, told, content, content.destination, signed, now)
        return Refiled.RESTORED if is_restored else Refiled.KNOWN

    def _restore(
        self, tx: Transaction, told: M, content: EnvelopeContent, region: str, signed: datetime, now: datetime
    ) -> bool:
        """Stores a version that this region signed then, unless it has that or a later one; returns whether it did so.

        The versions of an owner follow each other, and none is made while a region still reports. So the last one has
        all that went before. The followers but `region`, which has it, may lack it.

        Raises Refused, also with COMMAND_LOST for a ticket that has changed since, or before this region found its
        loss, or is another one under the same id: this region's word then is no part of that.
        """
        kind, facts = self.messages.kind, self.messages.kind.facts(told)
        row, known = TicketRow(told, content.traceparent), kind.records.read(tx, facts.name)
        if known is None and kind.records.is_known(tx, facts.name):
            return False  # it is unreadable, for example of an erased customer
        if known is not None and (
            self._has_changed_since(tx, facts.name, signed)
            or border.is_other(kind, known, told)
            or not border.continues(kind, known, told)
        ):
            raise Refused(Reason.REASON_COMMAND_LOST, command=content.id)
        if known is not None and kind.facts(known).version >= facts.version:
            return False
        is_owner = facts.owner == self._context.region
        if is_owner:
            self._before_restoring(tx, told, now)
        if known is None:
            self._insert_again(tx, row, signed)
            if not is_owner:
                self._filed_again(tx, told, signed)
        else:
            self.rows.update(tx, told, signed)
        if is_owner:
            self.messages.send_missing(tx, self._context, row, now, informed=(region,))
        return True

    def _has_changed_since(self, tx: Transaction, name: str, signed: datetime) -> bool:
        """Whether a ticket has changed since people accepted the loss of what was signed then.

        What is restored has its time of before.
        """
        loss, changed = loss_of(tx, signed), self.messages.kind.records.column(tx, name, "changed")
        return loss is not None and isinstance(changed, int) and changed >= (loss.accept_time or 0)

    def _insert_again(self, tx: Transaction, row: TicketRow[M], sent: datetime) -> None:
        """Adds a ticket with its own number: that of this region, or 0."""
        facts = self.messages.kind.facts(row.ticket)
        if facts.origin == self._context.region:
            self.rows.numbers.restored(tx, facts.name, lambda number: self.rows.insert(tx, row, number, sent))
        else:
            self.rows.insert(tx, row, 0, sent)

    def _command_answered(
        self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime
    ) -> None:
        failpoints.reach(self.is_answered)

        def adopt(told: M) -> None:
            self._adopt(tx, told, now, "")

        def keep(ticket: M, why: str) -> None:
            self._keep(tx, TicketRow(ticket, content.traceparent), why, now)
            if not was_sent(tx, content.id):
                # It is refiled: the later versions of then follow, and nobody has changed the ticket since.
                self.rows.update(tx, ticket, from_timestamp(content.create_time))

        if self._said(parse(self.command, content.payload)).said == "open":
            border.settle_filing(self.messages.kind, tx, content, receipt, now, adopt, keep)
        else:
            border.settle_command(self.messages.kind, tx, content, receipt, now, adopt)

    def _updated(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """Handles the owner's new version of a ticket that this region follows."""
        self._heard(tx, self._told(content.payload), content, now)
        failpoints.reach(self.is_updated)
        return Answer(Outcome.OUTCOME_ACCEPTED)


def _nothing(tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
    """The receipt has no effect: the follower has the version, or ignores it."""
