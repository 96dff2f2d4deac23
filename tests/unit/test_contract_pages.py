"""Lists of the contract: what has a page size has pages, and what may grow has a page size."""

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from tests.unit.test_contract_numbers import contract

BOUNDED = {
    "coordinator.v1.MembershipService.ListRegions": "one for each region of the configuration",
    "coordinator.v1.RenewalService.ListRenewals": "at most 100 that wait; the others follow later",
    "coordinator.v1.RevocationService.ListRevocationLists": "one for each issuer that the authority has certified",
    "region.v1.ApprovalService.ListOperatorScopes": "one for each operator system, and for staff who order",
    "region.v1.AuditService.ListWitnessedHeads": "one for each region of the configuration",
    "region.v1.BillingService.ListSettlements": "one for each region of the configuration",
    "region.v1.CatalogueService.ListServicePoints": "those of one region, in the configuration",
    "region.v1.MeasurementService.ListQuality": "one for each part of the time that the request names, at most 1,000",
    "region.v1.RecoveryService.ListLosses": "each was accepted by a person",
    "region.v1.SharingService.ListPurposes": "those of the configuration",
}
"""The lists without pages, and by what they are bounded."""


def without_pages(files: Iterable[FileDescriptorProto], bounded: Mapping[str, str]) -> Iterator[str]:
    """What lacks a part of its pages, and lists that are named as bounded and are not there, or have pages."""
    files = list(files)
    fields = {
        f".{file.package}.{name}": names for file in files for name, names in _fields(file.message_type, "").items()
    }
    for name, names in fields.items():
        if ("page_size" in names) != ("page_token" in names):
            yield f"{name[1:]} has one of page_size and page_token"
    left = dict(bounded)
    for file in files:
        for service in file.service:
            for method in service.method:
                name = f"{file.package}.{service.name}.{method.name}".removeprefix("gateway.api.")
                has_pages = "page_size" in fields[method.input_type]
                if has_pages and "next_page_token" not in fields[method.output_type]:
                    yield f"{name} tells no next_page_token"
                if method.name.startswith("List") and not has_pages and left.pop(name, "") == "":
                    yield f"{name} has no page_size"
    yield from (f"{name} is not there, or has pages" for name in left)


def _fields(messages: Iterable[DescriptorProto], above: str) -> dict[str, set[str]]:
    found = {}
    for message in messages:
        name = above + message.name
        found[name] = {each.name for each in message.field}
        found |= _fields(message.nested_type, f"{name}.")
    return found


def test_what_has_a_page_size_has_pages_and_what_may_grow_has_a_page_size() -> None:
    assert list(without_pages(contract(), BOUNDED)) == []


def test_a_list_that_lacks_a_part_of_its_pages_is_found() -> None:
    file = FileDescriptorProto(package="p")
    for name, fields in {"A": ["page_size", "page_token"], "B": ["page_size"], "C": []}.items():
        message = file.message_type.add(name=name)
        for field in fields:
            message.field.add(name=field)
    service = file.service.add(name="S")
    service.method.add(name="ListA", input_type=".p.A", output_type=".p.C")
    service.method.add(name="ListC", input_type=".p.C", output_type=".p.C")
    service.method.add(name="ListD", input_type=".p.C", output_type=".p.C")
    assert list(without_pages([file], {"p.S.ListC": "few", "p.S.ListA": "few"})) == [
        "p.B has one of page_size and page_token",
        "p.S.ListA tells no next_page_token",
        "p.S.ListD has no page_size",
        "p.S.ListA is not there, or has pages",
    ]
