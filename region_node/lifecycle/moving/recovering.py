"""A new home with a database of before a take-over asks the former home for the hand-over, and takes it once more.

Nobody would own the customer else: the number plan names the new home, and the former home forwards to it.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, HandOverKept, HandOverWanted
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.relay.border import Kinds, Query
from gateway.relay.envelopes import Answer, OutgoingEnvelope, Sealed, UntilUpgraded, open_envelope
from gateway.relay.inbox import receive
from gateway.relay.outbox import sent
from gateway.relay.queries import Asker
from gateway.security.sealing import Route
from gateway.store.port import Store, Transaction
from gateway.time.clock import BETWEEN_TRUSTED, Clock, from_timestamp, to_microseconds
from region_node.customers import status
from region_node.customers.documents import moved as documents
from region_node.customers.erased_numbers import is_erased
from region_node.customers.moved_numbers import customer_given, is_awaited, note_none
from region_node.customers.rows import lines_numbered
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.port import MoveEnded
from region_node.lifecycle.moving.relayed import MoveEnvelopes
from region_node.lifecycle.moving.rows import move_to, moves_with, unnamed
from region_node.node.context import RegionContext
from region_node.node.payloads import parse, received
from region_node.node.rules import erasure_mark
from region_node.node.subjects import number_index

_KIND = EnvelopeKind.ENVELOPE_KIND_HAND_OVER_WANTED
_HAND_OVER = EnvelopeKind.ENVELOPE_KIND_CUSTOMER_HAND_OVER
_PAGE = 500  # numbers in one transaction
_ANSWER_SECONDS = 10.0
_LIFETIME = timedelta(minutes=10)  # far more than clocks may differ by
_log = logging.getLogger(__name__)


class HandOverEnvelopes:
    """The kind of envelope by which a new home queries a hand-over that it has lost."""

    def __init__(self, context: RegionContext) -> None:
        self._context = context

    def kinds(self) -> Kinds:
        """The handler here."""
        return {_KIND: Query(self._wanted, is_noted=False)}

    def _wanted(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        """The hand-over to the asking region, by which this region has last given the number away.

        The audit chain has each that is told. Raises Refused with CUSTOMER_MOVING where the lane still brings it, and
        with HAND_OVER_NOT_KEPT after a purge.
        """
        number = received(HandOverWanted, content.payload).number
        if any(status.status_of(tx, each.customer_id) == status.MOVING for each in lines_numbered(tx, [number])):
            raise Refused(Reason.REASON_CUSTOMER_MOVING)
        customer_id, kept = customer_given(tx, number, content.origin), HandOverKept()
        move = None if customer_id is None else move_to(tx, customer_id, content.origin)
        if move is not None:
            envelope = sent(tx, rules.hand_over_id(move.id, content.origin))
            if envelope is None and is_erased(tx, self._context, number):
                return Answer(Outcome.OUTCOME_ACCEPTED, result=kept.SerializeToString())  # the asking region erased it
            if envelope is None:
                raise Refused(Reason.REASON_HAND_OVER_NOT_KEPT, move=move.id)
            kept.hand_over.CopyFrom(envelope)
            audit.append(
                tx, now=now, actor=f"region/{content.origin}", action="HandOverWanted", subject=move.id, detail="told"
            )
        return Answer(Outcome.OUTCOME_ACCEPTED, result=kept.SerializeToString())


class LostCustomers:
    """Finds numbers of the region without a line, and queries their customers until each region has answered."""

    def __init__(self, context: RegionContext, store: Store, asker: Asker, clock: Clock) -> None:
        self._context = context
        self._store = store
        self._asker = asker
        self._clock = clock
        self._envelopes = MoveEnvelopes(context, is_asked=True)
        self._answered: set[str] = set()  # numbers, each with its line, or of which nobody knows more
        self._told = ""

    async def recover(self) -> bool:
        """Takes all lost customers over; returns whether none is left. Raises Refused without a store."""
        if not self._context.border.current.revision:
            return True
        federation, region = self._context.federation, self._context.region
        numbers = [each for each in _named(federation, region) if each not in self._answered]
        left = 0
        for begin in range(0, len(numbers), _PAGE):
            page = numbers[begin : begin + _PAGE]
            lost = await self._store.read(lambda tx, page=page: lost_numbers(tx, federation, region, page))  # type: ignore[misc]
            self._answered.update(set(page) - lost.keys())
            for number, index in lost.items():
                try:
                    await self._ask(number, index)
                except Refused as refused:
                    self._tell(refused)
                    if refused.reason == Reason.REASON_REGION_UNREACHABLE:  # as for each number behind this one
                        return False
                    left += 1
                else:
                    self._answered.add(number)
        return not left

    def _tell(self, refused: Refused) -> None:
        if str(refused) != self._told:  # once, and not with each attempt
            self._told = str(refused)
            _log.warning("a customer who moved here is not in the database, and is asked for again: %s", refused)

    async def _ask(self, number: str, index: str) -> None:
        """Takes over the newest hand-over of a number, or notes that there is none.

        Raises Refused without the answers of all regions.
        """
        givers = self._givers()
        found = [each for region in givers if (each := await self._kept(region, number, index)) is not None]
        found = [each for each in found if not self._is_erased(each)]
        if not found:
            await self._store.write(lambda tx: self._note_none(tx, number))
            return
        newest = max(found, key=lambda each: from_timestamp(_told(each).move.change_time))
        await self._store.write(lambda tx: self._take(tx, newest, number, givers))
        _log.warning("a customer was lost with a newer database, and is taken over again: %s", newest.content.subject)

    def _note_none(self, tx: Transaction, number: str) -> None:
        federation, region = self._context.federation, self._context.region
        if lost_numbers(tx, federation, region, [number]):  # the customer may have come meanwhile, and gone
            note_none(tx, number, region, federation)
            tx.publish(MoveEnded())  # orders that are held for it can be refused

    def _givers(self) -> Sequence[str]:
        """The regions that may have given a number to this one: all that have ever joined.

        Raises Refused with HAND_OVER_AWAITED before the first word of a coordinator about who has.
        """
        state, region = self._context.border.current.state(), self._context.region
        joined = {each for each, member in state.members.items() if member.state != MemberState.MEMBER_STATE_ABSENT}
        if region not in joined:
            raise Refused(Reason.REASON_HAND_OVER_AWAITED)
        return sorted(joined - {region})

    async def _kept(self, region: str, number: str, index: str) -> Sealed | None:
        """The hand-over that a region has of a number, verified. Raises Refused as it does, and without an answer."""
        time = to_microseconds(self._clock.now())  # each attempt is a question of its own
        outgoing = OutgoingEnvelope(
            envelope_id=f"{self._context.region}/hand-over-wanted/{index}/{time}>{region}",
            destination=region,
            kind=_KIND,
            payload=HandOverWanted(number=number).SerializeToString(),
            subject=f"{self._context.region}/hand-over-wanted",
            operator="",
            lifetime=_LIFETIME,
        )
        kept = parse(HandOverKept, await self._asker.ask(outgoing, _ANSWER_SECONDS, "", attempts=1))
        if not kept.HasField("hand_over"):
            return None
        sealed = open_envelope(kept.hand_over, self._context.border.keys, Route(region, self._context.region))
        with UntilUpgraded(self._context.region):
            told = _told(sealed)
        rules.require_times(told)
        is_about = number in (each.number for each in told.move.lines) and sealed.content.kind == _HAND_OVER
        if not is_about or from_timestamp(told.move.change_time) > self._clock.now() + BETWEEN_TRUSTED:
            raise Refused(Reason.REASON_ENVELOPE_INVALID, problem="not the hand-over of the number")
        return sealed

    def _is_erased(self, sealed: Sealed) -> bool:
        """Whether this region has erased the customer of a hand-over since."""
        mark = erasure_mark(rules.ids_at_new_home(sealed.content.subject))
        return mark in self._context.erased_keys.known

    def _take(self, tx: Transaction, sealed: Sealed, number: str, regions: Sequence[str]) -> None:
        """Takes a hand-over as it would have come by the lane, and asks all regions for their documents.

        A refusal is not stored as the answer: what stands in the way may end.
        """
        context, now = self._context, self._clock.now()
        if is_awaited(tx, context.federation, context.region, number, is_new=True):
            self._envelopes.require_acceptable(tx, sealed.content, now)
            receive(tx, context.border, self._envelopes.kinds(), sealed, now)
            documents.want_again(tx, context, _told(sealed), regions, now)


def _named(federation: Federation, region: str) -> Iterator[str]:
    """The numbers, in E.164, for which the plan names a region by more than their prefix."""
    plan = federation.number_plan
    return (each for each in plan.exceptional() if plan.exception_of(each) == region)


def lost_numbers(tx: Transaction, federation: Federation, region: str, numbers: Sequence[str]) -> dict[str, str]:
    """The numbers, in E.164, whose customers may have come to the region after its database; with their indexes.

    A customer has gone, and is not lost, who moved on from the region after the plan.
    """
    with_line = {each.number for each in lines_numbered(tx, numbers)}
    without = (each for each in numbers if each not in with_line)
    lost = (each for each in without if is_awaited(tx, federation, region, each, is_new=True))
    return {each: number_index(tx, each) for each in lost if not _has_gone(tx, each, federation)}


def _has_gone(tx: Transaction, number: str, federation: Federation) -> bool:
    moved = (each for each in moves_with(tx, number) if each.state == rules.MOVED)
    return any(number in unnamed(tx, each, federation) for each in moved)


def _told(sealed: Sealed) -> CustomerHandOver:
    return parse(CustomerHandOver, sealed.content.payload)
