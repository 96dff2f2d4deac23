"""The entries of a settings page, read from its dataclass."""

import ast
import functools
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass

_EXAMPLE, _IS_USUAL = "example", "is_usual"


def example(value: object, *, is_usual: bool = False) -> Mapping[str, object]:
    """The metadata of a field whose value in `config example` is not its default; of a table, an instance.

    `config example` does not comment out a usual setting, although it has a default.
    """
    return {_EXAMPLE: value, _IS_USUAL: is_usual}


@dataclass(frozen=True)
class Entry:
    """A key of a page: a setting, or a table of entries."""

    name: str
    """The name within its table."""
    key: str
    """The whole name, with a dot after each table: `postgresql.readers`."""
    kind: object
    """The type of its value; of a table, its dataclass."""
    required: bool
    """Whether the setting has no default."""
    default: object
    """The value where no source gives one; None for a required setting."""
    example: object
    """A value for an example: as the field names it, else the default."""
    is_in_example: bool
    """Whether `config example` has the setting in force, and not commented out."""
    description: str
    """The description of the setting; may be empty."""
    entries: tuple["Entry", ...]
    """The entries of a table; empty for a setting."""

    @property
    def is_table(self) -> bool:
        """Whether the entry holds entries instead of a value."""
        return bool(self.entries)

    def settings(self) -> Iterator["Entry"]:
        """The entry itself, or all settings in the table."""
        if not self.is_table:
            yield self
        for entry in self.entries:
            yield from entry.settings()


def entries_of(page: type, prefix: str = "") -> tuple[Entry, ...]:
    """The entries of a dataclass, in its order; `prefix` is the key of its table and a dot."""
    hints = typing.get_type_hints(page)
    parts = (each for each in reversed(page.__mro__) if is_dataclass(each))
    described = {name: text for each in parts for name, text in _descriptions(each).items()}
    return tuple(
        _entry(field, _without_none(hints[field.name]), prefix, described.get(field.name, "")) for field in fields(page)
    )


def _entry(field: Field[object], kind: object, prefix: str, description: str) -> Entry:
    key = prefix + field.name
    default: object = None
    if field.default_factory is not MISSING:
        default = field.default_factory()
    elif field.default is not MISSING:
        default = field.default
    is_required = field.default is MISSING and field.default_factory is MISSING
    return Entry(
        name=field.name,
        key=key,
        kind=kind,
        required=is_required,
        default=default,
        example=field.metadata.get(_EXAMPLE, default),
        is_in_example=is_required or bool(field.metadata.get(_IS_USUAL)),
        description=description,
        entries=entries_of(kind, f"{key}.") if isinstance(kind, type) and is_dataclass(kind) else (),
    )


def _without_none(hint: object) -> object:
    """The type of a field that may also be None: no source has None, the key is left out."""
    if not isinstance(hint, types.UnionType):
        return hint
    (only,) = (each for each in typing.get_args(hint) if each is not types.NoneType)
    return only


@functools.cache
def _descriptions(page: type) -> dict[str, str]:
    """The text below each field of a dataclass itself, by the name of the field."""
    try:
        source = textwrap.dedent(inspect.getsource(page))
    except OSError:
        return {}  # installed without its source; nothing but the descriptions is lost
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found
