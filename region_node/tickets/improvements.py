"""Improvement actions against causes and for figures, as stored; their texts are sealed by the action."""

from dataclasses import dataclass, field
from datetime import datetime

from gateway.api.federation.v1.quality_pb2 import ScorecardFigure
from gateway.api.region.v1.improvement_service_pb2 import ImprovementAction, ListImprovementActionsRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.store import vault
from gateway.store.port import Transaction, Value
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from region_node.node.subjects import improvement_subject
from region_node.records.numbers import Numbers

NUMBERS = Numbers("improvement_actions", "action_number")

_PLACE = "improvement_actions"
_COLUMNS = (
    "action_id, action_number, ticket_id, category, cause_code, owner, due_date, staff_id, create_time, finisher,"
    " finish_time, repeats, last_repeat_ticket_id, ineffective, figure, body"
)


@dataclass(frozen=True)
class _Stored:
    action_id: str
    action_number: int
    ticket_id: str
    category: str
    cause_code: str
    owner: str
    due_date: str
    author: str
    create_time: int
    finisher: str
    finish_time: int | None
    repeats: int
    last_repeat: str
    ineffective: int
    figure: int
    body: bytes = field(repr=False)


def next_action_number(tx: Transaction) -> int:
    """The number of the next action of this region."""
    return NUMBERS.next(tx)


def insert_action(tx: Transaction, action: ImprovementAction, number: int) -> None:
    """Adds an action that is open."""
    tx.execute(
        f"INSERT INTO improvement_actions ({_COLUMNS})"  # noqa: S608 - column names only
        " VALUES (:action_id, :action_number, :ticket_id, :category, :cause_code, :owner, :due_date, :author,"
        " :create_time, '', NULL, 0, '', 0, :figure, :body)",
        action_id=action.id,
        action_number=number,
        ticket_id=action.ticket_id,
        category=action.category,
        cause_code=action.cause_code,
        owner=action.owner,
        due_date=action.due_date,
        author=action.staff_id,
        create_time=to_microseconds(from_timestamp(action.create_time)),
        figure=action.figure,
        body=_sealed(tx, action),
    )


def finish_action(tx: Transaction, action: ImprovementAction) -> None:
    """Stores the end of an action, with its outcome."""
    tx.execute(
        "UPDATE improvement_actions SET finisher = :finisher, finish_time = :time, body = :body"
        " WHERE action_id = :action_id",
        action_id=action.id,
        finisher=action.finisher,
        time=to_microseconds(from_timestamp(action.finish_time)),
        body=_sealed(tx, action),
    )


def require_action(tx: Transaction, action_id: str) -> ImprovementAction:
    """An action. Raises Refused with IMPROVEMENT_ACTION_NOT_FOUND."""
    stored = tx.first(
        _Stored,
        f"SELECT {_COLUMNS} FROM improvement_actions WHERE action_id = :id",  # noqa: S608 - column names only
        id=action_id,
    )
    if stored is None:
        raise Refused(Reason.REASON_IMPROVEMENT_ACTION_NOT_FOUND, action=action_id)
    return _opened(tx, stored)


def list_actions(
    tx: Transaction, wanted: ListImprovementActionsRequest, before: int | None, limit: int
) -> list[tuple[int, ImprovementAction]]:
    """At most `limit` actions with their numbers, newest first, older than the number `before`."""
    conditions, parameters = ["1 = 1"], dict[str, Value](limit=limit)
    if wanted.open:
        conditions.append("finish_time IS NULL")
    if wanted.ineffective:
        conditions.append("ineffective = 1")
    for column, value in (("category", wanted.category), ("cause_code", wanted.cause_code)):
        if value:
            conditions.append(f"{column} = :{column}")
            parameters[column] = value
    if before is not None:
        conditions.append("action_number < :before")
        parameters["before"] = before
    found = tx.all(
        _Stored,
        f"SELECT {_COLUMNS} FROM improvement_actions WHERE {' AND '.join(conditions)}"  # noqa: S608 - no values
        " ORDER BY action_number DESC LIMIT :limit",
        **parameters,
    )
    return [(each.action_number, _opened(tx, each)) for each in found]


def count_repeat(tx: Transaction, ticket_id: str, category: str, cause_code: str, filed: datetime) -> list[str]:
    """Counts a closed ticket for the actions against its cause that are older; returns those that proved of no use.

    An action that was finished before the ticket was filed has not kept the cause away.
    """
    where = "figure = 0 AND category = :category AND cause_code = :cause AND create_time <= :filed"
    told: dict[str, Value] = {"category": category, "cause": cause_code, "filed": to_microseconds(filed)}
    useless = tx.all(
        str,
        f"SELECT action_id FROM improvement_actions WHERE {where} AND finish_time < :filed"  # noqa: S608 - no values
        " AND ineffective = 0 ORDER BY action_number",
        **told,
    )
    tx.execute(
        f"UPDATE improvement_actions SET repeats = repeats + 1, last_repeat_ticket_id = :ticket_id,"  # noqa: S608 - no values
        f" ineffective = CASE WHEN finish_time < :filed THEN 1 ELSE ineffective END WHERE {where}",
        ticket_id=ticket_id,
        **told,
    )
    return useless


def _sealed(tx: Transaction, action: ImprovementAction) -> bytes:
    words = ImprovementAction(text=action.text, outcome=action.outcome)
    return vault.seal(tx, improvement_subject(action.id), _PLACE, words.SerializeToString())


def _opened(tx: Transaction, stored: _Stored) -> ImprovementAction:
    action = ImprovementAction.FromString(
        vault.open_sealed(tx, improvement_subject(stored.action_id), _PLACE, stored.body)
    )
    action.id, action.ticket_id = stored.action_id, stored.ticket_id
    action.category, action.cause_code = stored.category, stored.cause_code
    action.figure = ScorecardFigure.ValueType(stored.figure)
    action.owner, action.due_date, action.staff_id = stored.owner, stored.due_date, stored.author
    action.create_time.CopyFrom(to_timestamp(from_microseconds(stored.create_time)))
    if stored.finish_time is not None:
        action.finisher = stored.finisher
        action.finish_time.CopyFrom(to_timestamp(from_microseconds(stored.finish_time)))
    action.repeats, action.last_repeat_ticket_id, action.ineffective = (
        stored.repeats,
        stored.last_repeat,
        bool(stored.ineffective),
    )
    return action
