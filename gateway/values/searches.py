"""Searches through a message and the messages within it.

A search is made once for a kind of message. It holds only the fields that may have a finding.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

F = TypeVar("F")
Found: TypeAlias = tuple[str, F]
"""The path of a field, for example `retention_rules[3].data_class`, and the finding there."""
Search: TypeAlias = Callable[[Message], Found[F] | None]
"""Gives the first finding in a message of one kind."""


def search_of(
    own: Sequence[Search[F]],
    inner: Iterable[tuple[FieldDescriptor, Search[F] | None]],
    last: Sequence[Search[F]] = (),
) -> Search[F] | None:
    """A search by `own`, then in each field of `inner` by its search, the repeated ones later, then by `last`.

    None where nothing can be found.
    """
    held = [(field, search) for field, search in inner if search is not None]
    single = tuple((field.name, search) for field, search in held if not field.is_repeated)
    many = tuple((field.name, search) for field, search in held if field.is_repeated)
    if not held and len(own) + len(last) <= 1:
        return next(iter((*own, *last)), None)
    return _in_turn(own, single, many, last)


def _in_turn(
    own: Sequence[Search[F]],
    single: Sequence[tuple[str, Search[F]]],
    many: Sequence[tuple[str, Search[F]]],
    last: Sequence[Search[F]],
) -> Search[F]:
    def first(message: Message) -> Found[F] | None:
        for search in own:
            if (found := search(message)) is not None:
                return found
        has = message.HasField  # looking the method up takes as long as its call
        for name, search in single:
            if has(name) and (found := search(getattr(message, name))) is not None:
                return f"{name}.{found[0]}", found[1]
        for name, search in many:
            if inside := getattr(message, name):
                # A slice is read faster than the field.
                for index, each in enumerate(inside[:]):
                    if (found := search(each)) is not None:
                        return f"{name}[{index}].{found[0]}", found[1]
        for search in last:
            if (found := search(message)) is not None:
                return found
        return None

    return first
