"""Commands that ask a server: the options that they share, their request, and the answer for people and programs."""

import inspect
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Concatenate, Generic, Protocol, TypeVar

import click
import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.cli.table import Table
from gateway.cli.terminal import tell_more
from gateway.client.blocking import pages
from gateway.rpc.pages import LARGEST_PAGE_SIZE

T = TypeVar("T")
R = TypeVar("R")
Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
Rpc = Callable[[grpc.aio.Channel], "grpc.aio.UnaryUnaryMultiCallable[Q, A]"]
Option = Callable[[Callable[..., None]], Callable[..., None]]
"""A decorator that adds an option to a command."""

request_option = click.option(
    "--request-id", default="", help="The same id does the same thing once. Made up where it is not given."
)


def limit_option(help_text: str = "At most so many.", default: int = 50) -> Option:
    """The option for the number of items in a list."""
    kind = click.IntRange(1, LARGEST_PAGE_SIZE)
    return click.option("--limit", type=kind, default=default, show_default=True, help=help_text)


class Link(Protocol):
    """How one program reaches its server."""

    @property
    def prints_defaults(self) -> bool:
        """Whether JSON includes empty fields."""
        ...

    def ask(self, question: Callable[[grpc.aio.Channel], Awaitable[T]], request_id: str = "") -> T:
        """The response to a call over a channel. Ends the command without one."""
        ...

    def call(self, rpc: "Rpc[Q, A]", request: Q, seconds: float | None, request_id: str) -> A:
        """The answer of one RPC, within the program's own seconds unless given. Ends the command as `ask`."""
        ...


L = TypeVar("L", bound=Link)


def print_message(message: Message, *, defaults: bool = False, indent: int | None = 2) -> None:
    """Prints a message as JSON with the names of the contract."""
    text = json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=defaults,
        ensure_ascii=False,
        indent=indent,
    )
    click.echo(text)


@dataclass(frozen=True)
class Asking(Generic[L]):
    """One run of a command: its server, the values of its shared options, and the output of its response."""

    link: L
    requester: Requester | None = field(repr=False)
    """The caller; None for a command without --staff-id."""
    given_request_id: str
    request_id: str
    """As given, or a new one; empty for a command without --request-id."""
    limit: int
    as_json: bool

    @property
    def staff_id(self) -> str:
        """The caller's staff id; empty where no option gave one."""
        return self.requester.staff_id if self.requester is not None else ""

    def ask(self, rpc: "Rpc[Q, A]", request: Q, seconds: float | None = None) -> A:
        """The response to a request with the shared options set. Ends the command without one."""
        request_id = str(getattr(self.filled(request), "request_id", ""))
        return self.link.call(rpc, request, seconds, request_id)

    def ask_all(self, rpc: "Rpc[Q, A]", request: Q) -> A:
        """As `ask`, all pages of a list in one answer."""
        whole, *further = self.ask_pages(rpc, request)
        for page in further:
            whole.ClearField("next_page_token")
            whole.MergeFrom(page)  # the rows of lists are added
        return whole

    def ask_pages(self, rpc: "Rpc[Q, A]", request: Q) -> Iterator[A]:
        """As `ask`, the pages of a list, each asked for when the caller needs it."""
        return pages(lambda asked: self.ask(rpc, asked), request)

    def filled(self, request: Q) -> Q:
        """Returns the request with the shared options set, as far as it has fields for them."""
        fields = request.DESCRIPTOR.fields_by_name
        if "requester" in fields and self.requester is not None:
            getattr(request, "requester").CopyFrom(self.requester)  # noqa: B009 - not a field of every message
        told = {"request_id": self.request_id, "page_size": self.limit}
        for name, value in told.items():
            if name in fields and value and not getattr(request, name):
                setattr(request, name, value)
        return request

    def tell(self, answer: A, show: Callable[[A], None]) -> None:
        """Prints a response: as JSON with --json, else by calling `show`."""
        if self.as_json:
            print_message(answer, defaults=self.link.prints_defaults)
        else:
            show(answer)

    def say(self, answer: Message, line: Callable[[], str]) -> None:
        """Prints a response: as JSON with --json, else as the text `line`."""
        self.tell(answer, lambda _: click.echo(line()))

    def say_each(self, answer: Message, lines: Sequence[str], nothing: str) -> None:
        """Prints a response: as JSON with all fields, else a line per item, or the text `nothing` for no items."""
        if self.as_json:
            print_message(answer, defaults=True)
        else:
            click.echo("\n".join(lines or [nothing]))

    def show(self, answer: Message, table: Table[R], rows: Iterable[R], title: str = "") -> None:
        """Prints a list: as JSON, else as a table. A note on standard error says that further pages exist."""

        def show(page: Message) -> None:
            table.show(rows, title)
            tell_more(getattr(page, "next_page_token", ""))

        self.tell(answer, show)


def exit_codes(*meanings: str) -> str:
    """The help paragraph with the meaning of each exit code, from 0 on."""
    return "\n".join(["\b", "Exit codes:", *(f"  {code}  {meaning}" for code, meaning in enumerate(meanings))])


@dataclass(frozen=True)
class Commands(Generic[L]):
    """Gives the commands of one program their Asking."""

    connect: Callable[[Callable[..., None]], Callable[..., None]]
    """Adds the options of the connection to a command, and gives it the link as first argument."""
    connects_first: bool
    """Whether the connection options appear in the help before a command's own."""
    json: Option

    def asking(
        self, *options: Option, exits: str = "", with_json: bool = True
    ) -> Callable[[Callable[Concatenate[Asking[L], ...], None]], Callable[..., None]]:
        """A decorator that passes an Asking as first argument, and adds `options` behind the command's own.

        Place it above the arguments and options of the command. `exits` is a paragraph for the end of the help.
        """

        def give(command: Callable[Concatenate[Asking[L], ...], None]) -> Callable[..., None]:
            # Click keeps the parameters of a function beside it, the last one first.
            own: list[click.Parameter] = getattr(command, "__click_params__", [])
            arguments = [each for each in own if isinstance(each, click.Argument)]
            own_options = [each for each in own if not isinstance(each, click.Argument)]
            given = _with_asking(command, exits)
            if with_json:
                given = self.json(given)
            if not self.connects_first:
                given = self.connect(given)
            for option in reversed(options):
                given = option(given)
            parameters: list[click.Parameter] = given.__dict__.setdefault("__click_params__", [])
            parameters += own_options
            if self.connects_first:
                given = self.connect(given)
            parameters += arguments
            return given

        return give


def _with_asking(command: Callable[Concatenate[Asking[L], ...], None], exits: str) -> Callable[..., None]:
    def run(
        link: L,
        /,
        staff_id: str | None = None,
        channel: str = "counter",
        request_id: str | None = None,
        limit: int = 0,
        as_json: bool = False,
        **own: object,
    ) -> None:
        requester = None
        if staff_id is not None:
            requester = Requester(staff_id=staff_id, channel=Channel.Value(f"CHANNEL_{channel.upper()}"))
        made = "" if request_id is None else request_id or uuid.uuid4().hex
        command(Asking(link, requester, request_id or "", made, limit, as_json), **own)

    run.__name__ = command.__name__
    run.__doc__ = "\n\n".join(filter(None, (inspect.cleandoc(command.__doc__ or ""), exits)))
    return run
