"""The choices in a message: the values of its enums and the arms of its oneofs, read from its descriptor.

A later version of the contract adds values and arms. A process must not act on a message with an unknown choice: it
would read the choice as unset. A new plain field is different: old versions ignore it, and unset keeps its former
meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias, cast

from google.protobuf.descriptor import Descriptor, OneofDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.values.searches import Found, Search, search_of

Known = Mapping[str, frozenset[int]]
"""The numbers of the values or arms, by the full name of the enum or oneof."""
_Number: TypeAlias = tuple[str, int]  # a number, after the full name of its enum or oneof
_NOTHING: Final[frozenset[int]] = frozenset()


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
    return _first(message, _unknown(message.DESCRIPTOR))


def first_outside(message: Message, known: Known) -> Choice | None:
    """The first choice of a message that `known`, the choices of another version of the same kind, lacks."""
    return _first(message, _outside(cast(Descriptor, message.DESCRIPTOR), known))


@cache
def known_of(descriptor: Descriptor) -> Known:
    """All choices that this version has in a kind of message and in the messages within it."""
    within = _within(descriptor)
    known = {each.full_name: frozenset(arm.number for arm in each.fields) for kind in within for each in _oneofs(kind)}
    for field in (field for kind in within for field in kind.fields):
        if field.enum_type is not None:
            known[field.enum_type.full_name] = frozenset(field.enum_type.values_by_number)
    return known


def _first(message: Message, search: Search[_Number] | None) -> Choice | None:
    found = search(message) if search is not None else None
    return Choice(found[0], *found[1]) if found is not None else None


@cache
def _unknown(descriptor: Descriptor) -> Search[_Number] | None:
    return _outside(descriptor, known_of(descriptor))


def _outside(descriptor: Descriptor, known: Known) -> Search[_Number] | None:
    """The search for choices that `known` lacks; None where a kind of message makes none."""
    enums = [(each.name, each.enum_type, each.is_repeated) for each in descriptor.fields if each.enum_type is not None]
    # Reasons are exempt: they are for people, unknown ones have a default text, and no code decides by them.
    decisive = [(name, kind.full_name, many) for name, kind, many in enums if kind is not Reason.DESCRIPTOR]
    values = [(_numbers_outside if many else _number_outside)(name, kind, known) for name, kind, many in decisive]
    inner = [(each, each.message_type) for each in descriptor.fields if each.message_type is not None]
    return search_of(
        [*(_arm_outside(each, known) for each in _oneofs(descriptor)), *values],
        ((each, _outside(kind, known)) for each, kind in inner),
    )


def _arm_outside(oneof: OneofDescriptor, known: Known) -> Search[_Number]:
    name, full_name, numbers = oneof.name, oneof.full_name, known.get(oneof.full_name, _NOTHING)
    arms = {arm.name: arm.number for arm in oneof.fields}
    known_arms = frozenset(arm for arm, number in arms.items() if number in numbers)

    def first(message: Message) -> Found[_Number] | None:
        arm = message.WhichOneof(name)
        if arm in known_arms:
            return None
        if arm is not None:
            return arm, (full_name, arms[arm])
        # The arm of a later version is among the unknown fields of the message.
        unknown = UnknownFieldSet(message)
        later = (unknown[index].field_number for index in range(len(unknown)))
        return next(((name, (full_name, number)) for number in later if number not in numbers), None)

    return first


def _number_outside(name: str, full_name: str, known: Known) -> Search[_Number]:
    numbers = known.get(full_name, _NOTHING)

    def first(message: Message) -> Found[_Number] | None:
        number = getattr(message, name)
        return None if number in numbers else (name, (full_name, number))

    return first


def _numbers_outside(name: str, full_name: str, known: Known) -> Search[_Number]:
    numbers = known.get(full_name, _NOTHING)

    def first(message: Message) -> Found[_Number] | None:
        made = getattr(message, name)
        if not made or numbers.issuperset(made[:]):
            return None
        return next((f"{name}[{index}]", (full_name, each)) for index, each in enumerate(made) if each not in numbers)

    return first


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
