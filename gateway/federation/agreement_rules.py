"""Rules for templates of agreements: falling bands, rising credits, and a cap that is a share. Pure."""

from collections.abc import Collection, Iterator
from itertools import pairwise

from gateway.api.federation.v1.agreement_pb2 import AgreementTemplate
from gateway.federation.checks import label_problems, text_problems, twice

_ALL_PPM = 1_000_000
_ALL_PERCENT = 100


def template_problems(templates: Collection[AgreementTemplate], classes: Collection[str]) -> Iterator[str]:
    """Problems in the templates, each with its path; `classes` are those of the network."""
    yield from twice("agreement_templates", (each.id for each in templates))
    for each in templates:
        path = f"agreement_templates[{each.id}]"
        yield from label_problems(f"{path}.id", each.id)
        yield from text_problems(f"{path}.title", each.title)
        yield from _band_problems(path, each)
        yield from _quality_problems(f"{path}.quality", each, classes)
        yield from _percent_problems(f"{path}.cap_percent", each.cap_percent)
        if not each.source.strip():
            yield f"{path}.source: is missing"


def _band_problems(path: str, template: AgreementTemplate) -> Iterator[str]:
    if not template.bands:
        yield f"{path}.bands: promises no availability"
    for index, band in enumerate(template.bands):
        inner = f"{path}.bands[{index}]"
        if not 1 <= band.below_ppm <= _ALL_PPM:
            yield f"{inner}.below_ppm: must be 1 to {_ALL_PPM}"
        yield from _percent_problems(f"{inner}.credit_percent", band.credit_percent)
    for index, (above, below) in enumerate(pairwise(template.bands), start=1):
        if below.below_ppm >= above.below_ppm:
            yield f"{path}.bands[{index}].below_ppm: must be less than in the band above"
        if below.credit_percent <= above.credit_percent:
            yield f"{path}.bands[{index}].credit_percent: must be more than in the band above"


def _quality_problems(path: str, template: AgreementTemplate, classes: Collection[str]) -> Iterator[str]:
    if not template.HasField("quality"):
        return
    if template.quality.quality_class not in classes:
        yield f"{path}.quality_class: unknown class {template.quality.quality_class!r}"
    if not 1 <= template.quality.target_ppm <= _ALL_PPM:
        yield f"{path}.target_ppm: must be 1 to {_ALL_PPM}"
    yield from _percent_problems(f"{path}.credit_percent", template.quality.credit_percent)


def _percent_problems(path: str, percent: int) -> Iterator[str]:
    if not 1 <= percent <= _ALL_PERCENT:
        yield f"{path}: must be 1 to {_ALL_PERCENT}"
