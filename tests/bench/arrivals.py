"""Customers who come whenever they like, whether or not those before them are done; by a Poisson process.

As a module it is a client of its own process. A command is JSON in a line: `{"rate", "seconds", "seed", "throttles"}`
for customers who come at a rate of so many a second, `{"callers", "seconds"}` for callers who wait for their answers,
`{"first", "customers"}` for further lines of those who come.
"""

import asyncio
import dataclasses
import itertools
import json
import random
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import click
import grpc
import uvloop

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.client import Unanswered, failure_of
from gateway.client.aio import Throttling
from gateway.security.tls import client_credentials, client_options
from tests.bench.chain import credentials_in
from tests.bench.load import ClientProcess, OrderWork, run_window
from tests.bench.orders import REFUSED_FOR_LOAD, WAIT, Line, all_lines, order_service, submission
from tests.bench.report import Window

_CONNECTIONS = 4  # of one client: each carries as many calls as a server serves a caller

Submit = Callable[[], Awaitable[str]]
"""Sends an order. Empty where it was taken; else the name of the reason, or of the code of gRPC, for want of room."""


@dataclass(frozen=True)
class Outcome:
    """The orders of one stretch of time, in seconds."""

    latencies: Sequence[float]
    """Of those completed, from their intended starts."""
    refusals: Sequence[float]
    """Of those refused, from their sending: a refusal is not to wait behind the work of others."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """How many were refused, by the reason."""

    @property
    def refused(self) -> int:
        """How many were refused."""
        return len(self.refusals)


class LinesExhausted(Exception):
    """Every line has an order that waits: the run measures nothing."""


class Arrivals:
    """Customers who come whenever they like: each takes a line that has no order, and gives it back."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], lines: deque[Line]) -> None:
        """`lines` are those without an order, which several such customers may share."""
        self._services = itertools.cycle([order_service(each) for each in channels])
        self._free = lines
        run = secrets.token_hex(4)
        self._ids = (f"{run}-{number}" for number in itertools.count())

    async def submit(self) -> str:
        """See Submit. Raises LinesExhausted, and AioRpcError for other refusals than those for want of room."""
        if not self._free:
            raise LinesExhausted("more orders wait than there are lines")
        line = self._free.popleft()
        try:
            answer = await next(self._services).SubmitOrder(submission(next(self._ids), line), timeout=WAIT + 5)
        except grpc.aio.AioRpcError as error:
            failure = failure_of(error)
            if isinstance(failure, Unanswered):
                if failure.refused is None and failure.code() is grpc.StatusCode.UNAVAILABLE:
                    # By gRPC itself: too many streams. Whether the order was taken is not known.
                    return failure.code().name
                raise
            if failure.reason not in REFUSED_FOR_LOAD:
                raise
            self._free.append(line)
            return failure.name
        if answer.order.state == OrderState.ORDER_STATE_COMPLETED:
            line.suspended = not line.suspended
            self._free.append(line)
        return ""  # the line of an order that still waits is not used again


def starts(rate: float, seconds: float, source: random.Random) -> Iterator[float]:
    """The intended starts of a Poisson process with so many a second, in seconds from its beginning."""
    at = source.expovariate(rate)
    while at < seconds:
        yield at
        at += source.expovariate(rate)


async def offer(intended: Sequence[float], submit: Submit) -> Outcome:
    """Sends an order at each intended start, or as soon after it as it can."""
    latencies: list[float] = []
    refusals: list[float] = []
    reasons: Counter[str] = Counter()
    begun = time.perf_counter()

    async def send(start: float) -> None:
        sent = time.perf_counter()
        if reason := await submit():
            refusals.append(time.perf_counter() - sent)
            reasons[reason] += 1
        else:
            latencies.append(time.perf_counter() - begun - start)

    async with asyncio.TaskGroup() as group:
        for start in intended:
            # Where it is behind, it still lets others go on.
            await asyncio.sleep(max(0.0, begun + start - time.perf_counter()))
            group.create_task(send(start))
    return Outcome(latencies, refusals, dict(reasons))


class ArrivalsClient(ClientProcess):
    """The customers of one operator, in a process of their own."""

    def __init__(self, endpoint: str, name: str, certificate: Path, log: Path) -> None:
        super().__init__("tests.bench.arrivals", [endpoint, name, str(certificate)], log)

    def offer(self, rate: float, seconds: float, seed: int, *, throttles: bool) -> Outcome:
        """The fate of so many orders a second, by a client that may throttle itself.

        Raises RuntimeError where the client failed.
        """
        self.tell({"rate": rate, "seconds": seconds, "seed": seed, "throttles": throttles})
        return Outcome(**json.loads(self.answer()))

    def add_lines(self, first: int, customers: int) -> int:
        """Gives the customers further lines, from the first on. Returns how many have no order."""
        self.tell({"first": first, "customers": customers})
        return int(self.answer())

    def wait(self, callers: int, seconds: float) -> Window:
        """The work of callers who wait for their answers. Raises RuntimeError where the client failed."""
        self.tell({"callers": callers, "seconds": seconds})
        return Window(**json.loads(self.answer()))


@asynccontextmanager
async def _connections(
    endpoint: str, name: str, certificate: Path, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Several connections of one client: gRPC would share one among them otherwise."""
    credentials = client_credentials(credentials_in(certificate), datetime.now(UTC))
    options = [*client_options(name), ("grpc.use_local_subchannel_pool", 1)]
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                grpc.aio.secure_channel(endpoint, credentials, options, interceptors=interceptors)
            )
            for _ in range(_CONNECTIONS)
        ]


async def _obey(plain: Sequence[grpc.aio.Channel], throttling: Sequence[grpc.aio.Channel]) -> None:
    waiting = OrderWork(plain[0])
    free = deque[Line]()
    arrivals = {False: Arrivals(plain, free), True: Arrivals(throttling, free)}
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        if "first" in command:
            free.extend(all_lines(**command))
            print(len(free), flush=True)
            continue
        if "rate" in command:
            intended = list(starts(command["rate"], command["seconds"], random.Random(command["seed"])))
            done: Outcome | Window = await offer(intended, arrivals[command["throttles"]].submit)
        else:
            done = await run_window(waiting, command["callers"], command["seconds"], [])
        print(json.dumps(dataclasses.asdict(done)), flush=True)


@click.command()
@click.argument("endpoint")
@click.argument("name")
@click.argument("certificate", type=click.Path(path_type=Path))
def main(endpoint: str, name: str, certificate: Path) -> None:
    """Sends orders to a server as it is told."""

    async def run() -> None:
        async with (
            _connections(endpoint, name, certificate) as plain,
            _connections(endpoint, name, certificate, [Throttling()]) as throttling,
        ):
            await _obey(plain, throttling)

    uvloop.run(run())


if __name__ == "__main__":
    main()
