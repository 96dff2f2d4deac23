"""The two failures of a call as its caller learns of them: a refusal, and no answer. Both are errors of gRPC."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import cast

import grpc
from google.rpc import error_details_pb2

from gateway import errors
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText

# With these reasons the node itself does not know whether the call took effect: here, or in the region that it asked.
_UNKNOWN_REASONS = frozenset(
    {
        Reason.REASON_ANSWER_UNREADABLE,
        Reason.REASON_DEADLINE_TOO_SHORT,
        Reason.REASON_INTERNAL,
        Reason.REASON_OUTCOME_UNKNOWN,
        Reason.REASON_REGION_UNREACHABLE,
    }
)
# With these codes, and without a reason of the contract, a call may have taken effect.
_UNKNOWN_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
_TEMPORARY_CODES = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL})


class Refused(grpc.aio.AioRpcError):
    """A call was refused, and this attempt changed nothing.

    `reason` is REASON_UNSPECIFIED where this version of the contract has none of that name: decide by `code()` then.
    """

    def __init__(
        self,
        name: str,
        code: grpc.StatusCode,
        text: LocalizedText,
        parameters: Mapping[str, str],
        retry_after: float | None,
        *,
        is_local: bool = False,
    ) -> None:
        super().__init__(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=text.en)
        self.reason = errors.reason_named(name)
        self.name = name
        """The reason for programs, for example `NUMBER_INVALID`; the name of the status where no reason was told."""
        self.text = text
        """The reason for people, in Chinese and English, in the words of the server."""
        self.parameters = dict(parameters)
        """What the text names, by the names of the contract."""
        self.retry_after = retry_after
        """Seconds after which the server expects the same request again; None where it tells none."""
        self.is_local = is_local
        """Whether the client refused by itself, since the server has refused such calls: nothing was sent."""

    def __str__(self) -> str:
        return f"{self.name}: {self.text.en}"

    def __reduce__(self) -> tuple[object, ...]:
        """Programs that share work among processes send their failures to each other."""
        made = partial(type(self), is_local=self.is_local)
        return made, (self.name, self.code(), self.text, self.parameters, self.retry_after)

    def by_client(self, retry_after: float) -> "Refused":
        """The same refusal of a further call, by the client itself."""
        return Refused(self.name, self.code(), self.text, self.parameters, retry_after, is_local=True)

    @property
    def field(self) -> str:
        """The field of the request that is wrong, as the contract names it; empty for any other reason."""
        return self.parameters.get("field", "")

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later without changes."""
        if self.reason != Reason.REASON_UNSPECIFIED:
            return errors.is_temporary(self.reason)
        return self.code() in _TEMPORARY_CODES


class Unanswered(grpc.aio.AioRpcError):
    """Nobody knows the outcome of a call: send the same request with the same id again, which is done once.

    Where `refused` is not temporary, see to its reason first: the request did not come past it.
    """

    def __init__(self, problem: str, code: grpc.StatusCode, refused: Refused | None = None) -> None:
        super().__init__(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=problem)
        self.refused = refused
        """What the server said of its last attempt, if anything."""

    def __str__(self) -> str:
        return f"{self.code().name}: {self.details()}"

    def __reduce__(self) -> tuple[object, ...]:
        """As of Refused."""
        return type(self), (self.details(), self.code(), self.refused)

    @property
    def retry_after(self) -> float | None:
        """As of Refused."""
        return self.refused.retry_after if self.refused is not None else None


def failure_of(error: grpc.RpcError) -> Refused | Unanswered:
    """The meaning of an error of gRPC. Channels give it for calls, not for streams."""
    if isinstance(error, Refused | Unanswered):
        return error
    refused = _refused(error)
    code, problem = error.code(), error.details() or ""
    if refused is None:
        if code in _UNKNOWN_CODES:
            return Unanswered(problem, code)
        return Refused(code.name, code, LocalizedText(zh_cn=problem, en=problem), {}, None)
    is_known = refused.reason != Reason.REASON_UNSPECIFIED
    is_open = refused.reason in _UNKNOWN_REASONS if is_known else code in _TEMPORARY_CODES
    return unanswered(refused) if is_open else refused


def unanswered(refused: Refused) -> Unanswered:
    """A refusal that leaves the outcome open: of this attempt, or of one before it."""
    return Unanswered(str(refused), refused.code(), refused)


def _refused(error: grpc.RpcError) -> Refused | None:
    """The refusal in the details of a status, by any version of the contract; None without one."""
    name, parameters, text = "", {}, LocalizedText()
    retry_after: float | None = None
    info, words = error_details_pb2.ErrorInfo(), error_details_pb2.LocalizedMessage()
    retry = error_details_pb2.RetryInfo()
    # The stubs of gRPC type the pairs of a channel of threads as something else.
    metadata = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for detail in errors.details_in(metadata):
        if errors.unpacks(detail, info) and info.domain == errors.DOMAIN:
            name, parameters = info.reason, dict(info.metadata)
        elif errors.unpacks(detail, words):
            if words.locale == "en":
                text.en = words.message
            elif words.locale == "zh-CN":
                text.zh_cn = words.message
        elif errors.unpacks(detail, retry):
            retry_after = max(0.0, retry.retry_delay.ToNanoseconds() / 1e9)
    return Refused(name, error.code(), text, parameters, retry_after) if name else None
