"""How a call ended, for people: in English or Chinese, with the exit code for programs."""

import json
from dataclasses import dataclass

import grpc
from google.protobuf.message import Message

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.exits import NOT_KNOWN, REFUSED
from gateway.cli.reachability import Server, for_whom
from gateway.client import repeating
from gateway.client.failures import Refused, Unanswered, failure_of
from gateway.errors import text
from gateway.wording.languages import in_language, translated
from region_node.cli.methods import Method

_STAFF_ID = "requester.staff_id"  # operator systems name the member of staff; --staff-id is for that


class Stalled(grpc.aio.AioRpcError):
    """The node responds and makes no progress; `words` describe the symptom."""

    def __init__(self, words: str) -> None:
        super().__init__(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=words)


def may_pass(error: grpc.aio.AioRpcError) -> bool:
    """Whether the same call may succeed later without changes: the node is away, or temporarily unable to serve."""
    return repeating.may_pass(failure_of(error))


def told_by(error: grpc.aio.AioRpcError, server: Server) -> str:
    """Why a call of a node failed, for people, with the reason of the contract or the status."""
    problem, reason = _problem(error, server)
    return translated("{problem} ({reason})", problem=problem, reason=reason)


def _problem(error: grpc.aio.AioRpcError, server: Server) -> tuple[str, str]:
    failure = failure_of(error)
    refused = failure.refused if isinstance(failure, Unanswered) else failure
    status = error.code().name
    is_known = refused is not None and refused.reason != Reason.REASON_UNSPECIFIED
    if refused is None or (not is_known and refused.name == status):  # no reason of any version of the contract
        return (error.details() or "") if isinstance(error, Stalled) else server.told(status), status
    told = in_language(text(refused.reason, refused.parameters) if is_known else refused.text)
    if refused.reason == Reason.REASON_PERMISSION_DENIED:
        told = f"{told} {for_whom(refused.parameters.get('method', ''))}".rstrip()
    if refused.parameters.get("field") == _STAFF_ID:
        told = f"{told} {translated('Say who asks: --staff-id, or CROSSREGION_STAFF_ID in the environment.')}"
    return told, refused.name


@dataclass(frozen=True)
class Failure:
    """A call without a result: the message, and the exit code."""

    text: str
    exit_code: int


class Teller:
    """Prints how calls of one method of a node with one request ended."""

    def __init__(self, server: Server, method: Method, request: Message) -> None:
        self._server = server
        self._method = method
        self._request = request

    def failed(self, error: grpc.aio.AioRpcError, token: str = "") -> Failure:
        """The failure of a call. `token` is the last one of a stream, if there was one."""
        problem, reason = _problem(error, self._server)
        if isinstance(failure_of(error), Refused):
            return Failure(translated("Refused: {problem} ({reason})", problem=problem, reason=reason), REFUSED)
        return self._unknown(problem, reason, token)

    def interrupted(self) -> Failure:
        """The failure of a call that the user interrupted."""
        return self._unknown(translated("interrupted before the answer came"), grpc.StatusCode.CANCELLED.name, "")

    def _unknown(self, problem: str, reason: str, token: str) -> Failure:
        told = translated("Not known whether it was done: {problem} ({reason})", problem=problem, reason=reason)
        return Failure(f"{told}\n{self._how_to_ask_again(token)}", NOT_KNOWN)

    def _how_to_ask_again(self, token: str) -> str:
        if token:
            return translated("Go on where it ended: ask the same with {token}.", token=json.dumps({"token": token}))
        if self._method.only_reads:
            return translated("The call only reads: ask again.")
        if request_id := getattr(self._request, "request_id", ""):
            return translated(
                "Ask again with the same content and the same request_id {id}: it is done once.", id=request_id
            )
        return translated("Ask again with the same content: a repeat changes nothing.")
