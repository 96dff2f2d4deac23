"""Follows the federation state at any responding coordinator."""

import asyncio

import grpc
from tenacity import AsyncRetrying, retry_if_exception_type, stop_never

from gateway.api.federation.v1.federation_pb2 import WatchRequest
from gateway.api.federation.v1.federation_pb2_grpc import FederationServiceStub
from gateway.errors import Refused, Unreachable, from_rpc_error
from gateway.federation.current import CurrentFederation
from gateway.relay.retry import FullJitter
from gateway.rpc.channels import Replica, Replicas
from region_node.node.membership.contact_state import ContactState
from region_node.node.membership.node import MembershipPorts
from region_node.node.membership.state import StateKeeper, StateUnusable

FIRST_STATE = 10.0  # seconds for the first message, which a coordinator with a configuration has at hand
_FAILURES = (Unreachable, Refused, StateUnusable)


class Watcher:
    """The one stream of this node, at one coordinator at a time."""

    def __init__(
        self, replicas: Replicas, keeper: StateKeeper, current: CurrentFederation, ports: MembershipPorts
    ) -> None:
        self._replicas = replicas
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
            federation_revision=self._current.revision, verified_revision=self._keeper.verified_revision
        )
        call = FederationServiceStub(replica.channel).Watch(request)
        taken = False
        try:
            async with asyncio.timeout(FIRST_STATE) as patience:
                async for response in call:
                    patience.reschedule(None)
                    await self._keeper.take(response)
                    contact.well("followed")
                    taken = True
        except TimeoutError:
            raise Unreachable(f"no state within {FIRST_STATE:.0f} s: it hangs, or has no configuration yet") from None
        except grpc.aio.AioRpcError as error:
            if not taken:
                raise _failure(error) from None
        finally:
            call.cancel()
        if not taken:
            raise Unreachable("the stream ended before its first message")


def _failure(error: grpc.aio.AioRpcError) -> Exception:
    return from_rpc_error(error) or Unreachable(f"{error.code().name}: {error.details()}")
