"""The two failures of a call, a refusal and no response; and the only mapping of refusals to gRPC.

Every refusal carries a `Reason` of the contract; the status code and the texts are options of the enum value.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from gateway.api.types.v1 import reason_pb2
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.values.lists import joined
from gateway.values.nearest import nearest, suggested
from gateway.values.state_words import chinese_word, chinese_word_of_order

DOMAIN = "crossregion"
_PREFIX = "REASON_"
_CHINESE = "_zh_cn"
_WORDS = ("state", "status")  # the parameters that hold a word for programs
_STATE_FORBIDS = "_STATE_FORBIDS"  # the end of the reasons whose `action` is such a word; that of others is an id
_DETAILS = "grpc-status-details-bin"
_NEAREST = "nearest"  # the parameter that holds the known names similar to an unknown name, and their separator
_BETWEEN = ", "
_SECONDS = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
NO_ROOM = (
    Reason.REASON_CALLS_TOO_MANY,
    Reason.REASON_CONNECTIONS_TOO_MANY,
    Reason.REASON_REQUEST_BYTES_TOO_MANY,
    Reason.REASON_SERVER_CALLS_TOO_MANY,
)
"""Refusals of a server that is busy with other calls, whatever the refused call is about.

A client throttles its calls by them. So the door of a node alone tells its callers one of them, never a peer of it.
"""
# Refusals for want of room that other calls take, or other work.
_ROOM_LATER = (
    *NO_ROOM,
    Reason.REASON_DAY_WORK_TOO_MUCH,
    Reason.REASON_OPEN_WORK_TOO_MUCH,
    Reason.REASON_ORDERS_WAITING_TOO_MANY,
)
# Bytes of one parameter in a status. A status travels in headers, which gRPC limits to 16 KiB, and repeats a text
# several times.
_TOLD_BYTES = 1024
_REMEMBERED = 1024  # options of reasons: in a flood, each refusal asks for them several times


class Refused(Exception):
    """An operation is refused, with a reason that the caller may learn.

    Takes the reason and the parameters of its text. All parameters are strings with any names, since peers send them.
    """

    def __init__(self, reason: Reason.ValueType, /, **parameters: str) -> None:
        super().__init__(reason, parameters)
        self.reason = reason
        self.parameters: dict[str, str] = parameters

    def __str__(self) -> str:
        return f"{reason_name(self.reason)}: {text(self.reason, self.parameters).en}"


class Interrupted(Refused):
    """A refusal since a need of the operation has gone away: it may come after writes, and these are undone."""


class Unreachable(Exception):
    """A call had no response: its outcome is unknown, and the caller may repeat the same request.

    `status` is the name of the gRPC status code for it.
    """

    def __init__(self, problem: str, status: str = "UNAVAILABLE") -> None:
        super().__init__(problem)
        self.status = status


class Problem(Exception):
    """Something of others cannot be used; the text of a refusal has the problem in both languages."""

    def __init__(self, problem: str, problem_zh_cn: str) -> None:
        super().__init__(problem, problem_zh_cn)
        self.told = LocalizedText(zh_cn=problem_zh_cn, en=problem)

    def __str__(self) -> str:
        return self.told.en


class Unfit(Problem, ValueError):
    """A value of others is not what it has to be, with the problem in both languages."""


def problem_text(error: Exception) -> LocalizedText:
    """The text of an error in both languages; its own text twice where it has no other language."""
    return error.told if isinstance(error, Problem) else LocalizedText(zh_cn=str(error), en=str(error))


def problem_of(error: Exception) -> dict[str, str]:
    """The parameter `problem` of a refusal, from an error; in English alone where the error has no other language."""
    return in_both(problem=problem_text(error))


def invalid(field: str, problem: str, problem_zh_cn: str) -> Refused:
    """REQUEST_INVALID for a field, with the problem in both languages."""
    return Refused(Reason.REASON_REQUEST_INVALID, field=field, problem=problem, problem_zh_cn=problem_zh_cn)


def in_both(**told: LocalizedText) -> dict[str, str]:
    """Parameters of a refusal in both languages, by their names.

    A parameter is written once where both languages write it alike.
    """
    chinese = {f"{name}{_CHINESE}": each.zh_cn for name, each in told.items() if each.zh_cn != each.en}
    return {name: each.en for name, each in told.items()} | chinese


def listed(**items: Iterable[str | LocalizedText]) -> dict[str, str]:
    """Parameters of a refusal that are lists, by their names; each language separates the items as it writes lists."""
    return in_both(**{name: joined(each) for name, each in items.items()})


def unknown(reason: Reason.ValueType, known: Iterable[str], **named: str) -> Refused:
    """The refusal of an unknown name, with similar known names.

    `named` is the parameter of the reason, and the name.
    """
    near = [each for name in named.values() for each in nearest(name, known)]
    return Refused(reason, **named, **({_NEAREST: _BETWEEN.join(near)} if near else {}))


class _Blank(dict[str, str]):
    """The parameters of a text; a missing parameter prints as its name, so that formatting never fails."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def reason_name(reason: Reason.ValueType) -> str:
    """The stable name that travels in ErrorInfo, for example `NUMBER_INVALID`; the number of an unknown reason."""
    value = Reason.DESCRIPTOR.values_by_number.get(reason)
    return value.name.removeprefix(_PREFIX) if value is not None else str(reason)


