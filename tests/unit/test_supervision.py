"""Supervision samples: what is drawn, who may judge, and what the scorecard has of it."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.quality_pb2 import SampledKind, ScorecardFigure
from gateway.api.region.v1.complaint_pb2 import Complaint
from gateway.api.region.v1.order_pb2 import Order
from gateway.api.region.v1.quality_service_pb2 import Sample
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from region_node.business.billing.rules import Month
from region_node.care.quality import sample_rows, sampling
from region_node.care.quality.draws import Draw, allot
from region_node.care.quality.sampling import Judgement, Population, names_one_of
from region_node.requests.rows import RequestKey, insert_request
from tests.empty_database import empty_database
from tests.unit.quality_scene import DAY, MONTH, REGION, Region, context
from tests.unit.situations import NOW

ORDERS = SampledKind.SAMPLED_KIND_ORDERS
populations = st.dictionaries(st.text(max_size=3), st.integers(1, 60), min_size=1, max_size=8)


@pytest.fixture(name="region")
def region_on_a_database() -> Iterator[Region]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield Region(context(), SqliteTransaction(connection, RegionKeys(KeySet.new())))


def drawn(population: dict[str, int], size: int, seed: str) -> Draw:
    draw = Draw(size, seed)
    for stratum, records in population.items():
        for number in range(records):
            draw.take(stratum, f"{stratum}/{number}")
    return draw


def sampled(region: Region, size: int = 10) -> Sample:
    """A sample of the orders of the month, stored."""
    population = Population(REGION, ORDERS, Month.of(MONTH, region.context.time_zone))
    draw, place = Draw(size, "seed"), population.start
    assert population.page(region.tx, draw, place) is None
    sample = sampling.sample_of(population, draw, "seed", "wang", NOW)
    sample.id = f"{REGION}/staff/wang/1"
    sample_rows.insert_sample(region.tx, sample)
    return sample


def judged(region: Region, record_id: str, *failed: str, staff: str = "chen") -> Sample:
    made = Judgement(f"{REGION}/staff/wang/1", record_id, failed, staff, f"staff/{staff}")
    return sampling.judge(region.tx, region.context, made, NOW)


def refused(region: Region, record_id: str, *failed: str, staff: str = "chen") -> Reason.ValueType:
    with pytest.raises(Refused) as raised:
        judged(region, record_id, *failed, staff=staff)
    return raised.value.reason


@given(populations, st.integers(1, 80))
def test_each_stratum_has_its_share_and_none_is_left_out_where_there_is_room(
    population: dict[str, int], size: int
) -> None:
    found = allot(population, size)
    assert sum(found.values()) == min(size, sum(population.values()))
    assert all(0 <= found[stratum] <= records for stratum, records in population.items())
    if size >= len(population):
        assert min(found.values()) >= 1
    for stratum, records in population.items():
        for other, fewer in population.items():
            if records >= fewer:
                assert found[stratum] >= found[other] - (records == fewer)


@given(populations, st.integers(1, 30))
def test_the_same_seed_draws_the_same_records_in_whatever_order_they_come(
    population: dict[str, int], size: int
) -> None:
    backwards = Draw(size, "seed")
    for stratum, records in reversed(population.items()):
        for number in reversed(range(records)):
            backwards.take(stratum, f"{stratum}/{number}")
    found = drawn(population, size, "seed").drawn()
    assert found == backwards.drawn()
    assert len(set(found)) == len(found) == min(size, sum(population.values()))


def test_every_record_of_a_stratum_is_drawn_by_some_seed_and_about_as_often_as_the_others() -> None:
    times = dict.fromkeys((f"x/{number}" for number in range(10)), 0)
    for seed in range(1_000):
        for _, record_id in drawn({"x": 10}, 2, f"{seed}").drawn():
            times[record_id] += 1
    assert min(times.values()) > 140
    assert max(times.values()) < 260


def test_a_sample_is_of_the_orders_that_the_region_completed_in_the_month(region: Region) -> None:
    region.order(NOW)
    region.order(NOW - 40 * DAY)
    region.order(NOW, home="guangdong")
    sample = sampled(region)
    assert ([each.id for each in sample.records], sample.population) == ([f"{REGION}/counter/1"], 1)
    assert list(sample_rows.list_samples(region.tx, None, 10)) == [sample]


def test_nothing_is_drawn_from_nothing(region: Region) -> None:
    with pytest.raises(Refused) as raised:
        sampled(region)
    assert raised.value.reason == Reason.REASON_SAMPLE_EMPTY


@pytest.mark.clause("1.4.2")
@pytest.mark.clause("2.2.3")
def test_a_record_is_judged_once_and_the_scorecard_has_it(region: Region) -> None:
    for _ in range(3):
        region.order(NOW)
    first, second, _ = (each.id for each in sampled(region).records)
    judged(region, first)
    judged(region, second, "DOCUMENTS_COMPLETE", "IDENTITY_CHECKED")
    again = judged(region, second, "IDENTITY_CHECKED", "DOCUMENTS_COMPLETE")
    assert list(again.records[1].failed_criteria) == ["DOCUMENTS_COMPLETE", "IDENTITY_CHECKED"]
    assert refused(region, second) == Reason.REASON_SAMPLED_RECORD_JUDGED
    assert refused(region, first, staff="li") == Reason.REASON_SAMPLED_RECORD_JUDGED
    found = region.figure(ScorecardFigure.SCORECARD_FIGURE_SAMPLES_PASSED)
    assert (found.numerator, found.denominator) == (1, 2)


def test_a_criterion_of_complaints_an_unknown_record_and_an_unknown_sample_are_refused(region: Region) -> None:
    region.order(NOW)
    (record,) = (each.id for each in sampled(region).records)
    assert refused(region, record, "CAUSE_FOUND") == Reason.REASON_REQUEST_INVALID
    assert refused(region, "sichuan/counter/77") == Reason.REASON_SAMPLE_NOT_FOUND


def test_nobody_judges_what_they_decided_by_a_request(region: Region) -> None:
    region.order(NOW)
    (record,) = (each.id for each in sampled(region).records)
    insert_request(region.tx, RequestKey("crm", "R-1", b"x"), record, settled=True, now=NOW)
    insert_request(region.tx, RequestKey("staff/chen", "R-1", b"x"), record, settled=True, now=NOW)
    for typed in ("chen", "Chen"):
        assert refused(region, record, staff=typed) == Reason.REASON_OWN_WORK
    judged(region, record, staff="li")


def test_whom_a_record_names_worked_on_it() -> None:
    names = {"chen", "sichuan/chen", "staff/chen"}
    order = Order(operator="counter")
    order.notes.add(author="sichuan/li")
    order.request.characteristics["author"] = "chen"
    assert not names_one_of(order, names)
    for change in (
        lambda found: found.notes.add(author="sichuan/chen"),
        lambda found: found.expedites.add(staff_id="chen"),
        lambda found: found.expedites.add(staff_id="Chen"),
        lambda found: setattr(found, "operator", "staff/chen"),
        lambda found: setattr(found.request.requester, "staff_id", "chen"),
    ):
        changed = Order.FromString(order.SerializeToString())
        change(changed)
        assert names_one_of(changed, names), changed
    complaint = Complaint()
    complaint.notes.add(author="sichuan/chen")
    assert names_one_of(complaint, names)
