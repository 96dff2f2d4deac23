"""Refusals over HTTP: the status of the reason, and the error body of TM Forum's Open APIs (TMF630)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NotRequired, TypedDict

import grpc

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, reason_name, retry_seconds, status_code, text

CHINESE, ENGLISH = "zh-CN", "en"
_OF_CODES: Mapping[grpc.StatusCode, HTTPStatus] = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.UNPROCESSABLE_ENTITY,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}
# Where HTTP has a status of its own for a reason.
_OF_REASONS: Mapping[Reason.ValueType, HTTPStatus] = {
    Reason.REASON_MESSAGE_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.REASON_TOO_MANY_ELEMENTS: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.REASON_MEDIA_TYPE_UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Reason.REASON_REQUEST_NOT_SENT: HTTPStatus.REQUEST_TIMEOUT,
}

ErrorBody = TypedDict(
    "ErrorBody", {"code": str, "reason": str, "status": str, "@type": str, "message": NotRequired[str]}
)
"""TM Forum's `Error`."""
STATUSES = tuple(sorted({*_OF_CODES.values(), *_OF_REASONS.values(), HTTPStatus.INTERNAL_SERVER_ERROR}))
"""All statuses of refusals."""


def http_status(reason: Reason.ValueType) -> HTTPStatus:
    """The status of HTTP for a reason."""
    return _OF_REASONS.get(reason) or _OF_CODES.get(status_code(reason), HTTPStatus.INTERNAL_SERVER_ERROR)


def told_headers(refused: Refused) -> dict[str, str]:
    """The headers that belong to a refusal: when to come again, where that is known, and how to prove oneself."""
    seconds = retry_seconds(refused)
    if refused.reason == Reason.REASON_ACCESS_TOKEN_INVALID:
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # RFC 6750, 3
    return {"Retry-After": str(seconds)} if seconds else {}


def told_error(refused: Refused, language: str, status: HTTPStatus) -> ErrorBody:
    """The body of a refusal: `code` for programs, `reason` for people in the language, and the parameters."""
    said = text(refused.reason, refused.parameters)
    parameters = {name: value for name, value in refused.parameters.items() if not name.endswith("_zh_cn")}
    body: ErrorBody = {
        "code": reason_name(refused.reason),
        "reason": text_in(said, language),
        "status": str(int(status)),
        "@type": "Error",
    }
    if parameters:
        body["message"] = "; ".join(f"{name}: {value}" for name, value in sorted(parameters.items()))
    return body


def text_in(told: LocalizedText, language: str) -> str:
    """A text of the contract in a language of `preferred_language`."""
    return told.zh_cn if language == CHINESE else told.en


def preferred_language(accepted: str) -> str:
    """The language of `Accept-Language` (RFC 9110) for texts; English unless Chinese is preferred."""
    best, chosen = 0.0, ENGLISH
    for each in accepted.split(","):
        tag, _, weight = each.strip().lower().partition(";")
        language = {"zh": CHINESE, "en": ENGLISH, "*": ENGLISH}.get(tag.strip().partition("-")[0])
        quality = _quality(weight)
        if language is not None and quality > best:
            best, chosen = quality, language
    return chosen


def _quality(weight: str) -> float:
    """The weight `q=…` of a language; 1 without one, and 0 for what is no weight."""
    name, _, value = weight.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0
