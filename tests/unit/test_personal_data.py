"""Every field of the contract that may hold personal data says so, and none is added without somebody's thought."""

import ast
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.api.region.v1.billing_service_pb2 import Bill, Usage
from gateway.api.region.v1.customer_service_pb2 import Customer, Product
from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from gateway.api.types.v1 import privacy_pb2
from gateway.api.types.v1.privacy_pb2 import PersonalData

ROOT = Path(__file__).resolve().parents[2]
REVIEWED = Path(__file__).with_name("fields_without_personal_data.txt")
PACKAGE = "gateway.api."
CONFIGURATION = "federation.v1."
VALUES = {f"{PACKAGE}types.v1.Money", f"{PACKAGE}types.v1.LocalizedText"}
COORDINATORS = ("coordinator.v1.", "federation.v1.", "relay.v1.")
PASSED_ON = {"coordinator.v1.SearchOrderSummariesRequest.number": "an administrator's search; nothing of it is kept"}
"""The fields that identify a person, and that a coordinator only passes on, each with the reason."""
HELD_BY_TEXT = (PersonalData.PERSONAL_DATA_UNSPECIFIED, PersonalData.PERSONAL_DATA_CONTENT)


def messages(descriptors: Iterable[Descriptor]) -> Iterator[Descriptor]:
    """Messages with those that are declared inside them."""
    for descriptor in descriptors:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
            yield from messages(descriptor.nested_types)


def fields() -> Iterator[FieldDescriptor]:
    """Every field of the contract."""
    for path in sorted((ROOT / "gateway" / "api").rglob("*_pb2.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for message in messages(module.DESCRIPTOR.message_types_by_name.values()):
            yield from message.fields


def may_hold_anything(field: FieldDescriptor) -> bool:
    """Whether a field is text, bytes or a map."""
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    return is_map or field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def is_value(field: FieldDescriptor) -> bool:
    """Whether a field has content by itself, and so needs its own classification.

    A message field of the contract does not: its own fields are classified. Amounts, texts in two languages and
    Google's types (times, durations) only have a meaning in their use. A number, a date or a choice in `federation.v1`
    concerns the configuration and its nodes. Nobody's line is there.
    """
    if may_hold_anything(field):
        return True
    message = field.message_type
    is_composed = message is not None and message.full_name.startswith(PACKAGE) and message.full_name not in VALUES
    return not is_composed and not name_of(field).startswith(CONFIGURATION)


def classified(field: FieldDescriptor) -> PersonalData.ValueType:
    """The classification of a field in the contract."""
    return field.GetOptions().Extensions[privacy_pb2.personal_data]


def name_of(field: FieldDescriptor) -> str:
    """The name of a field as the reviewed file has it: `region.v1.Customer.name`."""
    return field.full_name.removeprefix(PACKAGE)


def reviewed() -> list[str]:
    """The fields that somebody has looked at and found without personal data."""
    lines = REVIEWED.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def complaints(contract: Iterable[FieldDescriptor], listed: Iterable[str]) -> list[str]:
    """The errors in the classification of a contract's fields."""
    known = {name_of(field): field for field in contract}
    open_ones = {name for name, field in known.items() if is_value(field) and not classified(field)}
    marked = {name for name, field in known.items() if classified(field)}
    names = set(listed)
    return [
        *(f"{name}: neither marked nor listed" for name in sorted(open_ones - names)),
        *(f"{name}: listed, and there is no such field" for name in sorted(names - known.keys())),
        *(f"{name}: listed, and marked as personal data" for name in sorted(names & marked)),
    ]


def test_every_field_is_marked_as_personal_data_or_reviewed_as_none() -> None:
    found = complaints(fields(), reviewed())
    assert not found, (
        "\n".join(found)
        + "\nA field that tells something about a person gets `[(types.v1.personal_data) = …]` in its .proto"
        f" (gateway/api/types/v1/privacy.proto says which); any other is listed in {REVIEWED.relative_to(ROOT)}."
    )


def test_the_reviewed_fields_are_in_order_and_each_stands_there_once() -> None:
    assert reviewed() == sorted(set(reviewed()))


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ([], ["region.v1.Customer.id: neither marked nor listed"]),
        (["region.v1.Customer.id", "region.v1.Customer.age"], ["region.v1.Customer.age: listed, and there is no such"]),
        (["region.v1.Customer.id", "region.v1.Customer.name"], ["region.v1.Customer.name: listed, and marked"]),
        (["region.v1.Customer.id"], []),
    ],
)
def test_a_field_that_nobody_has_classified_is_found(listed: list[str], said: list[str]) -> None:
    found = complaints(Customer.DESCRIPTOR.fields, listed)
    assert len(found) == len(said)
    assert all(complaint.startswith(text) for complaint, text in zip(found, said, strict=True))


def test_what_identifies_is_told_apart_from_what_may_hold_anything() -> None:
    assert classified(Customer.DESCRIPTOR.fields_by_name["name"]) == PersonalData.PERSONAL_DATA_IDENTIFYING
    assert classified(OrderRequest.DESCRIPTOR.fields_by_name["characteristics"]) == PersonalData.PERSONAL_DATA_CONTENT
    assert classified(EnvelopeContent.DESCRIPTOR.fields_by_name["payload"]) == PersonalData.PERSONAL_DATA_CONTENT
    assert classified(Usage.DESCRIPTOR.fields_by_name["usage_time"]) == PersonalData.PERSONAL_DATA_SENSITIVE
    assert classified(Product.DESCRIPTOR.fields_by_name["status"]) == PersonalData.PERSONAL_DATA_CIRCUMSTANCE


@pytest.mark.parametrize("name", ["kind", "usage_time", "quantity"])
def test_also_a_choice_a_date_and_a_number_have_to_be_classified(name: str) -> None:
    field = Usage.DESCRIPTOR.fields_by_name[name]
    assert is_value(field)
    assert not may_hold_anything(field)


def test_what_is_a_message_is_classified_field_by_field_in_that_message() -> None:
    of_bill = Bill.DESCRIPTOR.fields_by_name
    assert is_value(of_bill["total"])
    assert not is_value(of_bill["usage"])


def test_a_coordinator_is_told_nothing_of_a_person_but_in_texts_sealed_bytes_and_what_it_passes_on() -> None:
    told = [field for field in fields() if name_of(field).startswith(COORDINATORS)]
    seen: set[str] = set()
    while told:
        field = told.pop()
        if field.full_name in seen:
            continue
        seen.add(field.full_name)
        assert classified(field) in HELD_BY_TEXT or name_of(field) in PASSED_ON, name_of(field)
        if field.message_type is not None and not may_hold_anything(field):
            told += field.message_type.fields


def test_what_is_marked_is_in_no_log_and_no_span() -> None:
    listed = {name.rpartition(".")[2] for name in reviewed()}
    only_marked = {field.name for field in fields() if classified(field)} - listed
    assert {"usage_time", "balance", "email"} <= only_marked
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.attr}"
        for package in ("gateway", "region_node", "coordinator")
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.name.endswith(("_pb2.py", "_pb2_grpc.py"))
        for call in told_to_operators(ast.parse(path.read_text("utf-8")))
        for node in ast.walk(call)
        if isinstance(node, ast.Attribute) and node.attr in only_marked
    ]
    assert not found, "personal data in a log or a span: " + ", ".join(found)


def told_to_operators(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls that write a line of a log or begin a span."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            to = node.func.value
            is_log = isinstance(to, (ast.Name, ast.Attribute)) and ast.unparse(to).endswith("_log")
            if is_log or node.func.attr in ("span", "around"):
                yield node
