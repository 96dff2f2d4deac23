"""Calls to other members: channels by endpoint, replicas that take turns, and the one way to make a call."""

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc

from gateway.clock import Clock
from gateway.errors import from_rpc_error
from gateway.relay.transport import Unreachable
from gateway.tls import Credentials, CredentialsUnusable, client_credentials, client_options
from gateway.tracing import current_traceparent

LEFT_OUT = 1.0  # seconds for which a replica that failed is not chosen while another is there
STAMP_INTERVAL = 1.0  # seconds between looks at the certificate files
CLOSING_SECONDS = 10.0  # for calls on a channel that is no longer used: as long as a delivery may take
_log = logging.getLogger(__name__)

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

    def stamp(self) -> object:
        """Changes when certificate files are replaced: a channel keeps those that it was made with."""
        return self._credentials.stamp()


@dataclass
class Replica:
    """One process of a peer."""

    endpoint: str
    channel: grpc.aio.Channel
    left_out_until: float = 0.0


class Replicas:
    """The processes of one peer. They take turns; one that failed is left out for a second.

    Channels are made anew when the certificate files are replaced. Used on one event loop.
    """

    def __init__(self, dialer: Dialer, server_name: str, source: random.Random) -> None:
        self._dialer = dialer
        self._server_name = server_name
        self._source = source
        self._replicas: list[Replica] = []
        self._turn = 0
        self._stamp = dialer.stamp()
        self._stamp_checked = 0.0
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints taken over last."""
        return tuple(replica.endpoint for replica in self._replicas)

    def update(self, endpoints: Sequence[str]) -> None:
        """Takes over the endpoints that exist now. Raises CredentialsUnusable; then nothing has changed."""
        known = {replica.endpoint: replica for replica in self._replicas}
        replicas = [known.get(each) or self._connect(each) for each in endpoints]
        self._close_later(known[endpoint] for endpoint in known.keys() - set(endpoints))
        self._replicas = replicas
        self._turn = self._source.randrange(len(endpoints)) if endpoints else 0

    def pick(self) -> Replica:
        """The replica whose turn it is. Raises Unreachable where there is none."""
        if not self._replicas:
            raise Unreachable("no endpoint is known")
        now = asyncio.get_running_loop().time()
        self._follow_credentials(now)
        well = [replica for replica in self._replicas if replica.left_out_until <= now] or self._replicas
        self._turn += 1
        return well[self._turn % len(well)]

    def leave_out(self, replica: Replica) -> None:
        """Takes in that a replica did not answer."""
        replica.left_out_until = asyncio.get_running_loop().time() + LEFT_OUT

    async def close(self) -> None:
        """Closes all channels."""
        for replica in self._replicas:
            await replica.channel.close()
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _connect(self, endpoint: str) -> Replica:
        return Replica(endpoint, self._dialer.dial(endpoint, self._server_name))

    def _follow_credentials(self, now: float) -> None:
        if now - self._stamp_checked < STAMP_INTERVAL:
            return
        self._stamp_checked, stamp = now, self._dialer.stamp()
        if stamp == self._stamp:
            return
        try:
            fresh = [self._connect(replica.endpoint) for replica in self._replicas]
        except CredentialsUnusable as error:
            _log.error("connections keep the former certificate: %s", error)
            return
        self._close_later(self._replicas)
        self._replicas, self._stamp = fresh, stamp

    def _close_later(self, replicas: Iterable[Replica]) -> None:
        """Closes channels once the calls on them are done."""
        for replica in replicas:
            task = asyncio.get_running_loop().create_task(replica.channel.close(CLOSING_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


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
        raise Unreachable(f"{error.code().name}: {error.details()}", error.code().name) from None
