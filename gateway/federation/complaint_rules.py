"""Rules for the complaint categories and their words. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import (
    ComplaintCategory,
    Configuration,
    Policy,
    ResolutionCause,
    TimeLimit,
)
from gateway.federation.checks import (
    code_problems,
    enum_problems,
    label_problems,
    region_problems,
    text_problems,
    twice,
)
from gateway.federation.complaint_text import GAP, LONGEST_WORD, normal, pieces
from gateway.federation.policy_rules import limit_problems, looser_problems

STAGES = ("acknowledgement", "first-response", "resolution")
"""The stages with a limit by severity, in the order in which they are due."""
LEGAL_CAP = "complaint-answer"
RURAL_RESOLUTION = "complaint-s2-resolution-rural"
EXPEDITE = "complaint-expedite"
APPEAL_OF_CHARGES, APPEAL_OF_OTHERS = "appeal-of-charges", "appeal-of-others"
ATTACHMENT_SIZE = "attachment-size"
CONFIDENCE = "complaint-proposal-confidence"
LEAD = "complaint-proposal-lead"

_SEVERITIES = tuple(number for number in contract.ComplaintSeverity.values() if number)
_UNITS: Mapping[str, contract.Unit.ValueType] = {
    APPEAL_OF_CHARGES: contract.UNIT_MONTHS,
    APPEAL_OF_OTHERS: contract.UNIT_MONTHS,
    ATTACHMENT_SIZE: contract.UNIT_MEBIBYTES,
}
_HEAVIEST = 9
_MOST_TENTHS = 1000
_STAR_INSIDE = re.compile(r"\*(?!$)|[^a-z]\*|^\*")


def severity_policy(severity: contract.ComplaintSeverity.ValueType, stage: str) -> str:
    """The name of the policy with the limit of a severity: `complaint-s1-first-response`."""
    name = contract.ComplaintSeverity.Name(severity).removeprefix("COMPLAINT_SEVERITY_").lower()
    return f"complaint-{name}-{stage}"


def complaints_problems(configuration: Configuration) -> Iterator[str]:
    """Problems in the categories and their words, each with its path."""
    categories = configuration.complaint_categories
    currencies = {region.id: region.currency for region in configuration.regions}
    policies = {policy.name: policy for policy in configuration.policies}
    cap = policies[LEGAL_CAP].limit if LEGAL_CAP in policies else TimeLimit()
    yield from twice("complaint_categories", (category.code for category in categories))
    for category in categories:
        yield from _category_problems(category, currencies, cap)
    yield from _department_problems(categories)
    if categories:
        yield from _policy_problems(policies)
    yield from _cause_problems(configuration.resolution_causes)
    if configuration.HasField("complaint_words"):
        yield from _words_problems(configuration.complaint_words, categories)


def _category_problems(category: ComplaintCategory, currencies: Mapping[str, str], cap: TimeLimit) -> Iterator[str]:
    path = f"complaint_categories[{category.code}]"
    yield from code_problems(f"{path}.code", category.code)
    yield from text_problems(f"{path}.name", category.name)
    yield from enum_problems(f"{path}.complaint_class", contract.ComplaintClass.DESCRIPTOR, [category.complaint_class])
    yield from enum_problems(f"{path}.owner", contract.ComplaintOwner.DESCRIPTOR, [category.owner])
    yield from enum_problems(f"{path}.severity", contract.ComplaintSeverity.DESCRIPTOR, [category.severity])
    if not category.departments:
        yield f"{path}.departments: there is none, so nobody would answer"
    yield from twice(f"{path}.departments", (department.code for department in category.departments))
    for field, limit in category.ListFields():
        if isinstance(limit, TimeLimit):
            yield from limit_problems(f"{path}.{field.name}", limit)
    for name, limit in (("resolution_limit", category.resolution_limit), ("rural_limit", category.rural_limit)):
        yield from looser_problems(f"{path}.{name}", cap, limit)
    yield from _regional_problems(path, category, currencies)


def _regional_problems(path: str, category: ComplaintCategory, currencies: Mapping[str, str]) -> Iterator[str]:
    if not category.HasField("resolution_limit"):
        for name, said in (
            ("regional_limits", bool(category.regional_limits)),
            ("rural_limit", category.HasField("rural_limit")),
        ):
            if said:
                yield f"{path}.{name}: there is no resolution_limit that it differs from"
    yield from twice(f"{path}.regional_limits", (each.region for each in category.regional_limits))
    for each in category.regional_limits:
        inner = f"{path}.regional_limits[{each.region}]"
        yield from region_problems(f"{inner}.region", each.region, currencies)
        yield from limit_problems(f"{inner}.limit", each.limit)
        yield from looser_problems(f"{inner}.limit", category.resolution_limit, each.limit)


def _department_problems(categories: Collection[ComplaintCategory]) -> Iterator[str]:
    """Problems in the departments: each code must have one form and one name."""
    named: dict[str, contract.Department] = {}
    for category in categories:
        for department in category.departments:
            path = f"complaint_categories[{category.code}].departments[{department.code}]"
            yield from code_problems(f"{path}.code", department.code)
            yield from text_problems(f"{path}.name", department.name)
            if named.setdefault(department.code, department).name != department.name:
                yield f"{path}.name: the department is called otherwise elsewhere"


def _cause_problems(causes: Collection[ResolutionCause]) -> Iterator[str]:
    yield from twice("resolution_causes", (cause.code for cause in causes))
    for cause in causes:
        path = f"resolution_causes[{cause.code}]"
        yield from label_problems(f"{path}.code", cause.code)
        yield from text_problems(f"{path}.name", cause.name)


def _policy_problems(policies: Mapping[str, Policy]) -> Iterator[str]:
    """The policies without which a complaint could not be followed to its end: limits, proposals, files, appeals."""
    wanted = {severity_policy(severity, stage): "limit" for severity in _SEVERITIES for stage in STAGES}
    wanted |= dict.fromkeys((RURAL_RESOLUTION, LEGAL_CAP, EXPEDITE), "limit")
    wanted |= dict.fromkeys((CONFIDENCE, LEAD, *_UNITS), "figure")
    for name, kind in wanted.items():
        path = f"policies[{name}]"
        policy = policies.get(name)
        if policy is None:
            yield f"{path}: is missing; complaints need it"
        elif policy.WhichOneof("national") != kind:
            yield f"{path}: must be a {kind}"
        elif name in (CONFIDENCE, LEAD):
            yield from _share_problems(path, policy)
        elif name in _UNITS and policy.figure.unit != _UNITS[name]:
            yield f"{path}.figure: must be of {contract.Unit.Name(_UNITS[name])}"


def _share_problems(path: str, policy: Policy) -> Iterator[str]:
    if policy.figure.unit != contract.UNIT_PERCENT or policy.figure.value > 100:
        yield f"{path}.figure: must be 0 to 100 UNIT_PERCENT"
    if policy.stricter != contract.STRICTER_HIGHER:
        yield f"{path}.stricter: must be STRICTER_HIGHER: a region may only ask for more"


def _words_problems(words: contract.ComplaintWords, categories: Collection[ComplaintCategory]) -> Iterator[str]:
    severities = {category.code: category.severity for category in categories}
    for name in ("doubt", "spread"):
        if not 1 <= getattr(words, name) <= _MOST_TENTHS:
            yield f"complaint_words.{name}: must be 1 to {_MOST_TENTHS}"
    yield from twice("complaint_words.categories", (each.category for each in words.categories))
    for each in words.categories:
        path = f"complaint_words.categories[{each.category}]"
        if each.category not in severities:
            yield f"{path}.category: unknown category {each.category!r}"
        elif severities[each.category] == contract.COMPLAINT_SEVERITY_S1:
            if all(word.rhetoric for word in each.words):
                yield f"{path}.words: none states a fact, so a critical category would never be proposed"
        else:
            for word in each.words:
                if word.rhetoric:
                    yield f"{path}.words[{word.text}].rhetoric: only the words of a critical category are asked for it"
        yield from twice(f"{path}.words", (word.text for word in each.words))
        for word in each.words:
            yield from _word_problems(f"{path}.words[{word.text}]", word)


def _word_problems(path: str, word: contract.ComplaintWord) -> Iterator[str]:
    text = word.text
    if not 1 <= word.weight <= _HEAVIEST:
        yield f"{path}.weight: must be 1 to {_HEAVIEST}"
    if len(text) > LONGEST_WORD:
        yield f"{path}.text: longer than {LONGEST_WORD} characters"
    if not all(pieces(text)):
        yield f"{path}.text: {GAP} must stand between two words"
    if _STAR_INSIDE.search(text):
        yield f"{path}.text: * may only stand at the end, after English letters"
    if any(normal(piece.rstrip("*")) != (piece.rstrip("*"),) for piece in pieces(text) if piece.rstrip("*")):
        told = " ".join(normal(text.replace("*", " ").replace(GAP, " ")))
        yield f"{path}.text: write it as texts are read: {told!r}"
