"""Pages of lists (AIP-158): their size, and opaque tokens with the place of the next page. Pure."""

import base64
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.time.clock import from_timestamp, to_microseconds

T = TypeVar("T")
M = TypeVar("M", bound=Message)
DEFAULT_PAGE_SIZE = 50  # items by default
LARGEST_PAGE_SIZE = 500  # items: such a page stays far below the largest message
PAGE_BYTES = 4 * 1024 * 1024  # of messages in a page: a quarter of the largest message
_COLUMN_DIGITS = 18  # of a number in a key: more may not fit a column of 64 bits
_SEPARATOR = "\0"


class ListedTicket(Protocol):
    """A ticket of a list: its id and the times that order lists."""

    ticket_id: str

    @property
    def create_time(self) -> Timestamp:
        """Time of creation."""

    @property
    def due_time(self) -> Timestamp:
        """Time at which the ticket is due."""


def page_size(requested: int, field: str = "page_size") -> int:
    """Returns the number of items of a page: the requested number, or the default for 0.

    Raises Refused with REQUEST_INVALID for more than the largest page, or for less than 0.
    """
    if not 0 <= requested <= LARGEST_PAGE_SIZE:
        problem, chinese = f"it is not 0 to {LARGEST_PAGE_SIZE}", f"须为0至{LARGEST_PAGE_SIZE}"
        raise Refused(Reason.REASON_REQUEST_INVALID, field=field, problem=problem, problem_zh_cn=chinese)
    return requested or DEFAULT_PAGE_SIZE


def page_after(
    kind: str,
    items: Iterable[T],
    key: Callable[[T], str],
    requested: int,
    token: str,
    skip: int = 0,
    *,
    in_reverse: bool = False,
) -> tuple[Sequence[T], str]:
    """A page of a list at hand, which is in the order of its keys, and the token of the next; empty on the last.

    `skip` is the number of items that are passed over behind the token. In reverse the last item comes first.

    Raises Refused as `page_size` and `decode_token`.
    """
    size, after = page_size(requested), decode_token(kind, token)
    if in_reverse:
        behind = [each for each in items if not after or key(each) < after][::-1]
    else:
        behind = [each for each in items if key(each) > after]
    return first_page(kind, behind[skip:], size, key)


def first_page(kind: str, found: Sequence[T], size: int, key: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """The first `size` of what was found, and the token of the page after them; empty where that was all.

    `key` is that of the place behind an item.
    """
    return found[:size], encode_token(kind, key(found[size - 1])) if len(found) > size else ""


def page_of_bytes(kind: str, found: Iterable[M], size: int, key: Callable[[M], str]) -> tuple[list[M], str]:
    """At most `size` messages that fit into an answer, and the token of the page after them, as `first_page`.

    `found` is read no further than one message behind the page, which has at least one. It serves lists whose messages
    differ much in their sizes.
    """
    page: list[M] = []
    room = PAGE_BYTES
    for each in found:
        room -= each.ByteSize()
        if len(page) == size or (page and room < 0):
            return page, encode_token(kind, key(page[-1]))
        page.append(each)
    return page, ""


def encode_token(kind: str, key: str) -> str:
    """A token for the page after `key` of the list `kind`; the empty token for the empty key.

    The kind prevents the use of a token for another list; it contains no NUL.
    """
    return base64.urlsafe_b64encode(f"{kind}{_SEPARATOR}{key}".encode()).decode() if key else ""


def decode_token(kind: str, token: str) -> str:
    """The key in a token; empty for the empty token, which means the first page.

    Raises Refused with TOKEN_INVALID for a token of another list, and for any other text.
    """
    if not token:
        return ""
    try:
        told = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise Refused(Reason.REASON_TOKEN_INVALID) from error
    found, _, key = told.partition(_SEPARATOR)
    if found != kind or not key:
        raise Refused(Reason.REASON_TOKEN_INVALID)
    return key


def dated_key(instant: datetime, name: str) -> str:
    """The key of a place in a list that is ordered by time, then by name. Such keys sort as their places do."""
    return f"{to_microseconds(instant):0{_COLUMN_DIGITS}} {name}"


def ticket_key(ticket: ListedTicket, *, by_due_time: bool) -> str:
    """The key of a ticket's place in a list that is ordered by due time, or by time of creation."""
    return dated_key(from_timestamp(ticket.due_time if by_due_time else ticket.create_time), ticket.ticket_id)


def dated_place(key: str) -> tuple[int, str] | None:
    """The arguments of `dated_key`, the time in microseconds; None for the first page.

    Raises Refused with TOKEN_INVALID for any other key.
    """
    if not key:
        return None
    time, _, name = key.partition(" ")
    return key_number(time), name


def sequence_after(key: str, last: int) -> int:
    """The sequence number after which a stream of events resumes; `last` is the highest existing number.

    Raises Refused with TOKEN_INVALID for a key that no stream has sent.
    """
    sequence = key_number(key)
    if sequence > last:
        raise Refused(Reason.REASON_TOKEN_INVALID)
    return sequence


def key_number(written: str) -> int:
    """A whole number inside a key. Raises Refused with TOKEN_INVALID for anything else."""
    if not (written.isascii() and written.isdigit() and len(written) <= _COLUMN_DIGITS):
        raise Refused(Reason.REASON_TOKEN_INVALID)
    return int(written)
