"""Of each oneof that a version reads from a peer or a configuration, one arm is always set.

Beside a oneof that is left open, a plain field of a later version would be taken for an arm of that version.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import cast

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.document_envelopes_pb2 import DocumentNotification
from gateway.api.region.v1.sharing_envelopes_pb2 import SharingQuery
from gateway.api.region.v1.support_envelopes_pb2 import SupportSearch
from gateway.api.region.v1.verification_envelopes_pb2 import VerificationQuery
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.rules import problems
from gateway.relay.border import SlowQuery
from gateway.relay.envelopes import Answer
from gateway.values.choices import known_of
from region_node.customers.documents import register
from region_node.customers.rows import insert_line
from region_node.customers.sharing.relayed import answer_query
from region_node.customers.verification.application import VerificationApplication
from region_node.customers.verification.relayed import VerificationEnvelopes
from region_node.network.support.relayed import answer
from region_node.requests.checks import Questioner
from tests.shipped import shipped_configuration
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import LINE
from tests.unit.test_contract_numbers import contract

PREFIX = "gateway.api."
CONFIGURED = {
    "federation.v1.Policy.national",
    "federation.v1.RegionalPolicy.value",
    "federation.v1.RetentionRule.kept",
    "federation.v1.TimeLimit.limit",  # records have copies of those of the configuration
}
RECORDED = {"region.v1.FaultStep.step"}  # made by what is done, which names the arm
COMMANDS = {  # tests/unit/test_border_checks.py
    "region.v1.ComplaintCommand.command",
    "region.v1.FaultCommand.command",
    "region.v1.IssueCommand.command",
    "region.v1.LoanCommand.command",
    "region.v1.OrderCommand.command",
    "region.v1.SupportCommand.command",
}


def documents(node: Archive) -> object:
    node.customer()
    insert_line(node.tx, LINE)
    told = DocumentNotification(document_id="guangdong/counter/R1", number=LINE.number)
    return register.take_note(node.tx, node.context, told, "guangdong", NOW)


def sharing(node: Archive) -> object:
    asked = SharingQuery(subject="guangdong/counter/")
    return answer_query(node.tx, node.context, asked, Questioner("guangdong", "counter"), NOW)


def verification(node: Archive) -> object:
    kinds = VerificationEnvelopes(cast(VerificationApplication, None)).kinds()
    query = cast(SlowQuery, kinds[EnvelopeKind.ENVELOPE_KIND_VERIFICATION])
    content = EnvelopeContent(origin="guangdong", operator="counter", payload=VerificationQuery().SerializeToString())
    return asyncio.run(cast(Coroutine[None, None, Answer], query.answer(content, NOW)))


def support(node: Archive) -> object:
    return answer(node.tx, node.context, SupportSearch(), NOW)


ASKED: Mapping[str, Callable[[Archive], object]] = {
    "region.v1.DocumentNotification.outcome": documents,
    "region.v1.SharingQuery.query": sharing,
    "region.v1.SupportSearch.search": support,
    "region.v1.VerificationQuery.query": verification,
}
"""What tells or asks nothing, as it comes to those who act on it."""


def read_from_peers() -> Iterator[Descriptor]:
    """What require_known and first_unknown look at."""
    yield from (Configuration.DESCRIPTOR, EnvelopeContent.DESCRIPTOR, ReceiptContent.DESCRIPTOR)
    for file in contract():
        if file.name.endswith("_envelopes.proto"):
            yield from Default().FindFileByName(file.name).message_types_by_name.values()


def open_places(message: Message, path: str = "") -> Iterator[tuple[str, Message, str]]:
    """Each message with a oneof in a configuration: its path without indexes, and the name of the oneof."""
    yield from ((f"{path}.{each.name}", message, each.name) for each in message.DESCRIPTOR.oneofs)
    for field, value in message.ListFields():
        if field.message_type is not None and known_of(field.message_type):
            for inner in value if field.is_repeated else [value]:
                yield from open_places(inner, f"{path}.{field.name}")


def oneofs_within(message: Descriptor, seen: set[str]) -> Iterator[str]:
    """The full names of the oneofs of a message, and of those within it."""
    if message.full_name not in seen:
        seen.add(message.full_name)
        yield from (each.full_name.removeprefix(PREFIX) for each in message.oneofs if not each.name.startswith("_"))
        for field in message.fields:
            if field.message_type is not None:
                yield from oneofs_within(field.message_type, seen)


def test_each_oneof_that_is_read_from_a_peer_has_its_proof_here() -> None:
    seen = set[str]()
    read = [name for each in read_from_peers() for name in oneofs_within(each, seen)]
    assert sorted(read) == sorted([*CONFIGURED, *RECORDED, *COMMANDS, *ASKED])


def test_no_configuration_that_leaves_a_oneof_open_is_valid() -> None:
    configuration = shipped_configuration()
    assert problems(configuration) == []
    first = {path: (message, oneof) for path, message, oneof in open_places(configuration)}
    found = {message.DESCRIPTOR.oneofs_by_name[oneof].full_name for message, oneof in first.values()}
    assert {each.removeprefix(PREFIX) for each in found} == CONFIGURED
    valid = []
    for path, (message, oneof) in first.items():
        kept = type(message).FromString(message.SerializeToString())
        message.ClearField(oneof)
        if not problems(configuration):
            valid.append(path)
        message.CopyFrom(kept)
    assert valid == []


def test_what_tells_or_asks_nothing_is_refused() -> None:
    with archive() as node:
        for name, act in ASKED.items():
            with pytest.raises(Refused) as refused:
                act(node)
            reason = Reason.Name(refused.value.reason).removeprefix("REASON_")
            assert reason in ("ENVELOPE_INVALID", "REQUEST_INVALID"), name
