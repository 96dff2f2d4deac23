"""Bytes as text for addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.values import base64url


@given(st.binary())
def test_a_text_without_padding_leads_back_to_its_bytes(content: bytes) -> None:
    text = base64url.encoded(content)
    assert base64url.decoded(text) == content
    assert not set(text) & set("+/=")


@pytest.mark.parametrize("text", ["YWJj!", "YW Jj", "YWJj\n", "字", "A"])
def test_a_text_of_another_alphabet_or_length_is_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of base64, or of ASCII
        base64url.decoded(text)
