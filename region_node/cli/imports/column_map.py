"""Maps in YAML from the columns of a CSV file to customers. Documented in the help of the command.

A value is a text, or a mapping with one source: `column`, `template` or `range`. Beside it stand `table`, `empty`,
`otherwise` and `as`. Amounts are decimal fractions in major units; nothing passes through a float.
"""

import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import LineKind, Plan
from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import to_timestamp
from gateway.wording.languages import enumerated, translated
from region_node.cli.imports.number_ranges import NumberRange, RangeExhausted
from region_node.node.terms import add_months, term_end

_MINOR_DIGITS = 2
_ENUMS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "status": ("PRODUCT_STATUS_", dict(api.ProductStatus.items())),
    "kind": ("LINE_KIND_", dict(LineKind.items())),
    "rating_type": ("RATING_TYPE_", dict(api.RatingType.items())),
    "suspension_kind": ("SUSPENSION_KIND_", dict(api.SuspensionKind.items())),
    "card_kind": ("CARD_KIND_", dict(api.CardKind.items())),
}
_INSTANTS = frozenset({"start_time", "contract_end_time", "sim_replace_time", "suspension_end_time"})
_DEPENDENT = frozenset({"plan_id", "contract_end_time"})  # on the kind of line, and on its start
_TEXTS = frozenset({"id", "number", "plan_id", "binding", "suspension_reason", "address"})
_PRODUCT = _TEXTS | _INSTANTS | frozenset(_ENUMS)
_CUSTOMER = frozenset({"id", "name", "email"})
_CONTACTS = "other_contacts."  # before the place of each in the list
_ACCOUNT = frozenset({"id", "balance"})
_REQUIRED = ("id", "name", "product.id", "product.number", "product.status", "product.plan_id", "billing_account.id")
_SOURCES = ("column", "template", "range")
_MODIFIERS = ("table", "empty", "otherwise", "as")
_AS_OF = frozenset({"months_before", "months_after", "term_months"})
_SETTINGS = frozenset({"currency", "time_zone", "as_of", "encoding", "delimiter", "customer"})

_AMOUNT = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)
_COUNT = re.compile(r"\d{1,4}", re.ASCII)  # of months
_LARGEST_AMOUNT = 10**15  # minor units: far more than a node accepts, and within the range of the message's number

Cells = Sequence[str]
Reader = Callable[[Cells], str]


class MapUnusable(Exception):
    """The map cannot be used; the text has the place and the reason."""


@dataclass(frozen=True)
class Problem:
    """The reason why a line gives no customer by the map: the field, and the problem in both languages."""

    field: str
    zh_cn: str
    en: str


class LineInvalid(Exception):
    """A line describes no customer by the map."""

    def __init__(self, field: str, zh_cn: str, en: str) -> None:
        super().__init__(en)
        self.problem = Problem(field, zh_cn, en)


@dataclass(frozen=True)
class Surroundings:
    """The context of a map: the ranges of numbers by name, and the plans of the region."""

    ranges: Mapping[str, NumberRange]
    plans: Sequence[Plan]


class ColumnMap:
    """A map as read from a file."""

    def __init__(self, path: Path) -> None:
        """Raises MapUnusable, OSError."""
        self.content = path.read_bytes()
        settings = settings_in(self.content, _SETTINGS)
        self.encoding = text_at("encoding", settings.get("encoding", "utf-8-sig"))
        self.delimiter = text_at("delimiter", settings.get("delimiter", ","))
        self.currency = text_at("currency", settings.get("currency", ""))
        self._zone = zone_named(text_at("time_zone", settings.get("time_zone", "Asia/Shanghai")))
        self._as_of = _as_of(text_at("as_of", settings.get("as_of", "")))
        self._fields = _flat(settings.get("customer"))
        self.ranges_named = frozenset(_ranges(self._fields))
        if len(self.delimiter) != 1:
            raise MapUnusable(translated("delimiter: not one character"))
        if missing := [field for field in _REQUIRED if field not in self._fields]:
            raise MapUnusable(translated("customer: {fields} not told", fields=enumerated(missing)))
        if "billing_account.balance" in self._fields and not self.currency:
            raise MapUnusable(translated("currency: not told"))

    def customers(self, columns: Sequence[str], around: Surroundings) -> "Customers":
        """The map applied to a file with these columns. Raises MapUnusable for a missing column or range."""
        compiler = Compiler(columns, around, self._zone, self._as_of)
        return Customers(compiler, self._fields, self.currency, len(columns))


