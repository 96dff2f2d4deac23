"""Characters that act on what shows a text come in nowhere, and are seen where they go out."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.api.region.v1.complaint_pb2 import ComplaintRequest
from gateway.api.types.v1 import access_pb2
from gateway.errors import Refused
from gateway.rpc.message_checks import require_plain
from gateway.values.plain_text import acting_character, spreadsheet_cell, visible

ROOT = Path(__file__).resolve().parents[2]
CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"
ACTING = "\0\x07\b\x0b\x0c\x1b\x7f\x80\x9b\x9f\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"
PLAIN = "Ωmega, 张三（四川）— naïve, 한국어, עברית, العربية, 👨‍👩‍👧 \u3000\xa0"


def test_every_control_and_every_character_of_direction_acts_and_letters_of_no_script_do() -> None:
    assert [hex(ord(each)) for each in ACTING if acting_character(f"a{each}b", lines=True) is None] == []
    assert acting_character("a\x1b[2J", lines=True) == "U+001B"
    assert acting_character("ab\u202ecd", lines=True) == "U+202E"
    assert acting_character(PLAIN, lines=False) is None


def test_lines_and_tabs_are_plain_where_a_text_may_have_several_lines() -> None:
    told = "one\ttwo\nthree\r\nfour"
    assert acting_character(told, lines=True) is None
    assert [acting_character(each, lines=False) for each in "\t\n"] == ["U+0009", "U+000A"]
    assert acting_character("what is written\rover", lines=True) == "U+000D", "it hides what stands before"


def test_what_is_shown_says_which_character_stood_there() -> None:
    assert visible(f"a{CLIPBOARD}b\u202e") == "a\\u001b]52;c;cm0gLXJmIH4=\\u0007b\\u202e"
    assert visible(PLAIN + "\n\t") == PLAIN + "\n\t"
    told = {"name": f"张{ACTING}"}
    shown = visible(json.dumps(told, ensure_ascii=False))
    assert json.loads(shown) == told, "JSON says the same"
    assert not any(each in shown for each in ACTING)


def test_a_cell_that_a_spreadsheet_would_compute_is_shown_instead() -> None:
    formulas = [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\n=1",
        "\r\n=1",
        "＝1+1",
        " =1+1",
        "\u3000\xa0@SUM(A1)",
        "\u200b\ufeff=1+1",
        "+",
        "-",
        "+86 138",
    ]
    assert [each for each in formulas if spreadsheet_cell(each)[0] != "'"] == []
    for plain in ("", "-12", "+8613800000000", "12.50", "-0.5", "2026-11-01", "a=b", " a=b", " ", PLAIN):
        assert spreadsheet_cell(plain) == plain
    assert spreadsheet_cell("=\x1b[2J") == "'=\\u001b[2J"


def test_every_text_of_every_request_of_the_contract_is_looked_at() -> None:
    unseen, seen = [], 0
    for method in methods():
        for path, message in spoilt(method.input_type):
            seen += 1
            if (found := refused_field(message)) != path:
                unseen.append(f"{method.full_name} {path}: {found or 'nothing'}")
    assert unseen == []
    assert seen > 500, "requests have texts"


def refused_field(message: Message) -> str:
    """The field for which a message is refused; empty where it is not."""
    try:
        require_plain(message)
    except Refused as refused:
        return refused.parameters["field"]
    return ""


def methods() -> Iterator[MethodDescriptor]:
    """Every RPC of the contract."""
    for path in sorted((ROOT / "gateway" / "api").rglob("*_pb2.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods


def spoilt(descriptor: Descriptor) -> Iterator[tuple[str, Message]]:
    """Messages with an escape sequence in one of the texts that one may hold, each with the path of that text."""
    for path, fields in _texts(descriptor, ()):
        message = GetMessageClass(descriptor)()
        place = message
        for field in fields[:-1]:
            inner = getattr(place, field.name)
            place = inner.add() if field.is_repeated else inner
        _spoil(place, fields[-1])
        yield path, message


def _spoil(message: Message, field: FieldDescriptor) -> None:
    if field.message_type is not None:  # a map
        getattr(message, field.name)["key"] = CLIPBOARD
    elif field.is_repeated:
        getattr(message, field.name).append(CLIPBOARD)
    else:
        setattr(message, field.name, CLIPBOARD)


def _texts(
    descriptor: Descriptor, above: tuple[FieldDescriptor, ...]
) -> Iterator[tuple[str, tuple[FieldDescriptor, ...]]]:
    for field in descriptor.fields:
        way, inner = (*above, field), field.message_type
        if field.type == FieldDescriptor.TYPE_STRING or (inner is not None and inner.GetOptions().map_entry):
            yield ".".join(map(_step, way)), way
        elif inner is not None and not _is_left_out(field, above):
            yield from _texts(inner, way)


def _is_left_out(field: FieldDescriptor, above: tuple[FieldDescriptor, ...]) -> bool:
    """What each line is refused for by itself, and what holds its like."""
    is_above = field.message_type in [each.message_type for each in above]
    return is_above or bool(field.GetOptions().Extensions[access_pb2.refused_singly])


def _step(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return f"{field.name}[key]"
    return f"{field.name}[0]" if field.is_repeated else field.name


def test_lines_may_stand_where_people_write_and_nowhere_else() -> None:
    require_plain(ComplaintRequest(description="Slow.\n\tSince Monday."))
    with pytest.raises(Refused, match=r"request\.category holds the character U\+000A"):
        require_plain(ComplaintRequest(category="NET\nSPEED"), "request")
