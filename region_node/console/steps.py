"""Forms made from the steps of a request, of which the contract names the fields."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.web.console.entries import (
    Entry,
    Field,
    amount_of,
    entry,
    number_entered,
    options_of,
    time_of,
    value_chosen,
)
from gateway.web.console.pages import ACT, Form, Rpc, Visit
from gateway.web.console.parts import Option
from gateway.wording.languages import translated

A = TypeVar("A", bound=Message)
_Kind = Literal["text", "line", "number", "amount", "time", "tick", "choice"]
_MESSAGES: Mapping[str, _Kind] = {"Timestamp": "time", "Money": "amount"}


@dataclass(frozen=True)
class Steps:
    """The steps of a request: a oneof of its message, whose fields are scalars or messages of scalars.

    Pages leave out the lists of such a message.
    """

    fields: Sequence[FieldDescriptor]
    """The steps that pages offer."""
    titles: Mapping[str, Callable[[], str]]
    """The heading of each step by its name."""
    labels: Mapping[str, Callable[[], str]]
    """The label of a field by its name, or by `step.field` where it has another one there."""
    lines: Mapping[str, int]
    """The longest text, in characters, of the fields of one line."""
    longest: int
    """Of any other text, in characters."""
    optional: Collection[str] = ()
    """Fields that may stay empty, as `step.field`."""

    def entry(
        self, visit: Visit, step: str, first: Sequence[Field] = (), options: Sequence[Option] | None = None
    ) -> Entry:
        """The form of a step. `first` are fields before its own, and `options` what it lets people choose from.

        By default people choose from all values of an enum.
        """
        fields = [*first, *(self._field(step, each, options) for each in _parts(self._step(step)))]
        return entry(visit, step, self.titles[step](), translated("Send"), fields)

    def forms(
        self,
        rpc: Rpc[A],
        request: Callable[[Visit], Message],
        done: Callable[[Visit, A], str],
        first: Sequence[str] = (),
    ) -> Sequence[Form]:
        """The form of each step. `request` makes the request without a step, also of the fields `first`."""

        def form(step: FieldDescriptor) -> Form:
            def filled(visit: Visit) -> Message:
                values = {each.name: value for each in _parts(step) if (value := _value(visit, each)) is not None}
                told = values if step.message_type is not None else values.get(step.name, "")
                return json_format.ParseDict({step.name: told}, request(visit))

            return Form.of(step.name, rpc, filled, done, [*first, *(each.name for each in _parts(step))])

        return [form(step) for step in self.fields]

    def _step(self, name: str) -> FieldDescriptor:
        return next(each for each in self.fields if each.name == name)

    def _field(self, step: str, part: FieldDescriptor, options: Sequence[Option] | None) -> Field:
        path = f"{step}.{part.name}"
        kind = _kind(part)
        is_line = kind == "text" and part.name in self.lines
        if part.enum_type is not None and options is None:
            options = options_of(part.enum_type)
        return Field(
            name=part.name,
            kind="line" if is_line else kind,
            label=(self.labels.get(path) or self.labels[part.name])(),
            longest=self.lines.get(part.name, self.longest),
            is_required=kind != "tick" and path not in self.optional,
            options=options or (),
        )


def with_sent(visit: Visit, offered: Sequence[str], known: Collection[str]) -> Sequence[str]:
    """The forms that a page offers, and the one that was sent and refused: what was entered there stays on the page."""
    sent = visit.form.text(ACT)
    return [*offered, sent] if sent in known and sent not in offered else offered


def _parts(step: FieldDescriptor) -> Sequence[FieldDescriptor]:
    """The fields of a step; itself where it is a scalar."""
    return [step] if step.message_type is None else [each for each in step.message_type.fields if not each.is_repeated]


def _kind(part: FieldDescriptor) -> _Kind:
    if part.message_type is not None:
        return _MESSAGES[part.message_type.name]
    if part.enum_type is not None:
        return "choice"
    if part.type == FieldDescriptor.TYPE_BOOL:
        return "tick"
    return "number" if part.type == FieldDescriptor.TYPE_UINT32 else "text"


def _value(visit: Visit, part: FieldDescriptor) -> str | int | bool | Mapping[str, str | int] | None:
    """What was entered, as JSON has it; None for nothing. Raises Refused for a text of another kind."""
    said = visit.form.text(part.name)
    if part.type == FieldDescriptor.TYPE_BOOL:
        return bool(said)
    is_step = part.enum_type is not None and part.containing_oneof is not None  # without a value there is no step
    if not said and _kind(part) != "number" and not is_step:  # each number is required
        return None
    match _kind(part):
        case "time":
            value: str | int | Mapping[str, str | int] = time_of(visit, part.name).ToJsonString()
        case "amount":
            amount = amount_of(visit, part.name)
            value = {"minor_units": amount.minor_units, "currency": amount.currency}
        case "number":
            value = number_entered(visit, part.name)
        case "choice":
            assert part.enum_type is not None
            value = value_chosen(visit, part.name, part.enum_type)
        case _:
            value = said
    return value
