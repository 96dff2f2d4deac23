"""Puts the federation state from a coordinator, or from the file of the last good one, in force."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from gateway.api.federation.v1.federation_pb2 import ChainHead, Member, MemberState, RevocationList, WatchResponse
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.federation.rules import problems
from gateway.process.last_good import LastGoodBroken
from gateway.time.clock import Clock
from gateway.values.choices import first_unknown
from region_node.node.membership.assignments import AssignmentKeeper
from region_node.node.membership.last_good import LastGood
from region_node.node.membership.node import Node
from region_node.node.membership.suspensions import SuspensionKeeper
from region_node.node.membership.verified import Verified, verified

_Saved = tuple[int, list[Member], Sequence[RevocationList], Sequence[SignedSuspension]]
_ABSENT = MemberState.MEMBER_STATE_ABSENT
_log = logging.getLogger(__name__)


class StateUnusable(Exception):
    """A rejected federation state; the text has the reason. The current one stays in force."""


class StateUnreadable(StateUnusable):
    """The configuration makes a choice that this version does not have."""


class StateKeeper:
    """Puts states in force: the keys of the members first, then the state; and keeps the file."""

    def __init__(self, node: Node, clock: Clock, last_good: LastGood, assignments: AssignmentKeeper) -> None:
        self._federation = node.federation
        self._current = node.border.current
        self._keys = node.border.keys
        self._sealing_keys = node.border.sealing_keys
        self._keys.on_distrust(self._forget_unproven)
        self._clock = clock
        self._agreed = node.border.clock
        self._last_good = last_good
        self._assignments = assignments
        self._anchor = Chain.of(node.anchor) if node.anchor is not None else None
        self.suspensions: Final = SuspensionKeeper()
        """The signed statements about regions."""
        self._members: Sequence[Member] = ()
        """As a coordinator, or the file, has told them last."""
        self._in_force: Verified | None = None
        self._saved: _Saved | None = None
        self.registry_head: ChainHead | None = None
        """What the coordinator's registry had come to with the state; the coordinator alone can verify it."""
        self._saved_head: ChainHead | None = None
        self._refused_certificates: dict[str, bytes] = {}
        self._refused_sealing_keys: dict[str, bytes] = {}
        self._cannot_save = False
        self._unreadable_revision = 0
        self.told = asyncio.Event()
        """Set once a coordinator's state is in force, with all assignments of numbers."""

    def load(self) -> None:
        """Puts the last good state in force, if there is a usable one. A broken file is logged and left."""
        self._assignments.load()
        self._load_head()
        try:
            state = self._last_good.load()
            if state is None:
                return
            self._keys.revocations.keep_each(state.revocation_lists)
            federation = self._held(state)
            if federation is None:
                federation, self._in_force = self._built(state, None)
            self.suspensions.take(state.suspensions, self._chain, self._agreed.latest_told())
        except (LastGoodBroken, StateUnusable) as error:
            _log.error("%s is ignored: %s", self._last_good.path, error)
            return
        self._members = state.members
        members = self._trusted(self._members, federation)
        self._current.update(federation, members, self._in_force.chain if self._in_force is not None else None)
        self._saved = self._to_save(federation, members)
        _log.info("working by revision %d of the configuration, as last kept on disk", federation.revision)

    async def take(self, response: WatchResponse) -> None:
        """Puts the state of a coordinator in force. An unreadable configuration leaves the former one in force.

        Raises StateUnusable for a revision lower than the current one, and for an invalid configuration. Raises
        StateUnusable for an unreadable configuration without a former one. Its revocation lists are in force all the
        same: the issuers sign each of them.
        """
        self._keys.revocations.take_each(response.revocation_lists)
        federation = self._held(response)
        if federation is None:
            try:
                # Half a million prefixes take seconds: they run beside the event loop, which must accept orders.
                built = await asyncio.to_thread(self._built, response, self._clock)
                federation, self._in_force = built[0], built[1]
            except StateUnreadable as unreadable:
                federation = self._kept_instead(response.federation_revision, unreadable)
            else:
                self._unreadable_revision, self._current.unreadable = 0, ""
        # Behind the configuration, which may name the administrators who signed.
        self.suspensions.take(response.suspensions, self._chain, self._agreed.latest_told())
        if response.HasField("number_assignments"):
            federation = await self._assignments.take(response.number_assignments, federation)
        self._members = response.members
        members = self._trusted(self._members, federation)
        if response.HasField("registry_head"):
            self.registry_head = ChainHead()  # a copy: a part of a message keeps the whole of it in memory
            self.registry_head.CopyFrom(response.registry_head)
        await self._save_changed(federation, members)
        await self._save_head()  # behind the state: a node that is killed between both names less than it has
        members = self._trusted(self._members, federation)  # meanwhile the clock may have been settled
        self._current.update(federation, members, self._in_force.chain if self._in_force is not None else None)
        if not response.number_assignments.has_more:
            self.told.set()

    async def take_revocations(self, lists: Sequence[RevocationList]) -> None:
        """Puts revocation lists in force, and keeps them beside the state in force, where there is one."""
        self._keys.revocations.take_each(lists)
        if self._current.revision:
            federation = self._current.federation
            await self._save_changed(federation, self._trusted(self._members, federation))

    def _held(self, state: WatchResponse) -> Federation | None:
        """The configuration in force where the state is of its revision; None for a higher one."""
        revision, held = state.federation_revision, self._current.revision
        if revision < held:
            raise StateUnusable(f"it is at revision {revision}, this node already at {held}")
        return self._current.federation if revision in (held, self._unreadable_revision) and held else None

    def _kept_instead(self, revision: int, unreadable: "StateUnreadable") -> Federation:
        """The configuration in force, which stays until the node is upgraded."""
        if not self._current.revision:
            raise unreadable
        self._unreadable_revision, self._current.unreadable = revision, str(unreadable)
        _log.error("%s: this node works by revision %d until it is upgraded", unreadable, self._current.revision)
        return self._current.federation

    @property
    def verified_revision(self) -> int | None:
        """The revision up to which this node has verified signatures; None for a node without an anchor."""
        chain = self._chain
        return chain.place.revision if chain is not None else None

    @property
    def _chain(self) -> Chain | None:
        return self._in_force.chain if self._in_force is not None else self._anchor

    def _built(self, state: WatchResponse, clock: Clock | None) -> tuple[Federation, Verified]:
        revision = state.federation_revision
        if not state.HasField("configuration") and not state.configuration_content:
            raise StateUnusable(f"revision {revision} came without its configuration")
        try:
            found = verified(state, self._chain, clock)
        except RevisionRefused as refused:
            raise StateUnusable(f"revision {revision} is not the administrators': {refused}") from None
        configuration = found.configuration
        if configuration.federation != self._federation:
            raise StateUnusable(f"it is of the federation {configuration.federation!r}")
        if (unknown := first_unknown(configuration)) is not None:
            raise StateUnreadable(f"revision {revision} has {unknown}, which this version cannot read")
        if wrong := problems(configuration):
            raise StateUnusable(f"revision {revision} is not valid: {wrong[0]} ({len(wrong)} in all)")
        return Federation(
            revision, configuration, self._current.note_year_without_calendar, self._assignments.book
        ), found

    def _trusted(self, members: Sequence[Member], federation: Federation) -> list[Member]:
        """The members, each with its newest keys: former keys from a coordinator are ignored.

        A configured region that proved its key stays one of them, though a coordinator leaves it out. The saved state
        also has the newest keys, so that a restarted node knows no less.
        """
        found, named = [], {each.region for each in members}
        unnamed = [each.id for each in federation.configuration.regions if each.id not in named]
        omitted = [Member(region=each, state=_ABSENT) for each in unnamed if self._keys.newest(each) is not None]
        for told in (*members, *omitted):
            self._trust(told)
            member = Member()
            member.CopyFrom(told)
            self.suspensions.put_into(member, self._chain)
            if (certificate := self._keys.newest(told.region)) is not None:
                member.signing_certificate = certificate
            if (sealing_key := self._sealing_keys.told(told.region)) is not None:
                member.sealing_key.CopyFrom(sealing_key)
            found.append(member)
        return found

    def _trust(self, member: Member) -> None:
        """Trusts the member's signing key, if the authority has issued its certificate."""
        if not member.signing_certificate:
            return
        try:
            self._keys.accept(member.region, member.signing_certificate, self._clock.now())
        except Refused as refused:
            if self._refused_certificates.get(member.region) != member.signing_certificate:
                self._refused_certificates[member.region] = member.signing_certificate
                _log.error("the signing certificate of %s is not trusted: %s", member.region, refused)
        else:
            self._refused_certificates.pop(member.region, None)
            self._seal_to(member)

    def _forget_unproven(self) -> None:
        """Forgets the sealing keys whose proof counts no more; coordinators tell those with another one again."""
        self._sealing_keys.forget_proven_by(lambda certificate: not self._keys.vouches_for(certificate))

    def trust_again(self) -> None:
        """Looks anew at what a wrong clock may have refused: certificates, and statements about regions."""
        if not self._current.revision:
            return
        for region in list(self._refused_certificates):
            if (member := self._current.state().members.get(region)) is not None:
                self._trust(member)
        if self.suspensions.choose(self._agreed.latest_told()):
            state = self._current.state()
            self._current.update(state.federation, self._trusted(self._members, state.federation), state.chain)

    def lacking_suspensions(self, told: Iterable[SignedSuspension]) -> list[SignedSuspension]:
        """The statements about regions that a coordinator has lost, by all those that it has."""
        return self.suspensions.lacking(told, self._agreed.latest_told())

    def _seal_to(self, member: Member) -> None:
        """Takes over the member's sealing key, if the region itself has signed it."""
        if not member.HasField("sealing_key"):
            return
        told = member.sealing_key
        if self._sealing_keys.accept(member.region, told, self._keys.signer_of):
            self._refused_sealing_keys.pop(member.region, None)
        elif self._refused_sealing_keys.get(member.region) != told.key:
            self._refused_sealing_keys[member.region] = told.key
            _log.error("the sealing key of %s is not signed by it: what was known before is used", member.region)

    async def _save_changed(self, federation: Federation, members: list[Member]) -> None:
        """Saves another state than the saved one. On a full disk the node works on, and restarts from an older one."""
        in_force, to_save = self._in_force or Verified(federation.configuration), self._to_save(federation, members)
        if to_save == self._saved:
            return
        _, _, lists, suspensions = to_save

        def save() -> None:
            state = WatchResponse(
                federation_revision=federation.revision,
                members=members,
                revocation_lists=lists,
                suspensions=suspensions,
            )
            in_force.put_into(state)
            self._last_good.save(state)

        if await self._is_written(save):
            self._saved = to_save

    def _load_head(self) -> None:
        try:
            self.registry_head = self._saved_head = self._last_good.load_head()
        except LastGoodBroken as error:
            _log.error("the last registry head is ignored: %s", error)

    async def _save_head(self) -> None:
        head = self.registry_head
        if (
            head is not None
            and head != self._saved_head
            and await self._is_written(lambda: self._last_good.save_head(head))
        ):
            self._saved_head = head

    async def _is_written(self, save: Callable[[], None]) -> bool:
        try:
            await asyncio.to_thread(save)
        except OSError as error:
            if not self._cannot_save:
                _log.error("%s cannot be written: %s", self._last_good.path, error.strerror)
            self._cannot_save = True
            return False
        self._cannot_save = False
        return True

    def _to_save(self, federation: Federation, members: list[Member]) -> "_Saved":
        lists, suspensions = self._keys.revocations.lists(), self.suspensions.kept()
        return federation.revision, members, lists, suspensions
