"""The part of a customer's data that a region may see, for a purpose and by a right. Pure."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeAlias

from gateway.api.federation.v1.configuration_pb2 import (
    ConsentMethod,
    LegalBasis,
    Purpose,
    Region,
    SharedField,
    WithoutGrant,
)
from gateway.api.region.v1.sharing_service_pb2 import GrantState, MaskReason, SharedValue
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.time.clock import time_in
from gateway.wording import masking

Field: TypeAlias = SharedField.ValueType
Mask: TypeAlias = MaskReason.ValueType
CLEAR = MaskReason.MASK_REASON_UNSPECIFIED
_STANDING = (GrantState.GRANT_STATE_IN_FORCE, GrantState.GRANT_STATE_DECLINED)


@dataclass(frozen=True)
class Decided:
    """A customer's decision about one reader and one purpose. An end of None is open."""

    grant_id: str
    reader: str
    purpose: str
    fields: frozenset[Field]
    granted: bool
    start: datetime
    end: datetime | None
    withdrawn: datetime | None = None
    text_version: str = ""
    """The version of the consent text; empty where it was not stored."""
    attested: datetime | None = None
    """The start on a paper that another region attests, for which the customer's own proof is awaited until `start`."""

    def counts(self, now: datetime) -> bool:
        """Whether the decision replaces earlier ones: not while it waits, nor if it was withdrawn meanwhile."""
        return self.attested is None or self.start <= (now if self.withdrawn is None else min(now, self.withdrawn))

    def state(self, now: datetime, *, is_newest: bool = True, text_version: str = "") -> GrantState.ValueType:
        """The state of the decision; `text_version` is today's version, if it is known.

        A grant holds from its start until just before its end, and only for its own version of the text.
        """
        if self.withdrawn is not None:
            return GrantState.GRANT_STATE_WITHDRAWN
        if not is_newest:
            return GrantState.GRANT_STATE_REPLACED
        if self.end is not None and now >= self.end:
            return GrantState.GRANT_STATE_EXPIRED
        if not self.granted:
            return GrantState.GRANT_STATE_DECLINED
        if self.text_version and text_version and self.text_version != text_version:
            return GrantState.GRANT_STATE_OUTDATED
        return GrantState.GRANT_STATE_NOT_YET if now < self.start else GrantState.GRANT_STATE_IN_FORCE


@dataclass(frozen=True)
class Known:
    """The home region's knowledge of a customer's line and the calling region."""

    decisions: Sequence[Decided] = ()
    """The customer's decisions about that region, newest first, for all purposes."""
    has_order: bool = False
    """Whether the order that it named is its own, about that number, and in progress."""
    restricted: bool = False

    @property
    def has_met(self) -> bool:
        """Whether the region already knows this customer: by a decision about it, or by its own order."""
        return bool(self.decisions) or self.has_order


@dataclass(frozen=True)
class Reading:
    """A query: the reader, the fields, the purpose and the right; and the knowledge of the line, if it exists."""

    home: str
    reader: str
    purpose: Purpose
    legal_basis: LegalBasis.ValueType
    fields: Sequence[Field]
    now: datetime
    known: Known | None
    without_agreement: str = ""
    """The first of both regions that has no data agreement in force."""
    text_version: str = ""
    """The version of today's consent text, for this purpose and reader."""
    zone: tzinfo = UTC
    """The zone of printed times."""


@dataclass(frozen=True)
class Shown:
    """The disclosed fields, each with the reason of its mask.

    `has_met` permits masks that show the existence of a value.
    """

    fields: Mapping[Field, Mask]
    grant_id: str = ""
    has_met: bool = True


@dataclass(frozen=True)
class Denied:
    """A denial, without data."""

    reason: Reason.ValueType
    not_until: datetime | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)


