"""The forms of pages: fields of a few kinds, which keep what was entered where a form is refused."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Literal

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, invalid
from gateway.time.clock import to_timestamp
from gateway.values.money import minor_units_of
from gateway.web.console.frames import refusal_of
from gateway.web.console.pages import ACT, Visit
from gateway.web.console.parts import Option
from gateway.web.enum_words import number_of, numbers_of
from gateway.web.tables import Table
from gateway.wording.times import shown_zone
from gateway.wording.words import word

CURRENCY = "CNY"
_MOST_DIGITS = 9  # of a whole number: each fits into 32 bits


@dataclass(frozen=True)
class Field:
    """A field of a form."""

    name: str
    kind: Literal["text", "line", "number", "amount", "time", "day", "tick", "choice", "hidden"]
    label: str
    """Empty for a hidden one."""
    text: str = field(default="", repr=False)
    """The entered text; any text for a tick that is set."""
    longest: int = 0
    """In characters, of a text or a line; zero for no limit of its own."""
    is_required: bool = True
    """For browsers: the RPC checks each field."""
    options: Sequence[Option] = ()
    hint: str = ""
    """An explanation below it; empty for none."""
    problem: str = field(default="", repr=False)
    """The refusal of what was entered here."""


@dataclass(frozen=True)
class Entry:
    """A form of a page."""

    act: str
    heading: str
    request_id: str
    fields: Sequence[Field]
    send: str
    is_entered: bool
    """Whether this form was sent and refused."""
    refused: Refused | None = field(default=None, repr=False)
    """The refusal about one of its fields, with the label of the field; None for another one."""


@dataclass(frozen=True)
class Upload:
    """A form that sends a file to its page, or a text that is kept as one: the address has no word of it."""

    heading: str
    name: str
    label: str
    send: str
    kind: Literal["file", "tel"] = "file"
    """The type of its field (HTML's `type`)."""


@dataclass(frozen=True)
class Group:
    """Forms of which people choose one: each is folded until then."""

    heading: str
    entries: Sequence[Entry]


def is_named(refused: Refused, name: str) -> bool:
    """Whether a refusal names a field of the form, also by its place in the message of the request."""
    return f".{refused.parameters.get('field', '')}".endswith(f".{name}")


def entered(page: object) -> Iterator[Entry]:
    """The form of a page that was sent and refused, wherever the page has it."""
    if isinstance(page, Entry):
        if page.is_entered:
            yield page
    elif isinstance(page, list | tuple):
        for each in page:
            yield from entered(each)
    elif is_dataclass(page) and not isinstance(page, type | Table):
        for each in fields(page):
            yield from entered(getattr(page, each.name))


def entry(
    visit: Visit,
    act: str,
    heading: str,
    send: str,
    fields: Sequence[Field],
    concerns: Callable[[Refused, str], bool] = is_named,
    in_words: Callable[[Refused], Refused] = lambda each: each,
) -> Entry:
    """A form with the fields of a page, and with what was entered where it was refused.

    `concerns` says whether a refusal is about the field of a name. It is shown beside that one, as `in_words` has it,
    and names it by its label.
    """
    if visit.form.text(ACT) != act:
        return Entry(act, heading, visit.id_for(act), fields, send, is_entered=False)
    told: dict[str, Refused] = {}
    if visit.refused is not None:
        refused = in_words(visit.refused)
        named = [each for each in fields if concerns(visit.refused, each.name)]
        told = {each.name: _labelled(refused, each.label) for each in named}
    filled = [_entered(visit, each, told.get(each.name)) for each in fields]
    return Entry(
        act, heading, visit.id_for(act), filled, send, is_entered=True, refused=next(iter(told.values()), None)
    )


def _labelled(refused: Refused, label: str) -> Refused:
    """A refusal that names a field by its label."""
    told = refused.parameters
    return Refused(refused.reason, **{**told, "field": label}) if label and "field" in told else refused


def _entered(visit: Visit, field: Field, refused: Refused | None) -> Field:
    # After a refusal for good another request follows, and people cannot mend what they do not see.
    is_anew = field.kind == "hidden" and not visit.request_id
    problem = "" if refused is None else refusal_of(refused).text
    return replace(field, text=field.text if is_anew else visit.form.text(field.name), problem=problem)


def options_of(enum: EnumDescriptor, without: Collection[int] = ()) -> Sequence[Option]:
    """The values of an enum, to choose from, `without` those of these numbers."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    found = numbers_of(enum).items()
    return [Option(said, word(enum.values_by_number[each].name, prefix)) for said, each in found if each not in without]


def value_chosen(visit: Visit, name: str, enum: EnumDescriptor) -> int:
    """The value of an enum that was chosen. Raises Refused for none."""
    number = number_of(enum, visit.form.text(name))
    if number is None:
        raise invalid(name, "is not chosen", "未选择")
    return number


def amount_of(visit: Visit, name: str) -> Money:
    """The amount that was entered in major units. Raises Refused for another text."""
    said = visit.form.text(name)
    amount = minor_units_of(said if "." in said else f"{said}.00")
    if amount is None:
        raise invalid(name, "is no amount, as 12.00", "不是金额，例如12.00")
    return Money(minor_units=amount, currency=CURRENCY)


def time_of(visit: Visit, name: str) -> Timestamp:
    """The instant that was entered in the zone of the region. Raises Refused for another text."""
    return instant_entered(name, visit.form.text(name), shown_zone())


def instant_entered(name: str, text: str, zone: tzinfo) -> Timestamp:
    """The instant of a field's text in a zone. Raises Refused for another text."""
    try:
        entered = datetime.fromisoformat(text)
        if entered.tzinfo is None:
            return to_timestamp(entered.replace(tzinfo=zone).astimezone(UTC))  # within the calendar
    except (ValueError, OverflowError):
        pass
    raise invalid(name, "is no time, as 2026-12-24T09:00", "不是时间，例如2026-12-24T09:00")


def number_entered(visit: Visit, name: str) -> int:
    """The whole number that was entered. Raises Refused for another text."""
    said = visit.form.text(name)
    if not (said.isascii() and said.isdigit() and len(said) <= _MOST_DIGITS):
        raise invalid(name, "is no whole number", "不是整数")
    return int(said)
