"""The frame of every page of a console: its head, and what became of the last form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, is_temporary, reason_name
from gateway.wording.languages import current_language, translated
from gateway.wording.refusals import told_refusal

_LANGUAGE_NAMES = {"en": "English", "zh": "中文"}


@dataclass(frozen=True)
class Link:
    """A link of the head."""

    title: str
    href: str
    is_current: bool = False


@dataclass(frozen=True)
class Refusal:
    """A refusal for people: its text, its name, and advice."""

    text: str
    name: str
    advice: str = ""


@dataclass(frozen=True)
class Pages:
    """The pages of the tab in use, where it has several."""

    name: str
    """For screen readers."""
    links: Sequence[Link] = ()


@dataclass(frozen=True)
class Frame:
    """The texts and addresses of `console_frame.html.j2`."""

    brand: str
    home: str
    style: str
    script: str
    icon: str
    skip: str
    navigation: str
    """The name of the navigation for screen readers."""
    tabs: Sequence[Link]
    pages: "Pages"
    other_language: Link
    language_code: str
    """The language that the link leads to (BCP 47)."""
    person: str
    """Empty where nobody is signed in."""
    sign_out: Link
    token: str = field(repr=False)
    address: str = field(repr=False)
    """The address of the page below that of the server, which stands on paper."""
    notice: str = field(default="", repr=False)
    refusals: Sequence[Refusal] = field(default=(), repr=False)
    files: Sequence[Link] = field(default=(), repr=False)
    """The tables of the page as files."""


@dataclass(frozen=True)
class RefusedPage:
    """A page in place of one that was refused, or of one whose form could not be sent yet."""

    way_on: Link | None
    """None where none leads on."""
    kept: "Kept | None" = None
    advice: Sequence[str] = ()
    """Sentences: what to do where no link leads on."""


@dataclass(frozen=True)
class Kept:
    """A form that was sent and is not done, or not known to be: nothing that was entered is lost."""

    heading: str
    action: str
    fields: Sequence[tuple[str, str]] = field(repr=False)
    """Hidden ones among them."""
    entered: Sequence[str] = field(repr=False)
    """What the person had entered or chosen."""
    send: str


def other_language() -> tuple[str, str]:
    """The other language than that of the person: its code and its own name."""
    code = "en" if current_language() == "zh" else "zh"
    return code, _LANGUAGE_NAMES[code]


def refusal_of(refused: Refused) -> Refusal:
    """A refusal in the language of the person, with the text of gRPC, in which regions and materials have names."""
    advice = ""
    if refused.reason == Reason.REASON_INTERNAL:
        advice = translated("Give the number to the operations staff.")
    elif is_temporary(refused.reason):
        advice = translated("This passes. Try again in a moment: nothing is done twice.")
    return Refusal(told_refusal(refused.reason, refused.parameters), reason_name(refused.reason), advice)


def title_of(status: HTTPStatus) -> str:
    """The title of a page that was refused with a status of HTTP."""
    titles: dict[HTTPStatus, Callable[[], str]] = {
        HTTPStatus.NOT_FOUND: lambda: translated("Not found"),
        HTTPStatus.FORBIDDEN: lambda: translated("Not permitted"),
        HTTPStatus.UNAUTHORIZED: lambda: translated("Not signed in"),
    }
    return titles.get(status, lambda: translated("Not possible"))()
