"""Catches up after an accepted loss: every other region reports the commands that both have exchanged since.

A command of another region is executed once more, and keeps its receipt of before. A record that this region had filed
elsewhere is stored again. A command that cannot be done as before is left to people.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from gateway.api.federation.v1.federation_pb2 import MemberState
from gateway.api.region.v1.recovery_envelopes_pb2 import AnsweredCommand, CatchUpAnswer, CatchUpQuestion
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.auditing import audit
from gateway.errors import Refused, is_temporary, reason_name
from gateway.federation.current import FederationState
from gateway.relay import inbox, outbox
from gateway.relay.border import Border, Command, DoneOtherwise, Kinds, Refiled, RevisionAwaited
from gateway.relay.envelopes import Sealed, UntilUpgraded, open_envelope, open_receipt, read_content
from gateway.relay.outcomes import outcomes
from gateway.relay.queries import Asker
from gateway.rpc.message_checks import require_plain
from gateway.security.sealing import Route
from gateway.store import catch_ups
from gateway.store.catch_ups import CATCH_UPS, CatchUp, LostCommand
from gateway.store.losses import Loss, LossChanged
from gateway.store.port import Store, Transaction
from gateway.store.vault import KeyDestroyed
from gateway.time.clock import (
    Clock,
    from_microseconds,
    from_timestamp,
    is_dated,
    to_microseconds,
    to_timestamp,
)
from region_node.business.reconciliation.nightly import compare_between
from region_node.lifecycle.recovery.asking import LOOK_DOUBLINGS, Rounds
from region_node.node.context import RegionContext

_ATTEMPTS = 12  # of such a command, also where its region reports it later than that
_OWN_STATE = frozenset(
    {
        Reason.REASON_CLOCK_UNTRUSTED,
        Reason.REASON_CONFIGURATION_MISSING,
        Reason.REASON_DATABASE_BEHIND,
        Reason.REASON_REGION_SUSPENDED,
        Reason.REASON_STORE_UNAVAILABLE,
        Reason.REASON_STORE_UNCONFIRMED,
        Reason.REASON_TOO_BUSY,
        Reason.REASON_UPGRADE_REQUIRED,
    }
)
"""Refusals of a command that concern this region as a whole: no command is left to people for them."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CatchUpPorts:
    """The ports of the loop. `store` is the one before the fence."""

    context: RegionContext
    store: Store
    asker: Asker
    clock: Clock
    kinds: Kinds

    @property
    def border(self) -> Border:
        """The border of the region."""
        return self.context.border


@dataclass(frozen=True)
class _Signed:
    """A command as its origin has signed it, with the receipt as its destination has."""

    sealed: Sealed
    receipt: Receipt = field(repr=False)
    first: ReceiptContent = field(repr=False)


class _Report(Enum):
    """How the report of a region after a loss stands at the end of a round."""

    WHOLE = auto()
    REFUSED = auto()
    """None comes before people mend that."""
    TO_COME = auto()


