"""The baseline of this system: a bare grpc.aio server that forwards each call to the next, or answers it.

One unary method, no storage, no interceptor, no deadline of its own: the least that a chain can do. Plaintext, or with
mutual TLS where it is given a certificate.
"""

from datetime import UTC, datetime
from pathlib import Path

import click
import grpc
import uvloop
from google.protobuf.wrappers_pb2 import BytesValue

from deploy.local.process import LocalProcess, Program
from gateway.process.files import replace_file
from gateway.security.authority import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY
from gateway.security.tls import Credentials, client_credentials, server_credentials
from gateway.time.clock import SystemClock

SERVICE, METHOD = "bench.v1.ChainService", "Forward"
_ANY_PORT = "127.0.0.1:0"
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
            process = LocalProcess(chain_program(self._directory, name, self._answer_bytes, endpoint))
            self._processes.append(process)
            endpoint = f"127.0.0.1:{process.start()}"
        return endpoint

    def kill(self) -> None:
        """Ends the chain."""
        for process in self._processes:
            process.kill()


def chain_program(
    directory: Path, name: str, answer_bytes: int, following: str = "", certificate: Path | None = None
) -> Program:
    """A server of the chain before another, or the last one; with mutual TLS where a directory has its certificate."""
    port_file = directory / f"{name}.port"
    arguments = ["--port-file", str(port_file), "--answer-bytes", str(answer_bytes)]
    if following:
        arguments += ["--next", following]
    if certificate is not None:
        arguments += ["--certificate", str(certificate)]
    return Program(f"chain {name}", "tests.bench.chain", arguments, directory / f"{name}.log", port_file)


def credentials_in(directory: Path) -> Credentials:
    """The credentials whose files lie in a directory."""
    return Credentials(directory / AUTHORITY_CERTIFICATE, directory / TLS_CERTIFICATE, directory / TLS_KEY)


def dial_chain(endpoint: str, certificate: Path | None) -> grpc.aio.Channel:
    """A channel to a server of the chain; the directory of a certificate makes it one with mutual TLS."""
    if certificate is None:
        return grpc.aio.insecure_channel(endpoint)
    return grpc.aio.secure_channel(endpoint, client_credentials(credentials_in(certificate), datetime.now(UTC)))


async def serve(port_file: Path, following: str, answer_bytes: int, certificate: Path | None) -> None:
    """Serves until killed."""
    rpc = forward_rpc(dial_chain(following, certificate)) if following else None
    chain = ChainServer(rpc, BytesValue(value=bytes(answer_bytes)))
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        chain.forward,
        request_deserializer=BytesValue.FromString,
        response_serializer=BytesValue.SerializeToString,
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler})])
    if certificate is None:
        port = server.add_insecure_port(_ANY_PORT)
    else:
        port = server.add_secure_port(_ANY_PORT, server_credentials(credentials_in(certificate), SystemClock()))
    await server.start()
    replace_file(port_file, f"{port}\n".encode("ascii"))
    await server.wait_for_termination()


@click.command()
@click.option("--port-file", type=click.Path(path_type=Path), required=True)
@click.option("--next", "following", default="")
@click.option("--answer-bytes", type=int, required=True)
@click.option("--certificate", type=click.Path(path_type=Path), help="directory of its files, for mutual TLS")
def main(port_file: Path, following: str, answer_bytes: int, certificate: Path | None) -> None:
    """Runs one server of the chain."""
    uvloop.run(serve(port_file, following, answer_bytes, certificate))


if __name__ == "__main__":
    main()
