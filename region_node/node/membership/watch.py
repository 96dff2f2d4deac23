"""Follows the federation state at any responding coordinator."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

import grpc
from tenacity import AsyncRetrying, retry_if_exception_type, stop_never

from gateway.api.coordinator.v1.revocation_service_pb2 import ListRevocationListsRequest
from gateway.api.coordinator.v1.revocation_service_pb2_grpc import RevocationServiceStub
from gateway.api.federation.v1.federation_pb2 import NumberAssignment, WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.api.federation.v1.revision_pb2 import SignedSuspension
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, from_rpc_error
from gateway.federation.current import CurrentFederation
from gateway.relay.retry import FullJitter
from gateway.rpc.channels import Replica, Replicas, invoke
from region_node.node.membership.assignments import AssignmentKeeper
from region_node.node.membership.contact_state import ContactState
from region_node.node.membership.node import MembershipPorts
from region_node.node.membership.state import StateKeeper, StateUnusable
from region_node.node.telling import is_busy

HandIn = Callable[[NumberAssignment, bytes], Awaitable[None]]
"""Returns once a coordinator keeps an assignment with its certificate (PEM). Raises Refused, or Unreachable."""
GiveBack = Callable[[SignedSuspension], Awaitable[None]]
"""Returns once a coordinator keeps a statement about a region. Raises Refused, or Unreachable."""
FIRST_STATE = 10.0  # seconds for the first message, which a coordinator with a configuration has at hand
_log = logging.getLogger(__name__)
_FAILURES = (Unreachable, Refused, StateUnusable)


class Watcher:
    """The one stream of this node, at one coordinator at a time."""

    def __init__(
        self,
        replicas: Replicas,
        keeper: StateKeeper,
        assignments: AssignmentKeeper,
        hand_in: HandIn,
        give_back: GiveBack,
        current: CurrentFederation,
        ports: MembershipPorts,
    ) -> None:
        self._replicas = replicas
        self._assignments = assignments
        self._hand_in = hand_in
        self._give_back = give_back
        self._keeper = keeper
        self._current = current
        self._ports = ports
        self._contacts: dict[str, ContactState] = {}

    async def follow(self) -> None:
        """Keeps the state up to date until it is cancelled."""
        wait = FullJitter(self._ports.source)
        retrying = AsyncRetrying(
            stop=stop_never, wait=wait, retry=retry_if_exception_type(_FAILURES), sleep=self._ports.sleep
        )
        while True:
            await retrying(self._watch_once)
            await self._ports.sleep(wait.seconds(1))

    async def _watch_once(self) -> None:
        """Follows one stream to its end. Raises one of `_FAILURES` if it brought nothing, or nothing of use."""
        replica = self._replicas.pick()
        contact = self._contacts.setdefault(
            replica.endpoint, ContactState(f"federation state of coordinator {replica.endpoint}")
        )
        try:
            await self._stream(replica, contact)
        except _FAILURES as error:
            contact.failed(error)
            raise
        finally:
            self._replicas.leave_out(replica)

    async def _stream(self, replica: Replica, contact: ContactState) -> None:
        request = WatchRequest(
            federation_revision=self._current.revision,
            number_assignments=self._assignments.next_mark(),
            verified_revision=self._keeper.verified_revision,
            registry_head=self._keeper.registry_head,
        )
        call = FederationServiceStub(replica.channel).Watch(request)
        taken, lost = False, list[SignedSuspension]()
        try:
            with self._replicas.while_trusted(replica, call):
                async with asyncio.timeout(FIRST_STATE) as patience:
                    async for response in call:
                        patience.reschedule(None)
                        await self._keeper.take(response)
                        contact.well("followed")
                        if not taken:
                            lost = self._keeper.lacking_suspensions(response.suspensions)
                        taken, lost = True, await self._give_back_lost(lost)
                        if not response.number_assignments.has_more:
                            await self._hand_in_missing()
        except TimeoutError:
            raise Unreachable(f"no state within {FIRST_STATE:.0f} s: it hangs, or has no configuration yet") from None
        except grpc.aio.AioRpcError as error:
            failure = _failure(error)
            reason = failure.reason if isinstance(failure, Refused) else Reason.REASON_UNSPECIFIED
            if reason == Reason.REASON_REGISTRY_BEHIND:
                await self._give_back_lost(self._keeper.lacking_suspensions(()))
            elif reason == Reason.REASON_REGION_SUSPENDED:
                await self._take_revocations(replica)
            if not taken:
                raise failure from None
        finally:
            call.cancel()
        if not taken:
            raise Unreachable("the stream ended before its first message")

    async def _take_revocations(self, replica: Replica) -> None:
        """Asks for revocation lists: no stream brings them to a suspended region, which revokes its own people on."""
        lists = RevocationServiceStub(replica.channel).ListRevocationLists
        try:
            told = await invoke(lists, ListRevocationListsRequest(), FIRST_STATE)
        except (Refused, Unreachable) as error:  # an older coordinator, for example
            _log.debug("the revocation lists are not told to this suspended region: %s", error)
        else:
            await self._keeper.take_revocations(told.revocation_lists)

    async def _hand_in_missing(self) -> None:
        """Gives back what the coordinators' list has lost. What is refused is tried again with the next state.

        An assignment is refused until the one before it, perhaps of another region, is in the list. A coordinator
        without room ends the attempt.
        """
        for assignment, certificate in self._assignments.missing():
            try:
                await self._hand_in(assignment, certificate)
            except Refused as refused:
                _log.warning("an assignment of a number that the coordinators lack is handed in later: %s", refused)
                self._assignments.put_off(assignment)
                if is_busy(refused):
                    return
            except Unreachable:
                return
            else:
                self._assignments.handed_in(assignment)

    async def _give_back_lost(self, lost: Iterable[SignedSuspension]) -> list[SignedSuspension]:
        """Gives back statements about regions that a coordinator has lost. Returns those to try with the next state.

        A coordinator that trusts no clock yet refuses one for another that is dated ahead.
        """
        again = []
        for signed in lost:
            if signed not in self._keeper.suspensions.signed():
                continue  # a later one has come
            try:
                await self._give_back(signed)
            except (Refused, Unreachable) as error:  # an older coordinator, or one that knows a later statement
                _log.info("a statement about a region is not given back: %s", error)
                if isinstance(error, Refused) and error.reason == Reason.REASON_SUSPENSION_OUTDATED:
                    again.append(signed)
        return again


def _failure(error: grpc.aio.AioRpcError) -> Exception:
    return from_rpc_error(error) or Unreachable(f"{error.code().name}: {error.details()}")