class Customers:
    """Reads customers from rows, which have to come in the order of the file: numbers are given in that order."""

    def __init__(self, compiler: "Compiler", fields: Mapping[str, object], currency: str, columns: int) -> None:
        self._compiler = compiler
        self._currency = currency
        self._columns = columns
        texts = {name: compiler.reader(f"customer.{name}", value) for name, value in fields.items()}
        self._number = texts.pop("product.number")
        self._balance = texts.pop("billing_account.balance", None)
        self._forms = {name: _form(name, value) for name, value in fields.items()}
        self._customer = {name: texts.pop(name) for name in list(texts) if name in _CUSTOMER}
        self._contacts = [texts.pop(name) for name in list(texts) if name.startswith(_CONTACTS)]
        self._account = texts.pop("billing_account.id")
        product = {name.partition(".")[2]: read for name, read in texts.items()}
        self._product = {name: product[name] for name in sorted(product, key=lambda name: name in _DEPENDENT)}
        if _AS_OF.intersection(self._forms.values()) and compiler.as_of is None:
            raise MapUnusable(translated("as_of: not told, and a date depends on it"))

    def customer(self, cells: Cells) -> api.Customer:
        """The customer that a row describes. Raises LineInvalid."""
        require_whole(cells, self._columns)
        # First, so that an invalid line takes its number, too, and the numbers of later lines stay the same.
        product: dict[str, object] = {"number": self._number(cells)}
        for name, read in self._product.items():
            if text := read(cells):
                product[name] = self._product_value(name, text, product)
        balance = 0 if self._balance is None else _minor_units(self._balance(cells))
        texts = {name: read(cells) for name, read in self._customer.items()}
        return api.Customer(
            **texts,
            product=api.Product(**product),  # type: ignore[arg-type]  # each by its own name and of its type
            billing_account=api.BillingAccount(
                id=self._account(cells), balance=Money(minor_units=balance, currency=self._currency)
            ),
            other_contacts=[api.OtherContact(number=text) for read in self._contacts if (text := read(cells))],
        )

    def _product_value(self, name: str, text: str, product: Mapping[str, object]) -> object:
        field, form = f"product.{name}", self._forms[f"product.{name}"]
        if name in _ENUMS:
            return enum_value(field, text, *_ENUMS[name])
        if name in _INSTANTS:
            return to_timestamp(self._compiler.instant(field, text, form, product.get("start_time")))
        if form == "nearest_rent":
            return self._compiler.nearest_plan(field, text, product.get("kind"))
        return text