class _Unable(Exception):
    """A region cannot report, or reports what nobody can believe."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused))
        self.refused = refused


class CatchingUp:
    """A loop of each process. Several may do the same: each command is executed once."""

    def __init__(self, ports: CatchUpPorts) -> None:
        self._ports = ports
        self._rounds = Rounds(ports.asker)
        self._refusals: Counter[str] = Counter()
        self._told: dict[str, str] = {}
        ports.store.subscribe(LossChanged, lambda _: self._rounds.wake())
        ports.border.current.on_update(self._note_state)

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._rounds.run(self.catch_up)

    async def catch_up(self) -> bool:
        """A round of questions for missing commands; returns whether none is left. Raises Refused without a store."""
        store = self._ports.store
        left = await store.read(lambda tx: self._left(tx, catch_ups.begun(tx)))
        return await self._rounds.ask(left, lambda region: self._with(region, left[region]))

    def _left(self, tx: Transaction, begun: Sequence[Loss]) -> Mapping[str, Sequence[Loss]]:
        """The losses after which a region has not reported everything yet, by region, the first one first."""
        members = self._ports.border.current.state().members
        others = (each for each, member in members.items() if member.state != MemberState.MEMBER_STATE_ABSENT)
        left = {
            each: [loss for loss in begun if catch_ups.catch_up_with(tx, loss.number, each).finish_time is None]
            for each in sorted(others)
            if each != self._ports.border.region
        }
        return {region: unfinished for region, unfinished in left.items() if unfinished}

    async def _with(self, region: str, unfinished: Sequence[Loss]) -> bool:
        """Takes the reports of a region, loss by loss; returns whether none is to come soon. Raises as `catch_up`.

        A region has one pause at most after a round, whatever number of losses there are.
        """
        found = set[_Report]()
        try:
            for loss in unfinished:
                found.add(await self._after(loss, region))
                if _Report.TO_COME in found:
                    self._rounds.pauses.begin(region)
                    return False
        except Refused:  # this region's own store: the same page would come every other second
            self._rounds.pauses.begin(region)
            raise
        if _Report.REFUSED in found:
            self._rounds.pauses.begin(region, LOOK_DOUBLINGS)
        return True

    async def _after(self, loss: Loss, region: str) -> _Report:
        """Takes the reports of a region after a loss; returns how they stand. Raises as `catch_up`."""
        store = self._ports.store
        known, refused_places = await self._asked(loss, region), set[str]()
        while known.finish_time is None:
            try:
                answer = await self._ask(loss, known, refused_places)
                if not await self._take_all(loss, region, answer.commands):
                    return _Report.TO_COME
            except _Unable as unable:
                return await self._note_refused(known, unable.refused)
            known = await store.write(lambda tx, before=known, told=answer: self._advance(tx, loss, before, told))  # type: ignore[misc]
            self._rounds.pauses.end(region)
        _log.warning("%s has told all that the database lacks after loss %d", region, loss.number)
        return _Report.WHOLE

    async def _asked(self, loss: Loss, region: str) -> CatchUp:
        """The progress of a region, which people see in the list from the first question on."""
        known = await self._ports.store.read(lambda tx: tx.find(CATCH_UPS, loss.number, region))
        if known is not None:
            return known
        return await self._ports.store.write(lambda tx: catch_ups.ask(tx, loss.number, region))

    async def _ask(self, loss: Loss, known: CatchUp, refused_places: set[str]) -> CatchUpAnswer:
        """The next page of a region. Raises _Unable."""
        region, now = self._ports.border.region, self._ports.clock.now()
        begin = to_timestamp(from_microseconds(loss.catch_up_from or 0))
        question = CatchUpQuestion(begin_time=begin, place=known.place)
        with _theirs(), UntilUpgraded(region):
            answer = await self._rounds.answer(f"{region}/catch-up", known.region, question, now, refused_places)
            if answer.HasField("purge_time") and not is_dated(answer.purge_time):
                raise _invalid("a time of purging that is none")
        return answer

    async def _note_refused(self, known: CatchUp, refused: Refused) -> _Report:
        """Notes why a region reports nothing, where waiting does not end that: its new commands are taken then."""
        self._tell(known.region, f"{known.region} cannot tell what the database lacks: {refused}")
        is_upgraded_later = refused.reason == Reason.REASON_UPGRADE_REQUIRED and (
            refused.parameters.get("region") != self._ports.border.region
        )
        lasts = not is_temporary(refused.reason) or is_upgraded_later
        failure = reason_name(refused.reason) if lasts else ""
        if failure != known.failure:
            await self._ports.store.write(lambda tx: _keep_failure(tx, known, failure))
        return _Report.REFUSED if lasts else _Report.TO_COME

    def _tell(self, region: str, told: str) -> None:
        """Logs a problem with a region once, and not with each attempt."""
        if self._told.get(region) != told:
            self._told[region] = told
            _log.warning("%s", told)

    async def _take_all(self, loss: Loss, region: str, told: Sequence[AnsweredCommand]) -> bool:
        """Takes a page in its order. False where a command is refused for now.

        Raises _Unable, before anything is taken, for a page with a missing command that either region has not signed.
        """
        with _theirs():
            contents = [_plain_content(each) for each in told]
        is_missing = await self._ports.store.read(
            lambda tx: [self._lacks(tx, *each) for each in zip(told, contents, strict=True)]
        )
        missing = list[_Signed]()
        for command, lacks in zip(told, is_missing, strict=True):
            if lacks:
                with _theirs():
                    missing.append(self._verified(region, command))
                await asyncio.sleep(0)  # other work of this process goes on meanwhile
        for each in missing:
            if not await self._take(loss, region, each):
                return False
        return True

    def _lacks(self, tx: Transaction, told: AnsweredCommand, content: EnvelopeContent) -> bool:
        """Whether the database lacks a command, or has sent another one under its id since."""
        if content.origin == self._ports.border.region:
            kept = outbox.sent(tx, content.id)
            return not outbox.was_sent(tx, content.id) if kept is None else kept.content != told.envelope.content
        return not inbox.is_kept(tx, content.origin, content.id)

    def _verified(self, region: str, told: AnsweredCommand) -> _Signed:
        """A command between both regions, with its receipt.

        Raises Refused for one that either has not signed, or that only a later version of this region can read.
        """
        border, own = self._ports.border, self._ports.border.region
        is_own = read_content(told.envelope).origin == own
        with _read_by(own):
            sealed = open_envelope(told.envelope, border.keys, Route(own, region) if is_own else Route(region, own))
            return _Signed(sealed, told.receipt, open_receipt(told.receipt, border.keys, sealed))

    async def _take(self, loss: Loss, region: str, told: _Signed) -> bool:
        """Takes a command, or leaves it to people. False where it is refused for now; raises _Unable for too many."""
        store, content, now = self._ports.store, told.sealed.content, self._ports.clock.now()

        async def taken() -> Reason.ValueType:
            # Around the transaction: what it has written is undone.
            with _until_configured(), UntilUpgraded(self._ports.border.region):
                return await store.write(lambda tx: self._taken(tx, loss, region, told, now))

        (problem,) = await outcomes([taken()])
        if isinstance(problem, Refused) and self._waits(loss, content, problem, now):
            self._tell(region, f"{content.id} of {region} waits: {problem}")
            return False
        if isinstance(problem, Exception):
            _log.error("%s of %s cannot be done again", content.id, region, exc_info=problem)
            problem = _reason_of(problem)
        self._refusals.pop(content.id, None)
        if problem:
            reason = problem
            if not await store.write(lambda tx: _leave(tx, loss, region, content, reason, now)):
                raise _Unable(_invalid("too many commands that cannot be done again"))
        return True

    def _waits(self, loss: Loss, content: EnvelopeContent, refused: Refused, now: datetime) -> bool:
        """Whether a refusal is to pass: that of this region's own state always, any other for some hours."""
        if not is_temporary(refused.reason) or refused.reason in _OWN_STATE:
            return is_temporary(refused.reason)
        self._refusals[content.id] += 1
        is_early = now < from_microseconds(loss.accept_time or 0) + catch_ups.PATIENCE
        return is_early or self._refusals[content.id] < _ATTEMPTS

    def _taken(self, tx: Transaction, loss: Loss, region: str, told: _Signed, now: datetime) -> Reason.ValueType:
        """Executes a command of the other region once more; returns why people have to look at it, else no reason."""
        sealed, first, border = told.sealed, told.first, self._ports.border
        is_own = sealed.content.origin == border.region
        # This region's own signature is on either instant: nobody has it do once more what it has purged since.
        signed = from_timestamp(sealed.content.create_time if is_own else first.decide_time)
        if not catch_ups.is_in_lost_part(loss, signed):
            return Reason.REASON_ENVELOPE_FORGOTTEN
        if is_own:
            return self._refile(tx, sealed, told.receipt, first, now)
        answer = inbox.take_again(tx, border, self._ports.kinds, sealed, told.receipt, now)
        if answer is None:
            return Reason.REASON_UNSPECIFIED
        if answer.outcome in (Outcome.OUTCOME_ACCEPTED, first.outcome):
            known = catch_ups.catch_up_with(tx, loss.number, region)
            catch_ups.keep(tx, known._replace(taken=known.taken + 1))
            return Reason.REASON_UNSPECIFIED
        return answer.reason if answer.outcome == Outcome.OUTCOME_REFUSED else Reason.REASON_NOT_HOME

    def _refile(
        self, tx: Transaction, sealed: Sealed, receipt: Receipt, first: ReceiptContent, now: datetime
    ) -> Reason.ValueType:
        """Stores a record of this region again by its own command; returns why people have to look, else no reason."""
        content = sealed.content
        kind = self._ports.kinds.get(content.kind)
        if (kept := outbox.sent(tx, content.id)) is not None:
            now_sent = EnvelopeContent.FromString(kept.content)
            is_repeat = isinstance(kind, Command) and kind.wants_same(content, now_sent)
            return Reason.REASON_UNSPECIFIED if is_repeat else Reason.REASON_COMMAND_LOST
        if outbox.was_sent(tx, content.id):  # about somebody who was erased since
            return Reason.REASON_UNSPECIFIED
        refiled = kind.refile(tx, content, now) if isinstance(kind, Command) else Refiled.LOST
        if refiled == Refiled.LOST or not isinstance(kind, Command):
            return Reason.REASON_COMMAND_LOST
        kind.answered(tx, content, first, now)
        if refiled == Refiled.RESTORED:
            outbox.keep_answered(tx, self._ports.border, sealed, receipt, now)
            actor, action = f"region/{content.destination}", "RestoreRecord"
            audit.append(tx, now=now, actor=actor, action=action, subject=content.subject, detail=content.id)
        return Reason.REASON_UNSPECIFIED

    def _advance(self, tx: Transaction, loss: Loss, before: CatchUp, told: CatchUpAnswer) -> CatchUp:
        """Notes that a page was taken, unless another process has done so."""
        known = catch_ups.catch_up_with(tx, before.loss, before.region)
        if known.place != before.place or known.finish_time is not None:
            return known
        purged = to_microseconds(from_timestamp(told.purge_time)) if told.HasField("purge_time") else 0
        now = self._ports.clock.now()
        known = known._replace(
            place=told.next_place,
            purged_before=max(purged, known.purged_before),
            failure="",
            finish_time=None if told.next_place else to_microseconds(now),
        )
        if known.finish_time is not None:
            begin, end = from_microseconds(loss.catch_up_from or 0), from_microseconds(loss.find_time)
            compare_between(tx, self._ports.context, known.region, begin, end, now)
        catch_ups.keep(tx, known)
        return known

    def _note_state(self, _: FederationState) -> None:
        self._rounds.wake()


