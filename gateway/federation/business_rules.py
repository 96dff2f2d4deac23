"""Rules for a business in the catalogue. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import (
    Business,
    CharacteristicSpecification,
    Configuration,
    Policy,
    Precondition,
    Unit,
)
from gateway.api.types.v1.types_pb2 import Applicant, Money
from gateway.federation.checks import (
    LONGEST,
    NAME,
    code_problems,
    duration_problems,
    enum_name,
    enum_problems,
    region_problems,
    text_problems,
    twice,
)
from gateway.federation.documents import parse_alternatives
from gateway.federation.joint_rules import joint_problems
from gateway.federation.policies import (
    COOLING_OFF,
    MONTH_BEGIN,
    SIM_SETTLES,
    UNREVIEWED_AMOUNT,
    UNREVIEWED_OF_OPERATOR,
    UNREVIEWED_OF_REGION,
    strictest_figure,
)
from gateway.federation.policy_rules import business_ways_problems, limit_problems, looser_problems

# The prefix of businesses that read and change nothing; beside joint businesses only they have no steps.
QUERY = "QRY_"
_UNREVIEWED = (UNREVIEWED_AMOUNT, UNREVIEWED_OF_OPERATOR, UNREVIEWED_OF_REGION)
_HIGHEST_HANDLING_FEE = 1_000_000  # minor units
_FIGURES: Mapping[Precondition.ValueType, tuple[str, Unit.ValueType, int]] = {
    Precondition.PRECONDITION_SIM_SETTLED: (SIM_SETTLES, Unit.UNIT_HOURS, LONGEST.days * 24),
    Precondition.PRECONDITION_MONTH_BEGUN: (MONTH_BEGIN, Unit.UNIT_DAYS, 27),  # every month has a day behind them
}
"""The policy that a precondition needs, its unit, and the highest figure of any region."""
_CHOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)


@dataclass(frozen=True)
class _Known:
    """The parts of the configuration to which businesses refer."""

    materials: Collection[str]
    policies: Collection[str]
    amounts: Collection[str]
    """The policies whose figure is an amount."""
    ways: Collection[str]
    """The policies that have ways of proof."""
    currencies: Mapping[str, str]
    """Of every region's accounts."""


def businesses_problems(configuration: Configuration) -> Iterator[str]:
    """Problems in the businesses, each with its path."""
    known = _Known(
        materials={material.code for material in configuration.materials},
        policies={policy.name for policy in configuration.policies},
        amounts={each.name for each in configuration.policies if each.figure.unit == contract.UNIT_MINOR_UNITS},
        ways={each.name for each in configuration.policies if each.HasField("ways")},
        currencies={region.id: region.currency for region in configuration.regions},
    )
    yield from twice("businesses", (business.code for business in configuration.businesses))
    for business in configuration.businesses:
        yield from _business_problems(business, known)
        yield from business_ways_problems(f"businesses[{business.code}]", business, known.ways)


def _business_problems(business: Business, known: _Known) -> Iterator[str]:
    path = f"businesses[{business.code}]"
    yield from code_problems(f"{path}.code", business.code)
    if business.rule:
        yield from _rule_problems(path, business)
    yield from text_problems(f"{path}.name", business.name)
    yield from _mode_problems(path, business)
    yield from _step_problems(path, business)
    yield from joint_problems(path, business)
    yield from _document_problems(path, business, known.materials)
    yield from _characteristic_problems(path, business, known)
    yield from _home_problems(path, business)
    yield from limit_problems(f"{path}.limit", business.limit)
    yield from _regional_limit_problems(path, business, known.currencies)
    yield from twice(f"{path}.policies", business.policies)
    yield from (f"{path}.policies: unknown policy {name}" for name in business.policies if name not in known.policies)
    for name in _UNREVIEWED:
        if name in business.policies and name in known.policies and name not in known.amounts:
            yield f"{path}.policies: {name} needs a figure in UNIT_MINOR_UNITS"
    yield from text_problems(f"{path}.tariff", business.tariff)
    if business.HasField("fee"):
        yield from _fee_problems(f"{path}.fee", business.fee, known.currencies)
    if business.HasField("handling_fee"):
        if not 0 <= business.handling_fee.minor_units <= _HIGHEST_HANDLING_FEE:
            yield f"{path}.handling_fee.minor_units: not 0 to {_HIGHEST_HANDLING_FEE}"
        yield from _currency_problems(f"{path}.handling_fee", business.handling_fee, known.currencies)
    if not business.guide:
        yield f"{path}.guide: there is no step for the customer"
    for index, told in enumerate(business.guide):
        yield from text_problems(f"{path}.guide[{index}]", told)
    for name in ("document_freshness", "answer_within", "executable_within"):
        yield from duration_problems(f"{path}.{name}", getattr(business, name))


