"""Rules for retention: no rule below the legal minimum, and one rule per class. Pure."""

from collections.abc import Collection, Iterator

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import DataClass, RetentionRule, RetentionStart
from gateway.federation.checks import enum_name, enum_problems, twice

_LONGEST_DAYS, _LONGEST_MONTHS = 36_600, 1200
_DAYS_OF_A_MONTH = 30.4375  # in the mean: to compare a rule in days with one in months

LEAST_MONTHS = {
    DataClass.DATA_CLASS_AUDIT_TRAIL: (6, "Cybersecurity Law art. 21: logs for six months"),
    DataClass.DATA_CLASS_DISCLOSURES: (36, "Network Data Security Regulations (2024) art. 12: three years"),
    DataClass.DATA_CLASS_IMPACT_RECORDS: (36, "Personal Information Protection Law art. 56: three years"),
    DataClass.DATA_CLASS_ENVELOPES: (1, "the same envelope may come again for weeks"),
}
"""The least time of some classes, and why."""

_STARTS = {
    DataClass.DATA_CLASS_AUDIT_TRAIL: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_ORDERS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_ENVELOPES: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_ORDER_EVENTS: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_NOTICES: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_IMPORTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_REQUESTS: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_VERIFICATION: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_IMPACT_RECORDS: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_DISCLOSURES: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_DOCUMENTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_UPLOADS: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_CONSENTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_COMPLAINTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_ENDED_CUSTOMERS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_AGREEMENTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_FAULTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_SUPPORT_REQUESTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_ISSUES: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_LOANS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_OTHER_CONTACTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_BULLETINS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_SURVEYS: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_QUALITY_SAMPLES: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_JOINT_ORDERS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_MEASUREMENTS: RetentionStart.RETENTION_START_END,
    DataClass.DATA_CLASS_MEASUREMENT_HOURS: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_MEASUREMENT_DAYS: RetentionStart.RETENTION_START_CREATION,
    DataClass.DATA_CLASS_ALARMS: RetentionStart.RETENTION_START_END,
}
"""From when the time of a class counts, where it can count in one way only."""


def retention_problems(rules: Collection[RetentionRule], policies: Collection[str]) -> Iterator[str]:
    """Problems in the rules, each with its path."""
    names = DataClass.DESCRIPTOR
    yield from twice("retention_rules", (enum_name(names, rule.data_class) for rule in rules))
    for rule in rules:
        path = f"retention_rules[{enum_name(names, rule.data_class)}]"
        yield from enum_problems(f"{path}.data_class", names, [rule.data_class])
        yield from _length_problems(path, rule, policies)
        if not rule.source.strip():
            yield f"{path}.source: is missing"
    yield from _order_problems({rule.data_class: rule for rule in rules})


def _length_problems(path: str, rule: RetentionRule, policies: Collection[str]) -> Iterator[str]:
    kind = rule.WhichOneof("kept")
    is_by_policy = rule.data_class == DataClass.DATA_CLASS_USAGE_AND_BILLS
    if is_by_policy != (kind == "policy"):
        yield f"{path}: usage and bills name a policy, and nothing else does; all others say days or months"
        return
    if kind == "policy":
        if rule.policy not in policies:
            yield f"{path}.policy: unknown policy {rule.policy!r}"
        if rule.start:
            yield f"{path}.start: the policy says it; leave it out"
        return
    longest = _LONGEST_DAYS if kind == "days" else _LONGEST_MONTHS
    if not 1 <= int(getattr(rule, kind or "days")) <= longest:
        yield f"{path}.{kind}: must be 1 to {longest}"
    yield from enum_problems(f"{path}.start", RetentionStart.DESCRIPTOR, [rule.start])
    start = _STARTS.get(rule.data_class)
    if rule.start and start is not None and rule.start != start:
        yield f"{path}.start: must be {enum_name(RetentionStart.DESCRIPTOR, start)} for this class"
    least, why = LEAST_MONTHS.get(rule.data_class, (0, ""))
    if least and _days(rule) < least * _DAYS_OF_A_MONTH:
        yield f"{path}.{kind}: less than {least} months; {why}"


_NO_SHORTER = (
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_ORDERS),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_ENVELOPES),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_COMPLAINTS),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_AGREEMENTS),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_FAULTS),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_SUPPORT_REQUESTS),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_ISSUES),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_LOANS),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_BULLETINS),
    (DataClass.DATA_CLASS_REQUESTS, DataClass.DATA_CLASS_JOINT_ORDERS),
    (DataClass.DATA_CLASS_CONSENTS, DataClass.DATA_CLASS_DISCLOSURES),
)
"""Pairs of classes of which the first must be kept at least as long as the second.

Without the id of a request, a repeated request would act twice. Without the consent, nobody could justify a disclosure.
"""


def _order_problems(rules: dict[contract.DataClass.ValueType, RetentionRule]) -> Iterator[str]:
    names = DataClass.DESCRIPTOR
    for data_class, other in _NO_SHORTER:
        longer, shorter = rules.get(data_class), rules.get(other)
        if data_class == DataClass.DATA_CLASS_CONSENTS and longer is None:
            continue  # kept for ever
        if shorter is not None and (longer is None or _days(longer) < _days(shorter)):
            yield f"retention_rules[{enum_name(names, data_class)}]: must be kept as long as {enum_name(names, other)}"


def _days(rule: RetentionRule) -> float:
    return float(rule.days) if rule.WhichOneof("kept") == "days" else rule.months * _DAYS_OF_A_MONTH
