"""The load client, a process of its own: takes commands on its input, one JSON object a line, and answers in kind.

Both loads are driven by the same loop over one channel; they differ in the call only.
"""

import asyncio
import dataclasses
import itertools
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TextIO, cast

import click
import grpc
import uvloop
from google.protobuf.wrappers_pb2 import BytesValue

from gateway.rpc.channels import Dialer
from gateway.time.clock import SystemClock
from tests.bench.chain import credentials_in, dial_chain, forward_rpc
from tests.bench.orders import CUSTOMERS, Clerk, all_lines, order_service
from tests.bench.processor_time import busy_seconds, processor_seconds
from tests.bench.report import Window, percentile

CALL_TIMEOUT = 25.0  # seconds
Call = Callable[[], Awaitable[None]]


class Work(Protocol):
    """One of the two loads."""

    def callers(self, count: int) -> Sequence[Call]:
        """The call that each of `count` callers repeats."""
        ...


class ChainWork:
    """Empty calls through the chain."""

    def __init__(self, channel: grpc.aio.Channel, request_bytes: int) -> None:
        self._forward = forward_rpc(channel)
        self._request_bytes = request_bytes

    def callers(self, count: int) -> Sequence[Call]:
        """See Work."""
        return [self._call] * count

    async def _call(self) -> None:
        await self._forward(BytesValue(value=bytes(self._request_bytes)), timeout=CALL_TIMEOUT)


class OrderWork:
    """Orders; each line belongs to one caller, so that two orders never meet on it."""

    def __init__(self, channel: grpc.aio.Channel, customers: int = CUSTOMERS) -> None:
        self._orders = order_service(channel)
        self._lines = all_lines(customers=customers)
        random.Random(customers).shuffle(self._lines)  # else neighbours in the order of their making come together
        run = secrets.token_hex(4)
        self._ids = (f"{run}-{number}" for number in itertools.count())
        self.refused = 0
        """The orders that had no room."""

    def callers(self, count: int) -> Sequence[Call]:
        """See Work."""
        return [self._clerk(first, count).call for first in range(count)]

    async def sizes(self) -> dict[str, int]:
        """Submits one order and undoes it; the larger sizes of request and answer in bytes."""
        clerk = self._clerk(0, len(self._lines))
        both = [await clerk.submit(), await clerk.submit()]
        return {
            "request_bytes": max(request.ByteSize() for request, _ in both),
            "answer_bytes": max(response.ByteSize() for _, response in both),
        }

    def _clerk(self, first: int, step: int) -> Clerk:
        return Clerk(self._orders, self._lines[first::step], self._ids, self._count_refused)

    def _count_refused(self) -> None:
        self.refused += 1


