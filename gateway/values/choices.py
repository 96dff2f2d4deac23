"""The choices in a message: the values of its enums and the arms of its oneofs, read from its descriptor.

A later version of the contract adds values and arms. A process must not act on a message with an unknown choice: it
would read the choice as unset. A new plain field is different: old versions ignore it, and unset keeps its former
meaning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import Descriptor, OneofDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.api.types.v1.reason_pb2 import Reason

Known = Mapping[str, frozenset[int]]
"""The numbers of the values or arms, by the full name of the enum or oneof."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of an enum, or an arm of a oneof, in a message."""

    path: str
    """For example `retention_rules[3].data_class`."""
    name: str
    """The full name of the enum or the oneof."""
    number: int

    def __str__(self) -> str:
        return f"{self.path} = {self.number}"


class UnknownChoice(Exception):
    """A message holds a choice unknown to this version. It can be acted on after an upgrade."""

    def __init__(self, choice: Choice) -> None:
        super().__init__(str(choice))
        self.choice = choice


def require_known(message: Message) -> None:
    """Raises UnknownChoice where a message makes a choice that this version does not have."""
    found = first_unknown(message)
    if found is not None:
        raise UnknownChoice(found)


def first_unknown(message: Message) -> Choice | None:
    """The first choice of a message that this version does not have."""
    return first_outside(message, known_of(message.DESCRIPTOR))


def first_outside(message: Message, known: Known) -> Choice | None:
    """The first choice of a message that `known`, the choices of another version of the same kind, lacks."""
    nothing: frozenset[int] = frozenset()
    return next((each for each in _choices(message, "") if each.number not in known.get(each.name, nothing)), None)


@cache
def known_of(descriptor: Descriptor) -> Known:
    """All choices that this version has in a kind of message and in the messages within it."""
    within = _within(descriptor)
    known = {each.full_name: frozenset(arm.number for arm in each.fields) for kind in within for each in _oneofs(kind)}
    for field in (field for kind in within for field in kind.fields):
        if field.enum_type is not None:
            known[field.enum_type.full_name] = frozenset(field.enum_type.values_by_number)
    return known


@dataclass(frozen=True, slots=True)
class _Plan:
    """The fields with choices of a kind of message, by name."""

    oneofs: Mapping[str, str]
    """The full name of each oneof by its name in the message."""
    enums: tuple[tuple[str, str, bool], ...]
    """With the full name of the enum, and whether the field is repeated."""
    single: tuple[str, ...]
    """The single message fields with choices in them."""
    many: tuple[str, ...]
    """The repeated message fields with choices in them."""


def _choices(message: Message, path: str) -> Iterator[Choice]:
    plan = _plan(message.DESCRIPTOR)
    for name, full_name in plan.oneofs.items():
        arm = message.WhichOneof(name)
        if arm is not None:
            yield Choice(f"{path}{arm}", full_name, message.DESCRIPTOR.fields_by_name[arm].number)
        else:
            # The arm of a later version is among the unknown fields of the message.
            unknown = UnknownFieldSet(message)
            for index in range(len(unknown)):
                yield Choice(f"{path}{name}", full_name, unknown[index].field_number)
    for name, full_name, is_repeated in plan.enums:
        numbers = getattr(message, name)
        if is_repeated:
            yield from (Choice(f"{path}{name}[{index}]", full_name, each) for index, each in enumerate(numbers))
        else:
            yield Choice(f"{path}{name}", full_name, numbers)
    for name in plan.single:
        if message.HasField(name):
            yield from _choices(getattr(message, name), f"{path}{name}.")
    for name in plan.many:
        for index, each in enumerate(getattr(message, name)):
            yield from _choices(each, f"{path}{name}[{index}].")


@cache
def _plan(descriptor: Descriptor) -> _Plan:
    enums = [(each, each.enum_type) for each in descriptor.fields if each.enum_type is not None]
    inner = [each for each in descriptor.fields if each.message_type is not None and _chooses(each.message_type)]
    return _Plan(
        oneofs={each.name: each.full_name for each in _oneofs(descriptor)},
        # Reasons are exempt: they are for people, unknown ones have a default text, and no code decides by them.
        enums=tuple(
            (each.name, kind.full_name, each.is_repeated) for each, kind in enums if kind is not Reason.DESCRIPTOR
        ),
        single=tuple(each.name for each in inner if not each.is_repeated),
        many=tuple(each.name for each in inner if each.is_repeated),
    )


@cache
def _chooses(descriptor: Descriptor) -> bool:
    """Whether a kind of message, or one within it, makes choices: half a million prefixes need not be looked into."""
    return any(
        _oneofs(each) or any(field.enum_type not in (None, Reason.DESCRIPTOR) for field in each.fields)
        for each in _within(descriptor)
    )


def _oneofs(descriptor: Descriptor) -> list[OneofDescriptor]:
    """The oneofs of a message, without the synthetic ones of `optional` fields."""
    return [each for each in descriptor.oneofs if not each.name.startswith("_")]


def _within(descriptor: Descriptor) -> list[Descriptor]:
    """A kind of message and all within it, each once."""
    found = [descriptor]
    for each in found:
        inner = (field.message_type for field in each.fields if field.message_type is not None)
        found += [kind for kind in dict.fromkeys(inner) if kind not in found]
    return found
