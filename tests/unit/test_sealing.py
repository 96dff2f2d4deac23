"""Answers sealed to the key of one question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sealing import KEY_BYTES, AnswerKey, AnswerSeal, AnswerUnreadable, KeyUnusable, Question

secrets = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)
names = st.text(max_size=20)
questions = st.builds(Question, names, names, names)
ASKED = Question("guangdong/counter/QRY_BILL", "guangdong", "sichuan")


def sealed(content: bytes, key: AnswerKey, secret: bytes = b"s" * KEY_BYTES, question: Question = ASKED) -> bytes:
    return AnswerSeal(key.public, secret, question).seal(content)


@given(secrets, secrets, st.binary(max_size=2000), questions)
def test_whoever_asked_reads_the_answer(asker: bytes, sealer: bytes, content: bytes, question: Question) -> None:
    key = AnswerKey(asker)
    assert key.open(sealed(content, key, sealer, question), question) == content


@given(secrets, secrets, secrets, st.binary(max_size=600))
def test_no_other_key_opens_it(asker: bytes, other: bytes, sealer: bytes, content: bytes) -> None:
    key, wrong = AnswerKey(asker), AnswerKey(other)
    if key.public != wrong.public:
        with pytest.raises(AnswerUnreadable):
            wrong.open(sealed(content, key, sealer), ASKED)


@given(questions, questions)
def test_it_opens_for_the_question_that_it_answers_alone(question: Question, other: Question) -> None:
    key = AnswerKey(b"a" * KEY_BYTES)
    if question != other:
        with pytest.raises(AnswerUnreadable):
            key.open(sealed(b"a record", key, question=question), other)


@given(st.binary(max_size=600), st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_byte_is_noticed(content: bytes, place: int, change: int) -> None:
    key = AnswerKey(b"a" * KEY_BYTES)
    altered = bytearray(sealed(content, key))
    altered[place % len(altered)] ^= change
    with pytest.raises(AnswerUnreadable):
        key.open(bytes(altered), ASKED)


@given(st.binary(max_size=600), st.integers(min_value=0))
def test_what_is_cut_or_longer_is_noticed(content: bytes, length: int) -> None:
    key = AnswerKey(b"a" * KEY_BYTES)
    whole = sealed(content, key)
    for wrong in (whole[: length % len(whole)], whole + b"\0"):
        with pytest.raises(AnswerUnreadable):
            key.open(wrong, ASKED)


def test_the_length_does_not_tell_a_record_from_a_refusal() -> None:
    key = AnswerKey(b"a" * KEY_BYTES)
    assert len(sealed(b"", key)) == len(sealed(bytes(500), key)) < len(sealed(bytes(600), key))


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(KEY_BYTES), b"\1" + bytes(31), bytes(33)])
def test_nothing_is_sealed_to_what_is_no_key(public: bytes) -> None:
    with pytest.raises(KeyUnusable):
        AnswerSeal(public, b"s" * KEY_BYTES, ASKED)