def preconditions_problems(businesses: Iterable[Business], policies: Iterable[Policy]) -> Iterator[str]:
    """The preconditions of businesses that no region could check, since the policy with their figure is not there."""
    figures = {each.name: each for each in policies if each.HasField("figure")}
    problems: dict[Precondition.ValueType, str] = {}
    for precondition, (name, unit, highest) in _FIGURES.items():
        policy, told = figures.get(name), Precondition.Name(precondition)
        if policy is None or policy.figure.unit != unit:
            problems[precondition] = f"{told} needs the policy {name} with a figure in {Unit.Name(unit)}"
        elif strictest_figure(policy, {each.region for each in policy.regional}).value > highest:
            problems[precondition] = f"{told} never holds with a figure of {name} above {highest}"
    for business in businesses:
        for precondition in business.preconditions:
            if precondition in problems:
                yield f"businesses[{business.code}].preconditions: {problems[precondition]}"


def _fee_problems(path: str, fee: Money, currencies: Mapping[str, str]) -> Iterator[str]:
    if fee.minor_units <= 0:
        yield f"{path}.minor_units: must be positive"
    yield from _currency_problems(path, fee, currencies)


def _currency_problems(path: str, fee: Money, currencies: Mapping[str, str]) -> Iterator[str]:
    # Any region's account may pay the fee: with several currencies in the federation, no fee currency fits all.
    others = sorted({*currencies.values()} - {fee.currency})
    if others:
        yield f"{path}.currency: there are accounts in {', '.join(others)}"


def _rule_problems(path: str, business: Business) -> Iterator[str]:
    yield from code_problems(f"{path}.rule", business.rule)
    if business.rule == business.code:
        yield f"{path}.rule: leave it empty for the rule of its own code"


def _mode_problems(path: str, business: Business) -> Iterator[str]:
    yield from enum_problems(f"{path}.mode", contract.Mode.DESCRIPTOR, [business.mode])
    yield from enum_problems(f"{path}.reach", contract.Reach.DESCRIPTOR, [business.reach])
    if business.reach == contract.REACH_HOME:
        yield from text_problems(f"{path}.reach_note", business.reach_note)
    elif business.HasField("reach_note"):
        yield f"{path}.reach_note: only a business of the home region has one"


def _step_problems(path: str, business: Business) -> Iterator[str]:
    steps = list(business.steps)
    if business.mode == contract.MODE_JOINT:
        return
    if business.code.startswith(QUERY):
        if steps:
            yield f"{path}.steps: a query has none"
        return
    end = [step for step in steps if step != contract.STEP_ACCEPT]
    if not end or end[-1] != contract.STEP_FULFIL or contract.STEP_ACCEPT in steps[:-1]:
        yield f"{path}.steps: STEP_FULFIL must be the last, or only STEP_ACCEPT may follow it"
    if contract.STEP_VERIFY in steps and COOLING_OFF not in business.policies:
        yield f"{path}.policies: lacks {COOLING_OFF}, the hours for which STEP_VERIFY waits"
    yield from enum_problems(f"{path}.steps", contract.Step.DESCRIPTOR, steps)


