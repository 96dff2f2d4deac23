"""The JSON of the contract is that of protobuf's own library, for every message that an Open API answers with."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf, nan
from typing import cast

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.alarm_pb2 import Alarm
from gateway.api.region.v1.catalogue_service_pb2 import GetBusinessGuideResponse
from gateway.api.region.v1.complaint_pb2 import ComplaintClassification
from gateway.api.region.v1.complaint_service_pb2 import GetComplaintResponse
from gateway.api.region.v1.customer_service_pb2 import Customer
from gateway.api.region.v1.fault_pb2 import Fault
from gateway.api.region.v1.order_pb2 import Note, Order, StateChange
from region_node.open_api.messages import json_of
from region_node.open_api.samples import filled

VARIANTS = 6
texts = st.text(max_size=4) | st.just(Timestamp().ToJsonString())
LATER = 999  # a value of an enum that no one knows here


def of_protobuf(message: Message) -> str:
    """The JSON of a message by protobuf's own library."""
    return json.dumps(MessageToDict(message), ensure_ascii=False, separators=(",", ":"))


def within(kind: Descriptor, seen: set[str]) -> Iterator[Descriptor]:
    """The message, and those in it."""
    seen.add(kind.full_name)
    yield kind
    for field in kind.fields:
        inner = field.message_type
        if inner is not None and inner.full_name not in seen and not inner.GetOptions().map_entry:
            yield from within(inner, seen)


@pytest.mark.parametrize("kind", [Order, GetComplaintResponse, Customer, Fault, Alarm, GetBusinessGuideResponse])
def test_a_message_has_the_json_of_protobufs_own_library(kind: type[Message]) -> None:
    for each in within(cast("Descriptor", kind.DESCRIPTOR), set()):
        if each.full_name.startswith("google.protobuf."):
            continue
        made = GetMessageClass(each)
        assert json_of(made()) == "{}"
        for number in range(1, VARIANTS + 1):
            message = filled(made(), number)
            assert json_of(message) == of_protobuf(message), each.full_name


def test_a_value_that_only_a_later_version_knows_is_its_number() -> None:
    change = StateChange(state=LATER)  # type: ignore[arg-type]
    assert json_of(change) == of_protobuf(change) == f'{{"state":{LATER}}}'


@pytest.mark.parametrize("number", [inf, -inf, nan, -0.0, 1 / 3, 1e300])
def test_a_number_has_the_form_or_the_name_that_protobuf_gives_it(number: float) -> None:
    doubt = ComplaintClassification(confidence=number)
    assert json_of(doubt) == of_protobuf(doubt)


@given(st.text())
def test_any_text_is_escaped_as_by_protobufs_own_library(text: str) -> None:
    note = Note(author=text, text="%s")
    assert json_of(note) == of_protobuf(note)


@given(st.sampled_from([0, 1, LATER]), texts, texts, st.none() | st.datetimes(timezones=st.just(UTC)))
def test_changes_of_state_with_the_same_words_have_their_own_times(
    state: int, region: str, reason: str, time: datetime | None
) -> None:
    change = StateChange(state=state, region=region, reason=reason, time=time)  # type: ignore[arg-type]
    assert json_of(change) == of_protobuf(change)
    change.time.FromSeconds(1)
    assert json_of(change) == of_protobuf(change)
