"""The parts of every list: filters and pages, all of which stand in the address."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.descriptor import EnumDescriptor

from gateway.errors import Refused, invalid
from gateway.values.lists import one_of
from gateway.web.charts import Figure
from gateway.web.console.entries import Upload
from gateway.web.console.frames import Link, refusal_of
from gateway.web.console.pages import Shown, Visit
from gateway.web.console.parts import Choice, Commands, Option
from gateway.web.console.uploads import FILE
from gateway.web.enum_words import number_of, numbers_of
from gateway.web.selecting import SORT
from gateway.web.tables import Table
from gateway.wording.languages import translated

PAGE = "page"
"""The field with the token of a page."""


@dataclass(frozen=True)
class TextFilter:
    """A filter that takes any text."""

    name: str
    label: str
    text: str = field(repr=False)
    mode: str = "text"
    """The keyboard of a telephone that suits it (HTML's `inputmode`)."""
    kind: str = "text"
    """The kind of its field (HTML's `type`)."""
    longest: int = 0
    """In characters; zero for no limit of its own."""


@dataclass(frozen=True)
class ListPage:
    """A list as `list.html.j2` shows it."""

    choices: Sequence[Choice]
    texts: Sequence[TextFilter]
    apply: str
    table: Table
    empty: str
    """The sentence in place of a table without a row; none where a note says why."""
    pages: Sequence[Link]
    """The links to the first and to the next page."""
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the filters keep of the address: its order, and the name of a kept file."""
    notes: Sequence[str] = ()
    """The parts that the list does not have, each with the reason."""
    unsorted: Sequence[Link] = ()
    """The link to the same list in its own order, where the wanted one is refused."""
    above: Sequence[Table] = ()
    """Tables above the list."""
    upload: Upload | None = None
    """The form above the list with what has to stay out of the address."""
    leads: Sequence[Link] = ()
    """The links above all of it, for example to what begins a new row."""
    figures: Sequence[Figure] = ()
    """Charts above the list."""
    commands: Commands | None = None
    meanings_heading: str = ""
    meanings: Sequence[tuple[str, str]] = ()
    """The figures of the list, and what each means."""

    def shown(self, title: str, tab: str) -> Shown:
        """The list below its title. Its file has the heads of columns also without a row."""
        tables = [*(each for each in self.above if each.rows), self.table]
        notes = [*self.notes, *(translated("This is one of several pages.") for _ in self.pages[:1])]
        return Shown("list.html.j2", title, self, tab, tables, notes)


def text_filter(
    visit: Visit, name: str, label: str, mode: str = "text", kind: str = "text", longest: int = 0
) -> TextFilter:
    """A filter with the text that the address has."""
    return TextFilter(name, label, visit.query.text(name), mode, kind, longest)


def chosen_of(visit: Visit, name: str, label: str, options: Sequence[Option]) -> Choice:
    """A filter of a list, of which any value may be chosen."""
    chosen = visit.query.text(name)
    is_known = chosen in ("", *(each.value for each in options))
    others = () if is_known else (Option(chosen, chosen),)  # which filters all the same
    return Choice(name, label, [Option("", translated("any")), *options, *others], chosen)


def chosen_value(visit: Visit, name: str, enum: EnumDescriptor) -> int:
    """The value of a filter; zero without it. Raises Refused for an unknown one."""
    said = visit.query.text(name)
    found = number_of(enum, said) if said else 0
    if found is None:
        known = numbers_of(enum)
        raise invalid(name, *one_of(known))
    return found


def chosen_word(visit: Visit, name: str, known: Sequence[str]) -> str:
    """The word of a filter; empty without it. Raises Refused for an unknown one."""
    said = visit.query.text(name)
    if said and said not in known:
        raise invalid(name, *one_of(known))
    return said


def values(enum: EnumDescriptor, title: Callable[[int], str]) -> Sequence[Option]:
    """All values of an enum, to choose from."""
    return [Option(said, title(each)) for said, each in numbers_of(enum).items()]


def list_page(
    visit: Visit,
    path: str,
    choices: Sequence[Choice],
    table: Table,
    following: str,
    texts: Sequence[TextFilter] = (),
    notes: Sequence[str] = (),
    above: Sequence[Table] = (),
    figures: Sequence[Figure] = (),
    commands: Commands | None = None,
    refused: Refused | None = None,
) -> ListPage:
    """The page of a list at a path. `following` is the token of its next page; empty at its end.

    A list without rows, since they are `refused`, has the reason among its notes.
    """
    kept = {name: said for name in (SORT, FILE) if (said := visit.query.text(name))}
    chosen = {**{each.name: each.chosen for each in choices}, **{each.name: each.text for each in texts}, **kept}
    links = []
    if visit.query.text(PAGE):
        links.append(Link(translated("The first page"), visit.address(path, **chosen)))
    if following:
        links.append(Link(translated("The next page"), visit.address(path, **chosen, page=following)))
    in_own_order = Link(translated("The list in its own order"), visit.address(path, **{**chosen, SORT: ""}))
    return ListPage(
        choices=choices,
        texts=texts,
        apply=translated("Show"),
        table=table,
        empty=translated("Nothing here.") if refused is None else "",
        pages=links,
        kept=kept,
        notes=[*notes, *([] if refused is None else [refusal_of(refused).text])],
        unsorted=[] if refused is None else [in_own_order],
        above=above,
        figures=figures,
        commands=commands,
    )
