"""Shared parts of the resources of all Open APIs: places, types, references, times, and the answers of HTTP. Pure."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from operator import attrgetter
from typing import Literal, Protocol, TypedDict, TypeVar
from urllib.parse import quote

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.json_format import ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.types.v1.types_pb2 import Money, Requester
from gateway.errors import Refused, invalid
from gateway.values.json_messages import message_of
from gateway.values.lists import one_of
from gateway.web.enum_words import numbers_of
from gateway.web.json_bodies import Attributes, unsupported
from gateway.web.json_texts import JsonObject
from gateway.web.listed import Listed
from gateway.web.routes import Answer, Asked
from gateway.web.selecting import Paging
from region_node.records.listing import FAR
from region_node.requests.checks import require_name

Json = dict[str, object]
INDIVIDUAL, ORGANIZATION, RESOURCE = "Individual", "Organization", "LogicalResource"
REQUESTER = "requester"
_NOTE = "Note"
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*", re.ASCII)
_MICROSECONDS = range(0, 1_000_000_000, 1_000)
"""The nanoseconds of times in whole microseconds."""
M = TypeVar("M", bound=Message)


class _Timed(Protocol):
    @property
    def time(self) -> Timestamp:
        """When it was."""
        ...


class _Counted(Protocol):
    @property
    def total_size(self) -> int:
        """The number of all entries, where it is set."""
        ...

    def HasField(self, field_name: Literal["total_size"]) -> bool:  # noqa: N802 - of protobuf
        """Whether it is set."""
        ...


class Tokens(TypedDict):
    """The fields of an RPC that say which part of a list is wanted."""

    page_size: int
    page_token: str


class Part(Tokens):
    """As `Tokens`, where places are counted as well."""

    skip: int
    show_total_size: bool
    in_reverse: bool


def part_of(asked: Asked) -> Part:
    """The part of a list that a query wants. Raises Refused as `Paging.of`."""
    paging = Paging.of(asked.query, FAR)
    return Part(
        page_size=paging.limit,
        page_token=paging.token,
        skip=paging.offset,
        # The size is known to those who follow the list. Where attributes select, it is that of what they select.
        show_total_size=not paging.token and not asked.is_gathered,
        in_reverse=asked.is_reversed,
    )


def tokens_of(asked: Asked) -> Tokens:
    """As `part_of`."""
    paging = Paging.of(asked.query, 0)
    return Tokens(page_size=paging.limit, page_token=paging.token)


def told_one(asked: Asked, told: JsonObject) -> Answer:
    """The answer with one resource."""
    return Answer(told.only(asked.wanted))


def told_created(asked: Asked, told: JsonObject) -> Answer:
    """The answer with a resource that was just made, and its place, if it has one."""
    headers = {"Location": str(told["href"])} if "href" in told else {}
    return Answer(told.only(asked.wanted), HTTPStatus.CREATED, headers)


def total_of(response: _Counted) -> int | None:
    """The number of places of a list; None where it was not counted."""
    return response.total_size if response.HasField("total_size") else None


def told_list(asked: Asked, resource: str, told: Sequence[JsonObject], token: str, total: int | None) -> Listed:
    """A page of a list, behind whose token the list continues; empty at its end."""
    return Listed(f"{asked.root}/{resource}", told, token, total)


def request_id_of(asked: Asked, external_id: str, attribute: str) -> str:
    """The request id of a new resource: its external id, or `Idempotency-Key`.

    Raises Refused where they differ, and for an external id that is no request id.
    """
    if external_id:
        require_name(attribute, external_id)
    return agreed(external_id, asked.request_id, attribute, "Idempotency-Key")


def agreed(said: str, known: str, place: str, other: str) -> str:
    """The text that stands in two places, or in one of them. Raises Refused where they differ."""
    if said and known and said != known:
        raise invalid(place, f"differs from {other}", f"与{other}不一致")
    return said or known


def href_of(root: str, resource: str, name: str) -> str:
    """Where a resource is read: its id may have slashes, which a path takes only when they are written otherwise."""
    # Most ids have nothing else to be written otherwise, and `quote` looks at each character.
    told = name.replace("/", "%2F") if _PLAIN.fullmatch(name) else quote(name, safe="")
    return f"{root}/{resource}/{told}"


def told_reference(name: str, kind: str, role: str = "") -> Json:
    """A reference to something of another kind; empty without its name."""
    if not name:
        return {}
    return {"id": name, "role": role, "@referredType": kind} if role else {"id": name, "@referredType": kind}


def told_references(*references: Json) -> Sequence[Json]:
    """The references that name something."""
    return [each for each in references if each]


def told_time(message: Message, name: str) -> str:
    """A time of a message; empty where it is not set."""
    return told_instant(getattr(message, name)) if message.HasField(name) else ""


def told_instant(time: Timestamp) -> str:
    """A time, as RFC 3339 has it."""
    return _instant(time.seconds, time.nanos)


@lru_cache(maxsize=4096)  # most times stand twice or more in a resource, and a list has many resources
def _instant(seconds: int, nanos: int) -> str:
    if not nanos or nanos not in _MICROSECONDS:
        return Timestamp(seconds=seconds, nanos=nanos).ToJsonString()
    places = 6 if nanos % 1_000_000 else 3  # as `ToJsonString` has it
    return f"{_second(seconds)}.{f'{nanos:09}'[:places]}Z"


@lru_cache(maxsize=4096)  # the times of a resource stand close together, and the calendar takes the longest
def _second(seconds: int) -> str:
    return Timestamp(seconds=seconds).ToJsonString().removesuffix("Z")


def told_amount(amount: Money) -> Json:
    """An amount in major units."""
    # Minor units have two digits in all currencies of the contract, and are exact in a number of JSON.
    return {"unit": amount.currency, "value": amount.minor_units / 100}


def require_type(body: Attributes, *names: str, is_required: bool = False) -> None:
    """Raises Refused where an object says that it is of another type than these, or has to say it and does not."""
    said, base = body.text("@type"), body.text("@baseType")
    if is_required and not said:
        raise invalid(body.at("@type"), "is missing", "缺失")
    body.text("@schemaLocation")
    # The base of a known type is known, whatever a caller says of it.
    for name, value in (("@type", said), ("@baseType", "" if said else base)):
        if value and value not in names:
            raise unsupported(body.at(name), *one_of(names))


def require_reference(reference: Attributes, kind: str) -> None:
    """Raises Refused for a reference to something else than this kind, or with any further attribute. Closes it."""
    if reference.text("@referredType") not in ("", kind):
        raise unsupported(reference.at("@referredType"), f"it is {kind}", f"须为{kind}")
    reference.close()


def take_requester(party: Attributes, requester: Requester) -> None:
    """Takes a party as the requester. Raises Refused for another one than the headers name, and for no staff id."""
    staff_id, place = party.text("id"), party.at("id")
    if staff_id:
        require_name(place, staff_id)
    requester.staff_id = agreed(staff_id, requester.staff_id, place, "Requester-Staff-Id")


def word_in(body: Attributes, name: str, enum: EnumDescriptor) -> int:
    """The value of an enum that an attribute names by its word. Raises Refused for no word of it."""
    found = numbers_of(enum).get(body.text(name))
    if found is None:
        raise _none_of(body.at(name), numbers_of(enum))
    return found


def name_in(body: Attributes, name: str, enum: EnumDescriptor) -> int:
    """The value of an enum in the JSON of the contract; 0 where it is absent. Raises Refused for an unknown one."""
    said = body.text(name)
    found = enum.values_by_name.get(said)
    if said and (found is None or not found.number):
        raise _none_of(body.at(name), [each.name for each in enum.values if each.number])
    return 0 if found is None else found.number


def _none_of(field: str, known: Iterable[str]) -> Refused:
    return invalid(field, *one_of(known))


def message_in(said: Attributes, made: M) -> M:
    """An object in the JSON of the contract, as the message. Raises Refused for what is none."""
    try:
        return message_of(said.values(), made)
    except ParseError:
        raise invalid(said.place, "does not have the form of the contract", "不符合合约规定的格式") from None


def told_note(author: str, time: Timestamp, text: str) -> Json:
    """A note."""
    return {"author": author, "date": told_instant(time), "text": text, "@type": _NOTE}


def one_new_note(body: Attributes, *, is_typed: bool = False) -> str:
    """The text of the note that a merge patch adds. Raises Refused for anything but one new note.

    Notes that stand are not repeated: they cannot be changed.
    """
    notes = body.objects("note")
    if len(notes) != 1:
        raise unsupported(
            body.at("note"),
            "a change is one of those described, or one note, which is added to those that stand",
            "每次仅限一项已说明的修改，或一条新增备注",
        )
    note = notes[0]
    require_type(note, _NOTE, is_required=is_typed)
    text = note.text("text")
    note.close()
    return text


def told_last_time(*kinds: Iterable[_Timed]) -> str:
    """The last time of all these; empty where there are none."""
    times = [each.time for kind in kinds for each in kind]
    return told_instant(max(times, key=attrgetter("seconds", "nanos"))) if times else ""
