"""Searches of messages of any kind: a later choice and an acting character are found wherever they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.order_envelopes_pb2 import OrderSubmission, OrderUpdate
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest, SubmitOrdersRequest
from gateway.api.relay.v1.relay_pb2 import Batch, DeliverRequest, EnvelopeContent, ReceiptContent
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.message_checks import require_plain
from gateway.values.choices import first_unknown
from tests.later_version import LATER_VALUE, choose_later_arm

KINDS = (
    SubmitOrderRequest,
    SubmitOrdersRequest,
    OrderSubmission,
    OrderUpdate,
    EnvelopeContent,
    ReceiptContent,
    DeliverRequest,
    Batch,
)
ACTING = "\x1b"


@dataclass(frozen=True)
class Place:
    """A field of a message, and its path from the outermost one."""

    message: Message
    field: FieldDescriptor
    path: str


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """A message of one of the kinds, with harmless content in some of its fields."""
    message: Message = draw(st.sampled_from(KINDS))()
    _fill(draw, message)
    return message


def _fill(draw: st.DrawFn, message: Message) -> None:
    for field in cast(Descriptor, message.DESCRIPTOR).fields:
        if not draw(st.booleans()):
            continue
        held = getattr(message, field.name)
        if _is_map(field):
            held["key"] = "值"
        elif field.message_type is not None and field.is_repeated:
            for _ in range(draw(st.integers(0, 2))):
                _fill(draw, held.add())
        elif field.message_type is not None:
            held.SetInParent()
            _fill(draw, held)
        elif field.enum_type is not None or field.type == FieldDescriptor.TYPE_STRING:
            value = field.enum_type.values[-1].number if field.enum_type is not None else "plain"
            if field.is_repeated:
                held.extend([value, value])
            else:
                setattr(message, field.name, value)


def _places(message: Message, path: str = "", *, singly: bool = True) -> Iterator[Place]:
    """All fields of a message and of those in it. `singly`: also of elements that are refused singly."""
    for field in cast(Descriptor, message.DESCRIPTOR).fields:
        yield Place(message, field, f"{path}{field.name}")
        if field.message_type is None or _is_map(field):
            continue
        if not field.is_repeated:
            if message.HasField(field.name):
                yield from _places(getattr(message, field.name), f"{path}{field.name}.", singly=singly)
        elif singly or not field.GetOptions().Extensions[access_pb2.refused_singly]:
            for index, each in enumerate(getattr(message, field.name)):
                yield from _places(each, f"{path}{field.name}[{index}].", singly=singly)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _acting_at(message: Message) -> str | None:
    try:
        require_plain(message)
    except Refused as refused:
        return refused.parameters["field"]
    return None


@given(st.data())
def test_a_later_value_is_found_at_any_place_and_nowhere_else(data: st.DataObject) -> None:
    message = data.draw(messages())
    assert first_unknown(message) is None
    places = [each for each in _places(message) if each.field.enum_type not in (None, Reason.DESCRIPTOR)]
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    if place.field.is_repeated:
        held = getattr(place.message, place.field.name)
        held.append(LATER_VALUE)
        expected = f"{place.path}[{len(held) - 1}] = {LATER_VALUE}"
    else:
        setattr(place.message, place.field.name, LATER_VALUE)
        expected = f"{place.path} = {LATER_VALUE}"
    assert str(first_unknown(message)) == expected


@given(st.data())
def test_a_later_arm_is_found_at_any_place(data: st.DataObject) -> None:
    message = data.draw(messages())
    oneofs = [(each, _named_oneof(each.field)) for each in _places(message)]
    arms = [(each, oneof) for each, oneof in oneofs if oneof]
    if not arms:
        return
    place, oneof = data.draw(st.sampled_from(arms))
    choose_later_arm(place.message, oneof)
    found = str(first_unknown(message))
    assert found.startswith(f"{place.path.removesuffix(place.field.name)}{oneof} = ")


@given(st.data())
def test_an_acting_character_is_found_at_any_place_and_nowhere_else(data: st.DataObject) -> None:
    message = data.draw(messages())
    assert _acting_at(message) is None
    places = [each for each in _places(message, singly=False) if _has_text(each.field)]
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    held = getattr(place.message, place.field.name)
    if _is_map(place.field):
        held["other"] = ACTING
        expected = f"{place.path}[other]"
    elif place.field.is_repeated:
        held.append(ACTING)
        expected = f"{place.path}[{len(held) - 1}]"
    else:
        setattr(place.message, place.field.name, ACTING)
        expected = place.path
    assert _acting_at(message) == expected


def test_an_element_that_is_refused_singly_is_left_to_its_own_check() -> None:
    request = SubmitOrdersRequest()
    request.orders.add(request_id=ACTING)
    assert _acting_at(request) is None
    assert _acting_at(request.orders[0]) == "request_id"


def _has_text(field: FieldDescriptor) -> bool:
    return _is_map(field) or field.type == FieldDescriptor.TYPE_STRING


def _named_oneof(field: FieldDescriptor) -> str:
    oneof = field.containing_oneof
    return "" if oneof is None or oneof.name.startswith("_") else oneof.name
