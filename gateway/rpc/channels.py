"""Calls to other members: channels by endpoint, replicas that take turns, and the one way to make a call."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Final, TypeVar, cast

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, Unreachable, from_rpc_error
from gateway.rpc.admission import elsewhere
from gateway.rpc.revoked_servers import RevokedServers
from gateway.security.tls import (
    ChannelOptions,
    Credentials,
    CredentialsUnusable,
    client_credentials,
    member_options,
)
from gateway.time.clock import Clock

# Replicas that are tried for one call; further repeats are the caller's, who counts them. A silent replica does not
# count: the connection to a vanished machine looks sound, and several machines may vanish together.
TRIES = 2
# While another replica is healthy, a replica that leaves a call unanswered is probed, and dropped if the probe fails.
# Both together take less than a second.
SILENCE = 0.25  # seconds
CHECK_TIMEOUT = 0.6  # seconds: a process that is loaded and lives answers within that
RECHECK = 0.5  # seconds at most between probes of a replica that is left out
# Without a connection, a call would fail before it leaves, and count as an attempt. It waits for a reconnect, for a
# little longer than a channel waits between two tries.
RECONNECT_PATIENCE = 1.5  # seconds
_LOOK_AGAIN = 0.02  # seconds between checks of the connections meanwhile
STAMP_INTERVAL = 1.0  # seconds between checks of the certificate files
CLOSING_SECONDS = 10.0  # for calls on a channel that is no longer used: as long as a delivery may take
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
# A coordinator refuses so by its own state; another one may be well.
_TAKEN_ELSEWHERE = (
    Reason.REASON_REGISTRY_UNAVAILABLE,
    Reason.REASON_LEASE_UNPROVEN,
    Reason.REASON_CLOCK_UNTRUSTED,
)
_log = logging.getLogger(__name__)

Request = TypeVar("Request")
Response = TypeVar("Response")
T = TypeVar("T")
Stub = TypeVar("Stub")


class Dialer:
    """Opens channels with this process's certificate, and the proof of the member of staff who acts, if any."""

    def __init__(self, credentials: Credentials, clock: Clock, staff_proof: str = "") -> None:
        self._credentials = credentials
        self._clock = clock
        self._staff_proof = staff_proof
        self.revoked: Final = RevokedServers()
        """The endpoints that are not called, for processes which look for them."""

    def dial(
        self, endpoint: str, server_name: str, options: Callable[[str], ChannelOptions] = member_options
    ) -> grpc.aio.Channel:
        """A channel to `host:port` that accepts only the server that proves `server_name`.

        Raises CredentialsUnusable.
        """
        return grpc.aio.secure_channel(
            endpoint,
            client_credentials(self._credentials, self._clock.now(), self._staff_proof),
            options=options(server_name),
        )

    def life(self) -> tuple[datetime, datetime]:
        """Begin and end of the certificate in the files. Raises CredentialsUnusable."""
        now = self._clock.now()
        return self._credentials.begin(now), self._credentials.end(now)

    def stamp(self) -> object:
        """A value that changes when certificate files are replaced: a channel keeps the files that it was made with."""
        return self._credentials.stamp()


