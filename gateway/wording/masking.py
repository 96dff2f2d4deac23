"""Masked personal data for readers without permission: values stay distinct, but nobody is identified. Pure.

The forms are usual in the trade: `138****5678`, `张*`, `110***********1234`.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import TypeVar

C = TypeVar("C")

_STARS = "***"
# Surnames of two characters that are still borne; of every other Chinese name the first character is the surname.
_SURNAMES = (
    "欧阳司马上官诸葛夏侯东方皇甫尉迟公孙慕容长孙宇文司徒司空令狐南宫端木百里轩辕独孤"
    "呼延太史申屠濮阳淳于单于公冶钟离闻人赫连澹台宗政公羊鲜于闾丘亓官拓跋西门东郭南门"
)
_COMPOUND_SURNAMES = frozenset(_SURNAMES[at : at + 2] for at in range(0, len(_SURNAMES), 2))
_DISTRICT = re.compile(r"(?:.*?(?:省|自治区))?(?:.*?[市州盟])?.*?[区县旗]")
_SHOWN_OF_ADDRESS = 3  # characters, where no district is found


def masked_number(number: str) -> str:
    """A telephone number in E.164 without the middle of its national part: `+86138****5678`.

    Anything too short for that is hidden whole.
    """
    head, tail = number[:-8], number[-4:]
    return f"{head}****{tail}" if len(number) > 8 + 2 else "****"


def masked_name(name: str) -> str:
    """A masked name with the surname, without the length of the rest: `张*`, `欧阳*`; of a Latin name, `Z*`."""
    if not name:
        return ""
    return f"{name[:2]}*" if name[:2] in _COMPOUND_SURNAMES and len(name) > 2 else f"{name[:1]}*"


def masked_email(email: str) -> str:
    """A masked mail address with the first character and the domain: `z***@qq.com`."""
    name, at, domain = email.rpartition("@")
    if not at:
        return _STARS if email else ""
    return f"{name[:1]}{_STARS}@{domain}"


def masked_address(address: str) -> str:
    """An address down to its district: `广东省深圳市南山区***`; where none is named, its first characters."""
    if not address:
        return ""
    found = _DISTRICT.match(address)
    return f"{found[0] if found else address[:_SHOWN_OF_ADDRESS]}{_STARS}"


def masked_text(text: str) -> str:
    """A mask without content and length of the text; empty stays empty."""
    return _STARS if text else ""


def prints_masked(**masks: Callable[[str], str]) -> Callable[[type[C]], type[C]]:
    """Makes a dataclass print its named fields through these masks, in logs and tracebacks too.

    Fields that must not print at all are `field(repr=False)`.
    """

    def decorate(kind: type[C]) -> type[C]:
        def told(self: C) -> str:
            shown = []
            for each in dataclasses.fields(kind):  # type: ignore[arg-type]  # it decorates dataclasses
                if each.repr:
                    value = getattr(self, each.name)
                    mask = masks.get(each.name)
                    shown.append(f"{each.name}={repr(value) if mask is None else repr(mask(value))}")
            return f"{kind.__qualname__}({', '.join(shown)})"

        kind.__repr__ = told  # type: ignore[assignment,method-assign]
        return kind

    return decorate
