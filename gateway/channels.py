"""Calls to other members: channels by endpoint, replicas that take turns, and the one way to make a call."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc

from gateway.clock import Clock
from gateway.errors import from_rpc_error
from gateway.relay.transport import Unreachable
from gateway.tls import Credentials, client_credentials, client_options
from gateway.tracing import current_traceparent

LEFT_OUT = 1.0  # seconds for which a replica that failed is not chosen while another is there

Request = TypeVar("Request")
Response = TypeVar("Response")


class Dialer:
    """Opens channels with this process's certificate."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock

    def dial(self, endpoint: str, server_name: str) -> grpc.aio.Channel:
        """A channel to `host:port` that accepts only the server that proves `server_name`.

        Raises CredentialsUnusable.
        """
        return grpc.aio.secure_channel(
            endpoint,
            client_credentials(self._credentials, self._clock.now()),
            options=client_options(server_name),
        )


@dataclass
class Replica:
    """One process of a peer."""

    endpoint: str
    channel: grpc.aio.Channel
    left_out_until: float = 0.0


class Replicas:
    """The processes of one peer. They take turns; one that failed is left out for a second."""

    def __init__(self, dial: Callable[[str], grpc.aio.Channel], source: random.Random) -> None:
        self._dial = dial
        self._source = source
        self._replicas: list[Replica] = []
        self._turn = 0

    def update(self, endpoints: Sequence[str]) -> list[grpc.aio.Channel]:
        """Takes over the endpoints that exist now; returns the channels that are no longer needed, to be closed."""
        known = {replica.endpoint: replica for replica in self._replicas}
        gone = [known[endpoint].channel for endpoint in known.keys() - set(endpoints)]
        self._replicas = [known.get(each) or Replica(each, self._dial(each)) for each in endpoints]
        self._turn = self._source.randrange(len(endpoints)) if endpoints else 0
        return gone

    def pick(self) -> Replica:
        """The replica whose turn it is. Raises Unreachable where there is none."""
        if not self._replicas:
            raise Unreachable("no endpoint is known")
        now = asyncio.get_running_loop().time()
        well = [replica for replica in self._replicas if replica.left_out_until <= now] or self._replicas
        self._turn += 1
        return well[self._turn % len(well)]

    def leave_out(self, replica: Replica) -> None:
        """Takes in that a replica did not answer."""
        replica.left_out_until = asyncio.get_running_loop().time() + LEFT_OUT

    async def close(self) -> None:
        """Closes all channels."""
        await close_channels(replica.channel for replica in self._replicas)


async def close_channels(channels: Iterable[grpc.aio.Channel]) -> None:
    """Closes channels, one after the other."""
    for channel in channels:
        await channel.close()


async def invoke(
    rpc: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]", request: Request, timeout: float
) -> Response:
    """Calls an RPC once, with a deadline and the current trace.

    Raises Refused where the peer says why not, Unreachable where the outcome is not known.
    """
    traceparent = current_traceparent()
    metadata = (("traceparent", traceparent),) if traceparent else ()
    try:
        return await rpc(request, timeout=timeout, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is not None:
            raise refused from None
        raise Unreachable(f"{error.code().name}: {error.details()}") from None
