"""Codes, passwords and attestations: right ones, equal ones, and unforgeable ones."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document
from gateway.errors import Refused
from region_node.customers.verification.rules import (
    CODES,
    OTP,
    PWD,
    attest,
    failures_that_count,
    hash_code,
    hash_password,
    require_strong,
    require_verified,
    written_code,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = bytes(range(32))
SUBJECT, NUMBER = "guangdong/counter/r1", "+8619851000001"
SEQUENCES = {
    "".join(str((start + step * index) % 10) for index in range(6)) for start in range(10) for step in (0, 1, -1)
}


def is_strong(password: str) -> bool:
    try:
        require_strong(password)
    except Refused:
        return False
    return True


@given(st.integers(0, 999_999))
def test_a_password_is_weak_if_its_digits_are_all_the_same_or_run_up_or_down(value: int) -> None:
    password = f"{value:06d}"
    assert is_strong(password) == (password not in SEQUENCES)


def test_all_thirty_weak_passwords_are_refused() -> None:
    assert len(SEQUENCES) == 30
    assert not [password for password in SEQUENCES if is_strong(password)]
    with pytest.raises(Refused) as raised:
        require_strong("123456")
    assert raised.value.reason == Reason.REASON_PASSWORD_WEAK


@given(st.text(max_size=8).filter(lambda text: not (text.isascii() and text.isdigit() and len(text) == 6)))
def test_whatever_is_not_six_digits_is_no_password(text: str) -> None:
    assert not is_strong(text)


@given(st.integers(0, CODES - 1))
def test_a_code_has_six_digits(drawn: int) -> None:
    code = written_code(drawn)
    assert len(code) == 6
    assert code.isdigit()


FIELDS = st.tuples(st.text(max_size=12), st.text(max_size=12), st.sampled_from([OTP, PWD]))


@given(FIELDS, FIELDS, st.integers(0, 10**6), st.integers(0, 10**6))
def test_an_attestation_holds_for_its_own_request_number_material_and_time_alone(
    one: tuple[str, str, str], other: tuple[str, str, str], first: int, second: int
) -> None:
    subject, number, code = one
    document = attest(KEY, subject, number, code, NOW + timedelta(microseconds=first))
    require_verified(KEY, subject, number, [document])
    claimed = Document()
    claimed.CopyFrom(document)
    claimed.code = other[2]
    claimed.verify_time.FromDatetime(NOW + timedelta(microseconds=second))
    if (one, first) == (other, second):
        require_verified(KEY, other[0], other[1], [claimed])
        return
    with pytest.raises(Refused) as raised:
        require_verified(KEY, other[0], other[1], [claimed])
    assert raised.value.reason == Reason.REASON_NOT_VERIFIED


@given(st.lists(st.text(max_size=4), min_size=3, max_size=3), st.lists(st.text(max_size=4), min_size=3, max_size=3))
def test_codes_are_alike_only_for_the_same_request_number_and_digits(one: list[str], other: list[str]) -> None:
    alike = hash_code(KEY, *one) == hash_code(KEY, *other)
    assert alike == (one == other)


def test_nothing_is_verified_under_another_key_by_another_verifier_or_where_nothing_was_ever_checked() -> None:
    document = attest(KEY, SUBJECT, NUMBER, OTP, NOW)
    by_clerk = Document()
    by_clerk.CopyFrom(document)
    by_clerk.verifier = "clerk-7"
    for key, shown in ((bytes(32), document), (None, document), (KEY, by_clerk)):
        with pytest.raises(Refused):
            require_verified(key, SUBJECT, NUMBER, [shown])


def test_a_time_that_no_calendar_has_verifies_nothing() -> None:
    document = attest(KEY, SUBJECT, NUMBER, OTP, NOW)
    document.verify_time.seconds = 10**12
    with pytest.raises(Refused) as raised:
        require_verified(KEY, SUBJECT, NUMBER, [document])
    assert raised.value.parameters == {"documents": "OTP"}


def test_papers_are_the_word_of_who_has_seen_them() -> None:
    require_verified(None, SUBJECT, NUMBER, [Document(code="ID_ORIG"), Document(code="SIM")])


def test_a_password_is_itself_under_its_own_salt_and_cost_only() -> None:
    held = hash_password("271828", bytes(16), 2)
    assert held.equals(hash_password("271828", bytes(16), 2))
    assert not held.equals(hash_password("271829", bytes(16), 2))
    assert not held.equals(hash_password("271828", bytes(15) + b"\1", 2))
    assert not held.equals(hash_password("271828", bytes(16), 4))


@given(st.lists(st.integers(0, 3600), max_size=12), st.integers(1, 3600))
def test_failures_count_for_the_window_and_no_longer(ages: list[int], window: int) -> None:
    failures = [NOW - timedelta(seconds=age) for age in ages]
    counting = failures_that_count(failures, NOW, timedelta(seconds=window))
    assert len(counting) == sum(1 for age in ages if age < window)
