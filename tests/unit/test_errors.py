"""Refusals and their one mapping to gRPC."""

import pickle
import string

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import (
    DOMAIN,
    Refused,
    Unfit,
    from_rpc_error,
    is_temporary,
    listed,
    problem_of,
    reason_name,
    reason_named,
    retry_seconds,
    status_code,
    text,
    to_status,
)
from gateway.security.provider_tokens import TokenInvalid

REASONS = sorted(set(Reason.values()) - {Reason.REASON_UNSPECIFIED})
# What a header of gRPC takes, less the other headers.
HEADER_BYTES = 12 * 1024


def rpc_error(status: status_pb2.Status) -> grpc.aio.AioRpcError:
    """The error as a client sees it."""
    converted = rpc_status.to_status(status)
    metadata = grpc.aio.Metadata(*(converted.trailing_metadata or ()))
    return grpc.aio.AioRpcError(converted.code, grpc.aio.Metadata(), metadata, converted.details)


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_a_name_finds_its_reason_and_one_of_a_later_version_none() -> None:
    assert [reason_named(reason_name(each)) for each in REASONS] == REASONS
    assert {reason_named(each) for each in ("MOON_IN_THE_WAY", "")} == {Reason.REASON_UNSPECIFIED}


def test_every_reason_has_a_status_and_both_texts_with_the_same_parameters() -> None:
    wrong = []
    for reason in REASONS:
        told = text(reason, {})
        # A text may be told in one language by a parameter of its own for each.
        en = {name.removesuffix("_en") for name in placeholders(told.en)}
        zh_cn = {name.removesuffix("_zh_cn") for name in placeholders(told.zh_cn)}
        has_status = status_code(reason) not in (grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN)
        if not (has_status and told.en.strip() and told.zh_cn.strip() and en == zh_cn):
            wrong.append(Reason.Name(reason))
    assert not wrong


def test_a_refusal_arrives_as_it_was_raised() -> None:
    parameters, changed = {"field": "wait", "problem": "too long"}, []
    for reason in REASONS:
        arrived = from_rpc_error(rpc_error(to_status(Refused(reason, **parameters))))
        if arrived is None or (arrived.reason, arrived.parameters) != (reason, parameters):
            changed.append(Reason.Name(reason))
    assert not changed


@given(
    st.sampled_from(REASONS),
    st.dictionaries(st.text() | st.sampled_from(["self", "reason"]), st.text(), max_size=3),
)
def test_whatever_the_parameters_hold_a_refusal_can_be_told(
    reason: Reason.ValueType, parameters: dict[str, str]
) -> None:
    told = to_status(Refused(reason, **parameters))
    arrived = from_rpc_error(rpc_error(told))
    assert arrived is not None
    assert arrived.reason == reason
    assert str(arrived).startswith(reason_name(reason))


@given(st.lists(st.text("abc-/0123", min_size=1, max_size=8), min_size=1, max_size=5))
def test_a_list_in_a_refusal_is_separated_as_each_language_writes_it(items: list[str]) -> None:
    refused = Refused(Reason.REASON_DOCUMENT_MISSING, **listed(documents=items))
    arrived = from_rpc_error(rpc_error(to_status(refused)))
    assert arrived is not None
    told = text(arrived.reason, arrived.parameters)
    assert told.en == f"The document is missing: {', '.join(items)}."
    assert told.zh_cn == f"缺少材料：{'、'.join(items)}。"


def test_a_problem_with_a_certificate_is_told_in_the_language_of_the_reader() -> None:
    for error in (
        Unfit("it is for another key", "属于其他密钥"),
        TokenInvalid("it is for another key", "属于其他密钥"),
    ):
        told = text(Reason.REASON_CERTIFICATE_UNFIT, problem_of(error))
        assert (told.en, told.zh_cn) == (
            "The certificate is not what was requested: it is for another key.",
            "证书与申请不符：属于其他密钥。",
        )


def test_a_problem_comes_whole_out_of_another_process() -> None:
    problem = pickle.loads(pickle.dumps(Unfit("there are several", "包含多份")))
    assert (str(problem), problem.told.zh_cn) == ("there are several", "包含多份")


def test_a_problem_of_a_library_is_told_in_its_own_words() -> None:
    assert problem_of(ValueError("unable to load")) == {"problem": "unable to load"}


def test_a_list_of_a_peer_of_a_former_version_is_told_as_it_was_sent() -> None:
    assert text(Reason.REASON_DOCUMENT_MISSING, {"documents": "OTP, PWD"}).zh_cn == "缺少材料：OTP, PWD。"


def test_a_status_holds_one_reason_and_a_text_in_each_language() -> None:
    status = to_status(Refused(Reason.REASON_NUMBER_INVALID, number="12"))
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert status.message == "12 is not a telephone number: write it as 13800138000, 02885551234 or +8613800138000."
    info, zh_cn, en = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.LocalizedMessage(),
        error_details_pb2.LocalizedMessage(),
    )
    assert len(status.details) == 3
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(zh_cn)
    assert status.details[2].Unpack(en)
    assert (info.reason, info.domain, dict(info.metadata)) == ("NUMBER_INVALID", DOMAIN, {"number": "12"})
    assert (zh_cn.locale, zh_cn.message) == (
        "zh-CN",
        "12不是有效的电话号码：请写成13800138000、02885551234或+8613800138000。",
    )
    assert (en.locale, en.message) == (
        "en",
        "12 is not a telephone number: write it as 13800138000, 02885551234 or +8613800138000.",
    )