class OwnCertificate:
    """The life of the process's certificate, read again when its files have changed."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._stamp: object = None
        self._life: tuple[datetime, datetime] | None = None

    def life(self) -> tuple[datetime, datetime] | None:
        """Begin and end; those of the files before where the present ones are unusable, as servers do."""
        stamp = self._dialer.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            with contextlib.suppress(CredentialsUnusable):
                self._life = self._dialer.life()
        return self._life


class _Silent(Unreachable):
    """A replica left a call unanswered, and a probe too."""


class _Condition(IntEnum):
    """How likely a replica is to answer; the least comes first."""

    CONNECTED = 0
    UNTRIED = 1
    FAILING = 2


@dataclass(eq=False)
class Replica:
    """A process of a peer."""

    endpoint: str
    channel: grpc.aio.Channel
    recovery: "asyncio.Task[None] | None" = None
    """Runs while the replica is left out."""
    _stubs: dict[object, object] = field(default_factory=dict, repr=False)

    def stub(self, kind: Callable[[grpc.aio.Channel], Stub]) -> Stub:
        """The stub of a service, made at its first use."""
        found = self._stubs.get(kind)
        if found is None:
            found = self._stubs[kind] = kind(self.channel)
        return cast("Stub", found)

    def is_connected(self) -> bool:
        """Whether a connection stands; the channel reconnects a lost one meanwhile."""
        return self.channel.get_state(try_to_connect=True) == grpc.ChannelConnectivity.READY

    def condition(self) -> _Condition:
        """The state of the connection; the channel reconnects a lost one meanwhile."""
        state = self.channel.get_state(try_to_connect=True)
        if self.recovery is not None or state == grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            return _Condition.FAILING
        return _Condition.CONNECTED if state == grpc.ChannelConnectivity.READY else _Condition.UNTRIED

    async def lives(self) -> bool:
        """Whether its process responds. An unknown method is a response, too.

        A channel that is closing cannot be probed and counts as live; calls on it end by themselves.
        """
        try:
            await health_of(self.channel, "", CHECK_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            return error.code() not in _NO_ANSWER
        except Unreachable as error:
            _log.debug("%s is not asked any more: %s", self.endpoint, error)
        return True


Attempt = Callable[[Replica, float], Awaitable[T]]


class Replicas:
    """The processes of one peer. They take turns; a failed replica is left out until it responds again.

    Channels are made anew when the certificate files are replaced. Used on one event loop.
    """

    def __init__(self, dialer: Dialer, server_name: str, source: random.Random) -> None:
        self._dialer = dialer
        self._server_name = server_name
        self._source = source
        self._replicas: list[Replica] = []
        self.endpoints: tuple[str, ...] = ()
        """The current endpoints."""
        self._turn = 0
        self._stamp = dialer.stamp()
        self._stamp_checked = 0.0
        self._closing: set[asyncio.Task[None]] = set()
        dialer.revoked.on_look(self._dial_again)

    def update(self, endpoints: Sequence[str]) -> None:
        """Replaces the endpoints. Raises CredentialsUnusable without a change."""
        known = {replica.endpoint: replica for replica in self._replicas}
        replicas = [known.get(each) or self._connect(each) for each in endpoints]
        self._close_later(known[endpoint] for endpoint in known.keys() - set(endpoints))
        self._replicas, self.endpoints = replicas, tuple(endpoints)
        self._turn = self._source.randrange(len(endpoints)) if endpoints else 0

    def in_turn(self) -> list[Replica]:
        """All replicas, in the order of trial, without those whose certificate was revoked.

        Raises Unreachable where no endpoint is known.
        """
        if not self._replicas:
            raise Unreachable("no endpoint is known")
        self._follow_credentials(asyncio.get_running_loop().time())
        replicas = [each for each in self._replicas if not self.is_revoked(each)]
        if len(replicas) < 2:
            return replicas
        found = sorted(((replica.condition(), replica) for replica in replicas), key=lambda pair: pair[0])
        best = [replica for condition, replica in found if condition == found[0][0]]
        self._turn += 1
        at = self._turn % len(best)
        return [*best[at:], *best[:at], *(replica for _, replica in found[len(best) :])]

    def is_revoked(self, replica: Replica) -> bool:
        """Whether the certificate of a replica was revoked: it has no turn until it shows another one."""
        return replica.endpoint in self._dialer.revoked.endpoints

    @contextlib.contextmanager
    def while_trusted(self, replica: Replica, call: grpc.aio.Call) -> Iterator[None]:
        """Ends an open call on a replica whose certificate is revoked. Raises Unreachable then."""

        def look(endpoints: Set[str]) -> None:
            if replica.endpoint in endpoints:
                call.cancel()

        self._dialer.revoked.on_look(look)
        try:
            with _ended_with_channel("the certificate of the server was revoked"):
                yield
        finally:
            self._dialer.revoked.forget(look)

    def trusted(self) -> list[Replica]:
        """As `in_turn`. Raises Unreachable where there is none."""
        if found := self.in_turn():
            return found
        raise Unreachable("the certificate of each server was revoked")

    def pick(self) -> Replica:
        """The replica whose turn it is. Raises Unreachable where there is none."""
        return self.trusted()[0]

    async def call(self, attempt: Attempt[T], timeout: float) -> T:
        """Makes a call within `timeout` seconds; `attempt` receives the replica and the remaining seconds.

        Tries another healthy replica at once where a replica does not respond, or lags behind the registry. So
        `attempt` may run once for each replica, and each run may have had an effect. Waits for a moment where no
        replica is connected. Raises the exceptions of `attempt`.
        """
        with elsewhere():
            return await self._call(attempt, timeout)

    async def _call(self, attempt: Attempt[T], timeout: float) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        failed: list[Replica] = []
        tries = 0
        while True:
            replica = await self._pick_connected(deadline, failed)
            try:
                return await self._attempt(replica, attempt, deadline - loop.time())
            except (Unreachable, Refused) as failure:
                if isinstance(failure, Refused) and failure.reason not in _TAKEN_ELSEWHERE:
                    raise
                self.leave_out(replica)
                failed.append(replica)
                tries += not isinstance(failure, _Silent)
                is_last = tries == TRIES or len(failed) >= len(self._replicas)
                if is_last or loop.time() >= deadline or not self._another_is_well(replica):
                    raise

    def leave_out(self, replica: Replica) -> None:
        """Records a failure of a replica: it has no turn while another one is healthy, until it responds again."""
        if replica.recovery is None and len(self._replicas) > 1 and replica in self._replicas:
            replica.recovery = asyncio.get_running_loop().create_task(self._recover(replica))

    async def close(self) -> None:
        """Closes all channels."""
        self._dialer.revoked.forget(self._dial_again)
        for replica in self._replicas:
            _end_recovery(replica)
            await replica.channel.close()
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _pick_connected(self, deadline: float, failed: Sequence[Replica]) -> Replica:
        """The replica whose turn it is, without those in `failed` while there are others.

        Where all have failed, a connected one, if need be after a wait.
        """
        loop = asyncio.get_running_loop()
        end, has_waited = min(deadline, loop.time() + RECONNECT_PATIENCE), False
        while True:
            known = self.trusted()
            replicas = ([each for each in known if each not in failed] or known) if failed else known
            # A channel that failed and tries again is no connection: a call on it ends with its next failure.
            if not has_waited and replicas[0].condition() != _Condition.FAILING:
                return replicas[0]
            connected = next((each for each in replicas if each.is_connected()), None)
            if connected is not None or loop.time() >= end:
                return connected or replicas[0]
            has_waited = True
            await asyncio.sleep(_LOOK_AGAIN)

    async def _attempt(self, replica: Replica, attempt: Attempt[T], timeout: float) -> T:
        if len(self._replicas) == 1:
            return await attempt(replica, timeout)
        try:
            async with asyncio.timeout(None) as patience:
                with self._watched(replica, patience):
                    return await attempt(replica, timeout)
        except TimeoutError:
            raise _Silent(f"{replica.endpoint} is silent") from None

    @contextlib.contextmanager
    def _watched(self, replica: Replica, patience: asyncio.Timeout) -> Iterator[None]:
        """Ends the patience with a replica once its probe fails."""
        loop = asyncio.get_running_loop()
        looking: list[asyncio.Task[None]] = []
        timer = loop.call_later(
            SILENCE, lambda: looking.append(loop.create_task(self._end_when_silent(replica, patience)))
        )
        try:
            yield
        finally:
            timer.cancel()
            for task in looking:
                task.cancel()

    async def _end_when_silent(self, replica: Replica, patience: asyncio.Timeout) -> None:
        while True:
            if self._another_is_well(replica) and not await replica.lives():
                patience.reschedule(asyncio.get_running_loop().time())
                return
            await asyncio.sleep(SILENCE)

    def _another_is_well(self, replica: Replica) -> bool:
        return any(
            each is not replica and not self.is_revoked(each) and each.condition() != _Condition.FAILING
            for each in self._replicas
        )

    async def _recover(self, replica: Replica) -> None:
        while True:
            if await replica.lives():
                replica.recovery = None
                return
            await asyncio.sleep(self._source.uniform(RECHECK / 2, RECHECK))

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

    def _dial_again(self, endpoints: Set[str]) -> None:
        """Connects anew where a revoked certificate was shown: the server may have another one by now."""
        shown = [each for each in self._replicas if each.endpoint in endpoints]
        try:
            fresh = {each.endpoint: self._connect(each.endpoint) for each in shown}
        except CredentialsUnusable as error:
            _log.error("servers with a revoked certificate are dialled again soon: %s", error)
            return
        self._replicas = [fresh.get(each.endpoint, each) for each in self._replicas]
        for each in fresh.values():
            each.condition()  # connects, without a call
        self._close_later(shown, 0)

    def _close_later(self, replicas: Iterable[Replica], grace: float = CLOSING_SECONDS) -> None:
        """Closes channels once the calls on them are done, or after `grace` seconds."""
        for replica in replicas:
            _end_recovery(replica)
            task = asyncio.get_running_loop().create_task(replica.channel.close(grace))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _end_recovery(replica: Replica) -> None:
    if replica.recovery is not None:
        replica.recovery.cancel()
        replica.recovery = None


@contextlib.contextmanager
def _ended_with_channel(problem: str = "the channel was closed") -> Iterator[None]:
    """Makes an Unreachable of a call that ended because somebody closed its channel, or cancelled the call itself.

    gRPC reports that as the cancellation of the task that awaits the call. The task was not cancelled, and goes on.
    """
    try:
        yield
    except grpc.aio.UsageError:
        raise Unreachable(problem) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Unreachable(problem) from None


async def health_of(channel: grpc.aio.Channel, service: str, timeout: float) -> HealthCheckResponse:
    """The health of a peer's service, by the standard health service.

    Raises AioRpcError, and Unreachable where somebody closes the channel.
    """
    check: grpc.aio.UnaryUnaryMultiCallable[HealthCheckRequest, HealthCheckResponse] = channel.unary_unary(
        "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
    )
    with _ended_with_channel():
        return await check(HealthCheckRequest(service=service), timeout=timeout)


async def invoke(
    rpc: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]", request: Request, timeout: float
) -> Response:
    """Calls an RPC once, with a deadline and the current trace.

    Raises Refused with the peer's reason, and Unreachable where the outcome is unknown.
    """
    # OpenTelemetry is much to import for the help of a command, which calls nobody.
    from gateway.process.tracing import current_traceparent  # noqa: PLC0415

    traceparent = current_traceparent()
    # A tuple would be looked through for its type, and copied into such an object.
    metadata = grpc.aio.Metadata(("traceparent", traceparent)) if traceparent else None
    try:
        with _ended_with_channel():
            return await rpc(request, timeout=timeout, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is not None:
            raise refused from None
        raise Unreachable(f"{error.code().name}: {error.details()}", error.code().name) from None
