"""Surveys as stored: sealed under the key of the customer; counts of marks, which name nobody."""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.api.region.v1.survey_pb2 import Survey
from gateway.store import vault
from gateway.store.port import Transaction
from gateway.store.tables import Table, Tally, prints_without
from gateway.time.clock import from_timestamp, to_microseconds
from region_node.node.subjects import customer_subject
from region_node.records.readable import readable_page

_TOKEN_DIGITS = 12


@prints_without("token", "sealed")
class SurveyRow(NamedTuple):
    """A row; `follow_up_due` is null without an open follow-up."""

    survey_id: str
    customer_id: str
    token: str
    invite_time: int
    follow_up_due: int | None
    sealed: bytes


class _Feed(NamedTuple):
    kind: str
    sequence: int


_SURVEYS = Table("surveys", SurveyRow, key=("survey_id",))
_FEEDS = Table("survey_feeds", _Feed, key=("kind",))
COUNTS = Tally("survey_counts", key=("month", "region", "business", "channel", "question", "mark"), added=("answers",))
INVITATIONS, ANSWERS, RECOMMENDATION = -2, -1, 0
"""In the place of a question: counts of invitations, of answers, and of recommendations by their number."""


def insert_survey(tx: Transaction, survey: Survey, customer_id: str) -> str:
    """Adds a survey of a customer, and returns the token of its invitation."""
    invited, token = to_microseconds(from_timestamp(survey.invite_time)), _free_token(tx, survey.id)
    sealed = _sealed(tx, survey, customer_id)
    tx.insert(_SURVEYS, SurveyRow(survey.id, customer_id, token, invited, _follow_up_due(survey), sealed))
    return token


def _free_token(tx: Transaction, survey_id: str) -> str:
    """A token that no other survey has. Nobody without the region's keys can guess it.

    It is short enough for a text message, so two surveys may draw the same one.
    """
    names = itertools.chain([survey_id], (f"{survey_id}#{draw}" for draw in itertools.count(2)))
    drawn = (vault.index_of(tx, "survey", name)[:_TOKEN_DIGITS].upper() for name in names)
    taken = "SELECT survey_id FROM surveys WHERE token = :token"
    return next(token for token in drawn if tx.first(str, taken, token=token) is None)


def update_survey(tx: Transaction, row: SurveyRow, survey: Survey) -> None:
    """Stores a changed survey."""
    sealed = _sealed(tx, survey, row.customer_id)
    tx.update(_SURVEYS, row._replace(follow_up_due=_follow_up_due(survey), sealed=sealed))


def is_followed_up(survey: Survey) -> bool:
    """Whether a survey has an open follow-up."""
    return survey.HasField("follow_up") and not survey.follow_up.HasField("finish_time")


def is_known(tx: Transaction, survey_id: str) -> bool:
    """Whether there is a survey with an id."""
    return tx.find(_SURVEYS, survey_id) is not None


def find_survey(tx: Transaction, survey_id: str) -> tuple[SurveyRow, Survey] | None:
    """The survey with an id; None also for one of an erased customer."""
    return _opened_row(tx, tx.find(_SURVEYS, survey_id))


def find_by_token(tx: Transaction, token: str) -> tuple[SurveyRow, Survey] | None:
    """The survey of an invitation; None also for one of an erased customer."""
    sql = f"SELECT {', '.join(_SURVEYS.columns)} FROM surveys WHERE token = :token"  # noqa: S608 - column names only
    return _opened_row(tx, tx.first(SurveyRow, sql, token=token))


def last_invited(tx: Transaction, customer_id: str) -> int | None:
    """The time of a customer's last invitation, in microseconds; None before the first."""
    sql = "SELECT invite_time FROM surveys WHERE customer_id = :id ORDER BY invite_time DESC LIMIT 1"
    return tx.first(int, sql, id=customer_id)


