"""How many numbers all coordinators search for at one region, on both engines."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from gateway.auditing import audit
from gateway.errors import Refused, retry_seconds
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.store.port import Transaction
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.oversight.searches import (
    MOST_IN_DAY,
    MOST_IN_HOUR,
    MOST_OF_ONE_IN_DAY,
    MOST_OF_ONE_IN_HOUR,
    ORDER_SEARCHES,
    count_search,
)
from tests.contract.test_purging import a_transaction as a_transaction
from tests.simulation.world import keys
from tests.unit.situations import FEDERATION

NOW = datetime(2031, 11, 24, 12, 45, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST, OTHER = "+8613900000000", "+8613800000000"


class Searches:
    """Those at a region in one transaction."""

    def __init__(self, tx: Transaction, sinks: Mapping[str, int]) -> None:
        shared, current = keys(), CurrentFederation()
        current.update(FEDERATION, [])
        border = Border("sichuan", shared.signers["sichuan"], shared.trusted, current)
        self._context = RegionContext(border, sinks=sinks)
        self._tx = tx
        self._numbers = (f"+86139{each:08}" for each in count())

    def again(self, now: datetime, number: str = FIRST, by: str = "") -> None:
        """A search, by one of six administrators unless somebody is named."""
        count_search(self._tx, self._context, by or f"admin/{int(number) % 6}", number, now)

    def more(self, now: datetime, numbers: int, by: str = "") -> None:
        for _ in range(numbers):
            self.again(now, next(self._numbers), by)

    def wait(self, now: datetime, by: str = "") -> int:
        """Seconds until a further number is searched; 0 where it is searched now."""
        try:
            self.more(now, 1, by)
        except Refused as refused:
            return retry_seconds(refused)
        return 0

    def erase(self, number: str) -> None:
        ORDER_SEARCHES.erasure.forget["number"](self._tx, number_index(self._tx, number))

    def alerts(self) -> list[str]:
        return [each.subject for each in audit.rows(self._tx) if each.action == "AlertOfOrderSearches"]


@pytest.fixture(name="searches")
def searches_at_a_region(tx: Transaction) -> Searches:
    return Searches(tx, {"desk": 1})


def test_in_a_clock_hour_so_many_numbers_are_searched_and_people_are_alerted_once(searches: Searches) -> None:
    searches.more(NOW, MOST_IN_HOUR - 1)
    searches.again(NOW)
    assert searches.alerts() == [], "the same number again is the same search"
    searches.more(NOW, 1)
    for _ in range(2):
        assert searches.wait(NOW) == 900
        searches.again(NOW)
    assert searches.alerts() == ["order-searches/2031-11-24T12Z/hour"]
    assert searches.wait(NOW + HOUR / 4) == 0


def test_a_number_that_is_searched_again_counts_in_the_later_hour_too(searches: Searches) -> None:
    searches.again(NOW, OTHER)
    searches.more(NOW + HOUR, MOST_IN_HOUR)
    with pytest.raises(Refused, match="ORDER_SEARCHES_TOO_MANY"):
        searches.again(NOW + HOUR, OTHER)


def test_in_a_day_so_many_numbers_are_searched_until_the_first_are_a_day_old(searches: Searches) -> None:
    for hour in range(MOST_IN_DAY // MOST_IN_HOUR):
        searches.more(NOW + hour * HOUR, MOST_IN_HOUR - 1)
    later = NOW + 10 * HOUR
    searches.more(later, MOST_IN_DAY // MOST_IN_HOUR)
    assert searches.alerts() == ["order-searches/2031-11-24T22Z/day"]
    assert searches.wait(later) == 14 * 3600 - 45 * 60
    searches.again(later)
    day_after = NOW + 24 * HOUR
    assert searches.wait(day_after - HOUR) == 900
    assert searches.wait(day_after) == 0
    searches.more(day_after, MOST_IN_HOUR - 3)
    assert searches.wait(day_after) == 900, "the number that was searched again is not a day old"


def test_a_clock_that_was_ahead_or_differs_by_an_hour_refuses_no_search_for_long(searches: Searches) -> None:
    searches.more(NOW + 72 * HOUR, MOST_IN_HOUR)
    assert searches.wait(NOW) == 0
    searches.more(NOW + HOUR, MOST_IN_HOUR)
    assert searches.wait(NOW) == 900, "what another process has counted in its next hour counts in this one"


def test_a_clock_that_is_behind_takes_no_count_away_from_the_true_hour(searches: Searches) -> None:
    searches.more(NOW, MOST_IN_HOUR)
    for wrong in (NOW - 2 * HOUR, NOW + 30 * HOUR):
        assert searches.wait(wrong) == 0
        assert searches.wait(NOW) == 900


def test_a_search_for_the_same_number_by_a_wrong_clock_takes_no_count_away_from_the_true_hour(
    searches: Searches,
) -> None:
    searches.more(NOW, MOST_IN_HOUR)
    for wrong in (NOW - 2 * HOUR, NOW + 30 * HOUR):
        searches.again(wrong, FIRST)
        assert searches.wait(NOW) == 900


def test_one_administrator_leaves_others_half_of_the_searches_and_people_are_alerted(searches: Searches) -> None:
    searches.more(NOW, MOST_OF_ONE_IN_HOUR, "admin/thief")
    assert searches.wait(NOW, "admin/thief") == 900
    assert searches.alerts() == ["order-searches/2031-11-24T12Z/hour-of-one"]
    searches.more(NOW, MOST_IN_HOUR - MOST_OF_ONE_IN_HOUR, "admin/li")
    assert searches.wait(NOW, "admin/zhang") == 900, "the bound of all administrators"
    for hour in range(1, MOST_OF_ONE_IN_DAY // MOST_OF_ONE_IN_HOUR):
        searches.more(NOW + hour * HOUR, MOST_OF_ONE_IN_HOUR, "admin/thief")
    later = NOW + 10 * HOUR
    assert searches.wait(later, "admin/thief") == 14 * 3600 - 45 * 60
    assert searches.wait(later, "admin/zhang") == 0
    assert "order-searches/2031-11-24T16Z/day-of-one" in searches.alerts()
    searches.more(later, MOST_OF_ONE_IN_HOUR, "admin/li")
    searches.more(later, MOST_IN_HOUR - MOST_OF_ONE_IN_HOUR - 1, "admin/zhang")
    assert searches.wait(later, "admin/wang") == 900
    assert searches.wait(later, "admin/thief") == 14 * 3600 - 45 * 60, "the bound that ends last"


def test_a_number_that_a_clock_ahead_has_counted_counts_in_the_true_hour_too(searches: Searches) -> None:
    searches.again(NOW + 72 * HOUR, OTHER)
    searches.again(NOW, OTHER)
    searches.more(NOW, MOST_IN_HOUR - 1)
    assert searches.wait(NOW) == 900


def test_an_alert_names_its_bound_and_comes_once_in_an_hour_though_a_number_is_erased(searches: Searches) -> None:
    hours = MOST_IN_DAY // MOST_IN_HOUR
    for hour in range(hours):
        searches.more(NOW + hour * HOUR, MOST_IN_HOUR - 1)
        searches.again(NOW + hour * HOUR, f"+861380000000{hour}")
    told = [f"order-searches/2031-11-24T{each}Z/hour" for each in range(12, 12 + hours)]
    told.append("order-searches/2031-11-24T16Z/day")
    assert searches.alerts() == told
    searches.erase(f"+861380000000{hours - 1}")
    searches.more(NOW + (hours - 1) * HOUR, 1)
    assert searches.alerts() == told
    assert searches.wait(NOW + (hours - 1) * HOUR) == 900


def test_an_alert_comes_once_in_an_hour_where_no_sink_receives_it(tx: Transaction) -> None:
    searches = Searches(tx, {})
    searches.again(NOW, OTHER)
    searches.more(NOW, MOST_IN_HOUR - 1)
    searches.erase(OTHER)
    searches.more(NOW, 1)
    assert searches.alerts() == ["order-searches/2031-11-24T12Z/hour"]
    searches.more(NOW + HOUR, MOST_IN_HOUR)
    assert searches.alerts()[1:] == ["order-searches/2031-11-24T13Z/hour"]
