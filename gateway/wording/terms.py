"""The federation's names, sent by the server to the running command, and the words for them."""

from collections.abc import Iterable

import click

from gateway.api.federation.v1.terms_pb2 import CodeTerm, Terms
from gateway.wording.languages import current_language, translated

_META = "crossregion.terms"


def learn(terms: Terms) -> None:
    """Sets the terms of the running command."""
    if (context := click.get_current_context(silent=True)) is not None:
        context.meta[_META] = terms


def learned() -> Terms:
    """The names sent to the running command; empty before, and outside a command."""
    context = click.get_current_context(silent=True)
    found: Terms = context.meta.get(_META, Terms()) if context is not None else Terms()
    return found


def region_name(region: str) -> str:
    """A region's printed name: its Chinese name in Chinese, else its id, which is an English word."""
    if current_language() != "zh":
        return region
    return next((each.name.zh_cn for each in learned().regions if each.region == region), region)


def category_name(code: str) -> str:
    """A complaint category's printed name: in Chinese its name and its code, which options take."""
    return _named(code, learned().complaint_categories)


def cause_name(code: str) -> str:
    """The printed name of a resolution cause, in the form of `category_name`."""
    return _named(code, learned().resolution_causes)


def _named(code: str, terms: Iterable[CodeTerm]) -> str:
    name = next((each.name.zh_cn for each in terms if each.code == code), "") if current_language() == "zh" else ""
    return translated("{name} ({code})", name=name, code=code) if name else code
