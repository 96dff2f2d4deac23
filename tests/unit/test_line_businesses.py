"""The rules of the businesses about a line, its card and what it has besides its plan."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus, SuspensionKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, Document
from gateway.errors import Refused
from region_node.business.orders.business import Situation, load_rules
from region_node.business.orders.rules import Value
from region_node.customers.rows import CustomerRow, Line
from region_node.customers.subscriptions import Subscription
from tests.unit.situations import LINE, NOW, Records, situation

RULES = load_rules()
HOUR = timedelta(hours=1)
LOST = LINE.suspended(SuspensionKind.SUSPENSION_KIND_LOST, "stolen")
BROADBAND = replace(LINE, kind=LineKind.LINE_KIND_BROADBAND, address="成都市锦江区1号")
ICCID = "8986012345678901234"


def with_documents(asked: Situation, *codes: str) -> Situation:
    asked.order.request.documents.extend(Document(code=code, keyed_hash=bytes(32)) for code in codes)
    return asked


def refused(asked: Situation) -> Refused | None:
    """How the rule of a business refuses; None where it does not."""
    try:
        RULES[asked.business.code].check(asked)
    except Refused as refusal:
        return refusal
    return None


def reason(asked: Situation) -> str:
    """Why the rule of a business refuses; empty where it does not."""
    refusal = refused(asked)
    return "" if refusal is None else Reason.Name(refusal.reason).removeprefix("REASON_")


# LOSS_REPORT and RESUME


def test_a_reported_loss_suspends_the_line_with_an_open_end() -> None:
    effects = RULES["LOSS_REPORT"].fulfil(situation("LOSS_REPORT", {"reason": "stolen"}))
    assert effects.line == LOST
    assert (effects.line.status, effects.line.suspension_end) == (ProductStatus.PRODUCT_STATUS_SUSPENDED, None)


@pytest.mark.parametrize(
    ("kind", "codes", "expected"),
    [
        (SuspensionKind.SUSPENSION_KIND_LOST, ["PWD"], "DOCUMENT_MISSING"),
        (SuspensionKind.SUSPENSION_KIND_LOST, ["PWD", "POA", "AGENT_ID"], "DOCUMENT_MISSING"),
        (SuspensionKind.SUSPENSION_KIND_LOST, ["ID_ORIG"], ""),
        (SuspensionKind.SUSPENSION_KIND_REQUESTED, ["PWD"], ""),
        (SuspensionKind.SUSPENSION_KIND_ARREARS, ["PWD"], ""),
        (SuspensionKind.SUSPENSION_KIND_UNSPECIFIED, ["PWD"], ""),
    ],
)
def test_only_the_identity_document_ends_a_loss(
    kind: SuspensionKind.ValueType, codes: Sequence[str], expected: str
) -> None:
    asked = with_documents(situation("RESUME", line=LINE.suspended(kind, "")), *codes)
    assert reason(asked) == expected


def test_a_resumed_line_is_lost_no_more() -> None:
    assert RULES["RESUME"].fulfil(situation("RESUME", line=LOST)).line == LINE


# SIM_REPLACE


def sim_replace(line: Line = LINE, origin_region: str = "guangdong", **values: Value) -> Situation:
    told: dict[str, Value] = {"id_kind": "resident-id-card", "iccid": ICCID, **values}
    return situation("SIM_REPLACE", told, line=line, origin_region=origin_region)


@pytest.mark.parametrize(
    ("iccid", "possible"),
    [
        (ICCID, True),
        (ICCID + "5", True),
        ("8944" + "0" * 15, True),
        (ICCID[:-1], False),
        (ICCID + "55", False),
        ("12" + ICCID[2:], False),
        (ICCID[:-1] + "F", False),
        ("89" + "\u0661" * 17, False),
        (ICCID + "\n", False),
        ("", False),
    ],
)
def test_the_number_of_a_card_has_19_or_20_digits_and_begins_with_89(iccid: str, possible: bool) -> None:
    refusal = refused(sim_replace(iccid=iccid))
    if possible:
        assert refusal is None
    else:
        assert refusal is not None
        assert (refusal.reason, refusal.parameters["name"]) == (Reason.REASON_CHARACTERISTIC_INVALID, "iccid")


def test_a_card_is_posted_to_an_address_only() -> None:
    assert reason(sim_replace(delivery="post")) == "CHARACTERISTIC_MISSING"
    assert reason(sim_replace(delivery="post", address="Guangzhou")) == ""
    assert reason(sim_replace(delivery="counter")) == ""


@pytest.mark.parametrize(("origin_region", "expected"), [("guangdong", "IDENTITY_NOT_ALLOWED"), ("sichuan", "")])
@pytest.mark.parametrize("kind", ["passport", "military-id", "household-register"])
def test_far_from_home_only_a_resident_identity_card_will_do(origin_region: str, expected: str, kind: str) -> None:
    asked = sim_replace(origin_region=origin_region, id_kind=kind)
    assert reason(asked) == expected
    assert asked.business.characteristics[0].choices[0] == "resident-id-card"
    assert kind in asked.business.characteristics[0].choices


@pytest.mark.parametrize(("origin_region", "expected"), [("guangdong", "APPLICANT_NOT_ALLOWED"), ("sichuan", "")])
def test_an_agent_replaces_a_card_in_the_home_region_only(origin_region: str, expected: str) -> None:
    asked = sim_replace(origin_region=origin_region)
    asked.order.request.applicant = Applicant.APPLICANT_AGENT
    assert reason(asked) == expected


def test_a_new_card_is_unsettled_from_now_on_and_ends_a_loss() -> None:
    for line in (LINE, LOST):
        effects = RULES["SIM_REPLACE"].fulfil(sim_replace(line))
        assert effects.line == replace(LINE, sim_replaced=NOW)
        assert datetime.fromisoformat(effects.results["settles"]) == NOW + 72 * HOUR


def test_a_card_that_was_just_replaced_may_be_replaced_again_and_the_72_hours_begin_anew() -> None:
    fresh = replace(LINE, sim_replaced=NOW - HOUR)
    assert reason(sim_replace(fresh)) == ""
    assert RULES["SIM_REPLACE"].fulfil(sim_replace(fresh)).line.sim_replaced == NOW


# PROFILE_UPD


def profile_upd(line: Line = LINE, /, **values: Value) -> Situation:
    return with_documents(situation("PROFILE_UPD", values, line=line), "FACE", "ID_ORIG", "BIZ_LIC")


@given(st.dictionaries(st.sampled_from(["name", "email"]), st.text(min_size=1, max_size=10)))
def test_only_what_the_request_names_is_corrected(changes: dict[str, str]) -> None:
    effects = RULES["PROFILE_UPD"].fulfil(profile_upd(**changes))
    before = CustomerRow("customer-1", "王芳", "fang.wang@example.com")
    assert effects.customer == replace(before, **changes)
    assert effects.line == LINE


@pytest.mark.parametrize(
    ("applicant", "code"), [(Applicant.APPLICANT_HOLDER, "ID_ORIG"), (Applicant.APPLICANT_ENTERPRISE, "BIZ_LIC")]
)
def test_the_customer_is_known_by_the_document_of_the_holder_from_then_on(
    applicant: Applicant.ValueType, code: str
) -> None:
    asked = profile_upd()
    asked.order.request.applicant = applicant
    effects = RULES["PROFILE_UPD"].fulfil(asked)
    assert effects.identity is not None
    assert effects.identity.code == code


def test_only_a_broadband_access_has_an_address() -> None:
    assert reason(profile_upd(address="Chengdu")) == "CHARACTERISTIC_INVALID"
    asked = profile_upd(BROADBAND, address="Chengdu")
    assert reason(asked) == ""
    assert RULES["PROFILE_UPD"].fulfil(asked).line == replace(BROADBAND, address="Chengdu")
    assert RULES["PROFILE_UPD"].fulfil(profile_upd(BROADBAND, name="王方")).line == BROADBAND


# VAS_CANCEL


def subscription(
    offering: str, start: timedelta = -30 * 24 * HOUR, end: timedelta | None = None, product_id: str = LINE.product_id
) -> Subscription:
    return Subscription(f"S-{offering}-{start}", product_id, offering, NOW + start, None if end is None else NOW + end)


@pytest.mark.parametrize(
    ("subscribed", "offering", "expected"),
    [
        ([subscription("sichuan-ring-tones")], "sichuan-ring-tones", ""),
        ([subscription("sichuan-data-5gb", end=HOUR)], "sichuan-data-5gb", ""),
        ([subscription("sichuan-roaming")], "sichuan-roaming", ""),
        ([subscription("sichuan-of-old")], "sichuan-of-old", ""),
        ([], "sichuan-ring-tones", "NOT_SUBSCRIBED"),
        ([subscription("sichuan-ring-tones", end=-HOUR)], "sichuan-ring-tones", "NOT_SUBSCRIBED"),
        ([subscription("sichuan-ring-tones", end=timedelta(0))], "sichuan-ring-tones", "NOT_SUBSCRIBED"),
        ([subscription("sichuan-ring-tones")], "sichuan-caller-display", "NOT_SUBSCRIBED"),
        ([subscription("sichuan-ring-tones", product_id="product-2")], "sichuan-ring-tones", "NOT_SUBSCRIBED"),
        ([], "guangdong-ring-tones", "OFFERING_UNKNOWN"),
        ([], "sichuan-of-old", "OFFERING_UNKNOWN"),
        ([subscription("sichuan-contract-12")], "sichuan-contract-12", "CHARACTERISTIC_INVALID"),
    ],
)
def test_what_the_line_has_can_be_cancelled_and_nothing_else(
    subscribed: Sequence[Subscription], offering: str, expected: str
) -> None:
    records = Records(subscribed=subscribed)
    assert reason(situation("VAS_CANCEL", {"offering": offering}, records=records)) == expected


def test_a_cancelled_service_ends_now_and_the_others_run_on() -> None:
    tones, display = subscription("sichuan-ring-tones", end=48 * HOUR), subscription("sichuan-caller-display")
    former = subscription("sichuan-ring-tones", start=-900 * HOUR, end=-800 * HOUR)
    records = Records(subscribed=[former, tones, display])
    effects = RULES["VAS_CANCEL"].fulfil(situation("VAS_CANCEL", {"offering": "sichuan-ring-tones"}, records=records))
    assert effects.subscriptions == (replace(tones, end_time=NOW),)
    assert (effects.line, effects.postings) == (LINE, ())


# ROAMING: the national credit is 200 yuan.


def roaming(subscribed: Sequence[Subscription] = (), /, **values: Value) -> Situation:
    told: dict[str, Value] = {"offering": "sichuan-roaming", **values}
    return situation("ROAMING", told, records=Records(subscribed=subscribed))


def test_roaming_needs_a_balance() -> None:
    asked = roaming()
    assert reason(replace(asked, balance=20_000)) == ""
    refusal = refused(replace(asked, balance=19_999))
    assert refusal is not None
    assert (refusal.reason, refusal.parameters) == (Reason.REASON_CREDIT_TOO_LOW, {"amount": "200.00 CNY"})


@pytest.mark.parametrize(
    ("offering", "expected"),
    [
        ("sichuan-roaming", ""),
        ("sichuan-ring-tones", "CHARACTERISTIC_INVALID"),
        ("guangdong-roaming", "OFFERING_UNKNOWN"),
        ("moon-roaming", "OFFERING_UNKNOWN"),
    ],
)
def test_roaming_is_an_offering_of_the_home_region(offering: str, expected: str) -> None:
    assert reason(roaming(offering=offering)) == expected


def test_a_broadband_access_does_not_roam() -> None:
    assert reason(replace(roaming(), line=BROADBAND)) == "CHARACTERISTIC_INVALID"


moments = st.none() | st.integers(1, 6).map(lambda hours: NOW + hours * HOUR)


@given(st.integers(-3, 6), st.none() | st.integers(1, 4), moments, moments)
def test_a_line_never_has_roaming_twice_at_the_same_time(
    other_start: int, other_hours: int | None, start: datetime | None, end: datetime | None
) -> None:
    other_end = None if other_hours is None else (other_start + other_hours) * HOUR
    other = subscription("sichuan-roaming", other_start * HOUR, other_end)
    values = {name: at for name, at in (("start", start), ("end", end)) if at is not None}
    if start is not None and end is not None and end <= start:
        assert reason(roaming([other], **values)) == "CHARACTERISTIC_INVALID"
        return
    asked = [NOW + minute * HOUR / 2 for minute in range(24)]
    wanted = {at for at in asked if (start or NOW) <= at and (end is None or at < end)}
    taken = {at for at in asked if other.runs_at(at)}
    assert reason(roaming([other], **values)) == ("ALREADY_SUBSCRIBED" if wanted & taken else "")


def test_other_things_that_a_line_has_do_not_keep_it_from_roaming() -> None:
    assert reason(roaming([subscription("sichuan-ring-tones")])) == ""


def test_roaming_begins_at_the_agreed_time_and_ends_at_the_agreed_time() -> None:
    end = NOW + 48 * HOUR
    asked = roaming(start=NOW + HOUR, end=end)
    assert RULES["ROAMING"].start_time(asked) == NOW + HOUR
    (begun,) = RULES["ROAMING"].fulfil(replace(asked, now=NOW + HOUR)).subscriptions
    assert (begun.offering_id, begun.start_time, begun.end_time) == ("sichuan-roaming", NOW + HOUR, end)
    assert begun.product_id == LINE.product_id
    assert begun.subscription_id == f"{LINE.product_id}/{asked.order.id}#roaming"
    (open_ended,) = RULES["ROAMING"].fulfil(roaming()).subscriptions
    assert open_ended.end_time is None
    assert open_ended.runs_at(datetime(2999, 1, 1, tzinfo=UTC))


# PLAN_CHANGE


def test_a_plan_is_for_lines_of_one_kind() -> None:
    asked = situation("PLAN_CHANGE", {"plan": "sichuan-99"})
    assert reason(asked) == ""
    assert reason(replace(asked, line=BROADBAND)) == "PLAN_UNKNOWN"