class Compiler:
    """Makes functions of the values of a map."""

    def __init__(self, columns: Sequence[str], around: Surroundings, zone: tzinfo, as_of: date | None) -> None:
        self._columns = {name: index for index, name in reversed(list(enumerate(columns)))}
        self._ranges = around.ranges
        self._rents = sorted((plan.monthly_rent.minor_units, plan.id, plan.line_kind) for plan in around.plans)
        self._nearest: dict[tuple[str, object], str] = {}
        self._zone = zone
        self.as_of = as_of

    def reader(self, where: str, value: object) -> Reader:
        """The function that reads a value's text from a row.

        It raises LineInvalid for a text missing from the table.
        """
        if isinstance(value, str):
            return lambda cells: value
        told = mapping_at(where, value, frozenset((*_SOURCES, *_MODIFIERS)))
        sources = [name for name in _SOURCES if name in told]
        if len(sources) != 1:
            raise MapUnusable(translated("{where}: needs one of {sources}", where=where, sources=enumerated(_SOURCES)))
        read = self._source(where, sources[0], text_at(f"{where}.{sources[0]}", told[sources[0]]))
        if "otherwise" in told and "table" not in told:
            raise MapUnusable(translated("{where}: otherwise goes with a table", where=where))
        if "table" in told:
            read = self._table(where, read, told)
        return self._with_empty(where, read, told) if "empty" in told else read

    def instant(self, field: str, text: str, form: str, start: object) -> datetime:
        """The instant of a text in the form of the map, in UTC."""
        try:
            if form in _AS_OF:
                if not _COUNT.fullmatch(text):
                    raise LineInvalid(field, f"不是月数:{text}", f"not a number of months: {text}")
                day = self._relative(form, int(text), start)
            elif form:
                day = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is given to it below
            else:
                day = datetime.fromisoformat(text)
            return day.astimezone(UTC) if day.tzinfo else day.replace(tzinfo=self._zone).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise LineInvalid(field, f"不是有效的日期:{text}", f"not a date: {text}") from error

    def nearest_plan(self, field: str, text: str, kind: object) -> str:
        """The plan whose rent is nearest to an amount; among plans for the kind of line, if there are any.

        Of two equally near ones the cheaper one.
        """
        found = self._nearest.get((text, kind))
        if found is None:
            rent, wanted = _minor_units(text, field), kind or LineKind.LINE_KIND_MOBILE
            fitting = [each for each in self._rents if (each[2] or LineKind.LINE_KIND_MOBILE) == wanted] or self._rents
            if not fitting:
                raise LineInvalid(field, "地区没有套餐", "the region has no plan")
            found = self._nearest[text, kind] = min(fitting, key=lambda each: (abs(each[0] - rent), each))[1]
        return found

    def _relative(self, form: str, months: int, start: object) -> datetime:
        assert self.as_of is not None, "the map was checked for it"
        if form == "months_before":
            day = add_months(self.as_of, -months)
        elif form == "months_after":
            day = add_months(self.as_of, months)
        else:
            began = start.ToDatetime(UTC).astimezone(self._zone).date() if isinstance(start, Timestamp) else self.as_of
            day = term_end(began, months, self.as_of)
        return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the caller gives it the map's time zone

    def _source(self, where: str, source: str, text: str) -> Reader:
        if source == "column":
            index = self._index(where, text)
            return lambda cells: cells[index].strip()
        if source == "template":
            return self._template(where, text)
        if text not in self._ranges:
            raise MapUnusable(translated("{where}: give --numbers {name}=FIRST-LAST", where=where, name=text))
        numbers = self._ranges[text]

        def take(cells: Cells) -> str:
            try:
                return numbers.take()
            except RangeExhausted as error:
                raise LineInvalid("product.number", f"号段{text}已用完", f"the range {text} is exhausted") from error

        return take

    def _template(self, where: str, text: str) -> Reader:
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise MapUnusable(f"{where}: {error}") from error
        read = [(literal, None if name is None else self._index(where, name)) for literal, name, _, _ in parts]
        field = where.partition(".")[2]

        def fill(cells: Cells) -> str:
            for _, index in read:
                if index is not None and not cells[index].strip():
                    raise LineInvalid(field, "模板所用的列为空", "a column of the template is empty")
            return "".join(literal if index is None else f"{literal}{cells[index].strip()}" for literal, index in read)

        return fill

    def _table(self, where: str, read: Reader, told: Mapping[str, object]) -> Reader:
        entries = told["table"]
        if not isinstance(entries, dict):
            raise MapUnusable(translated("{where}: not a mapping", where=f"{where}.table"))
        table = {str(key): self.reader(f"{where}.table.{key}", value) for key, value in entries.items()}
        otherwise = self.reader(f"{where}.otherwise", told["otherwise"]) if "otherwise" in told else None
        skips_empty, field = "empty" in told, where.partition(".")[2]

        def look_up(cells: Cells) -> str:
            text = read(cells)
            chosen = table.get(text, otherwise)
            if chosen is not None:
                return chosen(cells)
            if not text and skips_empty:
                return ""
            raise LineInvalid(field, f"对照表中没有:{text}", f"not in the table: {text}")

        return look_up

    def _with_empty(self, where: str, read: Reader, told: Mapping[str, object]) -> Reader:
        empty = self.reader(f"{where}.empty", told["empty"])
        return lambda cells: read(cells) or empty(cells)

    def _index(self, where: str, column: str) -> int:
        if column not in self._columns:
            raise MapUnusable(translated("{where}: the file has no column {column!r}", where=where, column=column))
        return self._columns[column]


