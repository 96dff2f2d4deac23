"""Files of orders: JSON Lines of OrderRequest, or CSV with a header."""

import base64
import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from google.protobuf.json_format import ParseError

from gateway.api.region.v1.order_pb2 import OrderRequest
from gateway.api.types.v1.types_pb2 import Applicant, Channel, LocalizedText, Requester
from gateway.values.json_messages import json_of, message_of
from gateway.wording.languages import enumerated, translated

_COLUMN = re.compile(
    r"business|number|applicant|request_id|requester\.(staff_id|channel)|characteristics\.[^.]+"
    r"|documents\.[A-Z0-9_]+\.(verifier|verify_time|keyed_hash)"
)
_KNOWN_COLUMNS = (
    "business, number, applicant, requester.staff_id, requester.channel, request_id, characteristics.<name>,"
    " documents.<CODE>.verifier, documents.<CODE>.verify_time, documents.<CODE>.keyed_hash"
)
_HEX_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_ID_DIGITS = 24  # of the file's hash in a request id: enough against collisions by chance

Row = Mapping[str | None, str | list[str] | None]


class OrderFileUnusable(Exception):
    """The file as a whole cannot be read; the text has the reason."""


class Format(Enum):
    """How a file is written."""

    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True)
class Line:
    """An order of a file. `problem` is the reason why it cannot be sent; then there is no order."""

    number: int
    request_id: str
    order: OrderRequest | None
    problem: LocalizedText | None = None


@dataclass(frozen=True)
class Reading:
    """The reading options of a file: its form, its encoding, and the caller for lines without one."""

    format: Format
    encoding: str
    requester: Requester


class _LineInvalid(Exception):
    def __init__(self, zh_cn: str, en: str) -> None:
        super().__init__(en)
        self.problem = LocalizedText(zh_cn=zh_cn, en=en)


class OrderFile:
    """A file as it was at opening: its hash, the number of its orders, and its lines, readable repeatedly."""

    def __init__(self, path: Path, reading: Reading) -> None:
        """Reads the whole file once. Raises OrderFileUnusable."""
        self.path = path
        self._reading = reading
        try:
            with path.open("rb") as file:
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self.count = sum(1 for _ in self._records())
        except OSError as error:
            raise OrderFileUnusable(f"{path}: {error.strerror}") from error
        except (UnicodeError, LookupError, csv.Error) as error:
            raise OrderFileUnusable(f"{path}: {error}") from error

    def lines(self) -> Iterator[Line]:
        """The lines in order. A request id that the file has used before is a problem of the later line."""
        first: dict[str, int] = {}
        for number, record in self._records():
            line = self._read(number, record)
            if line.request_id in first and line.problem is None:
                problem = LocalizedText(
                    zh_cn=f"request_id与第{first[line.request_id]}行相同",
                    en=f"its request_id is that of line {first[line.request_id]}",
                )
                line = Line(number, line.request_id, None, problem)
            first.setdefault(line.request_id, number)
            yield line

    def _records(self) -> Iterator[tuple[int, str | Row]]:
        """Each order as written, with the number of its first line. Empty lines are skipped."""
        newline = "" if self._reading.format is Format.CSV else None
        with self.path.open(encoding=self._reading.encoding, newline=newline) as file:
            if self._reading.format is Format.JSONL:
                yield from ((number, text) for number, text in enumerate(file, 1) if text.strip())
                return
            rows = csv.DictReader(file, strict=True)
            _require_columns(self.path, rows.fieldnames or ())
            begins = rows.line_num + 1
            for row in rows:
                yield begins, row
                begins = rows.line_num + 1

    def _read(self, number: int, record: str | Row) -> Line:
        request_id = f"{self.sha256[:_ID_DIGITS]}-{number}"
        try:
            told = _from_json(record) if isinstance(record, str) else _from_row(record)
            chosen = told.pop("request_id", "")
            if not isinstance(chosen, str):
                raise _LineInvalid("request_id不是文本", "its request_id is not a text")
            request_id = chosen or request_id
            order = message_of(told, OrderRequest())
        except _LineInvalid as invalid:
            return Line(number, request_id, None, invalid.problem)
        except (ParseError, ValueError) as error:
            problem = str(error).partition("\n")[0]
            said = LocalizedText(zh_cn=f"不是有效的OrderRequest:{problem}", en=f"it is not an OrderRequest: {problem}")
            return Line(number, request_id, None, said)
        if not order.HasField("requester"):
            order.requester.CopyFrom(self._reading.requester)
        return Line(number, request_id, order)


def _require_columns(path: Path, columns: Sequence[str]) -> None:
    unknown = [column for column in columns if not _COLUMN.fullmatch(column)]
    if "business" not in columns or unknown:
        named = translated("it has no column business")
        if unknown:
            named = translated("it has the unknown columns {columns}", columns=enumerated(unknown))
        raise OrderFileUnusable(
            translated(
                "{path}: the first line is no header of orders: {problem}. Columns: {columns}.",
                path=path,
                problem=named,
                columns=_KNOWN_COLUMNS,
            )
        )
    if len(set(columns)) < len(columns):
        raise OrderFileUnusable(translated("{path}: a column is there twice.", path=path))


def _from_json(text: str) -> dict[str, object]:
    told = json_of(text)
    if not isinstance(told, dict):
        raise _LineInvalid("不是JSON对象", "it is not a JSON object")
    return told


def _from_row(row: Row) -> dict[str, object]:
    """A row as the JSON of an OrderRequest, without empty cells."""
    characteristics: dict[str, str] = {}
    documents: dict[str, dict[str, str]] = {}
    requester: dict[str, str] = {}
    told: dict[str, object] = {"characteristics": characteristics}
    for column, cell in row.items():
        if column is None or cell is None:
            raise _LineInvalid("列数与表头不符", "it has not as many cells as the header")
        value = cell.strip() if isinstance(cell, str) else ""
        head, _, rest = column.partition(".")
        if not value:
            continue
        if head == "characteristics":
            characteristics[rest] = value
        elif head == "documents":
            code, _, field = rest.partition(".")
            documents.setdefault(code, {"code": code})[field] = _base64(value) if field == "keyed_hash" else value
        elif head == "requester":
            requester[rest] = _named(value, "CHANNEL_", Channel.keys()) if rest == "channel" else value
        else:
            told[head] = _named(value, "APPLICANT_", Applicant.keys()) if head == "applicant" else value
    told["documents"] = list(documents.values())
    return told | ({"requester": requester} if requester else {})


def _named(value: str, prefix: str, names: Sequence[str]) -> str:
    """The contract's name of a value: `holder` and `APPLICANT_HOLDER` are the same."""
    name = value.upper()
    name = name if name.startswith(prefix) else prefix + name
    if name not in names[1:]:
        words = enumerated(each.removeprefix(prefix).lower() for each in names[1:])
        raise _LineInvalid(f"{value}不是{words}之一", f"{value} is not one of {words}")
    return name


def _base64(value: str) -> str:
    """A hash as JSON has it; exports often write hexadecimal digits."""
    return base64.b64encode(bytes.fromhex(value)).decode() if _HEX_HASH.fullmatch(value) else value
