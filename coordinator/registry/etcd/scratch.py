"""An etcd for a moment, made of a snapshot, that only the user of this process reaches."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
from etcd3.etcdrpc import rpc_pb2

from coordinator.registry.etcd.client import ATTEMPT_SECONDS, RANGE, Rejected, Unanswered, ask, channel_options
from gateway.backups.refused import CopyFailed
from gateway.backups.server_programs import missing, run
from gateway.process.children import ended
from gateway.process.files import start_private
from gateway.wording.languages import translated

_PROGRAM = "etcd"
_NAME = "scratch"
_CLIENTS, _PEERS = "client:1", "peer:1"  # names of sockets: nothing listens on the network
_PREFIX = "crossregion-"
_OUTPUT = "scratch.log"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_MOST_BYTES = 64 << 30  # the disk is the bound: a store at its quota takes its changes again


@asynccontextmanager
async def served(snapshot: Path, directory: Path) -> AsyncIterator[grpc.aio.Channel]:
    """The connection to an etcd with the entries of a snapshot, for as long as the context is.

    Its data go into the directory.

    Raises CopyFailed where it cannot be made, or does not serve.
    """
    data, peers = directory / "data", f"unix://{_PEERS}"
    cluster = (
        f"--name={_NAME}",
        f"--initial-cluster={_NAME}={peers}",
        f"--initial-cluster-token={_NAME}",
        f"--initial-advertise-peer-urls={peers}",
        f"--data-dir={data}",
    )
    run("etcdutl", "snapshot", "restore", str(snapshot), *cluster)
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX) as sockets,  # whose path may not be long
        _running(Path(sockets), directory / _OUTPUT, *cluster) as process,
    ):
        async with grpc.aio.insecure_channel(f"unix:{sockets}/{_CLIENTS}", options=channel_options()) as channel:
            await _await_start(channel, process, directory / _OUTPUT)
            yield channel


@contextmanager
def _running(sockets: Path, output: Path, *cluster: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The process, which ends with this one also where that is killed."""
    words = ("setpriv", "--pdeathsig", "KILL", "--", _PROGRAM, *cluster, f"--listen-peer-urls=unix://{_PEERS}")
    clients = (f"--listen-client-urls=unix://{_CLIENTS}", f"--advertise-client-urls=unix://{_CLIENTS}")
    with start_private(output) as log:
        try:
            process = subprocess.Popen(
                [*words, *clients, f"--quota-backend-bytes={_MOST_BYTES}", "--unsafe-no-fsync", "--log-level=error"],
                cwd=sockets,
                env={"PATH": os.defpath},  # etcd reads settings from its environment
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        except FileNotFoundError:
            raise missing("setpriv", None) from None
    with ended(process, _STOP_SECONDS):
        yield process


async def _await_start(channel: grpc.aio.Channel, process: "subprocess.Popen[bytes]", output: Path) -> None:
    """Returns once the server answers. Raises CopyFailed where it has ended, or takes too long."""
    end = asyncio.get_running_loop().time() + _START_SECONDS
    while True:
        try:
            await ask(channel, RANGE, rpc_pb2.RangeRequest(key=b"\0", keys_only=True), ATTEMPT_SECONDS)
        except (Unanswered, Rejected) as error:
            if process.poll() is not None:
                raise CopyFailed(f"{_PROGRAM}: {_last_line(output)}") from error
            if asyncio.get_running_loop().time() > end:
                raise CopyFailed(translated("{program} of the copy does not serve", program=_PROGRAM)) from error
        else:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _last_line(output: Path) -> str:
    lines = output.read_text("utf-8", "replace").splitlines()
    return lines[-1] if lines else ""
