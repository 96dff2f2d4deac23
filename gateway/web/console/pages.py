"""The pages of a console as tables: each is made of RPCs of the process, and decides nothing.

A page reads by its RPCs, and shows what came by a pure function and a template. A form of a page is one RPC. The RPCs
are called within the process, past the same border as by gRPC (`gateway.rpc.in_process`).
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast
from urllib.parse import quote, urlencode

from google.protobuf.message import Message

from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused
from gateway.security.identity import Identity
from gateway.web.console.fields import Fields
from gateway.web.console.sign_in import SignInByProvider
from gateway.web.tables import Table
from gateway.wording.languages import for_reader
from gateway.wording.terms import learn
from gateway.wording.times import show_times_of

A = TypeVar("A", bound=Message)
A_co = TypeVar("A_co", bound=Message, covariant=True)
D = TypeVar("D")
T = TypeVar("T")
ACT = "act"
"""The field that says which form of a page was sent."""
EVENTS = "/events"
"""The end of the path at which a live page has its stream."""


@dataclass(frozen=True)
class Rpc(Generic[A_co]):
    """An RPC of the process, and the message of its answer."""

    path: str
    """`/package.Service/Method`."""
    answer: type[A_co]
    seconds: float = 20.0
    """For its answer: a form waits for another region at most so long."""


class Calling(Protocol):
    """The RPCs of the process, as the person at the console calls them."""

    async def ask(self, rpc: Rpc[A], request: Message) -> A:
        """The answer of an RPC that the page has named. Raises Refused."""
        ...


@dataclass(frozen=True)
class Visit:
    """The request of a browser for a page, or with a form of it."""

    root: str
    """The path of the console."""
    names: Mapping[str, str] = field(repr=False)
    """The values for the names in the path of the page."""
    query: Fields = field(repr=False)
    form: Fields = field(repr=False)
    """The form that was sent; empty where the page is only read."""
    person: Identity
    now: datetime
    """In the zone in which times are shown, where a page is read."""
    request_id: str
    """The id that came with the form; empty where nothing was sent, or it was refused for good."""
    drawn: str
    """A random text for the ids of the forms of this page."""
    refused: Refused | None = None
    """The refusal of the form that was sent; None where none was refused."""
    filters: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The queries of the person's saved filters of this page, by their names."""
    file: bytes | None = field(default=None, repr=False)
    """The file that the address names, where the person has sent it to this page and it is still kept."""

    def id_for(self, act: str) -> str:
        """The id of the request by a form of this page: sent twice, it is done once.

        A form whose outcome is not known keeps its id.
        """
        return self.request_id if self.request_id and self.form.text(ACT) == act else f"{self.drawn}-{act}"

    def address(self, path: str, **query: str) -> str:
        """The address of a page of the console. Empty values are left out."""
        found = urlencode({name: value for name, value in query.items() if value})
        return f"{self.root}{quote(path, safe='/')}{'?' if found else ''}{found}"


@dataclass(frozen=True)
class Shown:
    """A page as its template shows it."""

    template: str
    title: str
    page: object = field(repr=False)
    tab: str = ""
    """The path of the tab to which it belongs."""
    tables: Sequence[Table] = field(default=(), repr=False)
    """The tables that can be had as a file, too."""
    notes: Sequence[str] = field(default=(), repr=False)
    """Sentences about what they lack, which stand in the file, too."""


@dataclass(frozen=True)
class Form:
    """A form of a page, sent to the address of the page."""

    act: str
    """The value of its field ACT."""
    rpc: Rpc[Message]
    request: Callable[[Visit], Message]
    """Pure, with the zone of the region. May raise Refused."""
    done: Callable[[Visit, Message], str]
    """The text for the page that follows."""
    fields: Sequence[str]
    """The fields beside those of each form."""
    prefixes: Sequence[str] = ()
    """The beginnings of the names of further fields, which data name."""
    then: "Callable[[Visit, Message], str] | None" = None
    """The address of the page that follows; None for the page of the form."""

    @classmethod
    def of(
        cls,
        act: str,
        rpc: Rpc[A],
        request: Callable[[Visit], Message],
        done: Callable[[Visit, A], str],
        fields: Sequence[str],
        prefixes: Sequence[str] = (),
        then: Callable[[Visit, A], str] | None = None,
    ) -> "Form":
        """A form whose `done` and `then` take the answer of its RPC."""
        told = cast("Callable[[Visit, Message], str]", done)
        leads = cast("Callable[[Visit, Message], str] | None", then)
        return cls(act, cast("Rpc[Message]", rpc), request, told, fields, prefixes, leads)


