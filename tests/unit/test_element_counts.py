"""The elements of a message are counted in its bytes, before any is built."""

from collections.abc import Iterator
from random import Random
from typing import cast

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.order_service_pb2 import SubmitOrderRequest
from gateway.api.relay.v1.relay_pb2 import Batch, DeliverRequest, Envelope, Journey, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.rpc.access import LARGEST_REQUEST
from gateway.rpc.element_counts import count_elements, most_elements, parsed, require_few

KINDS: list[type[Message]] = [SubmitOrderRequest, Complaint, Configuration, Batch, DeliverRequest, ReceiptContent]
PLENTY = 10**9
SEEDS = range(40)


def descriptor(kind: type[Message]) -> Descriptor:
    return cast("Descriptor", kind.DESCRIPTOR)


def elements(message: Message) -> int:
    """The elements of a parsed message: repeated messages and entries of maps, also within others."""
    return sum(
        (len(list(each)) if field.is_repeated else 0) + sum(map(elements, each)) for field, each in _held(message)
    )


def _held(message: Message) -> Iterator[tuple[FieldDescriptor, list[Message]]]:
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None:
            continue
        if kind.GetOptions().map_entry:
            assert kind.fields_by_name["value"].message_type is None, "the contract has only maps of texts"
            yield field, [Empty()] * len(value)
        else:
            yield field, list(value) if field.is_repeated else [value]


def filled(random: Random, kind: Descriptor, depth: int = 0) -> Message:
    """A message of a kind, with fields drawn at random."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if random.random() < 0.4 + 0.15 * depth:
            continue
        held, times = getattr(message, field.name), random.choice((0, 1, 3)) if field.is_repeated else 1
        for _ in range(times):
            if field.message_type is None:
                _give(message, field, _scalar(random, field))
            elif field.message_type.GetOptions().map_entry:
                held[str(random.random())] = "x"
            elif field.is_repeated:
                held.append(filled(random, field.message_type, depth + 1))
            elif depth < 4:
                held.CopyFrom(filled(random, field.message_type, depth + 1))
                held.SetInParent()
    return message


def _give(message: Message, field: FieldDescriptor, value: object) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _scalar(random: Random, field: FieldDescriptor) -> object:
    if field.type == FieldDescriptor.TYPE_STRING:
        return "字a" * random.choice((0, 1, 10, 40, 200))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return random.randbytes(random.choice((0, 1, 64, 200, 20_000)))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return 0.5
    return random.choice((1, 127, 128, 2**31 - 1))


def test_the_count_agrees_with_the_parsed_message() -> None:
    for seed in SEEDS:
        random = Random(seed)
        for kind in KINDS:
            message = filled(random, descriptor(kind))
            assert count_elements(message.SerializeToString(), descriptor(kind), PLENTY) == elements(message), seed


def test_no_altered_bytes_that_are_parsed_have_more_elements_than_are_counted() -> None:
    are_parsed = 0
    for seed in SEEDS:
        random = Random(seed)
        for kind in KINDS:
            data = bytearray(filled(random, descriptor(kind)).SerializeToString() or b"\x0a\x00")
            for _ in range(20):
                data[random.randrange(len(data))] = random.choice((0x00, 0x0A, 0x12, 0x1B, 0x1C, random.randrange(256)))
                try:
                    message = kind.FromString(bytes(data))
                except DecodeError:
                    continue
                are_parsed += 1
                assert count_elements(bytes(data), descriptor(kind), PLENTY) >= elements(message), seed
    assert are_parsed > 100


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x1a\x04\x0a\x00\x0a\x00" * 600, DeliverRequest),
        # Tags and lengths in more bytes than they need.
        (b"\x9a\x80\x00\x86\x00\x8a\x00\x80\x00\x0a\x00" * 600, DeliverRequest),
        # Behind a group, and a number, of which nothing is known.
        (b"\xfb\x7f\x0a\x00\x0b\x0c\xfc\x7f\xf8\x7f\xff\x01" + b"\x0a\x00" * 1001, Journey),
        # The parser refuses it in the end, and would have built the rest before.
        (b"\x0a\x00" * 1001 + b"\x0f", Journey),
        (b"\x0a\x00" * 1001 + b"\xff" * 11, Journey),
        (b"\x0a\x00" * 1001 + b"\x0a\x7f", Journey),
    ],
)
def test_elements_are_counted_however_they_are_written(data: bytes, kind: type[Message]) -> None:
    with pytest.raises(Refused) as refused:
        require_few(data, descriptor(kind), 1000)
    assert refused.value.reason == Reason.REASON_TOO_MANY_ELEMENTS


@pytest.mark.parametrize("fields", [b"\x1a\x00", b"\x1a\x02\x08\x01", b"\x7b\x7c", b"\x7b"])
def test_bytes_whose_scan_would_take_long_have_too_many_elements(fields: bytes) -> None:
    data = fields * (most_elements(LARGEST_REQUEST) + 1)
    assert count_elements(data, DeliverRequest.DESCRIPTOR, PLENTY) == PLENTY + 1


def test_texts_of_any_field_number_are_skipped_with_their_neighbours() -> None:
    for text in (b"\x0a\x01a", b"\x9a\x01\x01a", b"\xfa\x7f\x01a"):
        assert count_elements(text * 10_000, DeliverRequest.DESCRIPTOR, 1000) == 0


def test_elements_whose_tag_takes_two_bytes_are_counted() -> None:
    kind = descriptor(Complaint)
    later = [
        each.name for each in kind.fields if each.is_repeated and each.message_type is not None and each.number > 15
    ]
    assert later
    for name in later:
        complaint = Complaint()
        for _ in range(1001):
            getattr(complaint, name).add()
        assert count_elements(complaint.SerializeToString(), kind, 1000) == 1001, name


def test_bytes_that_are_no_message_are_left_to_the_parser() -> None:
    for data in (b"\x0b", b"\x0c", b"\x0f", b"\xff" * 100_000, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"):
        assert count_elements(data, Journey.DESCRIPTOR, 1000) <= 1
        with pytest.raises(DecodeError):
            Journey.FromString(data)


def test_a_message_within_a_request_has_as_many_elements_as_one_of_its_size() -> None:
    most = most_elements(LARGEST_REQUEST)
    assert len(parsed(Batch, Batch(envelopes=[Envelope()] * most).SerializeToString()).envelopes) == most
    with pytest.raises(DecodeError):
        parsed(Batch, Batch(envelopes=[Envelope()] * (most + 1)).SerializeToString())
