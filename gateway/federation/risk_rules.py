"""Rules for the scales, bands and signals of the register of risks. Pure."""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.risk_pb2 import RiskBand, RiskGrade, RiskSignal, RiskSource
from gateway.federation.checks import duration_problems, enum_name, enum_problems, text_problems, twice

GRADES = 5
"""The number of grades of likelihood, and of impact."""
COMPLAINTS = RiskSource.RISK_SOURCE_COMPLAINTS
_PEOPLE = RiskSource.RISK_SOURCE_ADMINISTRATOR
_BASIS_LIMIT = 200  # characters


def risks_problems(configuration: Configuration) -> Iterator[str]:
    """Problems in the register of risks, each with its path; none for a federation without one."""
    if not configuration.HasField("risks"):
        return
    risks = configuration.risks
    departments = {each.code for each in configuration.body.departments}
    departments |= {each.code for category in configuration.complaint_categories for each in category.departments}
    yield from _scale_problems("risks.likelihoods", risks.likelihoods)
    yield from _scale_problems("risks.impacts", risks.impacts)
    yield from _band_problems(risks.bands)
    yield from twice("risks.signals", (_name(each) for each in risks.signals))
    for signal in risks.signals:
        yield from _signal_problems(f"risks.signals[{_name(signal)}]", signal, departments)


def _scale_problems(path: str, grades: Sequence[RiskGrade]) -> Iterator[str]:
    if len(grades) != GRADES:
        yield f"{path}: there must be {GRADES} grades"
    for number, grade in enumerate(grades, 1):
        yield from text_problems(f"{path}[{number}].name", grade.name)
        yield from text_problems(f"{path}[{number}].definition", grade.definition)


def _band_problems(bands: Sequence[RiskBand]) -> Iterator[str]:
    edges = [band.least_score for band in bands]
    if edges[:1] != [1] or edges[-1] > GRADES * GRADES or any(low >= high for low, high in pairwise(edges)):
        yield f"risks.bands: least_score must begin at 1 and ascend to at most {GRADES * GRADES}"
    for band in bands:
        path = f"risks.bands[{band.least_score}]"
        yield from text_problems(f"{path}.name", band.name)
        yield from duration_problems(f"{path}.review_interval", band.review_interval)


def _signal_problems(path: str, signal: RiskSignal, departments: Collection[str]) -> Iterator[str]:
    yield from enum_problems(f"{path}.source", RiskSource.DESCRIPTOR, [signal.source])
    if signal.source == _PEOPLE:
        yield f"{path}.source: people raise no signal"
    yield from text_problems(f"{path}.title", signal.title)
    for field in ("impact", "likelihood", "likelihood_after"):
        if not 1 <= getattr(signal, field) <= GRADES:
            yield f"{path}.{field}: must be 1 to {GRADES}"
    if signal.likelihood_after > signal.likelihood:
        yield f"{path}.likelihood_after: must not be above likelihood"
    if signal.department not in departments:
        yield f"{path}.department: unknown department {signal.department!r}"
    if signal.HasField("tolerance"):
        yield from duration_problems(f"{path}.tolerance", signal.tolerance)
    if (signal.source == COMPLAINTS) != (signal.false_alarm_days > 0):
        yield f"{path}.false_alarm_days: complaints have it, and no other source"
    if not signal.basis.strip() or len(signal.basis) > _BASIS_LIMIT:
        yield f"{path}.basis: must be 1 to {_BASIS_LIMIT} characters"


def _name(signal: RiskSignal) -> str:
    return enum_name(RiskSource.DESCRIPTOR, signal.source)
