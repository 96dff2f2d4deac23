"""The result of a line in a file of old complaints at the node, and the reasons of rejection in both languages."""

import re
from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.complaint_import_service_pb2 import ComplaintLine, ImportedComplaint
from gateway.api.region.v1.complaint_pb2 import ClassifiedBy, Complaint, ComplaintChannel, ComplaintRequest, Remedy
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText, Requester
from gateway.errors import Refused, text
from gateway.time.clock import to_timestamp
from region_node.care.complaints import ledger, replay, rules
from region_node.care.complaints.history import history
from region_node.care.complaints.imports import Asked, Imported, candidate
from tests.unit.complaint_scene import DAY, at, hours
from tests.unit.test_complaint_proposing import region

NOW = at("2026-03-02 10:00")
ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,}")


def line(filed: datetime, **told: object) -> ImportedComplaint:
    """A complaint of an old system; it is closed where `told` names the times."""
    found = ImportedComplaint(
        external_id="7",
        request=ComplaintRequest(
            category="BILL_WRONG",
            number="+8619844000001",
            description="账单多收了钱",
            remedy_sought=Remedy.REMEDY_REFUND,
            channel=ComplaintChannel.COMPLAINT_CHANNEL_HOTLINE,
        ),
        filed_time=to_timestamp(filed),
    )
    for name, value in told.items():
        if isinstance(value, datetime):
            getattr(found, name).CopyFrom(to_timestamp(value))
        else:
            setattr(found, name, value)
    return found


def taken(told: ImportedComplaint, as_of: datetime | None = None) -> Imported | LocalizedText:
    """The imported complaint, or the reason of its rejection."""
    asked = Asked("counter", Requester(staff_id="4711"), NOW, as_of)
    found = candidate(region(), ComplaintLine(number=2, complaint=told), asked).imported
    if isinstance(found, Refused):
        assert found.reason == Reason.REASON_REQUEST_INVALID
        return text(found.reason, found.parameters)
    return found


def imported(told: ImportedComplaint, as_of: datetime | None = None) -> Complaint:
    """As it stands now, or at the instant up to which it is replayed."""
    found = taken(told, as_of)
    assert isinstance(found, Imported), found
    replay.relive(found.complaint, found.past, hours, as_of or NOW)
    return found.complaint


@pytest.mark.parametrize("name", ["filed_time", "first_response_time", "resolved_time", "closed_time"])
def test_a_time_to_come_is_said_to_be_one(name: str) -> None:
    told = line(NOW - DAY)
    getattr(told, name).CopyFrom(to_timestamp(NOW + DAY))
    found = taken(told)
    assert isinstance(found, LocalizedText)
    assert (found.en, found.zh_cn) == (
        f"The field {name} is not valid: in the future.",
        f"字段{name}无效：晚于当前时间。",
    )


def test_what_a_line_cannot_be_is_told_in_chinese_without_english() -> None:
    wrong = {
        "more than ten years ago": line(NOW - 4000 * DAY),
        "before what it follows": line(NOW - DAY, closed_time=NOW - 2 * DAY),
        "of what was not resolved": line(NOW - DAY, cause_code="billing-error"),
        "of what was not closed": line(NOW - DAY, rating=3),
        "no end": line(NOW - DAY, closed_time=NOW, ended_as=rules.IN_PROGRESS),
        "of what was withdrawn or rejected": line(NOW - DAY, closed_time=NOW, ended_as=rules.CANCELLED, rating=3),
        "not 0 to 5": line(NOW - DAY, closed_time=NOW, rating=6),
        "lower-case letters": line(NOW - DAY, closed_time=NOW, cause_code="No Code"),
        "longer than 1000 characters": line(NOW - DAY, closed_time=NOW, resolution="x" * 1001),
    }
    unclear, unset = line(NOW - DAY), line(NOW - DAY, external_id="")
    unclear.request.category, unclear.request.description = "", "客户来电"
    wrong |= {"do not speak clearly": unclear, "not set": unset}
    for problem, told in wrong.items():
        found = taken(told)
        assert isinstance(found, LocalizedText), problem
        assert problem in found.en, found.en
        assert not ENGLISH.search(found.zh_cn), found.zh_cn


def test_what_is_only_replayed_may_be_older_than_what_is_taken_over() -> None:
    told = line(NOW - 12 * 365 * DAY)
    assert isinstance(taken(told), LocalizedText)
    assert imported(told, NOW).level == 5


def test_an_estimated_end_is_marked_and_what_is_known_is_not() -> None:
    told = line(NOW - 9 * DAY, resolved_time=NOW - 8 * DAY, closed_time=NOW - DAY, closed_time_estimated=True)
    changes = [(each.state, each.estimated) for each in imported(told).state_changes]
    assert changes[-2:] == [(rules.RESOLVED, False), (rules.CLOSED, True)]
    told.ClearField("resolved_time")
    assert [each.estimated for each in imported(told).state_changes][-2:] == [True, True]
    told.closed_time_estimated = False
    assert not any(each.estimated for each in imported(told).state_changes)
    open_one = taken(line(NOW - DAY, closed_time_estimated=True))
    assert isinstance(open_one, LocalizedText)
    assert "of what was not closed" in open_one.en


def test_an_estimated_end_to_come_is_the_instant_up_to_which_the_life_is_told() -> None:
    """A known later event still comes first."""
    told = line(NOW - 9 * DAY, closed_time=NOW + 21 * DAY, closed_time_estimated=True)
    for as_of in (None, NOW - 2 * DAY, NOW + 5 * DAY):
        found = imported(told, as_of)
        assert (found.state, found.state_changes[-1].time) == (rules.CLOSED, to_timestamp(as_of or NOW)), as_of
    first, again = taken(told), taken(told, NOW - DAY)
    assert isinstance(first, Imported)
    assert isinstance(again, Imported)
    assert first.digest == again.digest, "the same line, whenever it comes"
    told.resolved_time.CopyFrom(to_timestamp(NOW - DAY))
    answered = taken(told, NOW - 2 * DAY)
    assert isinstance(answered, Imported)
    assert answered.past.closed == NOW - DAY


def test_no_lateness_is_told_of_an_end_that_is_an_estimate() -> None:
    for end in (rules.CLOSED, rules.CANCELLED):
        told = line(NOW - 40 * DAY, closed_time=NOW - DAY, closed_time_estimated=True, ended_as=end)
        estimated = imported(told)
        assert ledger.lateness(estimated, NOW) is None, end
        assert not history(estimated, NOW, hours).HasField("lateness"), end
        told.closed_time_estimated = False
        assert ledger.lateness(imported(told), NOW), end
    known = line(NOW - 40 * DAY, resolved_time=NOW - 8 * DAY, closed_time=NOW - DAY, closed_time_estimated=True)
    assert ledger.lateness(imported(known), NOW), "the time of the resolution is known"


@pytest.mark.parametrize(
    ("description", "category", "set_by"),
    [
        ("账单多收了钱", "BILL_WRONG", ClassifiedBy.CLASSIFIED_BY_WORDS),
        ("客户来电", "OTHER", ClassifiedBy.CLASSIFIED_BY_FILING),
    ],
)
def test_what_words_do_not_classify_is_of_the_category_that_is_named_for_it(
    description: str, category: str, set_by: ClassifiedBy.ValueType
) -> None:
    told = line(NOW - DAY, closed_time=NOW - timedelta(hours=1), category_otherwise="OTHER")
    told.request.category, told.request.description = "", description
    (setting,) = (found := imported(told)).classification.settings
    assert (found.request.category, setting.category, setting.set_by) == (category, category, set_by)