def test_a_refusal_for_want_of_room_tells_when_to_repeat_the_request() -> None:
    for reason in (
        Reason.REASON_CALLS_TOO_MANY,
        Reason.REASON_CONNECTIONS_TOO_MANY,
        Reason.REASON_DAY_WORK_TOO_MUCH,
        Reason.REASON_OPEN_WORK_TOO_MUCH,
        Reason.REASON_ORDERS_WAITING_TOO_MANY,
        Reason.REASON_REQUEST_BYTES_TOO_MANY,
        Reason.REASON_SERVER_CALLS_TOO_MANY,
        Reason.REASON_TOO_BUSY,
    ):
        status, retry = to_status(Refused(reason)), error_details_pb2.RetryInfo()
        assert is_temporary(reason)
        assert status.details[-1].Unpack(retry)
        assert retry.retry_delay.seconds > 0
        refused = from_rpc_error(rpc_error(status))
        assert refused is not None
        assert refused.reason == reason


@pytest.mark.parametrize(
    "reason",
    [
        Reason.REASON_ENROLMENTS_TOO_MANY,
        Reason.REASON_NUMBERS_GIVEN_TOO_MANY,
        Reason.REASON_ORDER_SEARCHES_TOO_MANY,
        Reason.REASON_REVOCATION_LISTS_TOO_MANY,
        Reason.REASON_WATCHES_TOO_MANY,
    ],
)
def test_a_refusal_beyond_a_number_of_its_caller_tells_when_there_may_be_room(reason: Reason.ValueType) -> None:
    retry = error_details_pb2.RetryInfo()
    assert to_status(Refused(reason)).details[-1].Unpack(retry)
    assert retry.retry_delay.seconds > 0
    assert not is_temporary(reason), "the caller itself may see to it"


@pytest.mark.parametrize("told", ["601", "0", "-1", "²", "1" * 5_000, "soon", ""])
def test_a_peer_lets_nobody_wait_longer_or_less_than_the_contract_has(told: str) -> None:
    reason = Reason.REASON_UNKNOWN_NUMBERS_TOO_MANY
    assert retry_seconds(Refused(reason, retry_seconds="59")) == 59
    assert retry_seconds(Refused(reason, retry_seconds=told)) == retry_seconds(Refused(reason)) == 600
    assert retry_seconds(Refused(Reason.REASON_REQUEST_INVALID, retry_seconds="59")) == 0


def test_a_reason_of_a_newer_version_can_be_told() -> None:
    refused = Refused(Reason.ValueType(9999), field="wait")
    assert reason_name(refused.reason) == "9999"
    assert to_status(refused).code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert str(refused) == "9999: Refused for a reason that this version does not know."
    assert not is_temporary(refused.reason)


def test_a_parameter_that_is_missing_shows_as_its_name() -> None:
    assert (
        text(Reason.REASON_NUMBER_INVALID, {}).en
        == "{number} is not a telephone number: write it as 13800138000, 02885551234 or +8613800138000."
    )


@pytest.mark.parametrize("filler", ["x", "号", "😀"])
def test_a_status_fits_into_headers_however_long_a_parameter_is(filler: str) -> None:
    status = to_status(Refused(Reason.REASON_REQUEST_INVALID, field=filler * 100_000, problem=filler * 100_000))
    assert status.ByteSize() < HEADER_BYTES
    assert from_rpc_error(rpc_error(status)) is not None


def test_braces_in_a_parameter_are_only_text() -> None:
    assert str(Refused(Reason.REASON_NUMBER_INVALID, number="{field}")).endswith(
        "{field} is not a telephone number: write it as 13800138000, 02885551234 or +8613800138000."
    )


@pytest.mark.parametrize(
    "reason",
    [
        Reason.REASON_REGION_UNREACHABLE,
        Reason.REASON_STORE_UNAVAILABLE,
        Reason.REASON_INTERNAL,
        Reason.REASON_CONFIGURATION_MISSING,
        Reason.REASON_CLOCK_UNTRUSTED,
        Reason.REASON_CALLS_TOO_MANY,
        Reason.REASON_CONNECTIONS_TOO_MANY,
        Reason.REASON_REQUEST_NOT_SENT,
    ],
    ids=Reason.Name,
)
def test_what_may_be_different_later_is_temporary(reason: Reason.ValueType) -> None:
    assert is_temporary(reason)


@pytest.mark.parametrize(
    "reason",
    [Reason.REASON_NUMBER_INVALID, Reason.REASON_ORDER_EXPIRED, Reason.REASON_IN_ARREARS, Reason.REASON_LINE_CLOSED],
    ids=Reason.Name,
)
def test_what_is_decided_by_a_rule_is_not_temporary(reason: Reason.ValueType) -> None:
    assert not is_temporary(reason)


def test_an_error_without_a_reason_of_ours_is_no_refusal() -> None:
    assert from_rpc_error(rpc_error(status_pb2.Status(code=14, message="socket closed"))) is None


@pytest.mark.parametrize(
    ("reason", "domain"), [("NUMBER_INVALID", "another.example"), ("NOT_OF_OURS", DOMAIN), ("", DOMAIN)]
)
def test_a_reason_of_somebody_else_is_no_refusal_of_ours(reason: str, domain: str) -> None:
    status = status_pb2.Status(code=3, message="no")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain))
    assert from_rpc_error(rpc_error(status)) is None
