"""Calls of services without gRPC: who calls is set as the border of a server does it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import grpc

from gateway.rpc.calls import Call, enter
from gateway.security.identity import Identity

Q = TypeVar("Q")
R = TypeVar("R")
Method = Callable[[Q, "grpc.aio.ServicerContext[Q, R]"], Awaitable[R]]
"""A method of a servicer that does not look at its context."""


async def served(method: Method[Q, R], caller: Identity, request: Q) -> R:
    """Serves one call in the task in which it is made, which serves no other. Raises Refused as the method does."""
    enter(Call(caller, type(request).__name__, None))
    return await method(request, cast("grpc.aio.ServicerContext[Q, R]", None))
