"""The numbers of the contract: each that is not in use is reserved, so that it never comes to mean something else."""

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

ROOT = Path(__file__).parents[2]


def gaps(file: FileDescriptorProto) -> Iterator[str]:
    """The numbers of a file that are neither in use nor reserved, below the highest that is in use."""
    yield from _of_enums(file.enum_type, "")
    for message in file.message_type:
        yield from _of_messages(message, message.name)


def _of_messages(message: DescriptorProto, name: str) -> Iterator[str]:
    used = {each.number for each in message.field}
    reserved = {number for each in message.reserved_range for number in range(each.start, each.end)}
    yield from _told(name, set(range(1, max(used, default=0))) - used - reserved)
    yield from _of_enums(message.enum_type, f"{name}.")
    for inner in message.nested_type:
        yield from _of_messages(inner, f"{name}.{inner.name}")


def _of_enums(enums: Iterable[EnumDescriptorProto], above: str) -> Iterator[str]:
    for enum in enums:
        used = {each.number for each in enum.value}
        reserved = {number for each in enum.reserved_range for number in range(each.start, each.end + 1)}
        yield from _told(f"{above}{enum.name}", set(range(max(used))) - used - reserved)


def _told(name: str, missing: set[int]) -> Iterator[str]:
    if missing:
        yield f"{name}: {sorted(missing)}"


def contract() -> list[FileDescriptorProto]:
    """All files of the contract."""
    files = []
    for path in sorted((ROOT / "protos").rglob("*.proto")):
        name, file = path.relative_to(ROOT / "protos").as_posix(), FileDescriptorProto()
        importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        descriptor_pool.Default().FindFileByName(name).CopyToProto(file)
        files.append(file)
    return files


def test_every_number_that_is_not_in_use_is_reserved() -> None:
    found = [f"{file.name}: {each}" for file in contract() for each in gaps(file)]
    assert found == [], "reserve them"


def test_a_gap_is_found_in_messages_and_enums_and_in_those_within_messages() -> None:
    file = FileDescriptorProto()
    message = file.message_type.add(name="M")
    for number in (1, 4):
        message.field.add(number=number)
    message.reserved_range.add(start=2, end=3)
    inner = message.nested_type.add(name="N")
    inner.field.add(number=2)
    for enum in (file.enum_type.add(name="E"), message.enum_type.add(name="F")):
        for number in (0, 4):
            enum.value.add(number=number)
        enum.reserved_range.add(start=1, end=2)
    assert sorted(gaps(file)) == ["E: [3]", "M.F: [3]", "M.N: [1]", "M: [3]"]
