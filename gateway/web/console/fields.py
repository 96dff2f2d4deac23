"""The fields of a form, and of the query in an address."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from gateway.errors import Refused, invalid
from gateway.web.json_bodies import unsupported

FORM_TYPE = "application/x-www-form-urlencoded"
_MOST = 256  # fields


class Fields:
    """Texts by the names of their fields. They may hold personal data, and print nowhere."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    @classmethod
    def parsed(cls, data: str) -> "Fields":
        """The fields of a form or a query. Raises Refused for too many, and for bytes that are no UTF-8."""
        try:
            pairs = parse_qsl(data, keep_blank_values=True, errors="strict", max_num_fields=_MOST)
        except ValueError:
            raise invalid("form", f"is no form of at most {_MOST} fields in UTF-8", _UNREADABLE) from None
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            # Browsers end a line of a text by two characters.
            values.setdefault(name, []).append(value.replace("\r\n", "\n").strip())
        return cls(values)

    def text(self, name: str) -> str:
        """The text of a field; empty without it. Raises Refused for a field that stands twice."""
        value, *others = self._values.get(name, ("",))
        if others:
            raise _twice(name)
        return value

    def texts(self, name: str) -> Sequence[str]:
        """The texts of a field of which several may be chosen, without empty ones."""
        return [each for each in self._values.get(name, ()) if each]

    def pairs(self) -> Sequence[tuple[str, str]]:
        """All fields with their texts, as they can be sent again."""
        return [(name, each) for name, texts in self._values.items() for each in texts]

    def replaced(self, **texts: str) -> "Fields":
        """The same fields with other texts for some of them."""
        return Fields({**self._values, **{name: (text,) for name, text in texts.items()}})

    def beginning(self, prefix: str) -> Mapping[str, str]:
        """The texts of the fields whose names begin so, by the rest of their names, without empty ones.

        Raises Refused for a field that stands twice.
        """
        names = [each for each in self._values if each.startswith(prefix)]
        return {each.removeprefix(prefix): said for each in names if (said := self.text(each))}

    def require_known(self, known: Sequence[str], prefixes: Sequence[str] = ()) -> None:
        """Raises Refused with ATTRIBUTE_UNSUPPORTED for another field: its sender would take it for heeded.

        The names of known fields are `known`, or begin with one of `prefixes`.
        """
        for name in self._values:
            if name not in known and not name.startswith(tuple(prefixes)):
                raise unsupported(name, "this page has no such field", "本页面无此字段")


_UNREADABLE = f"不是UTF-8编码且不超过{_MOST}个字段的表单"


def _twice(name: str) -> Refused:
    return unsupported(name, "it stands twice", "重复出现")