def reason_named(name: str) -> Reason.ValueType:
    """The reason that travels under a name; unspecified where this version of the contract has none of it."""
    value = Reason.DESCRIPTOR.values_by_name.get(_PREFIX + name)  # `Reason.keys()` is a new list of hundreds
    return Reason.ValueType(value.number) if value is not None else Reason.REASON_UNSPECIFIED


@lru_cache(_REMEMBERED)
def _told(reason: Reason.ValueType) -> reason_pb2.ReasonOptions:
    value = Reason.DESCRIPTOR.values_by_number.get(reason)
    if value is None:  # a peer of a newer version may refuse for a reason that came later
        return reason_pb2.ReasonOptions(
            status="FAILED_PRECONDITION",
            en="Refused for a reason that this version does not know.",
            zh_cn="被拒绝，原因在当前版本中未定义。",
        )
    return value.GetOptions().Extensions[reason_pb2.reason_options]


def status_code(reason: Reason.ValueType) -> grpc.StatusCode:
    """The gRPC status code of a reason, as the contract gives it."""
    return grpc.StatusCode[_told(reason).status]


def text(reason: Reason.ValueType, parameters: Mapping[str, str]) -> LocalizedText:
    """The reason for people, in both languages. The Chinese text prefers the parameter `<name>_zh_cn` to `<name>`.

    It has states and acts in Chinese without such a parameter, too.
    """
    told = _told(reason)
    words = (*_WORDS, "action") if reason_name(reason).endswith(_STATE_FORBIDS) else _WORDS
    in_chinese = chinese_word_of_order if reason == Reason.REASON_ORDER_STATE_FORBIDS else chinese_word
    chinese = {name: in_chinese(parameters[name]) for name in words if name in parameters}
    chinese |= {name.removesuffix(_CHINESE): value for name, value in parameters.items() if name.endswith(_CHINESE)}
    near = suggested([name for name in parameters.get(_NEAREST, "").split(_BETWEEN) if name])
    return LocalizedText(
        zh_cn=told.zh_cn.format_map(_Blank({**parameters, **chinese})) + near.zh_cn,
        en=f"{told.en.format_map(_Blank(parameters))} {near.en}".rstrip(),
    )


def retry_seconds(refused: Refused) -> int:
    """Seconds after which a repetition may succeed; zero where no time is known.

    They are those of the reason, or fewer by the parameter `retry_seconds`, which a peer may have sent.
    """
    most, told = _told(refused.reason).retry_seconds, refused.parameters.get("retry_seconds", "")
    return min(most, int(told)) if _SECONDS.fullmatch(told) else most


def is_temporary(reason: Reason.ValueType) -> bool:
    """Whether the same request may succeed later without changes."""
    return reason in _ROOM_LATER or status_code(reason) in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.INTERNAL,
    )


def lasting(refused: Refused) -> Refused:
    """A refusal that may be stored as the answer. Raises it instead where the same request may succeed later."""
    if is_temporary(refused.reason):
        raise refused
    return refused


def to_status(refused: Refused) -> status_pb2.Status:
    """A `google.rpc.Status` with one ErrorInfo, one LocalizedMessage per language, and a RetryInfo for a known time."""
    parameters = {name: _short(value) for name, value in refused.parameters.items()}
    told = text(refused.reason, parameters)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=reason_name(refused.reason), domain=DOMAIN, metadata=parameters),
        error_details_pb2.LocalizedMessage(locale="zh-CN", message=told.zh_cn),
        error_details_pb2.LocalizedMessage(locale="en", message=told.en),
    ]
    if seconds := retry_seconds(refused):
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds)))
    status = status_pb2.Status(code=status_code(refused.reason).value[0], message=told.en)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _short(value: str) -> str:
    """The beginning of a caller's value of any length, enough to recognise the value."""
    return value.encode()[:_TOLD_BYTES].decode(errors="ignore")


def from_rpc_error(error: grpc.aio.AioRpcError) -> Refused | None:
    """The refusal inside an RPC error; None without a reason of the contract, such as a cut connection."""
    return from_metadata(error.trailing_metadata() or ())


def from_metadata(metadata: Iterable[tuple[str, str | bytes]]) -> Refused | None:
    """The refusal that a status carries in its metadata; None without a reason of the contract."""
    for detail in details_in(metadata):
        info = error_details_pb2.ErrorInfo()
        if unpacks(detail, info) and info.domain == DOMAIN and (reason := reason_named(info.reason)):
            return Refused(reason, **dict(info.metadata))
    return None


def details_in(metadata: Iterable[tuple[str, str | bytes]]) -> Sequence[any_pb2.Any]:
    """The details of the status in the metadata of a call; none where there is no status, or another's bytes."""
    packed = dict(metadata).get(_DETAILS)
    try:
        return status_pb2.Status.FromString(packed).details if isinstance(packed, bytes) else ()
    except DecodeError:
        return ()


def unpacks(detail: any_pb2.Any, message: Message) -> bool:
    """Whether a detail is of the kind of the message, which then has its content."""
    try:
        return detail.Unpack(message)
    except DecodeError:
        return False
