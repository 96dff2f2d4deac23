"""The bare chain as a baseline of single calls: what gRPC alone does on the way between regions."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc

from tests.bench.chain import Chain
from tests.bench.load import Call, ChainWork

BARE = "bare gRPC chain"
_REQUEST, _ANSWER = 512, 1024  # bytes: about what a question and a record are


@contextlib.asynccontextmanager
async def bare_calls(directory: Path) -> AsyncIterator[Call]:
    """A call through three bare servers, which end with the context; `directory` holds their logs."""
    chain = Chain(directory, _ANSWER)
    try:
        async with grpc.aio.insecure_channel(chain.start()) as channel:
            (call,) = ChainWork(channel, _REQUEST).callers(1)
            yield call
    finally:
        chain.kill()
