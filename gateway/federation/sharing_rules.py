"""Rules for purposes of sharing and data agreements. Pure."""

from collections.abc import Collection, Iterator

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import ConsentMethod, DataAgreement, LegalBasis, Purpose, Region
from gateway.federation.checks import (
    day_of,
    duration_problems,
    enum_problems,
    label_problems,
    text_problems,
    twice,
)

CONSENT_PAPER = "SHARING_CONSENT"
"""The material on which a customer signs a consent."""


def agreements_problems(regions: Collection[Region]) -> Iterator[str]:
    """Problems in the data agreements. A region without an agreement shares nothing."""
    for region in regions:
        if region.HasField("data_agreement"):
            yield from _agreement_problems(f"regions[{region.id}].data_agreement", region.data_agreement)


def _agreement_problems(path: str, agreement: DataAgreement) -> Iterator[str]:
    if not agreement.reference.strip():
        yield f"{path}.reference: is missing"
    days = {name: day_of(getattr(agreement, name)) for name in ("first_date", "last_date")}
    for name, day in days.items():
        if day is None:
            yield f"{path}.{name}: {getattr(agreement, name)!r} is not a day as YYYY-MM-DD"
    first, last = days["first_date"], days["last_date"]
    if first is not None and last is not None and last < first:
        yield f"{path}.last_date: is before the first day"


def purposes_problems(purposes: Collection[Purpose], materials: Collection[str]) -> Iterator[str]:
    """Problems in the purposes, each with its path. `materials` are the known codes."""
    on_paper = [each.name for each in purposes if ConsentMethod.CONSENT_METHOD_PAPER in each.consent_methods]
    if on_paper and CONSENT_PAPER not in materials:
        yield f"purposes[{on_paper[0]}].consent_methods: a paper is a material {CONSENT_PAPER}, which is not there"
    yield from twice("purposes", (purpose.name for purpose in purposes))
    for purpose in purposes:
        path = f"purposes[{purpose.name}]"
        yield from label_problems(f"{path}.name", purpose.name)
        yield from text_problems(f"{path}.title", purpose.title)
        for name, enum in (("fields", contract.SharedField), ("legal_bases", LegalBasis)):
            if not getattr(purpose, name):
                yield f"{path}.{name}: there is none"
            yield from enum_problems(f"{path}.{name}", enum.DESCRIPTOR, getattr(purpose, name))
        yield from enum_problems(f"{path}.without_grant", contract.WithoutGrant.DESCRIPTOR, [purpose.without_grant])
        yield from _consent_problems(path, purpose)
        if not purpose.source.strip():
            yield f"{path}.source: is missing"


def _consent_problems(path: str, purpose: Purpose) -> Iterator[str]:
    methods = purpose.consent_methods
    yield from enum_problems(f"{path}.consent_methods", contract.ConsentMethod.DESCRIPTOR, methods)
    if LegalBasis.LEGAL_BASIS_CONSENT in purpose.legal_bases:
        if not methods:
            yield f"{path}.consent_methods: there is none, so that nobody can consent"
        yield from duration_problems(f"{path}.longest_grant", purpose.longest_grant)
        return
    if methods:
        yield f"{path}.consent_methods: consent is not among the legal bases; leave it out"
    if purpose.HasField("longest_grant"):
        yield f"{path}.longest_grant: consent is not among the legal bases; leave it out"
