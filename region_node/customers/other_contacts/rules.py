"""Other contacts: what a request names, how they change, and which of them gets a code. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.errors import invalid
from gateway.federation.numberplan import normalize
from gateway.wording.masking import masked_number, prints_masked

MOST = 5
"""The contacts that a customer may have."""
_HIDDEN = masked_number("")
_MASK = re.compile(r"\+\d{1,7}\*{4}\d{4}", re.ASCII)
_NATIONAL_MASK = re.compile(r"\d{3}\*{4}\d{4}", re.ASCII)
_CHINA = "+86"


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class OtherContact:
    """A number in E.164, and the time from which it gets codes."""

    number: str
    effective: datetime


@dataclass(frozen=True)
class Wanted:
    """The other numbers that a customer wants, in E.164, the time from which new ones get codes, and a time zone."""

    numbers: Sequence[str] = field(repr=False)
    effective: datetime
    zone: ZoneInfo


@dataclass(frozen=True)
class Change:
    """The contacts of a customer after a change, with those that came and those that went."""

    contacts: Sequence[OtherContact]
    added: Sequence[OtherContact]
    removed: Sequence[OtherContact]


def named_contacts(field: str, numbers: Iterable[str]) -> list[str]:
    """Numbers as they are stored. Raises Refused with NUMBER_INVALID, or with REQUEST_INVALID.

    Their masks tell them apart, and hide none of them whole: the customer names a contact by its mask.
    """
    found = [normalize(each) for each in numbers]
    if len(found) > MOST:
        raise invalid(field, f"more than {MOST}", f"超过{MOST}个")
    masks = [masked_number(each) for each in found]
    if _HIDDEN in masks:
        raise invalid(field, "a number is too short to be named by its mask", "号码过短，无法以掩码区分")
    if len(set(masks)) < len(masks):
        raise invalid(field, "two numbers have one mask", "有两个号码的掩码相同")
    return found


def mask_of(said: str) -> str:
    """The mask of a contact, `+86138****1234`, as a customer names it: by the mask, or by the number.

    Raises Refused with REQUEST_INVALID, or with NUMBER_INVALID.
    """
    if "*" not in said:
        mask = masked_number(normalize(said))
    else:
        mask = f"{_CHINA}{said}" if _NATIONAL_MASK.fullmatch(said) else said
    if not _MASK.fullmatch(mask):
        raise invalid(
            "contact", "neither a number nor the mask of one, 138****1234", "既非号码，也非号码掩码（如138****1234）"
        )
    return mask


def change_contacts(before: Sequence[OtherContact], wanted: Wanted) -> Change:
    """The change to other numbers: those that stay keep their times."""
    known = {each.number: each for each in before}
    contacts = [known.get(each, OtherContact(each, wanted.effective)) for each in wanted.numbers]
    return Change(
        contacts,
        added=[each for each in contacts if each.number not in known],
        removed=[each for each in before if each.number not in wanted.numbers],
    )


def reached(contacts: Iterable[OtherContact], mask: str, now: datetime) -> str | None:
    """The number of the contact with a mask that gets codes by now; None without such a contact."""
    return next(
        (each.number for each in contacts if is_in_force(each, now) and masked_number(each.number) == mask), None
    )


def is_in_force(contact: OtherContact, now: datetime) -> bool:
    """Whether a contact gets codes by now."""
    return contact.effective <= now
