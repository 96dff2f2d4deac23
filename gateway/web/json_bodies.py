"""JSON of callers: bounded before it is parsed, and read so that no attribute is passed over in silence."""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn, cast

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid

LARGEST_BODY = 256 * 1024  # bytes, as of a request by gRPC
_BODY = "body"
_LARGEST_NUMBER = 2**31 - 1
DEEPEST = 16  # objects and arrays within each other
# Possessive, and closed by the end as well: no text makes the search look twice at a byte.
_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+\\?(?:"|\Z)', re.DOTALL)
_BRACKETS = re.compile(rb"[][{}]")
_OPENING = frozenset((b"[", b"{"))


def parsed(data: bytes, place: str = "") -> "Attributes":
    """The object in a body, or at another place. Raises Refused where it is too large, too deep, or no JSON."""
    if len(data) > LARGEST_BODY:
        raise Refused(Reason.REASON_MESSAGE_TOO_LARGE, limit=str(LARGEST_BODY))
    _require_shallow(data, place or _BODY)
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_number)
    except ValueError:  # neither UTF-8 nor JSON, or a number beyond all that can be computed with
        raise invalid(place or _BODY, "is no JSON in UTF-8", "不是UTF-8编码的JSON") from None
    return Attributes(value, place)


def unsupported(attribute: str, problem: str, problem_zh_cn: str) -> Refused:
    """ATTRIBUTE_UNSUPPORTED with the problem in both languages."""
    told = {"attribute": attribute, "problem": problem, "problem_zh_cn": problem_zh_cn}
    return Refused(Reason.REASON_ATTRIBUTE_UNSUPPORTED, **told)


class Attributes:
    """A JSON object of a caller. Its reader takes all known attributes, and closes it: no other one may be there."""

    def __init__(self, value: object, place: str) -> None:
        """`place` is where it stands in the body; empty for the body itself. Raises Refused for another type."""
        if not isinstance(value, dict):
            raise invalid(place or _BODY, "must be an object", "须为对象")
        self.place = place
        self._values = cast("Mapping[str, object]", value)
        self._read: set[str] = set()

    def at(self, name: str) -> str:
        """The place of an attribute."""
        return f"{self.place}.{name}" if self.place else name

    def value(self, name: str) -> object:
        """The attribute as it came; None where it is absent or null."""
        self._read.add(name)
        return self._values.get(name)

    def values(self) -> Mapping[str, object]:
        """All attributes, for a reader with a schema of its own."""
        self._read |= set(self._values)
        return self._values

    def text(self, name: str) -> str:
        """A text; empty where it is absent. Raises Refused for another type."""
        value = self.value(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise invalid(self.at(name), "must be a text", "须为文本")
        return value

    def required(self, name: str) -> str:
        """A text that is not empty. Raises Refused for another value, and without one."""
        value = self.text(name)
        if not value:
            raise invalid(self.at(name), "is missing", "缺失")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false where it is absent. Raises Refused for another type."""
        value = self.value(name)
        if value is not None and not isinstance(value, bool):
            raise invalid(self.at(name), "must be true or false", "须为true或false")
        return bool(value)

    def whole_number(self, name: str) -> int:
        """A whole number of 32 bits, not negative; 0 where it is absent. Raises Refused for another value."""
        value = self.value(name)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_NUMBER:
            raise invalid(self.at(name), "must be a whole number that is not negative", "须为非负整数")
        return value

    def object(self, name: str) -> "Attributes":
        """An object; an empty one where it is absent. Raises Refused for another type."""
        value = self.value(name)
        return Attributes({} if value is None else value, self.at(name))

    def objects(self, name: str) -> Sequence["Attributes"]:
        """An array of objects; empty where it is absent. Raises Refused for another type."""
        value = self.value(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise invalid(self.at(name), "must be an array", "须为数组")
        return [Attributes(each, f"{self.at(name)}[{index}]") for index, each in enumerate(value)]

    def require_known(self, names: Collection[str]) -> None:
        """Raises Refused with ATTRIBUTE_UNSUPPORTED for an attribute of another name."""
        for name, value in self._values.items():
            if name not in names and value is not None:
                raise unsupported(self.at(name), "it has no meaning here", "此处无此含义")

    def require_nothing_removed(self) -> None:
        """Raises Refused with ATTRIBUTE_UNSUPPORTED for a null, by which a merge patch removes (RFC 7396).

        A patch merges objects at any depth. It replaces arrays whole, and a null within one is an absent attribute.
        """
        for name, value in self._values.items():
            if value is None:
                raise unsupported(self.at(name), "nothing is removed by null", "不能用null删除")
            if isinstance(value, dict):
                Attributes(value, self.at(name)).require_nothing_removed()

    def close(self) -> None:
        """Raises Refused with ATTRIBUTE_UNSUPPORTED where an attribute is left that nobody has read."""
        self.require_known(self._read)


def _require_shallow(data: bytes, place: str) -> None:
    depth = 0
    for bracket in _BRACKETS.findall(_TEXTS.sub(b"", data)):
        depth += 1 if bracket in _OPENING else -1
        if depth > DEEPEST:
            raise invalid(place, f"is nested more than {DEEPEST} deep", f"嵌套超过{DEEPEST}层")


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    for name, value in pairs:
        name.encode()  # a half of a surrogate pair is no text: UnicodeEncodeError is a ValueError
        if isinstance(value, str):
            value.encode()
    if len(made) < len(pairs):
        raise ValueError("an attribute stands twice")
    return made


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("the number is too large")
    return value


def _no_number(_: str) -> NoReturn:
    raise ValueError("JSON has no such number")
