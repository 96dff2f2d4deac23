"""Reading refusals as operator systems do: by the details of `google.rpc.Status`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import DOMAIN, from_rpc_error, status_code
from tests.federation.running import until

T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """A refusal as it reached the caller."""

    code: grpc.StatusCode
    reason: str
    parameters: Mapping[str, str]
    texts: Mapping[str, str]
    retry_seconds: int = 0
    """When to repeat the request; zero where no time is known."""


def read(error: grpc.aio.AioRpcError) -> Told:
    """The refusal inside an error, with a check of its form in the contract: one reason, two languages."""
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    assert isinstance(packed, bytes), f"no details: {error.code()} {error.details()}"
    status = status_pb2.Status.FromString(packed)
    infos, texts, retries = [], {}, list[error_details_pb2.RetryInfo]()
    for detail in status.details:
        info, message = error_details_pb2.ErrorInfo(), error_details_pb2.LocalizedMessage()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            infos.append(info)
        elif detail.Unpack(message):
            texts[message.locale] = message.message
        elif detail.Unpack(retry):
            retries.append(retry)
    assert len(infos) == 1
    assert len(status.details) == 3 + len(retries)
    (info,) = infos
    assert info.domain == DOMAIN
    assert f"REASON_{info.reason}" in Reason.keys()
    assert set(texts) == {"zh-CN", "en"}
    assert all(text and "{" not in text for text in texts.values()), texts
    assert status.code == error.code().value[0]
    assert error.code() == status_code(Reason.Value(f"REASON_{info.reason}"))
    seconds = retries[0].retry_delay.seconds if retries else 0
    return Told(error.code(), info.reason, dict(info.metadata), texts, seconds)


async def refusal(call: Awaitable[object]) -> Told:
    """Awaits a call that must be refused."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return read(raised.value)


async def once_confirmed(call: Callable[[], Awaitable[T]]) -> T:
    """The answer of a call that is made again until a coordinator that has just started has its clock confirmed."""
    answers: list[T] = []

    async def is_answered() -> bool:
        try:
            answers.append(await call())
        except grpc.aio.AioRpcError as error:
            refused = from_rpc_error(error)
            if refused is None or refused.reason != Reason.REASON_CLOCK_UNTRUSTED:
                raise
        return bool(answers)

    await until(is_answered, "a heartbeat confirms the clock of the coordinator")
    return answers[0]
