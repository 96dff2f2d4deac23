"""Pages of lists."""

import base64
from datetime import datetime

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.pages import (
    PAGE_BYTES,
    dated_key,
    decode_token,
    encode_token,
    page_after,
    page_of_bytes,
    page_size,
)
from gateway.time.clock import from_microseconds

KINDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
KEYS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(("requested", "size"), [(0, 50), (1, 1), (500, 500)])
def test_a_page_is_as_large_as_asked_for(requested: int, size: int) -> None:
    assert page_size(requested) == size


@pytest.mark.parametrize("requested", [-1, 501, 2**31 - 1, -(2**31)])
def test_a_page_of_no_fair_size_is_refused(requested: int) -> None:
    with pytest.raises(Refused) as refused:
        page_size(requested)
    assert refused.value.reason == Reason.REASON_REQUEST_INVALID
    assert refused.value.parameters["field"] == "page_size"


@given(KINDS, KEYS)
def test_a_token_gives_back_its_key(kind: str, key: str) -> None:
    assert decode_token(kind, encode_token(kind, key)) == key


def test_no_key_is_no_token() -> None:
    assert encode_token("orders", "") == ""


@given(KINDS, KINDS, KEYS.filter(bool))
def test_a_token_of_another_list_is_refused(kind: str, other: str, key: str) -> None:
    if kind != other:
        assert_refused(other, encode_token(kind, key))


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        "编号",
        "b3JkZXJzAA",
        base64.urlsafe_b64encode(b"orders").decode(),
        base64.urlsafe_b64encode(b"orders\0").decode(),
        base64.urlsafe_b64encode(b"orders\0\xff").decode(),
        encode_token("orders", "x")[:-1],
        encode_token("orders", "x") + "\n",
    ],
)
def test_what_never_was_a_token_is_refused(token: str) -> None:
    assert_refused("orders", token)


@given(st.sets(st.tuples(st.integers(0, 2**52), st.text("abz-_.9", min_size=1))), st.integers(1, 7), st.booleans())
def test_pages_of_a_list_at_hand_give_each_item_once(places: set[tuple[int, str]], size: int, in_reverse: bool) -> None:
    items = sorted((from_microseconds(time), name) for time, name in places)
    found, token = list[tuple[datetime, str]](), ""
    while True:
        page, token = page_after("places", items, lambda each: dated_key(*each), size, token, in_reverse=in_reverse)
        assert len(page) == size or not token
        found += page
        if not token:
            break
    assert found == (items[::-1] if in_reverse else items)


def test_a_page_ends_before_it_grows_too_large_and_each_message_comes_once() -> None:
    items = [StringValue(value=f"{number}" + "x" * (PAGE_BYTES // 3 * (number % 3))) for number in range(7)]
    items.append(StringValue(value="z" * 2 * PAGE_BYTES))
    pages, start = list[int](), 0
    while start < len(items):
        page, token = page_of_bytes("texts", iter(items[start:]), 4, lambda each: each.value[:1])
        assert bool(token) == (start + len(page) < len(items))
        assert page == items[start : start + len(page)]
        assert len(page) == 1 or sum(each.ByteSize() for each in page) <= PAGE_BYTES
        pages.append(len(page))
        start += len(page)
    assert pages == [2, 2, 1, 2, 1]


def test_a_page_of_small_messages_has_the_asked_size_and_reads_one_behind_it() -> None:
    items = iter([StringValue(value=f"{number}") for number in range(9)])
    page, token = page_of_bytes("texts", items, 4, lambda each: each.value)
    assert ([each.value for each in page], decode_token("texts", token)) == (["0", "1", "2", "3"], "3")
    assert len(list(items)) == 4


def test_a_page_at_hand_is_refused_as_any_other() -> None:
    assert page_after("places", [1], str, 0, "") == ([1], "")
    assert page_after("places", [1, 2, 3, 4], str, 1, encode_token("places", "1"), 1) == (
        [3],
        encode_token("places", "3"),
    )
    assert page_after("places", [1], str, 1, "", 1) == ([], "")
    for wrong in ({"requested": 501, "token": ""}, {"requested": 1, "token": "garbage"}):
        with pytest.raises(Refused):
            page_after("places", [1], str, **wrong)  # type: ignore[arg-type]


def assert_refused(kind: str, token: str) -> None:
    with pytest.raises(Refused) as refused:
        decode_token(kind, token)
    assert refused.value.reason == Reason.REASON_TOKEN_INVALID