def _form(name: str, value: object) -> str:
    """The `as` of a value. Raises MapUnusable where the field knows none such."""
    form = str(value["as"]) if isinstance(value, dict) and "as" in value else ""
    own = name.rpartition(".")[2]
    fits = own in _INSTANTS and (form in _AS_OF or "%" in form)
    if form and not fits and (name, form) != ("product.plan_id", "nearest_rent"):
        raise MapUnusable(translated("{where}: cannot be read as {form}", where=f"customer.{name}", form=form))
    return form


def _minor_units(text: str, field: str = "billing_account.balance") -> int:
    """An amount in minor units. Raises LineInvalid for a text that is no amount, or has fractions of a minor unit."""
    if _AMOUNT.fullmatch(text or "0"):
        minor = Decimal(text or "0").scaleb(_MINOR_DIGITS)
        if minor == (whole := int(minor)) and abs(whole) <= _LARGEST_AMOUNT:
            return whole
    raise LineInvalid(field, f"不是有效的金额:{text}", f"not an amount: {text}")


def _flat(told: object) -> dict[str, object]:
    """The values of a map by the path of their field."""
    top = mapping_at("customer", told, _CUSTOMER | {"product", "billing_account", "other_contacts"})
    contacts = top.pop("other_contacts", [])
    if not isinstance(contacts, list):
        raise MapUnusable(translated("{where}: not a list", where="customer.other_contacts"))
    product = mapping_at("customer.product", top.pop("product", {}), _PRODUCT)
    account = mapping_at("customer.billing_account", top.pop("billing_account", {}), _ACCOUNT)
    return {
        **top,
        **{f"product.{name}": value for name, value in product.items()},
        **{f"billing_account.{name}": value for name, value in account.items()},
        **{f"{_CONTACTS}{index}": value for index, value in enumerate(contacts)},
    }


def _ranges(told: object) -> Iterator[str]:
    """The ranges in a value of a map, at any depth."""
    if isinstance(told, dict):
        if isinstance(told.get("range"), str):
            yield told["range"]
        for value in told.values():
            yield from _ranges(value)


def settings_in(content: bytes, known: frozenset[str]) -> dict[str, object]:
    """The settings of a map. Raises MapUnusable."""
    try:
        # All scalars are texts: `Yes` must not become true, nor 007 a number.
        told = yaml.load(content, Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but texts
    except (yaml.YAMLError, UnicodeError) as error:
        raise MapUnusable(str(error)) from error
    return mapping_at(translated("the map"), told, known)


def require_whole(cells: Cells, columns: int) -> None:
    """Raises LineInvalid for a row that has not as many cells as the header."""
    if len(cells) != columns:
        told = f"{len(cells)}, {columns}"
        raise LineInvalid("columns", f"列数与表头不符({told})", f"as many cells as the header has are needed ({told})")


def enum_value(field: str, text: str, prefix: str, values: Mapping[str, int]) -> int:
    """A value of the contract by its name, with or without its prefix. Raises LineInvalid."""
    wanted = text.upper()
    found = values.get(wanted, values.get(prefix + wanted))
    if found is None:
        raise LineInvalid(field, f"契约中没有该值:{text}", f"not a value of the contract: {text}")
    return found


def mapping_at(where: str, told: object, known: frozenset[str]) -> dict[str, object]:
    if not isinstance(told, dict):
        raise MapUnusable(translated("{where}: not a mapping", where=where))
    if unknown := sorted(str(name) for name in told if name not in known):
        raise MapUnusable(
            translated(
                "{where}: unknown: {unknown}; known: {known}",
                where=where,
                unknown=enumerated(unknown),
                known=enumerated(sorted(known)),
            )
        )
    return {str(name): value for name, value in told.items()}


def text_at(where: str, told: object) -> str:
    if not isinstance(told, str):
        raise MapUnusable(translated("{where}: not a text", where=where))
    return told


def zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MapUnusable(translated("time_zone: {name} is not known", name=name)) from error


def _as_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise MapUnusable(translated("as_of: {text} is not a date like 2026-11-01", text=text)) from error