class LinesWork:
    """Requests to a program without gRPC: a line each, answered by a line; each caller has a connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    def callers(self, count: int) -> Sequence[Call]:
        """See Work."""
        return [self._caller() for _ in range(count)]

    def _caller(self) -> Call:
        connection: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def call() -> None:
            if not connection:
                connection.append(await asyncio.open_connection("127.0.0.1", self._port))
            reader, writer = connection[0]
            writer.write(f"{secrets.token_hex(8)}\n".encode("ascii"))
            async with asyncio.timeout(CALL_TIMEOUT):
                answer = await reader.readline()
            if not answer:
                raise ConnectionError("the program has closed a connection: the run measures nothing")

        return call


async def run_window(work: Work, callers: int, seconds: float, servers: Sequence[int]) -> Window:
    """Lets callers call for `seconds`; calls that are on their way then are finished and counted."""
    latencies: list[float] = []
    servers_before, client_before = processor_seconds(servers), processor_seconds([os.getpid()])
    busy_before = busy_seconds()
    started = time.perf_counter()
    end = started + seconds

    async def repeat(call: Call) -> None:
        while (sent := time.perf_counter()) < end:
            await call()
            latencies.append(time.perf_counter() - sent)

    async with asyncio.TaskGroup() as group:
        for call in work.callers(callers):
            group.create_task(repeat(call))
    elapsed = time.perf_counter() - started
    return Window(
        calls=len(latencies),
        seconds=elapsed,
        p50=percentile(latencies, 0.5),
        p99=percentile(latencies, 0.99),
        servers_cpu=processor_seconds(servers) - servers_before,
        client_cpu=processor_seconds([os.getpid()]) - client_before,
        busy=busy_seconds() - busy_before,
    )


async def run_calls(callers: Sequence[Call], count: int) -> None:
    """Lets callers make so many calls together."""
    left = iter(range(count))

    async def repeat(call: Call) -> None:
        for _ in left:
            await call()

    async with asyncio.TaskGroup() as group:
        for call in callers:
            group.create_task(repeat(call))


_ENDING = 60.0  # seconds for which a client may end: a machine may be busy


class ClientProcess:
    """A client that is a process of its own, as its parent sees it: commands and answers are JSON, one a line."""

    def __init__(self, module: str, arguments: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def tell(self, command: Mapping[str, float]) -> None:
        """Gives it a command."""
        commands = cast("TextIO", self._process.stdin)
        commands.write(json.dumps(command) + "\n")
        commands.flush()

    def answer(self) -> str:
        """Its next answer, once there is one. Raises RuntimeError where the client failed."""
        line = cast("TextIO", self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"the client ended:\n{self._log.read_text('utf-8')}")
        return line

    def close(self) -> None:
        """Ends it."""
        cast("TextIO", self._process.stdin).close()
        self._process.wait(_ENDING)
        cast("TextIO", self._process.stdout).close()


class LoadClient(ClientProcess):
    """A load client."""

    def __init__(self, arguments: Sequence[str], servers: Sequence[int], log: Path) -> None:
        of_servers = [argument for pid in servers for argument in ("--server", str(pid))]
        super().__init__("tests.bench.load", [*arguments, *of_servers], log)
        self.ready: dict[str, int] = json.loads(self.answer())

    def run(self, callers: int, seconds: float) -> Window:
        """Runs one window. Raises RuntimeError where the client failed."""
        self.tell({"callers": callers, "seconds": seconds})
        return Window(**json.loads(self.answer()))


async def obey(
    work: Work, ready: dict[str, int], servers: Sequence[int], refused: Callable[[], int] = lambda: 0
) -> None:
    """Reads commands until the input ends. `refused` gives the number of the calls that had no room."""
    print(json.dumps(ready), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, before = json.loads(line), refused()
        window = await run_window(work, command["callers"], command["seconds"], servers)
        window = dataclasses.replace(window, refused=refused() - before)
        print(json.dumps(dataclasses.asdict(window)), flush=True)


@click.group()
def main() -> None:
    """Runs one load client."""


@main.command()
@click.option("--endpoint", required=True)
@click.option("--request-bytes", type=int, required=True)
@click.option("--certificate", type=click.Path(path_type=Path), help="for a chain with mutual TLS")
@click.option("--server", "servers", type=int, multiple=True)
def chain(endpoint: str, request_bytes: int, certificate: Path | None, servers: Sequence[int]) -> None:
    """Calls the bare chain."""

    async def run() -> None:
        async with dial_chain(endpoint, certificate) as channel:
            await obey(ChainWork(channel, request_bytes), {}, servers)

    uvloop.run(run())


@main.command()
@click.option("--port", type=int, required=True)
@click.option("--server", "servers", type=int, multiple=True)
def lines(port: int, servers: Sequence[int]) -> None:
    """Calls a program that answers lines."""
    uvloop.run(obey(LinesWork(port), {}, servers))


@main.command()
@click.option("--endpoint", required=True)
@click.option("--server-name", required=True)
@click.option("--certificate", type=click.Path(path_type=Path), required=True)
@click.option("--customers", default=CUSTOMERS, help="whose lines have orders")
@click.option("--server", "servers", type=int, multiple=True)
def orders(endpoint: str, server_name: str, certificate: Path, customers: int, servers: Sequence[int]) -> None:
    """Submits orders."""

    async def run() -> None:
        async with Dialer(credentials_in(certificate), SystemClock()).dial(endpoint, server_name) as channel:
            work = OrderWork(channel, customers)
            await obey(work, await work.sizes(), servers, lambda: work.refused)

    uvloop.run(run())


if __name__ == "__main__":
    main()
