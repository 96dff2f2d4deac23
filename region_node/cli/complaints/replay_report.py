"""The levels that the complaints of a file would have reached, with time and trigger."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click

from gateway.api.region.v1.complaint_import_service_pb2 import (
    ImportComplaintsResponse,
    ImportedComplaint,
    ReplayedComplaint,
)
from gateway.api.region.v1.complaint_pb2 import EscalationTrigger
from gateway.cli.table import Table, TableColumn
from gateway.time.clock import from_timestamp
from gateway.wording.languages import translated
from gateway.wording.times import region_zone, told_time
from gateway.wording.words import value_word
from region_node.cli.imports.import_report import ImportReport
from region_node.cli.imports.line_file import Line, LineFile

_LEVELS = 6  # L0 to L5
_SHOWN_FROM = 2  # filing alone reaches the levels below
_PREFIX = "ESCALATION_TRIGGER_"


@dataclass(frozen=True)
class _Reached:
    row: int
    reference: str = field(repr=False)
    category: str
    filed: datetime
    level: int
    trigger: EscalationTrigger.ValueType
    due_time: datetime


_Group = tuple[str, str]
"""A category, and the month of filing."""
_GROUP = (
    TableColumn[_Group]("category", lambda each: each[0]),
    TableColumn[_Group]("month of filing", lambda each: each[1]),
)
_REACHED = Table[_Reached](
    TableColumn("line", lambda each: str(each.row)),
    TableColumn("ticket id before", lambda each: each.reference),
    TableColumn("category", lambda each: each.category),
    TableColumn("filed at", lambda each: told_time(each.filed)),
    TableColumn("level", lambda each: f"L{each.level}"),
    TableColumn("why", lambda each: value_word(EscalationTrigger.DESCRIPTOR, each.trigger)),
    TableColumn("due", lambda each: told_time(each.due_time)),
)


class ReplayReport(ImportReport[ImportedComplaint, ImportComplaintsResponse]):
    """The report of rejected lines, and of the levels that each complaint would have reached."""

    def __init__(self, file: LineFile, rejects: Path | None, rows: int) -> None:
        """`rows` is the number of printed complaints. Raises OSError."""
        super().__init__(file, rejects)
        self._rows = rows
        self._replayed: dict[int, ReplayedComplaint] = {}
        self._reached: list[_Reached] = []
        self._levels: Counter[tuple[str, str, int]] = Counter()

    def begin(self, answer: ImportComplaintsResponse) -> None:
        """See ImportReport: all lines are replayed anew."""
        self._reached.clear()
        self._levels.clear()
        self._replayed.clear()
        super().begin(answer)

    def count(self, answer: ImportComplaintsResponse) -> None:
        """See ImportReport."""
        self._replayed.update({each.number: each for each in answer.replayed})
        super().count(answer)

    def accept(self, line: Line[ImportedComplaint]) -> None:
        """See ImportReport."""
        replayed = self._replayed.pop(line.number, None)
        if replayed is None or line.content is None:
            return
        filed = from_timestamp(replayed.filed_time)
        month = f"{filed.astimezone(region_zone()):%Y-%m}"
        for each in replayed.escalations:
            self._levels[replayed.category, month, each.level] += 1
            if each.level >= _SHOWN_FROM:
                due = from_timestamp(each.due_time)
                reference = line.content.external_id
                self._reached.append(
                    _Reached(line.row, reference, replayed.category, filed, each.level, each.trigger, due)
                )

    def show(self) -> None:
        """See ImportReport. Prints the reached levels from 2 on, in order, and the count of each."""
        reached = sorted(self._reached, key=lambda each: (each.due_time, each.row, each.level))
        _REACHED.show(reached[: self._rows])
        if len(reached) > self._rows:
            click.echo(
                translated("and {count} more: --rows shows more, --json all", count=f"{len(reached) - self._rows:,}")
            )
        click.echo()
        groups = sorted({(category, month) for category, month, _ in self._levels})
        levels = (TableColumn[_Group](f"L{level}", self._count_of(level)) for level in range(_LEVELS))
        Table(*_GROUP, *levels).show(groups)
        click.echo()
        super().show()

    def _count_of(self, level: int) -> Callable[[_Group], str]:
        return lambda group: f"{self._levels[*group, level]:,}"

    def plain(self) -> dict[str, object]:
        """See ImportReport; with every level that was reached from 2 on, and the counts of all; nothing is stored."""
        told = super().plain()
        del told["created"], told["existing"]
        return {
            **told,
            "looked_at": self._created,
            "escalations": [
                {
                    "line": each.row,
                    "external_id": each.reference,
                    "category": each.category,
                    "filed": each.filed.isoformat(),
                    "level": each.level,
                    "trigger": EscalationTrigger.Name(each.trigger).removeprefix(_PREFIX),
                    "due_time": each.due_time.isoformat(),
                }
                for each in sorted(self._reached, key=lambda each: (each.due_time, each.row, each.level))
            ],
            "levels": [
                {"category": category, "month": month, "level": level, "complaints": count}
                for (category, month, level), count in sorted(self._levels.items())
            ],
        }

    def _taken(self) -> Sequence[str]:
        """See ImportReport: nothing is stored, so nothing is new."""
        return (translated("looked at: {count}", count=f"{self._created:,}"),)
