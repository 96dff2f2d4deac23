"""One call of the node by a command that is over with it."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

import grpc

from gateway.languages import translated
from region_node.cli.connection import Target
from region_node.cli.exits import NOT_KNOWN, REFUSED, leave
from region_node.cli.outcome import may_pass, told_by

T = TypeVar("T")


def answer_of(target: Target, ask: Callable[[grpc.aio.Channel], Awaitable[T]], request_id: str = "") -> T:
    """The node's answer. Ends the command where there is none, and says how to ask again by the request's id, if it has
    one. Raises UsageError where the credentials cannot be used."""

    async def run() -> T:
        async with target.channel() as channel:
            return await ask(channel)

    try:
        return asyncio.run(run())
    except grpc.aio.AioRpcError as error:
        told = told_by(error, target)
        if not may_pass(error):
            leave(translated("Refused: {problem}", problem=told), REFUSED)
        if request_id:
            again = translated("Run it again with --request-id {id}: it is done once.", id=request_id)
            told = f"{told}\n{again}"
        leave(told, NOT_KNOWN)


def follow(target: Target, watch: Callable[[grpc.aio.Channel], AsyncIterable[T]], tell: Callable[[T], None]) -> None:
    """Has each message of a stream told as it comes, until interrupted. Ends the command where the stream does with an
    error. Raises UsageError where the credentials cannot be used."""

    async def run() -> None:
        async with target.channel() as channel:
            async for each in watch(channel):
                tell(each)

    try:
        asyncio.run(run())
    except grpc.aio.AioRpcError as error:
        leave(told_by(error, target), NOT_KNOWN)
