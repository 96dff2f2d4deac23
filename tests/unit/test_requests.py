"""The required parts of every request of an operator system."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Refused
from region_node.requests import checks as requests

GOOD_NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
CHANNELS = [channel for channel in Channel.values() if channel]


def field_refused(error: Refused) -> str:
    assert error.reason == Reason.REASON_REQUEST_INVALID
    return error.parameters["field"]


@given(GOOD_NAMES, st.sampled_from(CHANNELS))
def test_ids_of_letters_digits_dots_dashes_and_underscores_are_good(name: str, channel: Channel.ValueType) -> None:
    requests.require_request_id(name)
    requests.require_requester(Requester(staff_id=name, channel=channel))


@given(ANY_TEXT)
def test_any_other_id_is_refused(text: str) -> None:
    if re.match(r"^[A-Za-z0-9._-]{1,64}\Z", text):
        requests.require_request_id(text)
        return
    with pytest.raises(Refused) as raised:
        requests.require_request_id(text)
    assert field_refused(raised.value) == "request_id"
    with pytest.raises(Refused) as raised:
        requests.require_requester(Requester(staff_id=text, channel=Channel.CHANNEL_APP))
    assert field_refused(raised.value) == "requester.staff_id"


@pytest.mark.parametrize("text", ["R1\n", "", "a" * 65, "R 1", "１２"])
def test_an_id_has_no_line_end_no_space_and_at_most_64_ascii_characters(text: str) -> None:
    with pytest.raises(Refused):
        requests.require_request_id(text)


@pytest.mark.parametrize("channel", [0, 99, -1])
def test_a_channel_of_the_contract_must_be_named(channel: int) -> None:
    requester = Requester(staff_id="clerk-7")
    requester.channel = Channel.ValueType(channel)
    with pytest.raises(Refused) as raised:
        requests.require_requester(requester)
    assert field_refused(raised.value) == "requester.channel"


@given(st.integers(0, 12), st.integers(0, 10), st.booleans())
def test_a_text_keeps_to_its_limit_and_is_there_where_it_must_be(length: int, limit: int, required: bool) -> None:
    text = "字" * length
    if length <= limit and (length or not required):
        requests.require_length("note", text, limit, required=required)
        return
    with pytest.raises(Refused) as raised:
        requests.require_length("note", text, limit, required=required)
    assert field_refused(raised.value) == "note"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_wait_is_between_nothing_and_half_a_minute(seconds: float) -> None:
    if 0 <= seconds <= 30:
        assert requests.wait_seconds(seconds) == seconds
        return
    with pytest.raises(Refused) as raised:
        requests.wait_seconds(seconds)
    assert field_refused(raised.value) == "wait"


def test_the_longest_wait_is_thirty_seconds() -> None:
    longest = timedelta(seconds=30).total_seconds()
    assert requests.wait_seconds(longest) == longest