@dataclass(frozen=True)
class Live:
    """The part of a page that follows what it shows. It is the same for all persons, and has no form.

    Its page asks the same RPCs whatever its query says. None of them writes an audit row for each reading.
    """

    template: str
    """Of the part alone, with the page as `page`."""
    rpc: Rpc[Message]
    """The RPC that tells of changes, called in quick succession: of a list, the first page has the newest ones."""
    mark: Callable[[Message], object]
    """The state in its answer whose change is shown at once; the rest changes with the next whole reading."""
    read: "Callable[[Visit, Calling], Awaitable[object]] | None" = None
    """Reads the part; None where the page has no other one."""

    @classmethod
    def of(
        cls,
        template: str,
        rpc: Rpc[A],
        mark: Callable[[A], object],
        read: "Callable[[Visit, Calling], Awaitable[object]] | None" = None,
    ) -> "Live":
        """A part whose `mark` takes the answer of its RPC."""
        return cls(template, cast("Rpc[Message]", rpc), cast("Callable[[Message], object]", mark), read)


@dataclass(frozen=True)
class View:
    """A page."""

    path: str
    """Below the path of the console, with `{name}` for what varies."""
    rpcs: Collection[Rpc[Message]]
    """All RPCs that `read` may call."""
    read: Callable[[Visit, Calling], Awaitable[object]]
    show: Callable[[Visit, object], Shown]
    """Pure, in the language of the person. May raise Refused."""
    query: Sequence[str] = ()
    """The names in its query: the state of the page is in its address."""
    forms: Sequence[Form] = ()
    live: Live | None = None
    saves_filters: bool = False
    """Whether people save queries of this page by names. Its path has no names, and its query no personal data."""
    takes: Rpc[Message] | None = None
    """The RPC for which the page takes a file, at most as large as a request of it. Its path has no names.

    The page shows a file that its address names (`gateway.web.console.uploads.FILE`).
    """

    @classmethod
    def of(
        cls,
        path: str,
        rpcs: Collection[Rpc[Message]],
        read: Callable[[Visit, Calling], Awaitable[D]],
        show: Callable[[Visit, D], Shown],
        query: Sequence[str] = (),
        forms: Sequence[Form] = (),
        live: Live | None = None,
        *,
        saves_filters: bool = False,
        takes: Rpc[A] | None = None,
    ) -> "View":
        """A page whose `show` takes what its `read` returns."""
        shows, file = cast("Callable[[Visit, object], Shown]", show), cast("Rpc[Message] | None", takes)
        return cls(path, rpcs, read, shows, query, forms, live, saves_filters, file)


@dataclass(frozen=True)
class Tab:
    """A page that the head of every page leads to."""

    path: str
    title: Callable[[], str]
    """In the language of the person."""
    pages: "Sequence[Tab]" = ()
    """The pages of a tab that has several: itself first."""
    is_for: Callable[[Identity], bool] = lambda _: True
    """The people who may read it; the head of others does not lead there."""


@dataclass(frozen=True)
class WebConsole:
    """The console of a process. Its first tab is its first page."""

    root: str
    roles: frozenset[Role.ValueType]
    """The roles of the people who may sign in."""
    brand: Callable[[], str]
    """The name in the head of every page, in the language of the person."""
    region: str
    """The region in whose zone times are shown; empty for that of most regions."""
    now: Callable[[], datetime]
    steady: Callable[[], float]
    texts: Path
    """The folder of the catalogues of its program."""
    templates: Path
    tabs: Sequence[Tab]
    views: Sequence[View]
    terms_rpc: Rpc[Message]
    terms: Callable[[Calling], Awaitable[Terms]]
    """The names and zones of the federation, by `terms_rpc`."""
    at_hand: Callable[[], Terms] = Terms
    """The names that need no RPC, for pages before somebody is signed in: at least that of the region."""
    sign_in: SignInByProvider | None = None
    """Lets people sign in without a certificate; nobody may without it."""

    @contextmanager
    def reader(self, language: str, terms: Terms) -> Iterator[None]:
        """Writes in a language, with the names and times of the region. No `await` stands within."""
        with for_reader(language, self.texts):
            learn(terms)
            show_times_of(self.region)
            yield


async def unless_refused(answer: Awaitable[T]) -> T | Refused:
    """An answer, or its refusal: the rest of the page is shown all the same."""
    try:
        return await answer
    except Refused as refused:
        return refused
