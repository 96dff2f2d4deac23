"""The life of a fault, its review, and the parts of its repair."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.fault_pb2 import (
    Fault,
    FaultEvaluation,
    FaultMeasure,
    FaultReview,
    FaultSeverity,
    FaultState,
    QuoteState,
)
from gateway.api.region.v1.fault_service_pb2 import WorkOnFaultRequest
from gateway.api.types.v1.types_pb2 import Money
from gateway.errors import Refused, reason_name
from region_node.cli.faults.fault_step import STEPS, step_of, steps_told
from region_node.network.faults import parts, rules

NOW = datetime(2026, 12, 10, tzinfo=UTC)
MINOR, MAJOR, CRITICAL = (FaultSeverity.Value(f"FAULT_SEVERITY_{each}") for each in ("MINOR", "MAJOR", "CRITICAL"))
GOOD = FaultMeasure(what="bury it", owner="li", due_date="2027-01-31")


@given(st.lists(st.sampled_from([each for each in FaultState.values() if each]), max_size=12))
def test_a_fault_goes_where_tmf656_lets_it_and_nowhere_else(states: list[FaultState.ValueType]) -> None:
    fault = Fault()
    rules.enter(fault, rules.ACKNOWLEDGED, now=NOW, region="henan", reason="reported")
    for state in states:
        if state == fault.state:
            continue
        if state in rules.TRANSITIONS.get(fault.state, ()):
            rules.enter(fault, state, now=NOW, region="henan", reason="")
            assert fault.state_changes[-1].state == state
        else:
            with pytest.raises(ValueError, match="does not go"):
                rules.enter(fault, state, now=NOW, region="henan", reason="")


def test_a_closed_fault_may_open_again_and_a_cancelled_one_not() -> None:
    assert rules.IN_PROGRESS in rules.TRANSITIONS[rules.CLOSED]
    assert rules.FINAL.isdisjoint(rules.TRANSITIONS)


def refused(call: object) -> str:
    assert callable(call)
    with pytest.raises(Refused) as error:
        call()
    return reason_name(error.value.reason)


def test_from_major_up_a_review_with_a_measure_goes_before_the_end() -> None:
    rules.require_reviewed(MINOR, None)
    for severity in (MAJOR, CRITICAL):
        assert refused(lambda severity=severity: rules.require_reviewed(severity, None)) == "FAULT_REVIEW_MISSING"
        without = FaultReview(summary="it lay bare")
        assert refused(lambda s=severity, w=without: rules.require_reviewed(s, w)) == "FAULT_REVIEW_MISSING"
        rules.require_reviewed(severity, FaultReview(summary="it lay bare", measures=[GOOD]))


@pytest.mark.parametrize(
    "measure",
    [
        FaultMeasure(what="", owner="li", due_date="2027-01-31"),
        FaultMeasure(what="bury it", owner="", due_date="2027-01-31"),
        FaultMeasure(what="bury it", owner="li", due_date="2027-02-31"),
        FaultMeasure(what="bury it", owner="li", due_date="soon"),
    ],
)
def test_a_measure_says_what_who_and_by_when(measure: FaultMeasure) -> None:
    review = FaultReview(summary="it lay bare", measures=[measure])
    assert refused(lambda: rules.require_reviewed(MAJOR, review)) == "REQUEST_INVALID"


@pytest.mark.clause("1.1.3", "2.1.1", "6.4(2)")
def test_an_evaluation_has_three_marks_of_one_to_five() -> None:
    rules.require_evaluation(FaultEvaluation(attitude=1, quality=5, speed=3))
    for name in ("attitude", "quality", "speed"):
        for mark in (0, 6):
            spoiled = FaultEvaluation(attitude=1, quality=5, speed=3)
            setattr(spoiled, name, mark)
            assert refused(lambda each=spoiled: rules.require_evaluation(each)) == "REQUEST_INVALID"


def named(price: int, *, warranty: bool, human: bool) -> Fault:
    fault = Fault()
    wanted = WorkOnFaultRequest.NamePart(
        name="ONU", price=Money(minor_units=price, currency="CNY"), in_warranty=warranty, human_caused=human
    )
    parts.add(fault, wanted, "CNY")
    return fault


@pytest.mark.parametrize(
    ("price", "warranty", "human", "is_free"),
    [
        (12000, True, False, True),
        (12000, True, True, False),
        (12000, False, False, False),
        (12000, False, True, False),
        (0, False, True, True),
    ],
)
@pytest.mark.clause("6.1(4)", "6.3(1)")
def test_a_part_is_free_within_the_warranty_unless_people_have_broken_it(
    price: int, warranty: bool, human: bool, is_free: bool
) -> None:
    fault = named(price, warranty=warranty, human=human)
    assert (fault.repair.parts[0].quote == QuoteState.QUOTE_STATE_FREE) is is_free
    if is_free:
        parts.install(fault, 1, NOW)
        return
    assert refused(lambda: parts.install(fault, 1, NOW)) == "FAULT_PRICE_NOT_ACCEPTED"
    parts.decide(fault, 1, accepted=True)
    parts.install(fault, 1, NOW)
    assert fault.repair.parts[0].HasField("install_time")


def test_a_price_is_decided_on_once_and_a_part_that_is_not_wanted_is_not_put_in() -> None:
    fault = named(12000, warranty=False, human=False)
    parts.decide(fault, 1, accepted=False)
    assert refused(lambda: parts.decide(fault, 1, accepted=True)) == "FAULT_PART_UNKNOWN"
    assert refused(lambda: parts.install(fault, 1, NOW)) == "FAULT_PRICE_NOT_ACCEPTED"
    assert refused(lambda: parts.install(fault, 2, NOW)) == "FAULT_PART_UNKNOWN"


def test_a_step_is_typed_by_its_name_and_its_fields() -> None:
    assert "take-up" in STEPS
    assert step_of("take-up", []).HasField("take_up")
    resolved = step_of("resolve", ["cause=force-majeure", "text=the storm"]).resolve
    assert (resolved.cause, resolved.text) == (7, "the storm")
    part = step_of("name-part", ["name=ONU", "price=12000 CNY", "in_warranty=yes"]).name_part
    assert (part.price.minor_units, part.price.currency, part.in_warranty) == (12000, "CNY", True)
    assert step_of("name-part", ["name=ONU", "price=120.00 CNY"]).name_part.price == part.price
    closed = step_of("close", ["summary=it lay bare", "measure=bury it;li;2027-01-31"]).close
    assert list(closed.review.measures) == [GOOD]
    assert not step_of("close", []).close.HasField("review")
    assert step_of("appoint", ["start_time=2026-12-11T01:00:00Z", "end_time=2026-12-11T03:00:00Z"]).HasField("appoint")


@pytest.mark.parametrize(
    ("step", "typed", "told"),
    [
        ("resolve", ["cause=gremlins"], "force-majeure"),
        ("resolve", ["cause=cabel"], "Did you mean cable?"),
        ("resolve", ["reason=x"], "cause, text"),
        ("resolve", ["cause"], "FIELD=VALUE"),
        ("take-up", ["text=x"], "no fields"),
        ("close", ["measure=bury it;li"], "WHAT;WHO;YYYY-MM-DD"),
        ("close", ["text=x"], "summary, measure"),
        ("estimate", ["end_time=tomorrow"], "2026-12-24T01:00"),
        ("name-part", ["name=ONU", "price=120"], "12000 CNY"),
        ("name-part", ["in_warranty=ja"], "yes, no"),
        ("install-part", ["part=one"], "a number"),
    ],
)
def test_who_types_a_step_wrongly_is_told_what_can_be_typed(step: str, typed: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        step_of(step, typed)


def test_all_steps_are_listed_with_what_is_typed() -> None:
    told = steps_told().splitlines()
    assert [line.split()[0] for line in told] == list(STEPS)
    assert 'name-part name price="12000 CNY" in_warranty=yes|no human_caused=yes|no' in told
    assert "triage advice mode=remote|send-in|visit" in told


@pytest.mark.parametrize(("covered", "said"), [(True, ""), (False, "REQUEST_INVALID")])
def test_only_a_part_that_is_free_needs_no_price(covered: bool, said: str) -> None:
    fault, wanted = Fault(), WorkOnFaultRequest.NamePart(name="ONU", in_warranty=covered)
    if said:
        assert refused(lambda: parts.add(fault, wanted, "CNY")) == said
        return
    parts.add(fault, wanted, "CNY")
    (part,) = fault.repair.parts
    assert (part.quote, part.price.minor_units, part.price.currency) == (parts.FREE, 0, "CNY")
