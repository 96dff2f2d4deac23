"""The names of the federation as the server told them to the command that runs, and what it calls things by them."""

from collections.abc import Iterable

import click

from gateway.api.federation.v1.terms_pb2 import CodeTerm, Terms
from gateway.wording.languages import current_language, translated

_META = "crossregion.terms"


def learn(terms: Terms) -> None:
    """From here on the command that runs calls things by these names."""
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[_META] = terms


def learned() -> Terms:
    """What the command that runs was told; empty before that, and where none runs."""
    context = click.get_current_context(silent=True)
    found: Terms = context.meta.get(_META, Terms()) if context is not None else Terms()
    return found


def region_name(region: str) -> str:
    """What people call a region: its Chinese name in Chinese, else its id, which is an English word."""
    if current_language() != "zh":
        return region
    return next((each.name.zh_cn for each in learned().regions if each.region == region), region)


def category_name(code: str) -> str:
    """What people call a category of complaints: in Chinese its name before its code, which options take."""
    return _named(code, learned().complaint_categories)


def cause_name(code: str) -> str:
    """What people call the cause of a resolution, as `category_name`."""
    return _named(code, learned().resolution_causes)


def _named(code: str, terms: Iterable[CodeTerm]) -> str:
    name = next((each.name.zh_cn for each in terms if each.code == code), "") if current_language() == "zh" else ""
    return translated("{name} ({code})", name=name, code=code) if name else code
