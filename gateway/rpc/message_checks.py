"""The check of every message from outside for control characters."""

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
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
from gateway.values.searches import Found, Search, search_of

_Texts: TypeAlias = Sequence[tuple[str, bool]]
"""Names of fields, and whether the texts of each may have several lines."""

# Texts, names and addresses, which people write: these may have several lines. Codes, ids and numbers do not.
_WRITTEN = (PersonalData.PERSONAL_DATA_CONTENT, PersonalData.PERSONAL_DATA_IDENTIFYING)


def require_plain(message: Message, path: str = "") -> None:
    """Raises Refused with CHARACTER_NOT_ALLOWED, and the field, for a text with an acting character.

    Elements that are refused singly are left out; `path` is the place of the message in the request.
    """
    search = _acting(message.DESCRIPTOR)
    found = search(message) if search is not None else None
    if found is not None:
        field = f"{path}.{found[0]}" if path else found[0]
        raise Refused(Reason.REASON_CHARACTER_NOT_ALLOWED, field=field, character=found[1])


@cache
def _acting(descriptor: Descriptor) -> Search[str] | None:
    """The search for characters that act; None for a kind of message without texts."""
    fields = descriptor.fields
    texts = [each for each in fields if each.type == FieldDescriptor.TYPE_STRING]
    single = [(each.name, _may_have_lines(each)) for each in texts if not each.is_repeated]
    many = [(each.name, _may_have_lines(each)) for each in texts if each.is_repeated]
    maps = [(each.name, _may_have_lines(each)) for each in fields if _is_map(each)]
    inner = [(each, each.message_type) for each in fields if each.message_type is not None and not _is_map(each)]
    return search_of(
        [*_each(_acting_in_texts, single), *_each(_acting_in_lists, many)],
        (
            (each, _acting(kind))
            for each, kind in inner
            if not (each.is_repeated and each.GetOptions().Extensions[access_pb2.refused_singly])
        ),
        last=_each(_acting_in_maps, maps),
    )


def _each(search: Callable[[_Texts], Search[str]], texts: _Texts) -> Sequence[Search[str]]:
    return [search(texts)] if texts else []


def _acting_in_texts(texts: _Texts) -> Search[str]:
    # Of a single name, `attrgetter` gives no tuple.
    read = attrgetter(*(name for name, _ in texts), texts[0][0])

    def first(message: Message) -> Found[str] | None:
        # Printable texts, by far the most frequent, need no further check: all are looked at together.
        if "".join(read(message)).isprintable():
            return None
        for name, lines in texts:
            if (character := acting_character(getattr(message, name), lines=lines)) is not None:
                return name, character
        return None

    return first


def _acting_in_lists(lists: _Texts) -> Search[str]:
    def first(message: Message) -> Found[str] | None:
        for name, lines in lists:
            held = getattr(message, name)
            if not held or "".join(held[:]).isprintable():
                continue
            for index, text in enumerate(held):
                if (character := acting_character(text, lines=lines)) is not None:
                    return f"{name}[{index}]", character
        return None

    return first


def _acting_in_maps(maps: _Texts) -> Search[str]:
    """The contract has only maps of texts by texts."""

    def first(message: Message) -> Found[str] | None:
        for name, lines in maps:
            if not (held := getattr(message, name)):
                continue
            for key in held:
                value = held[key]
                # The key may itself hold an acting character; the reason leaves it out then.
                if (character := acting_character(key, lines=False)) is not None:
                    return name, character
                if (character := acting_character(value, lines=lines)) is not None:
                    return f"{name}[{key}]", character
        return None

    return first


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _may_have_lines(field: FieldDescriptor) -> bool:
    # The federation's own texts come from files, where they fill paragraphs.
    holder = field.containing_type
    if holder is LocalizedText.DESCRIPTOR or (holder and holder.file.name == configuration_pb2.DESCRIPTOR.name):
        return True
    return field.GetOptions().Extensions[privacy_pb2.personal_data] in _WRITTEN