def open_follow_ups(tx: Transaction, after: tuple[int, str], limit: int) -> list[Survey]:
    """At most `limit` surveys with an open follow-up, by due time, after a time in microseconds and an id."""

    def rows_after(last: SurveyRow | None) -> list[SurveyRow]:
        due, survey_id = (last.follow_up_due, last.survey_id) if last is not None else after
        return tx.all(
            SurveyRow,
            f"SELECT {', '.join(_SURVEYS.columns)} FROM surveys"  # noqa: S608 - column names only
            " WHERE follow_up_due IS NOT NULL AND (follow_up_due, survey_id) > (:due, :id)"
            " AND customer_id NOT IN (SELECT customer_id FROM customers WHERE status <> 1)"
            " ORDER BY follow_up_due, survey_id LIMIT :limit",
            due=due,
            id=survey_id,
            limit=limit,
        )

    return readable_page(rows_after, lambda rows: _opened(tx, rows), limit)


def surveys_of(tx: Transaction, customer_id: str) -> list[tuple[SurveyRow, Survey]]:
    """The surveys of a customer that matter from now on: those with an open follow-up, and the newest. Newest first."""
    found = tx.all(
        SurveyRow,
        f"SELECT {', '.join(_SURVEYS.columns)} FROM surveys"  # noqa: S608 - column names only
        " WHERE customer_id = :id AND (follow_up_due IS NOT NULL OR invite_time = :newest)"
        " ORDER BY invite_time DESC, survey_id",
        id=customer_id,
        newest=last_invited(tx, customer_id),
    )
    return [(row, survey) for row, survey in zip(found, _opened(tx, found), strict=True) if survey is not None]


def remove_surveys(tx: Transaction, customer_id: str) -> list[str]:
    """Removes the surveys of an erased customer, and returns their ids; counts stay."""
    return tx.all(str, "DELETE FROM surveys WHERE customer_id = :id RETURNING survey_id", id=customer_id)


def place_in(tx: Transaction, kind: str) -> int | None:
    """The last event of a kind of record that was looked at; None before the first look."""
    found = tx.find(_FEEDS, kind)
    return None if found is None else found.sequence


def note_place(tx: Transaction, kind: str, sequence: int) -> None:
    """Notes the last event of a kind of record that was looked at."""
    tx.keep(_FEEDS, _Feed(kind, sequence))


class Count(NamedTuple):
    """Counted answers of one month."""

    month: str
    region: str
    business: str
    channel: str
    question: int
    mark: int
    answers: int


def count(tx: Transaction, survey: Survey, month: str, question: int, mark: int = 0) -> None:
    """Counts an invitation, an answer, or a mark."""
    tx.add(COUNTS, month, survey.region, survey.business, survey.channel, question, mark, answers=1)


def counts_between(tx: Transaction, first_month: str, last_month: str) -> Sequence[Count]:
    """The counts of some months, `YYYY-MM`, both included."""
    return tx.all(
        Count,
        f"SELECT {', '.join(Count._fields)} FROM survey_counts"  # noqa: S608 - column names only
        " WHERE month BETWEEN :first AND :last",
        first=first_month,
        last=last_month,
    )


def forget_counts(tx: Transaction, oldest_month: str) -> None:
    """Removes the counts before a month."""
    tx.execute("DELETE FROM survey_counts WHERE month < :oldest", oldest=oldest_month)


def month_of(instant: datetime) -> str:
    """The month of a time, by its own zone, as `YYYY-MM`."""
    return f"{instant:%Y-%m}"


def _follow_up_due(survey: Survey) -> int | None:
    return to_microseconds(from_timestamp(survey.follow_up.due_time)) if is_followed_up(survey) else None


def _sealed(tx: Transaction, survey: Survey, customer_id: str) -> bytes:
    return vault.seal(tx, customer_subject(customer_id), _place(survey.id), survey.SerializeToString())


def _place(survey_id: str) -> str:
    return f"surveys/{survey_id}"


def _opened_row(tx: Transaction, row: SurveyRow | None) -> tuple[SurveyRow, Survey] | None:
    if row is None:
        return None
    (survey,) = _opened(tx, [row])
    return None if survey is None else (row, survey)


def _opened(tx: Transaction, rows: Sequence[SurveyRow]) -> list[Survey | None]:
    sealed = [vault.Sealing(customer_subject(row.customer_id), _place(row.survey_id), row.sealed) for row in rows]
    return [None if each is None else Survey.FromString(each) for each in vault.open_many(tx, sealed)]
