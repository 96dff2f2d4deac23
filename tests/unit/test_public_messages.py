"""What callers are answered: nothing that only one region needs, and nothing that only regions tell each other."""

from collections.abc import Iterable, Iterator
from contextlib import closing

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pool import Default

from region_node.business.orders.rows import ORDER_RECORDS
from region_node.care.bulletins.rows import BULLETIN_RECORDS
from region_node.care.complaints.rows import COMPLAINT_RECORDS
from region_node.care.issues.rows import ISSUE_RECORDS
from region_node.network.faults.rows import FAULT_RECORDS
from region_node.network.support.rows import SUPPORT_RECORDS
from region_node.schema import PACKAGES
from tests.empty_database import empty_database
from tests.unit.test_contract_numbers import contract

PRIVATE = {"complaints": ("imported_digest",), "work_items_told": ("notes", "refusals", "expedites", "attachments")}
"""The columns that hold what bodies of records do not, by their tables."""


def files() -> list[FileDescriptor]:
    return [Default().FindFileByName(each.name) for each in contract()]


def answered() -> dict[str, Descriptor]:
    """Every message within what a service answers or streams, by its full name."""
    found: dict[str, Descriptor] = {}

    def walk(message: Descriptor) -> None:
        if message.full_name not in found:
            found[message.full_name] = message
            for inner in (field.message_type for field in message.fields if field.message_type is not None):
                walk(inner)

    for file in files():
        for service in file.services_by_name.values():
            for method in service.methods:
                walk(method.output_type)
    return found


def carrying(messages: Iterable[Descriptor], names: Iterable[str]) -> Iterator[str]:
    """The fields with one of these names."""
    wanted = frozenset(names)
    yield from (field.full_name for message in messages for field in message.fields if field.name in wanted)


def test_a_record_is_stored_as_callers_see_it_and_its_private_columns_are_fields_of_nothing() -> None:
    seen = answered()
    for records in (ORDER_RECORDS, COMPLAINT_RECORDS, FAULT_RECORDS, SUPPORT_RECORDS, ISSUE_RECORDS, BULLETIN_RECORDS):
        assert records.message.DESCRIPTOR.full_name in seen
    with closing(empty_database(*PACKAGES)) as connection:
        for table, columns in PRIVATE.items():
            has = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
            assert has.issuperset(columns), table
    told = [f"{each}_told" for each in PRIVATE["work_items_told"]]
    assert list(carrying(seen.values(), [*PRIVATE["complaints"], *told])) == []


def test_the_numbers_that_stored_bodies_had_private_facts_under_are_given_to_no_field() -> None:
    complaint, item = COMPLAINT_RECORDS.message.DESCRIPTOR, answered()["gateway.api.region.v1.WorkItem"]
    for message, numbers in ((complaint, {33}), (item, {11, 12, 13, 14})):
        assert not numbers & set(message.fields_by_number), message.name


def test_what_regions_tell_each_other_in_envelopes_is_answered_to_no_caller() -> None:
    named = {name: message.file.name for name, message in answered().items()}
    assert any(file.name.endswith("_envelopes.proto") for file in files())
    assert [name for name, file in named.items() if file.endswith("_envelopes.proto")] == []
