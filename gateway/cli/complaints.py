"""The ledger of a complaint, printed for staff of a region and for administrators."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate, pairwise

from rich.text import Text

from gateway.api.region.v1.complaint_pb2 import LedgerEntry
from gateway.cli.table import Table, TableColumn
from gateway.wording.complaints import in_minutes, party_of, time_reason_word, whole_of
from gateway.wording.languages import translated

_BAR = 28  # characters of the whole time
_COLOURS = ("green", "yellow", "cyan", "magenta", "blue", "red")


@dataclass(frozen=True)
class _Held:
    """A row of a ledger; the last row is the sum."""

    party: str
    reason: str
    length: str
    share: str
    bar: Text


_LEDGER = Table[_Held](
    TableColumn("who", lambda each: each.party),
    TableColumn("for", lambda each: each.reason),
    TableColumn("time taken", lambda each: each.length),
    TableColumn("share", lambda each: each.share),
    TableColumn("", lambda each: each.bar),
)


def show_ledger(ledger: Sequence[LedgerEntry], length: Callable[[timedelta], str], title: str = "") -> None:
    """Prints the time that each holder had a complaint, in figures and as a bar.

    The printed lengths add up to the printed sum.
    """
    whole = whole_of(ledger)
    ends = pairwise(accumulate((each.duration.ToTimedelta() for each in ledger), initial=timedelta()))
    rows = []
    for number, (each, (start, end)) in enumerate(zip(ledger, ends, strict=True)):
        first, last = (round(_BAR * (passed / whole)) if whole else 0 for passed in (start, end))
        bar = Text(" " * first + "█" * (last - first), style=_COLOURS[number % len(_COLOURS)])
        share = f"{(end - start) / whole:.1%}" if whole else ""
        taken = length(in_minutes(end) - in_minutes(start))
        rows.append(_Held(party_of(each), time_reason_word(each.reason), taken, share, bar))
    rows.append(_Held(translated("together"), "", length(whole), "100.0%" if whole else "", Text()))
    _LEDGER.show(rows, title)
