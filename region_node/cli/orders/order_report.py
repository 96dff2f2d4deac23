"""The progress of a file of orders, and the results of its lines."""

import json
from collections import Counter
from pathlib import Path

from gateway.cli.exits import NOT_KNOWN, REFUSED
from gateway.process.files import open_private
from gateway.values.plain_text import visible
from gateway.wording.languages import enumerated, in_language, translated
from region_node.business.orders.rules import REJECTED, state_name
from region_node.cli.orders.order_file import OrderFile
from region_node.cli.orders.order_submission import ACCEPTED, INVALID, NOT_SENT, UNKNOWN, Outcome
from region_node.cli.orders.order_submission import REFUSED as REFUSED_LINE
from region_node.cli.progress import LineProgress

_REJECTED = state_name(REJECTED)
_SHOWN = 10  # rejected lines printed with their reasons; the report has them all


class OrderReport:
    """Receives results: shows a bar on a terminal, writes the report, and counts for the summary."""

    def __init__(self, file: OrderFile, report: Path | None) -> None:
        """Raises OSError where the report cannot be written."""
        self.is_denied = False
        """Whether the node refused the stream itself, for a reason that does not pass."""
        self._file = file
        self._counts: Counter[str] = Counter()
        self._states: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._shown: list[Outcome] = []
        self._report = open_private(report) if report is not None else None
        self.progress = LineProgress(file.path.name, file.count)

    def __enter__(self) -> "OrderReport":
        self.progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.__exit__()
        if self._report is not None:
            self._report.close()

    def add(self, outcome: Outcome) -> None:
        """Adds the result of a line."""
        self._counts[outcome.outcome] += 1
        if outcome.state:
            self._states[outcome.state] += 1
        if outcome.reason:
            self._reasons[outcome.reason] += 1
        if outcome.message is not None and len(self._shown) < _SHOWN:
            self._shown.append(outcome)
        if self._report is not None:
            self._report.write(visible(json.dumps(self._row(outcome), ensure_ascii=False)) + "\n")
        if outcome.outcome in (ACCEPTED, REFUSED_LINE, INVALID):
            self.progress.advance()

    @property
    def exit_code(self) -> int:
        """The exit code of the command, as in its help."""
        if self.is_denied:
            return REFUSED
        if self._counts[UNKNOWN] or self._counts[NOT_SENT]:
            return NOT_KNOWN
        return REFUSED if self._counts[REFUSED_LINE] or self._counts[INVALID] or self._states[_REJECTED] else 0

    def plain(self) -> dict[str, object]:
        """The summary for programs."""
        seconds = self.progress.seconds
        return {
            "file": str(self._file.path),
            "sha256": self._file.sha256,
            "lines": self._file.count,
            "accepted": dict(self._states),
            "reasons": dict(self._reasons),
            "refused": self._counts[REFUSED_LINE],
            "invalid": self._counts[INVALID],
            "unknown": self._counts[UNKNOWN],
            "not_sent": self._counts[NOT_SENT],
            "seconds": round(seconds, 3),
            "per_second": round(self._counts[ACCEPTED] / seconds, 1) if seconds else 0.0,
        }

    def summary(self) -> str:
        """The summary for people."""
        seconds = self.progress.seconds
        states = enumerated(f"{count:,} {translated(state)}" for state, count in self._states.most_common())
        lines = [
            translated(
                "{file}: orders: {lines}, in {seconds} s, {rate} a second",
                file=self._file.path.name,
                lines=f"{self._file.count:,}",
                seconds=f"{seconds:.1f}",
                rate=f"{self._counts[ACCEPTED] / max(seconds, 0.001):,.0f}",
            ),
            translated("taken in: {count}", count=f"{self._counts[ACCEPTED]:,}") + (f" ({states})" if states else ""),
            translated("refused: {count}", count=f"{self._counts[REFUSED_LINE]:,}"),
            translated("cannot be read: {count}", count=f"{self._counts[INVALID]:,}"),
            translated("not known: {count}", count=f"{self._counts[UNKNOWN]:,}"),
            translated("not sent: {count}", count=f"{self._counts[NOT_SENT]:,}"),
            *(f"  {reason} {count:,}" for reason, count in self._reasons.most_common()),
            *(
                "  " + translated("line {line}: {problem}", line=each.line, problem=self._told(each))
                for each in self._shown
            ),
        ]
        return "\n".join(lines)

    def _row(self, outcome: Outcome) -> dict[str, object]:
        row: dict[str, object] = {
            "line": outcome.line,
            "request_id": outcome.request_id,
            "outcome": outcome.outcome,
            "order_id": outcome.order_id,
            "state": outcome.state,
            "reason": outcome.reason,
            "message": self._told(outcome),
        }
        return {name: value for name, value in row.items() if value != ""}

    def _told(self, outcome: Outcome) -> str:
        return "" if outcome.message is None else in_language(outcome.message)
