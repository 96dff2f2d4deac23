"""A row per business: its path to completion. `test_businesses.py` tries everything in the catalogue about each.

A new business in the catalogue needs a row here; the catalogue alone tests its refusals.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_service_pb2 import Customer, ProductStatus, RatingType, SuspensionKind
from gateway.api.types.v1.types_pb2 import Applicant

ACTIVE = ProductStatus.PRODUCT_STATUS_ACTIVE
SUSPENDED = ProductStatus.PRODUCT_STATUS_SUSPENDED
TERMINATED = ProductStatus.PRODUCT_STATUS_TERMINATED
LOST = SuspensionKind.SUSPENSION_KIND_LOST
BROADBAND = LineKind.LINE_KIND_BROADBAND
BALANCE = 100_000  # fen that a customer has beforehand


@dataclass(frozen=True)
class BusinessCase:
    """A customer of Sichuan for whom Guangdong's counter handles a business, and what has become of the customer."""

    done: Callable[[Customer], bool]
    """Whether Sichuan's records show the effect."""
    characteristics: Mapping[str, str] = field(default_factory=dict)
    """The characteristics of the request; `{month}` stands for the current one."""
    line: Mapping[str, object] = field(default_factory=dict)
    """Fields of the line beforehand; a timedelta counts from the moment of the test. By default it is active."""
    subscriptions: Sequence[str] = ()
    """Offerings that the line has beforehand."""
    call_seconds: int = 0
    """How long a call is that the line makes beforehand; 0 for none."""
    only_at_home: Sequence[Applicant.ValueType] = ()
    """Applicants of the catalogue whom only the home region serves."""


def running(customer: Customer) -> set[str]:
    """The offerings that a line has without an end."""
    return {each.offering_id for each in customer.product.subscriptions if not each.HasField("end_time")}


CASES: Mapping[str, BusinessCase] = {
    "PAY": BusinessCase(
        lambda customer: customer.billing_account.balance.minor_units == BALANCE + 5000,
        characteristics={"amount": "5000"},
    ),
    "SUSPEND": BusinessCase(
        lambda customer: (customer.product.status, customer.product.suspension_reason) == (SUSPENDED, "abroad"),
        characteristics={"reason": "abroad"},
    ),
    "RESUME": BusinessCase(
        lambda customer: (customer.product.status, customer.product.suspension_reason) == (ACTIVE, ""),
        characteristics={"reason": "back"},
        line={"status": SUSPENDED, "suspension_reason": "abroad"},
    ),
    "PLAN_CHANGE": BusinessCase(
        lambda customer: customer.product.plan_id == "sichuan-99", characteristics={"plan": "sichuan-99"}
    ),
    "TERMINATE": BusinessCase(
        lambda customer: (customer.product.status, customer.billing_account.balance.minor_units) == (TERMINATED, 0),
        characteristics={"refund_account": "6222-0001"},
    ),
    "LOSS_REPORT": BusinessCase(
        lambda customer: (customer.product.status, customer.product.suspension_kind) == (SUSPENDED, LOST),
        characteristics={"reason": "stolen"},
    ),
    "SIM_REPLACE": BusinessCase(
        lambda customer: customer.product.status == ACTIVE and customer.product.HasField("sim_replace_time"),
        characteristics={"id_kind": "resident-id-card", "iccid": "89860123456789012345"},
        line={"status": SUSPENDED, "suspension_kind": LOST},
        only_at_home=(Applicant.APPLICANT_AGENT,),
    ),
    "PROFILE_UPD": BusinessCase(
        lambda customer: (customer.name, customer.email) == ("王方", "fang@example.com"),
        characteristics={"name": "王方", "email": "fang@example.com"},
    ),
    "VAS_CANCEL": BusinessCase(
        lambda customer: running(customer) == {"sichuan-caller-display"},
        characteristics={"offering": "sichuan-ring-tones"},
        subscriptions=("sichuan-ring-tones", "sichuan-caller-display"),
    ),
    "ROAMING": BusinessCase(
        lambda customer: running(customer) == {"sichuan-roaming"}, characteristics={"offering": "sichuan-roaming"}
    ),
    "PWD_RESET": BusinessCase(lambda customer: customer.product.status == ACTIVE),
    "NEW_LINE": BusinessCase(
        lambda customer: (
            (customer.name, customer.product.status, customer.product.plan_id) == ("王芳", ACTIVE, "sichuan-59")
        ),
        characteristics={"region": "sichuan", "plan": "sichuan-59", "name": "王芳", "need": "calls"},
    ),
    "BB_INSTALL": BusinessCase(
        lambda customer: (customer.product.kind, customer.product.address) == (BROADBAND, "Chengdu"),
        characteristics={
            "region": "sichuan",
            "plan": "sichuan-broadband-300",
            "name": "王芳",
            "address": "Chengdu",
        },
    ),
    "BB_INSTALL_RURAL": BusinessCase(
        lambda customer: (customer.product.kind, customer.product.address) == (BROADBAND, "Ganzi"),
        characteristics={
            "region": "sichuan",
            "plan": "sichuan-broadband-300",
            "name": "王芳",
            "address": "Ganzi",
        },
    ),
    "RENEW": BusinessCase(
        lambda customer: any(each.offering_id == "sichuan-contract-12" for each in customer.product.subscriptions),
        characteristics={"contract": "sichuan-contract-12"},
        line={"contract_end_time": timedelta(days=20)},
    ),
    "BILL_CORRECTION": BusinessCase(
        # 40 minutes beyond the allowance cost 600 fen, at once.
        lambda customer: customer.billing_account.balance.minor_units == BALANCE - 600 + 500,
        characteristics={
            "month": "{month}",
            "charge": "calls",
            "category": "usage-mismatch",
            "amount": "500",
            "settlement": "offset",
        },
        line={"rating_type": RatingType.RATING_TYPE_PREPAID},
        call_seconds=6000,
    ),
}