def _document_problems(path: str, business: Business, materials: Collection[str]) -> Iterator[str]:
    if not business.documents:
        yield f"{path}.documents: no applicant is listed, so everybody would be refused"
    applicants = [requirement.applicant for requirement in business.documents]
    yield from enum_problems(f"{path}.documents", Applicant.DESCRIPTOR, applicants)
    if Applicant.APPLICANT_REGION in applicants and (len(applicants) > 1 or business.documents[0].all_of):
        yield f"{path}.documents: what a region's node orders is ordered by nobody else, and it brings no documents"
    for requirement in business.documents:
        inner = f"{path}.documents[{enum_name(Applicant.DESCRIPTOR, requirement.applicant)}]"
        yield from twice(f"{inner}.all_of", requirement.all_of)
        for line in requirement.all_of:
            try:
                alternatives = parse_alternatives(line)
            except ValueError as error:
                yield f"{inner}.all_of: {error}"
                continue
            for code in dict.fromkeys(code for alternative in alternatives for code in alternative):
                if code not in materials:
                    yield f"{inner}.all_of: unknown material {code}"


def _characteristic_problems(path: str, business: Business, known: _Known) -> Iterator[str]:
    yield from enum_problems(f"{path}.preconditions", contract.Precondition.DESCRIPTOR, business.preconditions)
    yield from twice(f"{path}.characteristics", (each.name for each in business.characteristics))
    for characteristic in business.characteristics:
        inner = f"{path}.characteristics[{characteristic.name}]"
        if not NAME.fullmatch(characteristic.name):
            yield f"{inner}.name: use lower-case letters, digits and underscores, beginning with a letter"
        kind = characteristic.value_type
        yield from enum_problems(f"{inner}.value_type", contract.ValueType.DESCRIPTOR, [kind])
        yield from text_problems(f"{inner}.description", characteristic.description)
        yield from _choice_problems(inner, characteristic)
        if characteristic.at_most and kind != contract.VALUE_TYPE_AMOUNT:
            yield f"{inner}.at_most: only VALUE_TYPE_AMOUNT has one"
        elif characteristic.at_most and characteristic.at_most not in known.amounts:
            yield f"{inner}.at_most: no policy {characteristic.at_most} with a figure in UNIT_MINOR_UNITS"


def _choice_problems(path: str, characteristic: CharacteristicSpecification) -> Iterator[str]:
    is_choice = characteristic.value_type == contract.VALUE_TYPE_CHOICE
    if is_choice != bool(characteristic.choices):
        yield f"{path}.choices: VALUE_TYPE_CHOICE has some, and it alone"
    yield from twice(f"{path}.choices", characteristic.choices)
    for choice in characteristic.choices:
        if not _CHOICE.fullmatch(choice):
            yield f"{path}.choices[{choice}]: use letters, digits, dashes, dots and underscores"
    yield from twice(f"{path}.choice_names", (each.code for each in characteristic.choice_names))
    for each in characteristic.choice_names:
        if each.code not in characteristic.choices:
            yield f"{path}.choice_names[{each.code}]: is none of the choices"
        yield from text_problems(f"{path}.choice_names[{each.code}].name", each.name)


def _home_problems(path: str, business: Business) -> Iterator[str]:
    name = business.home_characteristic
    if not name:
        return
    named = next((each for each in business.characteristics if each.name == name), None)
    if named is None:
        yield f"{path}.home_characteristic: there is no characteristic {name}"
    elif named.value_type != contract.VALUE_TYPE_REGION or not named.required:
        yield f"{path}.home_characteristic: {name} must be required and a VALUE_TYPE_REGION"


def _regional_limit_problems(path: str, business: Business, currencies: Mapping[str, str]) -> Iterator[str]:
    yield from twice(f"{path}.regional_limits", (each.region for each in business.regional_limits))
    for each in business.regional_limits:
        inner = f"{path}.regional_limits[{each.region}]"
        yield from region_problems(f"{inner}.region", each.region, currencies)
        yield from limit_problems(f"{inner}.limit", each.limit)
        yield from looser_problems(f"{inner}.limit", business.limit, each.limit)
