"""The category of a complaint at filing, the time without one, and the parts that a change leaves unchanged."""

from datetime import timedelta

import pytest

from gateway.api.federation.v1.configuration_pb2 import UNIT_PERCENT, Figure, RegionalPolicy
from gateway.api.region.v1.complaint_pb2 import ClassifiedBy, Complaint, ComplaintRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.complaint_rules import CONFIDENCE
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.time.clock import to_timestamp
from region_node.care.complaints import cases, escalation, rules
from region_node.care.complaints.deadlines import Pause, find, is_met, meet, resume
from region_node.care.complaints.limits import change_deadlines, haste, set_deadlines
from region_node.care.complaints.proposing import category_set, classification
from region_node.node.context import RegionContext
from tests.shipped import shipped_configuration
from tests.simulation.world import keys
from tests.unit.complaint_scene import HOUR, at, complaint, due, duration, fired, hours

NOW = at("2026-03-02 10:00")
CLEAR, UNCLEAR = "我被多收了钱", "网速慢，还乱收费"


def region(strict: str = "") -> RegionContext:
    """Guangdong's node; one region may ask for a confidence that nothing reaches."""
    configuration = shipped_configuration()
    if strict:
        (policy,) = (each for each in configuration.policies if each.name == CONFIDENCE)
        policy.regional.append(RegionalPolicy(region=strict, figure=Figure(value=100, unit=UNIT_PERCENT)))
    current = CurrentFederation()
    current.update(Federation(1, configuration), [])
    return RegionContext(Border("guangdong", keys().signers["guangdong"], keys().trusted, current))


def filed(text: str, category: str = "") -> ComplaintRequest:
    return ComplaintRequest(category=category, description=text)


def test_the_same_text_gets_the_same_proposal_with_the_words_that_decided() -> None:
    first, again = (classification(region(), filed(CLEAR), "sichuan", NOW) for _ in range(2))
    assert first == again
    assert category_set(first) == first.proposed_category == first.candidates[0].category == "BILL_WRONG"
    assert [word.text for word in first.candidates[0].words] == ["多收"]
    assert [each.set_by for each in first.settings] == [ClassifiedBy.CLASSIFIED_BY_WORDS]


@pytest.mark.parametrize(
    "text",
    [
        "This is fraud!",
        "你们这是诈骗！",
        "FRAUD!!! total fraud and scam, you thieves stole my money",
        "骗子，骗我，骗了我",
    ],
)
def test_angry_words_make_no_complaint_critical(text: str) -> None:
    found = classification(region(), filed(text), "sichuan", NOW)
    assert (category_set(found), found.candidates[0].category) == ("", "FRAUD"), "the desk sees what it might be"


@pytest.mark.parametrize("strict", ["guangdong", "sichuan"])
def test_how_sure_one_must_be_is_the_strictest_of_first_contact_and_home(strict: str) -> None:
    unsure = classification(region(strict), filed(CLEAR), "sichuan", NOW)
    assert (category_set(unsure), unsure.proposed_category) == ("", "")
    assert unsure.candidates[0].category == "BILL_WRONG", "the desk sees what it might be"
    assert category_set(classification(region("henan"), filed(CLEAR), "sichuan", NOW)) == "BILL_WRONG"
    assert category_set(classification(region("henan"), filed(CLEAR), None, NOW)) == "BILL_WRONG"


def test_a_category_that_is_named_is_not_doubted_but_must_exist() -> None:
    named = classification(region(), filed(UNCLEAR, "NET_SPEED"), "sichuan", NOW)
    assert (category_set(named), list(named.candidates)) == ("NET_SPEED", [])
    with pytest.raises(Refused) as refused:
        classification(region(), filed(CLEAR, "NO_SUCH"), "sichuan", NOW)
    assert refused.value.reason == Reason.REASON_COMPLAINT_CATEGORY_UNKNOWN


def test_what_has_no_category_is_raised_as_the_work_of_the_desk_and_its_decisions_are_not_counted() -> None:
    found = complaint(NOW, (rules.ACKNOWLEDGE, duration(4)), (rules.RESOLVE, duration(48)), region="night", version=0)
    sent = Complaint()
    sent.CopyFrom(found)
    found.request.ClearField("category")
    for each, trigger in ((found, "ACKNOWLEDGEMENT_MISSED"), (sent, "REGION_UNREACHABLE")):
        escalation.raise_due(each, hours, NOW + 4 * HOUR, "guangdong")
        assert fired(each)[-1][1] == trigger
    rules.count_decision(found)
    rules.count_decision(sent)
    assert (found.version, sent.version) == (0, 1)
    with pytest.raises(Refused) as refused:
        rules.require_state(found, "propose", rules.IN_PROGRESS)
    assert refused.value.reason == Reason.REASON_COMPLAINT_UNCLASSIFIED


def test_another_category_keeps_what_has_happened_what_was_promised_and_the_pauses() -> None:
    federation = Federation(1, shipped_configuration())
    found = Complaint(
        origin_region="guangdong", home_region="guangdong", owner_region="guangdong", create_time=to_timestamp(NOW)
    )
    found.severity = federation.complaint_category("SVC_PORTING").severity
    set_deadlines(federation, found, federation.complaint_category("SVC_PORTING"), NOW)  # 48 hours
    meet(found, [rules.ACKNOWLEDGE, rules.FIRST_RESPONSE], NOW + HOUR)
    found.deadlines.append(haste(federation, found, NOW + HOUR))
    resume(found, Pause(NOW + 2 * HOUR, NOW + 5 * HOUR), federation.working_hours)
    legal = due(found, rules.LEGAL)
    stricter = federation.complaint_category("BILL_ABNORMAL")  # 24 hours
    change_deadlines(federation, found, stricter)
    assert due(found) == NOW + 27 * HOUR, "the customer was waited for three hours"
    for kind in (rules.ACKNOWLEDGE, rules.FIRST_RESPONSE):
        each = find(found, kind)
        assert each is not None
        assert is_met(each)
    assert find(found, rules.EXPEDITE) is not None
    change_deadlines(federation, found, federation.complaint_category("OTHER"))  # 15 days
    assert due(found) == NOW + 27 * HOUR, "the customer was promised that"
    assert due(found, rules.LEGAL) == legal
    assert found.expected_resolution_time.ToDatetime(NOW.tzinfo) - NOW == timedelta(hours=27)


def test_a_case_is_classified_anew_only_where_no_department_has_an_open_item() -> None:
    case = Complaint()
    case.items.add(number=1, region="henan", state=cases.AWAITING_COORDINATOR)
    case.items.add(number=2, region="sichuan", state=cases.DONE)
    cases.require_returned(case)
    case.items.add(number=3, region="sichuan", state=cases.AT_WORK).department.code = "BILLING"
    with pytest.raises(Refused) as refused:
        cases.require_returned(case)
    assert refused.value.reason == Reason.REASON_COMPLAINT_ITEMS_TAKEN
    assert refused.value.parameters["items"] == "3 (sichuan BILLING)"