def text_version(purpose: Purpose, reader: Region) -> str:
    """The version of a consent text: SHA-256 in hexadecimal over the purpose, its title and fields, and the reader.

    Another version needs a new consent (PIPL art. 14).
    """
    told = {
        "purpose": purpose.name,
        "title": [purpose.title.zh_cn, purpose.title.en],
        "fields": sorted(purpose.fields),
        "recipient": [reader.id, reader.name.zh_cn, reader.name.en],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def asked_fields(purpose: Purpose, fields: Sequence[Field]) -> list[Field]:
    """The requested fields, in the order of the purpose; all of its fields where none is named.

    Raises Refused with REQUEST_INVALID for a field outside of the purpose.
    """
    foreign = [each for each in fields if each not in purpose.fields]
    if foreign:
        name = SharedField.Name(foreign[0]) if foreign[0] in SharedField.values() else str(foreign[0])
        raise invalid(
            "fields",
            f"{name} is not among those that the purpose {purpose.name} may see",
            f"{name}不在目的{purpose.name}可查看的范围内",
        )
    return [each for each in purpose.fields if not fields or each in fields]


def require_basis(purpose: Purpose, legal_basis: LegalBasis.ValueType, order_id: str, reference: str) -> None:
    """Checks the legal basis of a read.

    Raises Refused with SHARING_NOT_ALLOWED for a basis that the purpose does not allow. Raises Refused with
    REQUEST_INVALID for a basis without its ground: an order (PIPL art. 13(2)), or the duty (art. 13(3)).
    """
    if not legal_basis or legal_basis not in LegalBasis.values():
        raise invalid("legal_basis", "not set", "未填写")
    if legal_basis not in purpose.legal_bases:
        raise not_allowed(purpose, f"the legal basis {LegalBasis.Name(legal_basis)}")
    if legal_basis == LegalBasis.LEGAL_BASIS_CONTRACT_NECESSITY and not order_id:
        raise invalid("order_id", "not set, and the basis is an order", "未填写，而依据为订单")
    if legal_basis == LegalBasis.LEGAL_BASIS_LEGAL_DUTY and not reference.strip():
        raise invalid("reference", "not set, and the basis is a duty", "未填写，而依据为履行法定职责")


def require_method(purpose: Purpose, method: ConsentMethod.ValueType) -> None:
    """Raises Refused with SHARING_NOT_ALLOWED where consent to the purpose may not be given so, or not at all."""
    if LegalBasis.LEGAL_BASIS_CONSENT not in purpose.legal_bases:
        raise not_allowed(purpose, "it does not rest on consent")
    if method not in purpose.consent_methods:
        raise not_allowed(purpose, f"the consent method {ConsentMethod.Name(method)}")


def not_allowed(purpose: Purpose, problem: str) -> Refused:
    """The refusal of a request outside of the purpose."""
    return Refused(Reason.REASON_SHARING_NOT_ALLOWED, purpose=purpose.name, problem=problem)


def grant_period(
    purpose: Purpose, start: datetime | None, end: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """The start and end of a grant: by default from now on, for the longest time of the purpose.

    Raises Refused with REQUEST_INVALID for an end that is not after the start and after now, or beyond the longest.
    """
    begins = start or now
    longest: timedelta = purpose.longest_grant.ToTimedelta()
    ends = end or begins + longest
    if ends <= max(begins, now):
        raise invalid("end_time", "not after the start and after now", "须晚于开始时间和当前时间")
    if ends - max(begins, now) > longest:
        raise invalid(
            "end_time",
            f"more than {longest.days} days after the start, the longest for this purpose",
            f"距开始超过{longest.days}天，即该目的的最长期限",
        )
    return begins, ends


def judge(reading: Reading) -> Shown | Denied:
    """The disclosed fields, or the denial.

    A reader without a permission, who does not know the customer yet, gets the answer for an unassigned number.
    """
    if reading.without_agreement:
        return Denied(
            Reason.REASON_DATA_AGREEMENT_MISSING,
            parameters={"region": reading.without_agreement},
        )
    known = reading.known
    if known is None:
        return _withheld(reading, MaskReason.MASK_REASON_NOT_GRANTED, has_met=False)
    found = _by_right(reading, known)
    may_know = known.has_met or (isinstance(found, Shown) and CLEAR in found.fields.values())
    return Denied(Reason.REASON_SHARING_RESTRICTED) if known.restricted and may_know else found


def _by_right(reading: Reading, known: Known) -> Shown | Denied:
    everything = Shown(dict.fromkeys(reading.fields, CLEAR))
    if reading.reader == reading.home or reading.legal_basis == LegalBasis.LEGAL_BASIS_LEGAL_DUTY:
        return everything
    if reading.legal_basis == LegalBasis.LEGAL_BASIS_CONTRACT_NECESSITY:
        if known.has_order:
            return everything
        return _withheld(reading, MaskReason.MASK_REASON_NOT_GRANTED, has_met=known.has_met)
    decided = _newest(known.decisions, reading.purpose.name, reading.now)
    if decided is None:
        live = any(_is_live(known.decisions, each, reading.now) for each in known.decisions)
        mask = MaskReason.MASK_REASON_OTHER_PURPOSE if live else MaskReason.MASK_REASON_NOT_GRANTED
        return _withheld(reading, mask, has_met=known.has_met)
    return _by_decision(reading, decided)


def _by_decision(reading: Reading, decided: Decided) -> Shown | Denied:
    state = decided.state(reading.now, text_version=reading.text_version)
    if state == GrantState.GRANT_STATE_DECLINED:
        return Denied(Reason.REASON_SHARING_DECLINED)
    if state == GrantState.GRANT_STATE_OUTDATED:
        return Denied(Reason.REASON_SHARING_CONSENT_OUTDATED, parameters={"purpose": reading.purpose.name})
    if state == GrantState.GRANT_STATE_NOT_YET:
        return Denied(Reason.REASON_SHARING_NOT_UNTIL, decided.start, {"from": time_in(reading.zone, decided.start)})
    if state == GrantState.GRANT_STATE_IN_FORCE:
        masks = {
            each: CLEAR if each in decided.fields else MaskReason.MASK_REASON_FIELD_NOT_GRANTED
            for each in reading.fields
        }
        return Shown(masks, decided.grant_id)
    is_withdrawn = state == GrantState.GRANT_STATE_WITHDRAWN
    return _withheld(
        reading, MaskReason.MASK_REASON_WITHDRAWN if is_withdrawn else MaskReason.MASK_REASON_EXPIRED, has_met=True
    )


def _newest(decisions: Sequence[Decided], purpose: str, now: datetime) -> Decided | None:
    """The newest decision for a purpose. One that does not count yet leaves an earlier one in force."""
    own = [each for each in decisions if each.purpose == purpose]
    standing = next((each for each in own if each.counts(now)), None)
    if standing is not None and standing.state(now) in _STANDING:
        return standing
    return next(iter(own), None)


def _is_live(decisions: Sequence[Decided], decided: Decided, now: datetime) -> bool:
    newest = _newest(decisions, decided.purpose, now)
    return newest is decided and decided.state(now) == GrantState.GRANT_STATE_IN_FORCE


def _withheld(reading: Reading, mask: Mask, has_met: bool) -> Shown | Denied:
    if reading.purpose.without_grant == WithoutGrant.WITHOUT_GRANT_MASKED:
        return Shown(dict.fromkeys(reading.fields, mask), has_met=has_met)
    return Denied(Reason.REASON_SHARING_NOT_GRANTED)


def told_values(shown: Shown, number: str, values: Mapping[Field, SharedValue]) -> list[SharedValue]:
    """The disclosed fields, in order.

    `values` are those of the customer, unmasked; none where there is no such customer. A reader without earlier contact
    sees its own number masked, and nothing else.
    """
    found = []
    for each, mask in shown.fields.items():
        value = values.get(each, SharedValue())
        if mask == CLEAR:
            told = SharedValue(texts=value.texts)
            if value.HasField("time"):
                told.time.CopyFrom(value.time)
            if value.HasField("amount"):
                told.amount.CopyFrom(value.amount)
        elif each == SharedField.SHARED_FIELD_NUMBER:
            told = SharedValue(texts=[masking.masked_number(number)])
        else:
            told = SharedValue(texts=_masked(each, value.texts) if shown.has_met else [])
        told.field = each
        told.masked = mask
        found.append(told)
    return found


def _masked(which: Field, texts: Collection[str]) -> list[str]:
    match which:
        case SharedField.SHARED_FIELD_NAME:
            return [masking.masked_name(each) for each in texts]
        case SharedField.SHARED_FIELD_EMAIL:
            return [masking.masked_email(each) for each in texts]
        case SharedField.SHARED_FIELD_ADDRESS:
            return [masking.masked_address(each) for each in texts]
        case _:
            return []
