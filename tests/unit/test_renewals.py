"""RENEW and its reminders: the term of a contract, and the notices before its end."""

import calendar
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.business import load_rules
from region_node.business.orders.contracts import contract_end
from region_node.customers.reminders import next_look, reminder_due
from tests.unit.situations import LINE, NOW, situation

RULE = load_rules()["RENEW"]
CHINA = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)
CONTRACT = {"contract": "sichuan-contract-12"}


def bound_until(end: datetime | None) -> str:
    """Until when a line is bound after a renewal, as a date of its region."""
    asked = situation("RENEW", CONTRACT, line=replace(LINE, contract_end=end))
    RULE.check(asked)
    renewed = RULE.fulfil(asked).line.contract_end
    assert renewed is not None
    return renewed.astimezone(CHINA).date().isoformat()


@pytest.mark.clause("3.4.2")
def test_a_renewal_begins_when_the_running_contract_ends() -> None:
    assert bound_until(NOW + 10 * DAY) == "2031-06-25"


@pytest.mark.parametrize("end", [None, NOW - 10 * DAY])
def test_a_renewal_begins_at_once_where_no_contract_runs(end: datetime | None) -> None:
    assert bound_until(end) == "2031-06-15"


def test_a_contract_that_ends_in_more_than_ninety_days_is_not_due() -> None:
    with pytest.raises(Refused) as raised:
        RULE.check(situation("RENEW", CONTRACT, line=replace(LINE, contract_end=NOW + 91 * DAY)))
    assert raised.value.reason == Reason.REASON_CONTRACT_NOT_DUE
    assert raised.value.parameters == {"until": "2030-09-14", "from": "2030-06-16"}
    RULE.check(situation("RENEW", CONTRACT, line=replace(LINE, contract_end=NOW + 90 * DAY)))


@pytest.mark.parametrize("contract", ["guangdong-contract-12", "sichuan-ring-tones", "sichuan-nothing"])
def test_only_a_contract_of_the_home_region_renews(contract: str) -> None:
    with pytest.raises(Refused) as raised:
        RULE.check(situation("RENEW", {"contract": contract}))
    assert raised.value.reason == Reason.REASON_OFFERING_UNKNOWN


@pytest.mark.clause("3.4.5")
def test_the_quote_says_from_when_to_when_and_what_it_takes_off_the_rent() -> None:
    quote = RULE.quote(situation("RENEW", CONTRACT, line=replace(LINE, contract_end=NOW + 10 * DAY)))
    assert "2030-06-25" in quote.description.zh_cn
    assert "2031-06-25" in quote.description.en
    assert quote.HasField("effective_time")


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 60))
def test_a_contract_ends_on_the_same_day_of_the_month_or_the_last_one_there_is(start: date, months: int) -> None:
    noon = datetime(start.year, start.month, start.day, 12, tzinfo=CHINA)
    end = contract_end(noon, months, "Asia/Shanghai").astimezone(CHINA)
    ahead = (end.year - start.year) * 12 + end.month - start.month
    assert ahead == months
    assert end.day == min(start.day, calendar.monthrange(end.year, end.month)[1])


@pytest.mark.parametrize(
    ("left", "due"),
    [(31, None), (30, 30), (29, 30), (16, 30), (15, 15), (14, 15), (4, 15), (3, 3), (1, 3), (0, 3)],
)
def test_the_reminder_due_is_the_nearest_whose_day_has_come(left: int, due: int | None) -> None:
    assert reminder_due(NOW + left * DAY, NOW, [30, 15, 3], CHINA) == due


def test_days_before_the_end_are_counted_by_the_region_s_calendar() -> None:
    end = datetime(2030, 7, 15, 17, 0, tzinfo=UTC)  # already the 16th in China
    assert reminder_due(end, datetime(2030, 6, 15, 15, 0, tzinfo=UTC), [30, 15, 3], CHINA) is None
    assert reminder_due(end, datetime(2030, 6, 15, 17, 0, tzinfo=UTC), [30, 15, 3], CHINA) == 30


def test_lines_are_looked_at_again_tomorrow_morning() -> None:
    assert next_look(NOW, CHINA) == datetime(2030, 6, 16, 1, 0, tzinfo=UTC)
