"""JSON of answers as text: each value is written once, and read again only where a query selects by it."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from json.encoder import encode_basestring

quoted: Callable[[str], str] = encode_basestring
"""A text in JSON."""
_NUMBERS = (int, float)  # and what is true or false: zero is a value


class JsonText(str):
    """A value as JSON has it; empty for none."""

    __slots__ = ()


HOLE = JsonText("\0")
"""The place of a value in a pattern. JSON has this character nowhere, since its texts have it escaped."""


class JsonObject(Mapping[str, object]):
    """An object in JSON. Reading an attribute parses it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def of(cls, told: Mapping[str, object]) -> "JsonObject":
        """The object of the attributes that have a value."""
        return cls(text_of(without_empty(told)))

    def __getitem__(self, name: str) -> object:
        return self._told[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    def only(self, names: Collection[str]) -> "JsonObject":
        """The attributes of these names; all without names."""
        if not names:
            return self
        return JsonObject(text_of({name: value for name, value in self._told.items() if name in names}))

    def extended(self, attributes: Iterable[str]) -> "JsonObject":
        """The object with more attributes, which are written with their names; empty for none."""
        return JsonObject(object_of(filter(None, (self.text[1:-1], *attributes))))

    @cached_property
    def _told(self) -> Mapping[str, object]:
        told: Mapping[str, object] = json.loads(self.text)
        return told


def text_of(value: object) -> str:
    """A value in JSON."""
    if isinstance(value, str):
        return value if isinstance(value, JsonText) else quoted(value)
    if isinstance(value, dict):
        return object_of([f"{quoted(name)}:{text_of(each)}" for name, each in value.items()])
    if isinstance(value, list | tuple):
        return array_of([text_of(each) for each in value])
    return value.text if isinstance(value, JsonObject) else json.dumps(value)


def object_of(attributes: Iterable[str]) -> str:
    """The object of attributes that are written with their names."""
    return f"{{{','.join(attributes)}}}"


def array_of(values: Iterable[str]) -> str:
    """The array of values that are written."""
    return f"[{','.join(values)}]"


def without_empty(told: Mapping[str, object]) -> dict[str, object]:
    """The attributes that have a value."""
    return {name: value for name, value in told.items() if value or isinstance(value, _NUMBERS)}


class Pattern:
    """The object of attributes, of which some values are holes: written once for all objects that differ in these."""

    def __init__(self, told: Mapping[str, object]) -> None:
        """Attributes without a value are left out."""
        first, *others = text_of(without_empty(told))[1:-1].split(HOLE)
        self._parts = [first, *(part for each in others for part in ("", each))]

    def filled(self, values: Iterable[str], more: Iterable[str]) -> JsonObject:
        """The object with these values in its holes, in their order. `more` as of `JsonObject.extended`.

        Raises ValueError for more or fewer values than holes.
        """
        parts = self._parts.copy()
        parts[1::2] = values
        return JsonObject(object_of(filter(None, ("".join(parts), *more))))
