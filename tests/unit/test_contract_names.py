"""The names of the contract: one name for one idea, in every message and in both packages that have services."""

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from tests.unit.test_contract_numbers import contract

TIMESTAMP = ".google.protobuf.Timestamp"
REPEATED = FieldDescriptorProto.LABEL_REPEATED

# Messages that stand alone and are one event themselves: `time` is when it happened, as in the elements of lists.
EVENTS = {
    "provider.v1.RaisedComplaint": "a notification tells of one level",
    "region.v1.ComplaintReturn": "a complaint is returned once",
    "region.v1.FaultReview": "a fault is reviewed once",
    "region.v1.FaultWaiver": "an outage is waived once",
    "region.v1.Resolution": "the resolution that holds",
}

# Services that have one name in both packages, because they are one idea: the coordinator passes on what it is asked.
ALIKE = {
    "BulletinService": "staff of regions and administrators publish bulletins of one form, which regions deliver",
    "CaseService": "AssignComplaint goes on to the region that leads the case",
    "ComplaintOversightService": "the coordinator asks the regions that know a complaint, and merges what they say",
    "CustomerMoveOversightService": "the coordinator asks the regions that know a move, and merges what they say",
    "IssueService": "staff of regions and administrators open issues of one form, which regions alone decide",
    "OrderOversightService": "the coordinator asks the regions that know an order, and merges what they say",
}


def messages() -> Iterator[tuple[str, DescriptorProto]]:
    """All messages with their names, without `gateway.api.`."""
    for file in contract():
        for message in file.message_type:
            yield from _with_inner(f"{file.package.removeprefix('gateway.api.')}.{message.name}", message)


def _with_inner(name: str, message: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
    yield name, message
    for inner in message.nested_type:
        yield from _with_inner(f"{name}.{inner.name}", inner)


def elements() -> set[str]:
    """Messages that are in lists."""
    return {
        field.type_name.removeprefix(".gateway.api.")
        for _, message in messages()
        for field in message.field
        if field.label == REPEATED
    }


def services(package: str) -> dict[str, set[str]]:
    """The services of a package, with their methods."""
    return {
        service.name: {method.name for method in service.method}
        for file in contract()
        if file.package == f"gateway.api.{package}.v1"
        for service in file.service
    }


def test_an_instant_ends_in_time_and_is_time_alone_only_in_what_is_an_event() -> None:
    in_lists = elements()
    found = [
        f"{name}.{field.name}"
        for name, message in messages()
        for field in message.field
        if field.type_name == TIMESTAMP
        and not field.name.endswith("_times" if field.label == REPEATED else "_time")
        and not (field.name == "time" and (name in in_lists or name in EVENTS))
    ]
    assert found == []
    assert {name for name in EVENTS if name in in_lists} == set(), "they are elements of lists: no word is needed"


def test_a_date_is_a_text() -> None:
    found = [
        f"{name}.{field.name}"
        for name, message in messages()
        for field in message.field
        if field.name.endswith("_date") and field.type != FieldDescriptorProto.TYPE_STRING
    ]
    assert found == []


def test_a_request_or_a_command_names_what_its_id_is_of() -> None:
    requests = {
        method.input_type.removeprefix(".gateway.api.")
        for file in contract()
        for service in file.service
        for method in service.method
    }
    found = [
        name
        for name, message in messages()
        if (name in requests or (name.endswith(("Request", "Command")) and name != "region.v1.SupportRequest"))
        and any(field.name == "id" for field in message.field)
    ]
    assert found == []


def test_services_with_one_name_in_both_packages_are_one_idea() -> None:
    coordinators, regions = services("coordinator"), services("region")
    assert coordinators.keys() & regions.keys() == set(ALIKE)
    assert [each for each in ALIKE if not coordinators[each] & regions[each]] == [], "no method is the same"
