"""Taking in measurements: a stream into a node against the same messages into a bare server that stores nothing.

As a program, the bare server: `python -m tests.bench.measurements --port-file FILE`.
"""

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import grpc
import uvloop

from deploy.local.federation import OPERATOR, LocalFederation
from deploy.local.process import LocalProcess, Program
from gateway.api.region.v1.measurement_service_pb2 import (
    Measurement,
    SendMeasurementsRequest,
    SendMeasurementsResponse,
)
from gateway.api.region.v1.measurement_service_pb2_grpc import MeasurementServiceStub
from gateway.process.files import replace_file
from gateway.time.clock import to_timestamp
from tests.bench.comparing import in_turns
from tests.bench.report import Comparison

_SERVICE, _METHOD = "bench.v1.StreamService", "Send"
_PIECE = 1_000  # measurements in a message
_LINKS = ("changsha-guangzhou-1", "guangzhou-nanning-1", "fuzhou-guangzhou-1", "chengdu-guangzhou-1")
_WINDOW = 10  # seconds
_SECONDS = 120.0

Requests = Iterator[SendMeasurementsRequest]
Send = Callable[[Requests], AsyncIterator[SendMeasurementsResponse]]


async def measure_measurements(federation: LocalFederation, region: str, count: int, rounds: int) -> Comparison:
    """Sends so many measurements either way in each round; each round is a stream of its own."""
    process = LocalProcess(_bare_server(federation.directory / "bare-stream"))
    sources = (f"bench-{number}" for number in itertools.count())
    try:
        endpoint = f"127.0.0.1:{process.start()}"
        async with (
            federation.dial_region(region, f"{region}-{OPERATOR}") as channel,
            grpc.aio.insecure_channel(endpoint) as bare,
        ):
            rpc: grpc.aio.StreamStreamMultiCallable[SendMeasurementsRequest, SendMeasurementsResponse]
            rpc = bare.stream_stream(
                f"/{_SERVICE}/{_METHOD}",
                request_serializer=SendMeasurementsRequest.SerializeToString,
                response_deserializer=SendMeasurementsResponse.FromString,
            )
            stub = MeasurementServiceStub(channel)
            return Comparison(
                name="measurements",
                figure="measurements taken in, 1/s",
                base="a bare stream",
                measured="kept, by hour, against bounds",
                rounds=await in_turns(
                    _way(lambda requests: aiter(rpc(requests, timeout=_SECONDS)), sources, count),
                    _way(lambda requests: aiter(stub.SendMeasurements(requests, timeout=_SECONDS)), sources, count),
                    rounds,
                ),
            )
    finally:
        process.kill()


def _way(send: Send, sources: Iterator[str], count: int) -> Callable[[], Awaitable[float]]:
    async def measured() -> float:
        requests = _requests(next(sources), count)
        started = time.perf_counter()
        last = rejected = 0
        async for answer in send(iter(requests)):
            last, rejected = answer.last_sequence, rejected + len(answer.rejected)
        seconds = time.perf_counter() - started
        if last != count or rejected:
            raise ValueError(f"{last} of {count} measurements were taken, {rejected} rejected: it measures nothing")
        return count / seconds

    return measured


def _requests(source: str, count: int) -> list[SendMeasurementsRequest]:
    """A stream of measurements of several links; all are made before."""
    start = datetime.now(UTC) - timedelta(days=2)
    found = [
        Measurement(
            link=_LINKS[number % len(_LINKS)],
            start_time=to_timestamp(start + timedelta(seconds=_WINDOW * (number // len(_LINKS)))),
            window_seconds=_WINDOW,
            delay_us=6_000 + number * 7 % 900,
            delay_variation_us=100 + number * 3 % 90,
            loss_ppb=number % 5 * 1_000,
            throughput_kbps=20_000_000 + number * 31 % 9_000_000,
            availability_ppm=1_000_000,
        )
        for number in range(count)
    ]
    pieces = [
        SendMeasurementsRequest(first_sequence=at + 1, measurements=found[at : at + _PIECE])
        for at in range(0, count, _PIECE)
    ]
    return [SendMeasurementsRequest(source=source), *pieces]


def _bare_server(directory: Path) -> Program:
    directory.mkdir(parents=True, exist_ok=True)
    port_file = directory / "port"
    return Program(
        name="bare stream",
        module="tests.bench.measurements",
        arguments=["--port-file", str(port_file)],
        log=directory / "log",
        port_file=port_file,
    )


async def _answered(
    requests: AsyncIterator[SendMeasurementsRequest],
    context: grpc.aio.ServicerContext[SendMeasurementsRequest, SendMeasurementsResponse],
) -> AsyncIterator[SendMeasurementsResponse]:
    """Reads each message and answers it."""
    async for request in requests:
        last = request.first_sequence + len(request.measurements) - 1 if request.measurements else 0
        yield SendMeasurementsResponse(last_sequence=last)


async def serve(port_file: Path) -> None:
    """Serves until killed."""
    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(
        _answered,
        request_deserializer=SendMeasurementsRequest.FromString,
        response_serializer=SendMeasurementsResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    replace_file(port_file, f"{port}\n".encode("ascii"))
    await server.wait_for_termination()


@click.command()
@click.option("--port-file", type=click.Path(path_type=Path), required=True)
def main(port_file: Path) -> None:
    """Runs the bare server."""
    uvloop.run(serve(port_file))


if __name__ == "__main__":
    main()
