"""Searches through a message and the messages within it.

A search is made once for a kind of message. It holds only the fields that may have a finding.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

F = TypeVar("F")
Found: TypeAlias = tuple[str, F]
"""The path of a field, for example `retention_rules[3].data_class`, and the finding there."""
Look: TypeAlias = Callable[[Message], Found[F] | None]
"""Finds the first of a message's own fields."""


@dataclass(frozen=True, slots=True)
class Search(Generic[F]):
    """A search for the first finding in one kind of message.

    Its own fields come first, then single messages, then repeated ones, then the fields of `last`.
    """

    looks: Sequence[Look[F]]
    single: Sequence[tuple[str, "Search[F]"]]
    many: Sequence[tuple[str, "Search[F]"]]
    last: Sequence[Look[F]]

    def first(self, message: Message) -> Found[F] | None:
        """The first finding in a message of the kind."""
        for look in self.looks:
            if (found := look(message)) is not None:
                return found
        for name, search in self.single:
            if message.HasField(name) and (found := search.first(getattr(message, name))) is not None:
                return f"{name}.{found[0]}", found[1]
        for name, search in self.many:
            # A slice of a repeated field is read faster than the field, and most fields are empty.
            for index, each in enumerate(held[:] if (held := getattr(message, name)) else ()):
                if (found := search.first(each)) is not None:
                    return f"{name}[{index}].{found[0]}", found[1]
        for look in self.last:
            if (found := look(message)) is not None:
                return found
        return None


def search_of(
    looks: Sequence[Look[F]],
    inner: Iterable[tuple[FieldDescriptor, Search[F] | None]],
    last: Sequence[Look[F]] = (),
) -> Search[F] | None:
    """A search by `looks`, and in each field of `inner` by its search; None where nothing can be found."""
    held = [(field, search) for field, search in inner if search is not None]
    single = tuple((field.name, search) for field, search in held if not field.is_repeated)
    many = tuple((field.name, search) for field, search in held if field.is_repeated)
    return Search(tuple(looks), single, many, tuple(last)) if looks or held or last else None
