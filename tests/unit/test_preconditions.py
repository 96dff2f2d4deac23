"""The preconditions that the catalogue names."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import LineKind, Precondition
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.business.orders.business import Situation
from region_node.customers.preconditions import CHECKS, require_preconditions, status_name
from tests.unit.situations import LINE, NOW, situation, with_status

ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
LEAVING = ProductStatus.PRODUCT_STATUS_PENDING_TERMINATE
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
STATUSES = [ACTIVE, SUSPENDED, LEAVING, TERMINATED]
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


def refusal(precondition: Precondition.ValueType, given_situation: Situation) -> tuple[str, Mapping[str, str]]:
    """Why a situation does not meet a precondition, and the parameters; empty where it does."""
    try:
        CHECKS[precondition](given_situation)
    except Refused as refused:
        return Reason.Name(refused.reason).removeprefix("REASON_"), refused.parameters
    return "", {}


def require(given_situation: Situation) -> None:
    require_preconditions(given_situation.business.preconditions, given_situation)


def test_every_precondition_of_the_contract_has_a_check() -> None:
    assert CHECKS.keys() == set(Precondition.values()) - {Precondition.PRECONDITION_UNSPECIFIED}


@pytest.mark.parametrize(
    ("precondition", "reasons"),
    [
        (Precondition.PRECONDITION_LINE_ACTIVE, ["", "LINE_NOT_ACTIVE", "LINE_NOT_ACTIVE", "LINE_CLOSED"]),
        (
            Precondition.PRECONDITION_LINE_SUSPENDED,
            ["LINE_NOT_SUSPENDED", "", "LINE_NOT_SUSPENDED", "LINE_CLOSED"],
        ),
        (Precondition.PRECONDITION_LINE_NOT_CLOSED, ["", "", "", "LINE_CLOSED"]),
        (Precondition.PRECONDITION_LINE_IN_SERVICE, ["", "", "LINE_NOT_ACTIVE", "LINE_CLOSED"]),
    ],
)
def test_the_status_of_the_line_decides(precondition: Precondition.ValueType, reasons: list[str]) -> None:
    found = [refusal(precondition, situation("PAY", line=with_status(status)))[0] for status in STATUSES]
    assert found == reasons


def test_a_line_that_a_joint_order_is_to_end_is_neither_ended_nor_bound_by_another() -> None:
    promised = replace(LINE, promised_to="henan/J20300601-7", kind=LineKind.LINE_KIND_BROADBAND)
    for business in ("TERMINATE", "RENEW", "MNP_IN", "TRANSFER", "BB_MOVE"):
        with pytest.raises(Refused) as refused:
            require(situation(business, line=promised))
        assert refused.value.reason == Reason.REASON_LINE_PROMISED
        assert refused.value.parameters == {"order": "henan/J20300601-7"}
    for business in ("PAY", "SUSPEND", "LOSS_REPORT"):
        require(situation(business, line=promised))


def test_only_a_line_without_a_sim_card_is_moved_as_broadband() -> None:
    kinds = (LineKind.LINE_KIND_UNSPECIFIED, LineKind.LINE_KIND_MOBILE, LineKind.LINE_KIND_BROADBAND)
    wanted = Precondition.PRECONDITION_LINE_BROADBAND
    found = [refusal(wanted, situation("BB_MOVE", line=replace(LINE, kind=kind)))[0] for kind in kinds]
    assert found == ["LINE_NOT_BROADBAND", "LINE_NOT_BROADBAND", ""]


def test_a_refusal_says_how_the_line_stands() -> None:
    told = refusal(Precondition.PRECONDITION_LINE_ACTIVE, situation("PAY", line=with_status(LEAVING)))
    assert told == ("LINE_NOT_ACTIVE", {"status": "pending terminate"})
    assert [status_name(status) for status in STATUSES] == ["active", "suspended", "pending terminate", "terminated"]


@given(st.integers(-(10**15), 10**15))
def test_arrears_begin_below_zero_and_are_told_in_major_units(balance: int) -> None:
    reason, parameters = refusal(Precondition.PRECONDITION_NO_ARREARS, situation("SUSPEND", balance=balance))
    assert (reason == "IN_ARREARS") == (balance < 0)
    if reason:
        amount, currency = parameters["amount"].split(" ")
        whole, _, cents = amount.partition(".")
        assert (int(whole) * 100 + int(cents), len(cents), currency) == (-balance, 2, "CNY")


@pytest.mark.parametrize(
    ("ends_in", "reason"),
    [(None, ""), (-DAY, ""), (timedelta(0), ""), (INSTANT, "UNDER_CONTRACT"), (90 * DAY, "UNDER_CONTRACT")],
)
def test_a_contract_binds_until_it_ends(ends_in: timedelta | None, reason: str) -> None:
    line = replace(LINE, contract_end=None if ends_in is None else NOW + ends_in)
    assert refusal(Precondition.PRECONDITION_NO_CONTRACT, situation("TERMINATE", line=line))[0] == reason


def test_the_end_of_a_contract_is_told_as_a_date_of_the_home_region() -> None:
    line = replace(LINE, contract_end=NOW.replace(hour=17) + DAY)
    told = refusal(Precondition.PRECONDITION_NO_CONTRACT, situation("TERMINATE", line=line))
    assert told == ("UNDER_CONTRACT", {"until": "2030-06-17"})


def test_a_bundle_must_be_left_first() -> None:
    line = replace(LINE, binding="family-4")
    told = refusal(Precondition.PRECONDITION_NO_BINDING, situation("TERMINATE", line=line))
    assert told == ("LINE_BOUND", {"binding": "family-4"})
    assert refusal(Precondition.PRECONDITION_NO_BINDING, situation("TERMINATE"))[0] == ""


@pytest.mark.parametrize(
    ("ago", "reason"),
    [
        (None, ""),
        (timedelta(0), "SIM_TOO_NEW"),
        (3 * DAY - INSTANT, "SIM_TOO_NEW"),
        (3 * DAY, ""),
        (400 * DAY, ""),
    ],
)
def test_a_new_card_is_settled_after_72_hours(ago: timedelta | None, reason: str) -> None:
    line = replace(LINE, sim_replaced=None if ago is None else NOW - ago)
    assert refusal(Precondition.PRECONDITION_SIM_SETTLED, situation("QRY_BILL", line=line))[0] == reason


def test_how_long_a_new_card_waits_is_a_policy_and_told() -> None:
    line = replace(LINE, sim_replaced=NOW - DAY)
    assert refusal(Precondition.PRECONDITION_SIM_SETTLED, situation("QRY_BILL", line=line))[1] == {"hours": "72"}


@pytest.mark.parametrize(
    ("now", "possible"),
    [
        (datetime(2030, 5, 31, 15, 59, 59, tzinfo=UTC), ""),
        (datetime(2030, 5, 31, 16, 0, tzinfo=UTC), "2030-06-04"),
        (datetime(2030, 6, 3, 15, 59, 59, tzinfo=UTC), "2030-06-04"),
        (datetime(2030, 6, 3, 16, 0, tzinfo=UTC), ""),
    ],
)
def test_no_line_is_transferred_on_the_first_three_days_of_a_month_in_its_home_region(
    now: datetime, possible: str
) -> None:
    told = refusal(Precondition.PRECONDITION_MONTH_BEGUN, replace(situation("TRANSFER"), now=now))
    assert told == (("MONTH_TOO_NEW", {"days": "3", "date": possible}) if possible else ("", {}))


def test_the_first_precondition_that_does_not_hold_is_the_one_that_is_told() -> None:
    line = replace(with_status(SUSPENDED), binding="family-4", contract_end=NOW + DAY)
    with pytest.raises(Refused) as raised:
        require(situation("TERMINATE", line=line, balance=-1))
    assert raised.value.reason == Reason.REASON_IN_ARREARS
    with pytest.raises(Refused) as raised:
        require(situation("TERMINATE", line=line))
    assert raised.value.reason == Reason.REASON_UNDER_CONTRACT


@given(st.sampled_from(STATUSES), st.integers(-5, 5), st.booleans(), st.booleans())
def test_a_situation_is_possible_exactly_where_every_precondition_holds(
    status: ProductStatus.ValueType, balance: int, bound: bool, under_contract: bool
) -> None:
    line = replace(
        with_status(status),
        binding="family-4" if bound else "",
        contract_end=NOW + DAY if under_contract else None,
    )
    possible = status in (ACTIVE, SUSPENDED) and balance >= 0 and not bound and not under_contract
    try:
        require(situation("TERMINATE", line=line, balance=balance))
        refused = False
    except Refused:
        refused = True
    assert refused != possible
