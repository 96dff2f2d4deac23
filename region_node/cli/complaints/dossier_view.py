"""The dossier as a document that people read: Markdown, in the language that is spoken."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.api.region.v1.complaint_pb2 import ComplaintChannel, DeadlineKind, EscalationTrigger, Remedy
from gateway.api.region.v1.dossier_service_pb2 import Dossier, DossierConditionKind, DossierFinding, DossierVerdict
from gateway.time.clock import from_timestamp, time_in
from gateway.values.money import in_major_units
from gateway.wording.complaints import time_reason_word, whole_of
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.words import value_word
from region_node.care.complaints.course import happened, length_of

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_REFUSED = DossierVerdict.DOSSIER_VERDICT_REFUSED
_MATERIAL = DossierConditionKind.DOSSIER_CONDITION_KIND_COMPLETE_MATERIAL
_FULFILLED = DossierFinding.DOSSIER_FINDING_FULFILLED
_NOT_FULFILLED = DossierFinding.DOSSIER_FINDING_NOT_FULFILLED


def document(dossier: Dossier) -> str:
    """The whole dossier in Markdown. Texts of people are quoted and escaped."""
    parts: list[Iterable[str]] = [
        _head(dossier),
        _conditions(dossier),
        _parties(dossier),
        _request(dossier),
        _deadlines(dossier),
        _levels(dossier),
        _timeline(dossier),
        _ledger(dossier),
        _resolution(dossier),
    ]
    return "\n".join(line for part in parts for line in (*part, ""))


def verdict_of(dossier: Dossier) -> str:
    """The likely verdict of an appeal body, in a sentence."""
    if dossier.verdict == DossierVerdict.DOSSIER_VERDICT_ACCEPTABLE:
        return translated("An appeal can be accepted in principle: every condition is fulfilled.")
    if dossier.verdict == _REFUSED:
        articles = [
            in_language(each.article)
            for each in dossier.conditions
            if each.finding == _NOT_FULFILLED and each.kind != _MATERIAL
        ]
        return translated("An appeal would be refused by {articles}.", articles=enumerated(articles))
    return translated("An appeal is incomplete: see what is not known or missing.")


def open_points(dossier: Dossier) -> Iterator[str]:
    """The unfulfilled and unknown conditions, by article, with the remedy."""
    for each in dossier.conditions:
        if each.finding != _FULFILLED:
            yield " ".join(
                (f"{in_language(each.article)}:", in_language(each.ground), in_language(each.advice))
            ).strip()


def _head(dossier: Dossier) -> Iterator[str]:
    yield "# " + translated("Dossier for the regulator: complaint {ticket_id}", ticket_id=dossier.ticket_id)
    yield ""
    exported = _time(dossier, from_timestamp(dossier.export_time))
    yield translated(
        "Exported {time} ({zone}) by {author}.", time=exported, zone=dossier.time_zone, author=dossier.author
    )
    yield ""
    yield f"**{verdict_of(dossier)}**"


def _conditions(dossier: Dossier) -> Iterator[str]:
    yield "## " + translated("Conditions of an appeal")
    columns = (
        translated("article"),
        translated("condition"),
        translated("finding"),
        translated("by what"),
        translated("what to do"),
    )
    rows = [
        (
            in_language(each.article),
            value_word(DossierConditionKind.DESCRIPTOR, each.kind),
            value_word(DossierFinding.DESCRIPTOR, each.finding),
            in_language(each.ground),
            in_language(each.advice),
        )
        for each in dossier.conditions
    ]
    yield from _table(columns, rows)


def _parties(dossier: Dossier) -> Iterator[str]:
    who = dossier.appellant
    yield "## " + translated("Parties")
    yield from _pairs(
        (translated("appellant"), who.name),
        (translated("address"), who.address),
        (translated("telephone"), who.telephone),
        (translated("postal code"), who.postal_code),
        (translated("respondent"), in_language(dossier.respondent)),
        (translated("department"), in_language(dossier.department)),
    )


def _request(dossier: Dossier) -> Iterator[str]:
    request = dossier.complaint.request
    yield "## " + translated("Request, reason and facts")
    yield from _pairs(
        (translated("category"), in_language(dossier.category)),
        (translated("number"), request.number),
        (translated("sought"), value_word(Remedy.DESCRIPTOR, request.remedy_sought)),
        (translated("came by"), value_word(ComplaintChannel.DESCRIPTOR, request.channel)),
        (translated("happened on"), dossier.statements.occurred_date),
        (translated("filed"), _time(dossier, from_timestamp(dossier.complaint.create_time))),
        (translated("promised by"), _time(dossier, from_timestamp(dossier.complaint.expected_resolution_time))),
        (translated("refused by the customer"), str(dossier.complaint.refusals)),
    )
    yield ""
    yield from (f"> {_escaped(line)}" for line in request.description.splitlines())


def _deadlines(dossier: Dossier) -> Iterator[str]:
    yield "## " + translated("Deadlines")
    rows = [
        (
            value_word(DeadlineKind.DESCRIPTOR, each.kind),
            _time(dossier, from_timestamp(each.due_time)),
            _time(dossier, from_timestamp(each.met_time)) if each.HasField("met_time") else "-",
        )
        for each in dossier.complaint.deadlines
    ]
    yield from _table((translated("deadline"), translated("due"), translated("met")), rows)


def _levels(dossier: Dossier) -> Iterator[str]:
    yield "## " + translated("Levels")
    rows = [
        (
            f"L{each.level}",
            value_word(EscalationTrigger.DESCRIPTOR, each.trigger),
            each.region,
            _time(dossier, from_timestamp(each.due_time)),
            _time(dossier, from_timestamp(each.time)),
        )
        for each in dossier.complaint.escalations
    ]
    columns = (translated("level"), translated("trigger"), translated("who"), translated("due"), translated("time"))
    yield from _table(columns, rows)


def _timeline(dossier: Dossier) -> Iterator[str]:
    yield "## " + translated("Timeline")
    rows = sorted(happened(dossier.complaint), key=lambda row: row[0])
    columns = (translated("time"), translated("who"), translated("what"))
    yield from _table(columns, [(_time(dossier, time), who, what) for time, who, what in rows])


def _ledger(dossier: Dossier) -> Iterator[str]:
    yield "## " + translated("Who held it how long")
    rows = [
        (
            each.region or translated("the customer"),
            time_reason_word(each.reason),
            length_of(each.duration.ToTimedelta()),
        )
        for each in dossier.ledger
    ]
    rows.append((translated("together"), "", length_of(whole_of(dossier.ledger))))
    yield from _table((translated("who"), translated("for"), translated("time taken")), rows)
    if dossier.HasField("lateness"):
        yield ""
        late = length_of(dossier.lateness.ToTimedelta())
        yield translated("Late by {time}; the time above says with whom it was.", time=late)


def _resolution(dossier: Dossier) -> Iterator[str]:
    yield "## " + translated("Resolution")
    if not dossier.complaint.HasField("resolution"):
        yield translated("None was proposed.")
        return
    resolution = dossier.complaint.resolution
    amount = resolution.amount
    yield from _pairs(
        (translated("proposed on"), _time(dossier, from_timestamp(resolution.time))),
        (translated("who"), resolution.author),
        (translated("cause"), resolution.cause_code),
        (translated("remedy"), value_word(Remedy.DESCRIPTOR, resolution.remedy)),
        (
            translated("amount"),
            in_major_units(amount.minor_units, amount.currency) if resolution.HasField("amount") else "",
        ),
    )
    yield ""
    yield from (f"> {_escaped(line)}" for line in resolution.text.splitlines())


def _pairs(*pairs: tuple[str, str]) -> Iterator[str]:
    yield from _table(("", ""), pairs)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield _row(columns)
    yield "|" + "---|" * len(columns)
    yield from map(_row, rows)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(cell) or "-" for cell in cells) + " |"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _time(dossier: Dossier, instant: datetime) -> str:
    return time_in(ZoneInfo(dossier.time_zone), instant)
