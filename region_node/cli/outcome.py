"""How a call ended, for people: in English or Chinese, with the exit code for programs."""

from dataclasses import dataclass

import grpc
from google.protobuf.message import Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import from_rpc_error, is_temporary, reason_name, text
from region_node.cli.exits import NOT_KNOWN, REFUSED
from region_node.cli.methods import Method

# With these the node itself says that it does not know whether the call took effect.
_UNKNOWN_REASONS = frozenset({Reason.REASON_INTERNAL, Reason.REASON_DEADLINE_TOO_SHORT})
# With these, and no reason of the contract beside them, a call may or may not have taken effect.
_UNKNOWN_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
_TEXTS = {
    "en": {
        "refused": "Refused: {problem} ({reason})",
        "unknown": "Not known whether it was done: {problem} ({reason})",
        "read": "The call only reads: ask again.",
        "request_id": "Ask again with the same content and the same request_id {id}: it is done once.",
        "repeatable": "Ask again with the same content: a repeat changes nothing.",
        "resume": 'Go on where it ended: ask the same with {{"token": "{token}"}}.',
        "interrupted": "interrupted before the answer came",
    },
    "zh": {
        "refused": "已拒绝:{problem}({reason})",
        "unknown": "结果未知:{problem}({reason})",
        "read": "该调用只读取数据,请重试。",
        "request_id": "请用相同内容和相同的request_id {id}重试,只会办理一次。",
        "repeatable": "请用相同内容重试,重复调用不会产生其他影响。",
        "resume": '用相同内容并加上{{"token": "{token}"}}重新请求,即可从中断处继续。',
        "interrupted": "在收到答复前被中断",
    },
}
LANGUAGES = tuple(_TEXTS)


def may_pass(error: grpc.aio.AioRpcError) -> bool:
    """Whether the same call may succeed later as it is: the node is away, or cannot serve just now."""
    refused = from_rpc_error(error)
    return error.code() in _UNKNOWN_CODES if refused is None else is_temporary(refused.reason)


def told_by(error: grpc.aio.AioRpcError, language: str) -> str:
    """Why a call failed, for people, with the reason of the contract or the status."""
    refused = from_rpc_error(error)
    if refused is None:
        return f"{error.details() or ''} ({error.code().name})"
    told = text(refused.reason, refused.parameters)
    return f"{told.zh_cn if language == 'zh' else told.en} ({reason_name(refused.reason)})"


@dataclass(frozen=True)
class Failure:
    """A call without a result: what to print, and the exit code."""

    text: str
    exit_code: int


class Teller:
    """Tells how calls of one method with one request ended."""

    def __init__(self, method: Method, request: Message, language: str) -> None:
        self._method = method
        self._request = request
        self._language = language
        self._texts = _TEXTS[language]

    def failed(self, error: grpc.aio.AioRpcError, token: str = "") -> Failure:
        """An error of the call. `token` is the last one of a stream, if there was one."""
        refused = from_rpc_error(error)
        if refused is None:
            problem, reason = error.details() or "", error.code().name
            is_known = error.code() not in _UNKNOWN_CODES
        else:
            told = text(refused.reason, refused.parameters)
            problem, reason = (told.zh_cn if self._language == "zh" else told.en), reason_name(refused.reason)
            is_known = refused.reason not in _UNKNOWN_REASONS
        if is_known:
            return Failure(self._texts["refused"].format(problem=problem, reason=reason), REFUSED)
        return self._unknown(problem, reason, token)

    def interrupted(self) -> Failure:
        """The person who called did not wait for the answer."""
        return self._unknown(self._texts["interrupted"], grpc.StatusCode.CANCELLED.name, "")

    def _unknown(self, problem: str, reason: str, token: str) -> Failure:
        told = self._texts["unknown"].format(problem=problem, reason=reason)
        return Failure(f"{told}\n{self._how_to_ask_again(token)}", NOT_KNOWN)

    def _how_to_ask_again(self, token: str) -> str:
        if token:
            return self._texts["resume"].format(token=token)
        if self._method.only_reads:
            return self._texts["read"]
        request_id = getattr(self._request, "request_id", "")
        return self._texts["request_id" if request_id else "repeatable"].format(id=request_id)
