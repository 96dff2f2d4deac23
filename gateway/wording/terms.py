"""The federation's names, sent by the server to the running command, and the words for them."""

import re
from collections.abc import Iterable, Mapping, Sequence

import click

from gateway.api.federation.v1.configuration_pb2 import CharacteristicSpecification
from gateway.api.federation.v1.terms_pb2 import CodeTerm, Terms
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.wording.languages import current_language, has_reader, in_language, remarked, translated

_META = "crossregion.terms"
_DOCUMENTS = frozenset({"document", "documents", "documents_zh_cn"})
_REGION = "region"
_LINE = re.compile(r"(?<![\w/.-])[A-Z][A-Z0-9_]*(?:[|+][A-Z][A-Z0-9_]*)*(?![\w/.-])")
_COLON = re.compile(": |：")


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
    """A region's name in Chinese, and on a page; else its id, which options take. Its id where it has no name."""
    names = (in_language(each.name) for each in learned().regions if each.region == region)
    return (next(names, "") if _tells_names() else "") or region


def category_name(code: str) -> str:
    """A complaint category's name and its code, which options take; in a command in English the code alone."""
    return _named(code, learned().complaint_categories)


def cause_name(code: str) -> str:
    """The printed name of a resolution cause, in the form of `category_name`."""
    return _named(code, learned().resolution_causes)


def material_name(code: str) -> str:
    """A material's printed name, in the form of `category_name`."""
    return _named(code, learned().materials)


def required_line(line: str) -> str:
    """A line of required documents in words, from its form in the catalogue: `ID_ORIG|PWD+OTP`."""
    both, either = translated(" and "), translated(", or ")
    return either.join(both.join(map(material_name, each.split("+"))) for each in line.split("|"))


def with_names(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """The parameters of a refusal, with the names of regions and of required documents.

    Ids of documents stay as they are.
    """
    return {name: _parameter(name, told) for name, told in parameters.items()}


def _parameter(name: str, told: str) -> str:
    if name in _DOCUMENTS:
        return _LINE.sub(lambda line: required_line(line[0]), told)
    return region_name(told) if name == _REGION else told


def business_name(code: str) -> str:
    """A business's printed name with its code, which options and files take."""
    return _with_code(code, _known(code, learned().businesses))


def joint_item_name(business: str, item_id: str) -> str:
    """The printed name of an item of a joint order with its id, which ends with a position where it has several."""
    return _with_code(item_id, _of_joint_item(business, item_id, learned().joint_items))


def joint_staff_check(business: str, item_id: str) -> str:
    """The check that staff make before they reserve an item of a joint order; empty for none."""
    return _of_joint_item(business, item_id, learned().joint_staff_checks)


def department_name(code: str) -> str:
    """A department's name in Chinese, and on a page; else its code, which is of English words."""
    return (_known(code, learned().departments) if _tells_names() else "") or code


def _of_joint_item(business: str, item_id: str, terms: Sequence[CodeTerm]) -> str:
    template, _, position = item_id.rpartition("-")
    found = _known(f"{business}/{item_id}", terms)
    return found or (_known(f"{business}/{template}", terms) if position.isdigit() else "")


def _known(code: str, terms: Iterable[CodeTerm]) -> str:
    """The name of a code in the language of the command; empty for none."""
    return in_language(localized_name(code, terms))


def localized_name(code: str, terms: Iterable[CodeTerm]) -> LocalizedText:
    """The name of a code in each language; empty for none."""
    return next((each.name for each in terms if each.code == code), LocalizedText())


def choice_name(characteristic: CharacteristicSpecification, choice: str) -> str:
    """The name of a choice of a characteristic; the choice itself where the catalogue has no name for it."""
    return _known(choice, characteristic.choice_names) or choice


def characteristic_label(characteristic: CharacteristicSpecification) -> str:
    """The thing that a characteristic is: the words of its description before a colon, or its name without any."""
    return characteristic_words(characteristic)[0]


def characteristic_words(characteristic: CharacteristicSpecification) -> tuple[str, str]:
    """The label of a characteristic, and its hint: the words of its description behind a colon; empty for none."""
    label, *hint = _COLON.split(in_language(characteristic.description), maxsplit=1)
    return label or characteristic.name, "".join(hint)


def named(code: str, name: LocalizedText) -> str:
    """A name in the language of the command, with its code."""
    return _with_code(code, in_language(name))


def _with_code(code: str, name: str) -> str:
    return remarked(name, code) if name else code


def _named(code: str, terms: Iterable[CodeTerm]) -> str:
    return _with_code(code, _known(code, terms)) if _tells_names() else code


def _tells_names() -> bool:
    return has_reader() or current_language() == "zh"