@contextlib.contextmanager
def _theirs() -> Iterator[None]:
    """What is refused within concerns the region that reports, and not this one: its own state least of all."""
    try:
        yield
    except Refused as refused:
        raise _Unable(refused) from None


@contextlib.contextmanager
def _until_configured() -> Iterator[None]:
    """Raises Refused with CONFIGURATION_MISSING for an answer by a later configuration than this region has."""
    try:
        yield
    except RevisionAwaited:
        raise Refused(Reason.REASON_CONFIGURATION_MISSING) from None


@contextlib.contextmanager
def _read_by(region: str) -> Iterator[None]:
    """Names the region that reads: what its version cannot read waits for its own upgrade, whoever has sent it."""
    try:
        yield
    except Refused as refused:
        if refused.reason != Reason.REASON_UPGRADE_REQUIRED:
            raise
        raise Refused(refused.reason, **{**refused.parameters, "region": region}) from None


def _reason_of(error: Exception) -> Reason.ValueType:
    """Why a command cannot be done again, for people."""
    if isinstance(error, KeyDestroyed):
        return Reason.REASON_ENVELOPE_CONTENT_DESTROYED
    if isinstance(error, DoneOtherwise):
        return Reason.REASON_COMMAND_LOST
    return error.reason if isinstance(error, Refused) else Reason.REASON_INTERNAL


def _invalid(problem: str) -> Refused:
    return Refused(Reason.REASON_ENVELOPE_INVALID, problem=problem)


def _plain_content(told: AnsweredCommand) -> EnvelopeContent:
    """What a region says a command is. Raises Refused for what no database can be asked for."""
    content = read_content(told.envelope)
    require_plain(content)
    return content


def _keep_failure(tx: Transaction, before: CatchUp, failure: str) -> None:
    """Notes a failure, unless another process has taken the page meanwhile."""
    known = catch_ups.catch_up_with(tx, before.loss, before.region)
    if known.place == before.place and known.finish_time is None:
        catch_ups.keep(tx, known._replace(failure=failure))


def _leave(
    tx: Transaction, loss: Loss, region: str, content: EnvelopeContent, problem: Reason.ValueType, now: datetime
) -> bool:
    """Leaves a command to people. False where a region reports too many."""
    lost = LostCommand(
        loss=loss.number,
        region=region,
        origin=content.origin,
        envelope_id=content.id,
        kind=content.kind,
        subject=content.subject,
        failure=reason_name(problem),
        tell_time=to_microseconds(now),
    )
    return catch_ups.list_lost(tx, lost)
