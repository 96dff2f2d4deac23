"""Refusals as HTTP tells them: each reason has a status, and people read it in their language."""

from http import HTTPStatus

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, text
from gateway.web.refusals import http_status, preferred_language, told_error, told_headers


def test_every_reason_has_a_status_that_says_whose_turn_it_is() -> None:
    for reason in Reason.values():
        if reason:
            assert http_status(reason) >= HTTPStatus.BAD_REQUEST
    unknown = {
        Reason.Name(each) for each in Reason.values() if each and http_status(each) == HTTPStatus.INTERNAL_SERVER_ERROR
    }
    by_route = {"REASON_METHOD_UNKNOWN", "REASON_RESOURCE_LEFT_OUT"}  # as 404 or 405, and as 501
    assert unknown == {"REASON_INTERNAL", *by_route}


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh", "zh-CN"),
        ("zh-Hans-CN", "zh-CN"),
        ("en-GB,zh;q=0.9", "en"),
        ("fr, zh;q=0.5", "zh-CN"),
        ("*", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("zh;q=x, ;;,", "en"),
        ("zh;q=nan", "en"),
    ],
)
def test_the_language_is_the_one_that_its_reader_prefers(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language


def test_a_refusal_has_its_code_its_text_and_its_parameters_without_those_of_another_language() -> None:
    parameters = {"field": "limit", "problem": "is empty", "problem_zh_cn": "为空"}
    refused = Refused(Reason.REASON_REQUEST_INVALID, **parameters)
    told = told_error(refused, "zh-CN", HTTPStatus.BAD_REQUEST)
    assert told["reason"] == text(refused.reason, parameters).zh_cn
    assert (told["code"], told["status"], told["message"]) == (
        "REQUEST_INVALID",
        "400",
        "field: limit; problem: is empty",
    )


def test_who_may_come_again_is_told_when() -> None:
    assert told_headers(Refused(Reason.REASON_SERVER_CALLS_TOO_MANY)) == {"Retry-After": "1"}
    assert told_headers(Refused(Reason.REASON_REQUEST_INVALID)) == {}
