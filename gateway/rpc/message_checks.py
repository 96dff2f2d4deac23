"""Checks of every message from outside: few elements, and no control characters."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.api.federation.v1 import configuration_pb2
from gateway.api.types.v1 import access_pb2, privacy_pb2
from gateway.api.types.v1.privacy_pb2 import PersonalData
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused
from gateway.values.plain_text import acting_character

_Found: TypeAlias = tuple[str, str]  # the path of a field, and the character that acts

# Texts, names and addresses, which people write: these may have several lines. Codes, ids and numbers do not.
_WRITTEN = (PersonalData.PERSONAL_DATA_CONTENT, PersonalData.PERSONAL_DATA_IDENTIFYING)


def require_few(message: Message, most: int) -> None:
    """Raises Refused with TOO_MANY_ELEMENTS for more repeated messages and entries of maps than `most`, in all."""
    if _elements(message, most) > most:
        raise Refused(Reason.REASON_TOO_MANY_ELEMENTS, limit=str(most))


def require_plain(message: Message, path: str = "") -> None:
    """Raises Refused with CHARACTER_NOT_ALLOWED, and the field, for a text with an acting character.

    Elements that are refused singly are left out; `path` is the place of the message in the request.
    """
    found = _first_acting(message)
    if found is not None:
        field = f"{path}.{found[0]}" if path else found[0]
        raise Refused(Reason.REASON_CHARACTER_NOT_ALLOWED, field=field, character=found[1])


@dataclass(frozen=True, slots=True)
class _Plan:
    """The texts and elements of a kind of message; for each text, whether it may have several lines."""

    texts: tuple[tuple[str, bool], ...]
    many_texts: tuple[tuple[str, bool], ...]
    single: tuple[str, ...]
    many: tuple[tuple[str, bool], ...]
    """Repeated messages, and whether each is refused singly."""
    maps: tuple[tuple[str, bool], ...]
    """Each of texts by texts: the contract has no others."""
    above_elements: tuple[str, ...]
    """The single and repeated message fields that may contain elements."""


def _elements(message: Message, most: int) -> int:
    """The number of elements; counting ends beyond `most`, before any further check."""
    plan = _plan(message.DESCRIPTOR)
    count = sum(len(getattr(message, name)) for name, _ in (*plan.maps, *plan.many))
    if count > most:
        return count
    for name in plan.above_elements:
        inner = getattr(message, name)
        for each in (inner,) if isinstance(inner, Message) else inner:
            count += _elements(each, most - count)
            if count > most:
                return count
    return count


def _first_acting(message: Message) -> _Found | None:
    plan = _plan(message.DESCRIPTOR)
    for name, lines in plan.texts:
        if (character := acting_character(getattr(message, name), lines=lines)) is not None:
            return name, character
    for name, lines in plan.many_texts:
        for index, text in enumerate(getattr(message, name)):
            if (character := acting_character(text, lines=lines)) is not None:
                return f"{name}[{index}]", character
    for name in plan.single:
        if message.HasField(name) and (found := _first_acting(getattr(message, name))) is not None:
            return f"{name}.{found[0]}", found[1]
    for name, is_refused_singly in plan.many:
        for index, each in enumerate(() if is_refused_singly else getattr(message, name)):
            if (found := _first_acting(each)) is not None:
                return f"{name}[{index}].{found[0]}", found[1]
    return _first_in_maps(message, plan.maps) if plan.maps else None


def _first_in_maps(message: Message, maps: Sequence[tuple[str, bool]]) -> _Found | None:
    for name, lines in maps:
        for key, value in getattr(message, name).items():
            # The key may itself hold an acting character; the reason leaves it out then.
            if (character := acting_character(key, lines=False)) is not None:
                return name, character
            if (character := acting_character(value, lines=lines)) is not None:
                return f"{name}[{key}]", character
    return None


@cache
def _plan(descriptor: Descriptor) -> _Plan:
    maps = [each for each in descriptor.fields if _is_map(each)]
    others = [each for each in descriptor.fields if each not in maps]
    texts = [each for each in others if each.type == FieldDescriptor.TYPE_STRING]
    messages = [(each, each.message_type) for each in others if each.message_type is not None]
    return _Plan(
        texts=tuple((each.name, _may_have_lines(each)) for each in texts if not each.is_repeated),
        many_texts=tuple((each.name, _may_have_lines(each)) for each in texts if each.is_repeated),
        single=tuple(each.name for each, kind in messages if not each.is_repeated and _holds_more(kind)),
        many=tuple(
            (each.name, each.GetOptions().Extensions[access_pb2.refused_singly])
            for each, _ in messages
            if each.is_repeated
        ),
        maps=tuple((each.name, _may_have_lines(each)) for each in maps),
        above_elements=tuple(each.name for each, kind in messages if _holds_elements(kind, frozenset())),
    )


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _holds_more(descriptor: Descriptor) -> bool:
    """Whether a message has more than numbers and bytes: a time or an amount of money needs no check."""
    return any(each.type == FieldDescriptor.TYPE_STRING or each.message_type is not None for each in descriptor.fields)


def _holds_elements(descriptor: Descriptor, above: frozenset[str]) -> bool:
    messages = [(each, each.message_type) for each in descriptor.fields if each.message_type is not None]
    around = above | {descriptor.full_name}
    return any(
        each.is_repeated or (kind.full_name not in around and _holds_elements(kind, around)) for each, kind in messages
    )


def _may_have_lines(field: FieldDescriptor) -> bool:
    # The federation's own texts come from files, where they fill paragraphs.
    holder = field.containing_type
    if holder is LocalizedText.DESCRIPTOR or (holder and holder.file.name == configuration_pb2.DESCRIPTOR.name):
        return True
    return field.GetOptions().Extensions[privacy_pb2.personal_data] in _WRITTEN
