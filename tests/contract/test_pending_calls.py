"""Calls that come faster than a server takes them wait: gRPC drops none of them without a reason."""

import asyncio
from collections import Counter

import grpc

from gateway.security.tls import server_options

CONNECTIONS = 3
CALLS = 1_000 * CONNECTIONS  # below the streams that a server permits a connection


def test_no_call_of_a_burst_is_dropped_without_a_reason() -> None:
    assert asyncio.run(codes_of_a_burst()) == {grpc.StatusCode.OK: CALLS}


async def codes_of_a_burst() -> Counter[grpc.StatusCode]:
    server = grpc.aio.server(options=server_options())
    echo: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echoed)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("burst", {"Echo": echo}),))
    port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
    await server.start()
    channels = [
        grpc.aio.secure_channel(
            f"127.0.0.1:{port}", grpc.local_channel_credentials(), [("grpc.use_local_subchannel_pool", 1)]
        )
        for _ in range(CONNECTIONS)
    ]
    calls: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = [
        channel.unary_unary("/burst/Echo") for channel in channels
    ]
    codes = Counter(await asyncio.gather(*(code_of(calls[each % CONNECTIONS](b"")) for each in range(CALLS))))
    for channel in channels:
        await channel.close()
    await server.stop(None)
    return codes


async def echoed(request: bytes, _context: object) -> bytes:
    return request


async def code_of(call: grpc.aio.UnaryUnaryCall[bytes, bytes]) -> grpc.StatusCode:
    return await call.code()
