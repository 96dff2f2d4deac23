"""The baseline of this system: a bare grpc.aio server that forwards each call to the next, or answers it.

Plaintext, one unary method, no storage, no interceptor, no deadline of its own: the least that a chain can do.
"""

from pathlib import Path

import click
import grpc
import uvloop
from google.protobuf.wrappers_pb2 import BytesValue

from deploy.local.process import LocalProcess, Program
from gateway.process.files import replace_file

SERVICE, METHOD = "bench.v1.ChainService", "Forward"
Forward = grpc.aio.UnaryUnaryMultiCallable[BytesValue, BytesValue]


def forward_rpc(channel: grpc.aio.Channel) -> Forward:
    """The one method."""
    return channel.unary_unary(
        f"/{SERVICE}/{METHOD}",
        request_serializer=BytesValue.SerializeToString,
        response_deserializer=BytesValue.FromString,
    )


class ChainServer:
    """A server of the chain: forwards to the next, or is the last and answers with `size` bytes."""

    def __init__(self, following: Forward | None, answer: BytesValue) -> None:
        self._following = following
        self._answer = answer

    async def forward(
        self, request: BytesValue, context: grpc.aio.ServicerContext[BytesValue, BytesValue]
    ) -> BytesValue:
        """Serves the one method."""
        return self._answer if self._following is None else await self._following(request)


class Chain:
    """Three servers as processes: A, coordinator, B."""

    def __init__(self, directory: Path, answer_bytes: int) -> None:
        self._directory = directory
        self._answer_bytes = answer_bytes
        self._processes: list[LocalProcess] = []

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [process.pid for process in self._processes]

    def start(self) -> str:
        """Starts the chain, last server first; returns the endpoint of the first."""
        self._directory.mkdir(parents=True, exist_ok=True)
        endpoint = ""
        for name in ("b", "coordinator", "a"):
            port_file = self._directory / f"{name}.port"
            arguments = ["--port-file", str(port_file), "--answer-bytes", str(self._answer_bytes)]
            program = Program(
                name=f"chain {name}",
                module="tests.bench.chain",
                arguments=[*arguments, *(["--next", endpoint] if endpoint else [])],
                log=self._directory / f"{name}.log",
                port_file=port_file,
            )
            process = LocalProcess(program)
            self._processes.append(process)
            endpoint = f"127.0.0.1:{process.start()}"
        return endpoint

    def kill(self) -> None:
        """Ends the chain."""
        for process in self._processes:
            process.kill()


async def serve(port_file: Path, following: str, answer_bytes: int) -> None:
    """Serves until killed."""
    rpc = forward_rpc(grpc.aio.insecure_channel(following)) if following else None
    chain = ChainServer(rpc, BytesValue(value=bytes(answer_bytes)))
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        chain.forward,
        request_deserializer=BytesValue.FromString,
        response_serializer=BytesValue.SerializeToString,
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    replace_file(port_file, f"{port}\n".encode("ascii"))
    await server.wait_for_termination()


@click.command()
@click.option("--port-file", type=click.Path(path_type=Path), required=True)
@click.option("--next", "following", default="")
@click.option("--answer-bytes", type=int, required=True)
def main(port_file: Path, following: str, answer_bytes: int) -> None:
    """Runs one server of the chain."""
    uvloop.run(serve(port_file, following, answer_bytes))


if __name__ == "__main__":
    main()
