"""People's demand for each business of the shipped catalogue: its frequency, papers and values."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.api.federation.v1.configuration_pb2 import Business, LineKind, Step
from tests.simulation.world import FEBRUARY, PLANS, configuration

Values = dict[str, str]
Draw = Callable[[random.Random, str], Values]
"""Draws the characteristics of an order for a home region; times are drawn apart: they count from its intake."""

PERSONS = 8  # strangers who want lines
WISHED = 3  # numbers of each region that several people may want
_CUSTOM = ("ID_ORIG",)


@dataclass(frozen=True)
class Want:
    """A business as people request it.

    `beside` are everybody's papers, `verified` the home region's attestations, and `instead` the papers without them.
    `may_start` and `may_end`: the customer may agree on a start and an end.
    """

    weight: int
    draw: Draw = lambda source, home: {}
    beside: tuple[str, ...] = ()
    verified: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    may_start: bool = False
    may_end: bool = False


def _pay(source: random.Random, home: str) -> Values:
    return {"amount": str(source.randint(1, 9_999))}


def _reason(source: random.Random, home: str) -> Values:
    return {"reason": "abroad"}


def _profile(source: random.Random, home: str) -> Values:
    return {"name": f"Customer {source.getrandbits(32):08x}"}


def _card(source: random.Random, home: str) -> Values:
    return {"id_kind": "resident-id-card", "iccid": f"8986{source.getrandbits(50):016d}"}


def _renewal(source: random.Random, home: str) -> Values:
    return {"contract": f"{home}-contract-{source.choice((12, 24))}"}


def _cancelled_service(source: random.Random, home: str) -> Values:
    return {"offering": f"{home}-{source.choice(('ring-tones', 'caller-display', 'roaming'))}"}


def _roaming(source: random.Random, home: str) -> Values:
    return {"offering": f"{home}-roaming"}


def _correction(source: random.Random, home: str) -> Values:
    charge = source.choice(tuple(FEBRUARY))
    values = {
        "month": "2026-02",
        "charge": charge,
        "category": source.choice(("wrong-charge", "double-charge", "not-ordered")),
        "amount": str(source.randint(1, FEBRUARY[charge] + 200)),
        "settlement": source.choice(("offset", "refund")),
    }
    if values["category"] == "not-ordered":
        values["offering"] = f"{home}-ring-tones"
    return values


def _new_line(source: random.Random, home: str) -> Values:
    values = {"region": home, "plan": source.choice(PLANS[home]), "name": "Somebody"}
    if source.random() < 0.5:
        values["number"] = wished_number(home, source.randrange(WISHED))
    if source.random() < 0.3:
        values["contract"] = f"{home}-contract-12"
    if source.random() < 0.3:
        values["rating"] = "prepaid"
    return values


def wished_number(home: str, index: int) -> str:
    """A number of a region's pool that several people want."""
    return f"+{number_pool(home, broadband=False) + 500 + index}"


def number_pool(region: str, *, broadband: bool) -> int:
    """The first number of a region's pool of mobile or broadband lines."""
    kind = LineKind.LINE_KIND_BROADBAND if broadband else LineKind.LINE_KIND_MOBILE
    pools = next(each.number_pools for each in configuration().regions if each.id == region)
    return int(next(each.first for each in pools if each.kind == kind))


def _broadband(source: random.Random, home: str) -> Values:
    plan = next(each.id for each in configuration().plans if each.region == home and "broadband" in each.id)
    return {"region": home, "plan": plan, "name": "Somebody", "address": f"Road {source.randint(1, 99)}"}


WANTS: Mapping[str, Want] = {
    "PAY": Want(5, _pay),
    "SUSPEND": Want(4, _reason, beside=_CUSTOM, may_start=True, may_end=True),
    "RESUME": Want(3, _reason, verified=("PWD",), instead=_CUSTOM, may_start=True),
    "PLAN_CHANGE": Want(
        3, lambda source, home: {"plan": source.choice(PLANS[home])}, verified=("PWD", "OTP"), instead=_CUSTOM
    ),
    "TERMINATE": Want(
        3, lambda source, home: {"refund_account": "62220000"}, beside=("ID_ORIG", "FACE", "SIM", "REFUND_ACC")
    ),
    "LOSS_REPORT": Want(1, verified=("OTP",), instead=_CUSTOM),
    "SIM_REPLACE": Want(2, _card, beside=("ID_ORIG", "FACE"), verified=("PWD",), instead=("CALLREC3",)),
    "PWD_RESET": Want(1, beside=("ID_ORIG", "FACE")),
    "PROFILE_UPD": Want(1, _profile, beside=("ID_ORIG", "FACE")),
    "ROAMING": Want(2, _roaming, verified=("PWD", "OTP"), may_start=True, may_end=True),
    "VAS_CANCEL": Want(2, _cancelled_service, verified=("OTP",)),
    "RENEW": Want(1, _renewal, verified=("PWD",), instead=_CUSTOM),
    "NEW_LINE": Want(2, _new_line, beside=("ID_ORIG", "FACE")),
    "BB_INSTALL": Want(1, _broadband, beside=("ID_ORIG", "ADDR"), may_start=True),
    "BB_INSTALL_RURAL": Want(1, _broadband, beside=("ID_ORIG", "ADDR"), may_start=True),
    "BILL_CORRECTION": Want(2, _correction, verified=("PWD", "OTP"), instead=_CUSTOM),
    "MNP_IN": Want(1, beside=_CUSTOM, verified=("OTP",)),
}

LINE_OPENING = frozenset({"NEW_LINE", "BB_INSTALL", "BB_INSTALL_RURAL"})
PROVIDER_REGION = "sichuan"
PROVISIONED = frozenset(
    {"LOSS_REPORT", "SIM_REPLACE", "ROAMING", "VAS_CANCEL", "NEW_LINE", "BB_INSTALL", "TRANSFER", "LEASED_CHANGE"}
)
"""The businesses of that region's own system."""


def described(code: str) -> Business:
    """A business as the catalogue has it."""
    return next(each for each in configuration().businesses if each.code == code)


def has_step(code: str, step: Step.ValueType) -> bool:
    """Whether orders of a business take a step."""
    return step in described(code).steps
