"""Maps in YAML from the columns of a file to complaints. Documented in the help of the command.

A value is as in a map of customers, without ranges; its `as` gives the pattern of a time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from gateway.api.region.v1.complaint_import_service_pb2 import ImportedComplaint
from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, ComplaintRequest, ComplaintState, Remedy
from gateway.time.clock import to_timestamp
from gateway.values.lists import joined
from gateway.wording.languages import enumerated, translated
from region_node.cli.imports.column_map import (
    Cells,
    Compiler,
    LineInvalid,
    MapUnusable,
    Surroundings,
    enum_value,
    mapping_at,
    require_whole,
    settings_in,
    text_at,
    zone_named,
)

_PLACE = "complaint"
T = TypeVar("T")
_ENUMS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "channel": ("COMPLAINT_CHANNEL_", dict(ComplaintChannel.items()[1:])),
    "remedy_sought": ("REMEDY_", dict(Remedy.items()[1:])),
}
_ENDS: Mapping[str, ComplaintState.ValueType] = {
    "closed": ComplaintState.COMPLAINT_STATE_CLOSED,
    "withdrawn": ComplaintState.COMPLAINT_STATE_CANCELLED,
    "rejected": ComplaintState.COMPLAINT_STATE_REJECTED,
}
_AREAS: Mapping[str, bool] = {"urban": False, "rural": True}
_INSTANTS = ("filed_time", "first_response_time", "resolved_time", "closed_time")
_ESTIMATE = "estimated_closed_time"
_DAYS = "days_after_filing"  # a form of the estimate alone
_REQUEST = frozenset({"category", "number", "contact_number", "description", "location_region", "area", *_ENUMS})
_OWN = frozenset(
    {
        "external_id",
        "cause_code",
        "resolution",
        "rating",
        "ended_as",
        "category_otherwise",
        _ESTIMATE,
        *_INSTANTS,
    }
)
_REQUIRED = ("external_id", "number", "description", "channel", "remedy_sought", "filed_time")
_SETTINGS = frozenset({"time_zone", "encoding", "delimiter", _PLACE})
_MOST_DIGITS = 4  # of a number of days
_TABS = frozenset({".tsv", ".tab"})  # suffixes of files with tabs between their cells


class ComplaintMap:
    """A map as read from a file."""

    def __init__(self, path: Path) -> None:
        """Raises MapUnusable, OSError."""
        self.content = path.read_bytes()
        settings = settings_in(self.content, _SETTINGS)
        self.encoding = text_at("encoding", settings.get("encoding", "utf-8-sig"))
        self._delimiter = text_at("delimiter", settings.get("delimiter", ""))
        self.zone = zone_named(text_at("time_zone", settings.get("time_zone", "Asia/Shanghai")))
        self._fields = mapping_at(_PLACE, settings.get(_PLACE), _REQUEST | _OWN)
        if len(self._delimiter) > 1:
            raise MapUnusable(translated("delimiter: not one character"))
        if missing := [field for field in _REQUIRED if field not in self._fields]:
            raise MapUnusable(translated("complaint: {fields} not told", fields=enumerated(missing)))

    def delimiter_of(self, path: Path) -> str:
        """The separator of a file's cells: that of the map, else tabs or commas by the suffix."""
        return self._delimiter or ("\t" if path.suffix.lower() in _TABS else ",")

    def complaints(self, columns: Sequence[str]) -> "Complaints":
        """The map applied to a file with these columns. Raises MapUnusable for a missing column."""
        return Complaints(Compiler(columns, Surroundings({}, ()), self.zone, None), self._fields, len(columns))


class Complaints:
    """Reads complaints from rows."""

    def __init__(self, compiler: Compiler, fields: Mapping[str, object], columns: int) -> None:
        self._compiler = compiler
        self._columns = columns
        self._texts = {name: compiler.reader(f"{_PLACE}.{name}", value) for name, value in fields.items()}
        self._forms = {name: _form(name, value) for name, value in fields.items()}

    def filed(self, cells: Cells) -> datetime:
        """When the complaint of a row was filed. Raises LineInvalid."""
        require_whole(cells, self._columns)
        return self._instant("filed_time", self._texts["filed_time"](cells))

    def complaint(self, cells: Cells) -> ImportedComplaint:
        """The complaint that a row describes. Raises LineInvalid."""
        require_whole(cells, self._columns)
        told = {name: text for name, read in self._texts.items() if (text := read(cells))}
        request = ComplaintRequest(
            category=told.get("category", ""),
            number=told.get("number", ""),
            contact_number=told.get("contact_number", ""),
            description=told.get("description", ""),
            location_region=told.get("location_region", ""),
            channel=ComplaintChannel.ValueType(_enum("channel", told)),
            remedy_sought=Remedy.ValueType(_enum("remedy_sought", told)),
            rural_area=_one_of("area", told, _AREAS) or False,
        )
        found = ImportedComplaint(
            external_id=told.get("external_id", ""),
            request=request,
            cause_code=told.get("cause_code", ""),
            resolution=told.get("resolution", ""),
            rating=_rating(told.get("rating", "0")),
            ended_as=_one_of("ended_as", told, _ENDS) or ComplaintState.COMPLAINT_STATE_UNSPECIFIED,
            category_otherwise=told.get("category_otherwise", ""),
        )
        for name in _INSTANTS:
            if name in told:
                getattr(found, name).CopyFrom(to_timestamp(self._instant(name, told[name])))
        is_dated = found.HasField("closed_time") or not found.HasField("filed_time")
        if found.ended_as and _ESTIMATE in told and not is_dated:
            found.closed_time.CopyFrom(to_timestamp(self._estimate(told)))
            found.closed_time_estimated = True
        return found

    def _estimate(self, told: Mapping[str, str]) -> datetime:
        """The estimated closing time of an ended complaint: not before any known event."""
        known = [self._instant(name, told[name]) for name in _INSTANTS if name in told]
        text = told[_ESTIMATE]
        if self._forms[_ESTIMATE] != _DAYS:
            return max(*known, self._instant(_ESTIMATE, text))
        if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
            raise LineInvalid(_ESTIMATE, f"不是天数:{text}", f"not a number of days: {text}")
        return max(*known, known[0] + timedelta(days=int(text)))

    def _instant(self, name: str, text: str) -> datetime:
        return self._compiler.instant(name, text, self._forms[name], None)


def _form(name: str, value: object) -> str:
    """The `as` of a value. Raises MapUnusable where the field knows none such."""
    form = str(value["as"]) if isinstance(value, dict) and "as" in value else ""
    is_known = form == _DAYS if name == _ESTIMATE else False
    if form and not (is_known or (name in (_ESTIMATE, *_INSTANTS) and "%" in form)):
        raise MapUnusable(translated("{where}: cannot be read as {form}", where=f"{_PLACE}.{name}", form=form))
    return form


def _enum(name: str, told: Mapping[str, str]) -> int:
    return enum_value(name, told.get(name, ""), *_ENUMS[name])


def _one_of(name: str, told: Mapping[str, str], values: Mapping[str, T]) -> T | None:
    text = told.get(name, "")
    if not text:
        return None
    if text.lower() not in values:
        known = joined(values)
        raise LineInvalid(name, f"不是{known.zh_cn}之一：{text}", f"not one of {known.en}: {text}")
    return values[text.lower()]


def _rating(text: str) -> int:
    if len(text) == 1 and text in "012345":
        return int(text)
    raise LineInvalid("rating", f"不是0至5:{text}", f"not 0 to 5: {text}")
