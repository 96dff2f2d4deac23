"""The course of a complaint for people: each event with its time, its author and a text."""

from collections.abc import Iterator
from datetime import timedelta

from gateway.api.region.v1.complaint_pb2 import Complaint, ComplaintNote, Resolution, ReturnReason
from gateway.time.clock import from_timestamp
from gateway.wording.complaints import entered, filing, is_at_filing, raised
from gateway.wording.languages import translated
from gateway.wording.terms import cause_name, region_name
from gateway.wording.times import Happening, told_time
from gateway.wording.words import value_word

_HOUR = timedelta(hours=1)


def happened(complaint: Complaint) -> Iterator[Happening]:
    """Time, author and text of each event."""
    settings = complaint.classification.settings
    category = settings[0].category if settings else complaint.request.category
    if complaint.HasField("classification") and not any(map(is_at_filing, settings)):
        category = ""
    yield from filing(complaint.create_time, complaint.origin_region, category, complaint.severity, settings)
    if proposed := _proposed(complaint.resolution):
        # Before the states, of which it may share the instant: the proposal precedes the closure.
        yield from_timestamp(complaint.resolution.time), region_name(complaint.resolution.author), proposed
    yield from entered(complaint.state_changes)
    if complaint.HasField("returned"):
        returned = complaint.returned
        reason = value_word(ReturnReason.DESCRIPTOR, returned.reason)
        yield from_timestamp(returned.time), returned.author, translated("returned: {reason}", reason=reason)
    yield from raised(complaint.escalations)
    for note in complaint.notes:
        yield from_timestamp(note.time), note.author, _said(note)
    for attachment in complaint.attachments:
        attached = translated("attached: {name}", name=attachment.name)
        yield from_timestamp(attachment.time), attachment.author, attached
    for haste in complaint.expedites:
        yield from_timestamp(haste.time), f"{complaint.origin_region}/{haste.staff_id}", translated("haste asked for")


def _proposed(resolution: Resolution) -> str:
    """The proposed resolution; empty without one, and where the former system has stored none."""
    cause, text = cause_name(resolution.cause_code) if resolution.cause_code else "", resolution.text
    if cause and text:
        return translated("proposed ({cause}): {text}", cause=cause, text=text)
    if cause:
        return translated("proposed ({cause})", cause=cause)
    return translated("proposed: {text}", text=text) if text else ""


def _said(note: ComplaintNote) -> str:
    if not note.asks_region:
        return note.text
    if note.HasField("answer_time"):
        answered = told_time(note.answer_time)
        return translated(
            "asks {region}, answered {time}: {text}",
            region=region_name(note.asks_region),
            time=answered,
            text=note.text,
        )
    return translated("asks {region}, not answered yet: {text}", region=region_name(note.asks_region), text=note.text)


def length_of(amount: timedelta) -> str:
    """Hours and minutes."""
    hours, rest = divmod(amount, _HOUR)
    return f"{hours}:{rest // timedelta(minutes=1):02d}"
