"""The rows of the region's audit chain, with their filters in the address."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from gateway.api.region.v1.audit_service_pb2 import AuditRow, ListAuditRowsRequest, ListAuditRowsResponse
from gateway.web.console.entries import instant_entered
from gateway.web.console.lists import PAGE, chosen_of, chosen_word, text_filter
from gateway.web.console.pages import Calling, Shown, View, Visit
from gateway.web.console.parts import Option
from gateway.web.console.sorting import Column, Columns, Found, Part
from gateway.web.selecting import SORT
from gateway.web.tables import Cell, Table
from gateway.wording.acts import told_act
from gateway.wording.languages import translated
from gateway.wording.times import told_time
from region_node.console import rpcs
from region_node.console.lists import zone_of

PATH = "/audit"
_FROM, _UNTIL, _ACTOR, _ACTION, _SUBJECT, _ONLY = "from", "until", "actor", "action", "subject", "only"
_DENIED = "denied"
_DENIAL = "DENIED"  # the action of a denial, by the contract
_MOST = 50  # rows of a page


async def _read(visit: Visit, calling: Calling) -> Found[ListAuditRowsResponse]:
    request = ListAuditRowsRequest(
        actor=visit.query.text(_ACTOR),
        action=visit.query.text(_ACTION),
        subject=visit.query.text(_SUBJECT),
        denied=chosen_word(visit, _ONLY, (_DENIED,)) == _DENIED,
    )
    zone = ZoneInfo(await zone_of(visit, calling))
    for name, field in ((_FROM, request.start_time), (_UNTIL, request.end_time)):
        if entered := visit.query.text(name):
            field.CopyFrom(instant_entered(name, entered, zone))

    async def ask(part: Part) -> ListAuditRowsResponse:
        request.page_size, request.page_token, request.in_reverse = part.size, part.token, part.in_reverse
        return await calling.ask(rpcs.LIST_AUDIT_ROWS, request)

    return await _COLUMNS.read(visit, _MOST, ask, lambda each: each.rows)


def _show(visit: Visit, found: Found[ListAuditRowsResponse]) -> Shown:
    answer = found.answer
    only = chosen_of(visit, _ONLY, translated("Only"), [Option(_DENIED, translated("denials"))])
    texts = [
        text_filter(visit, _FROM, translated("From when"), kind="datetime-local"),
        text_filter(visit, _UNTIL, translated("Until when"), kind="datetime-local"),
        text_filter(visit, _ACTOR, translated("Actor")),
        text_filter(visit, _ACTION, translated("Action")),
        text_filter(visit, _SUBJECT, translated("Subject")),
    ]
    notes = []
    if answer.next_page_token and len(answer.rows) < _MOST:
        notes.append(translated("A page looks at 100,000 rows at most; the next page goes on behind them."))
    page = _COLUMNS.page(visit, PATH, [only], _table(answer), found, texts, notes)
    return page.shown(translated("Audit"), PATH)


def _table(answer: ListAuditRowsResponse) -> Table:
    return Table(
        label=translated("Audit"),
        head=[
            Cell(translated("Row"), "col"),
            Cell(translated("Date and time"), "col"),
            Cell(translated("Actor"), "col"),
            Cell(translated("Action"), "col"),
            Cell(translated("Subject"), "col"),
            Cell(translated("Detail"), "col"),
        ],
        rows=[
            [
                Cell(str(each.sequence), "row"),
                Cell(told_time(each.time, timespec="seconds"), style="time"),
                Cell(each.actor),
                *_act(each),
                Cell(each.detail, style="long"),
            ]
            for each in answer.rows
        ],
        order=translated("The newest first."),
    )


def _act(row: AuditRow) -> Sequence[Cell]:
    """The act in words, and its subject. Beside the words stands the name that the filters take."""
    if row.action == _DENIAL:
        return [Cell(translated("denied"), badge="late"), _named(row.subject)]
    return [_named(row.action), Cell(row.subject)]


def _named(act: str) -> Cell:
    told = told_act(act)
    return Cell(told, note=act if told != act else "")


_COLUMNS = Columns[AuditRow](
    "-sequence", [Column("sequence", lambda each: each.sequence), *[None] * 5], has_reverse=True
)
VIEW = View.of(
    PATH,
    (rpcs.GET_TERMS, rpcs.LIST_AUDIT_ROWS),
    _read,
    _show,
    (_FROM, _UNTIL, _ACTOR, _ACTION, _SUBJECT, _ONLY, SORT, PAGE),
)
