"""Changes of contact preferences at the home region, by its own operators and by those of other regions."""

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.field_mask_pb2 import FieldMask

from gateway.api.region.v1.customer_service_pb2 import ContactPreferences, SetContactPreferencesRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText
from gateway.errors import Refused, invalid
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from gateway.values.lists import joined, some_of
from region_node.customers.contact_preferences import keep_preferences, preferences_of
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.operations import own_line
from region_node.customers.status import require_readable
from region_node.customers.verified import verified_line
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner

_WORDS: Mapping[str, Mapping[bool, tuple[str, str]]] = {
    "marketing": {True: ("接收营销信息", "marketing"), False: ("不接收营销信息", "no marketing")},
    "quiet": {True: ("列入免打扰名单", "on the quiet list"), False: ("移出免打扰名单", "off the quiet list")},
    "no_surveys": {True: ("不参加满意度调查", "no surveys"), False: ("参加满意度调查", "surveys")},
}
"""Each preference in both languages, by its value."""
_REFUSALS = {"marketing": False, "quiet": True, "no_surveys": True}


def require_mask(mask: FieldMask, *, is_named: bool) -> None:
    """Raises Refused with REQUEST_INVALID for a mask of something else, or for none where one must be named."""
    if set(mask.paths) - _WORDS.keys() or (is_named and not mask.paths):
        raise invalid("update_mask", *some_of(_WORDS))


def merged(before: ContactPreferences, asked: SetContactPreferencesRequest) -> ContactPreferences:
    """The preferences with those that a request decides; all of them without a mask."""
    found = ContactPreferences()
    found.CopyFrom(before)
    for name in asked.update_mask.paths or _WORDS:
        setattr(found, name, getattr(asked.preferences, name))
    return found


def only_refuses(asked: SetContactPreferencesRequest) -> bool:
    """Whether a request permits nothing that was not permitted before, whatever that was."""
    return all(getattr(asked.preferences, name) == _REFUSALS[name] for name in asked.update_mask.paths)


def change_from_elsewhere(
    tx: Transaction,
    context: RegionContext,
    asked: SetContactPreferencesRequest,
    questioner: Questioner,
    now: datetime,
) -> ContactPreferences:
    """Stores the decision of a customer of this region in another one, with a notice of a change to the customer.

    The answer has the decided preferences alone, so that no other region learns of the rest. Contacts are refused for
    a number that nobody has, too. Raises Refused with REQUEST_INVALID, and for a customer who has to prove it as
    `verified_line`; or Moved.
    """
    require_mask(asked.update_mask, is_named=True)
    if only_refuses(asked):
        try:
            line = own_line(tx, context.federation, context.region, asked.number, asking=questioner.region)
        except Refused as refused:
            if refused.reason != Reason.REASON_SUBSCRIPTION_NOT_FOUND:
                raise
            return merged(ContactPreferences(), asked)  # as for a customer: a stranger learns of nobody
    else:
        asked.applicant = asked.applicant or Applicant.APPLICANT_HOLDER
        line = verified_line(tx, context, asked, questioner, now)
    require_readable(tx, line.customer_id)
    before = preferences_of(tx, line.customer_id)
    wanted = merged(before, asked)
    call = AuditedCall(questioner.path, asked.requester.staff_id, now)
    call.record(tx, "SetContactPreferences", line.customer_id, ", ".join(sorted(asked.update_mask.paths)))
    if wanted != before:
        keep_preferences(tx, line.customer_id, wanted, now)
        region = context.federation.region(questioner.region).name
        tell(tx, _changed(line.customer_id, line.number, region, before, wanted, now), now)
    return merged(ContactPreferences(), asked)


def _changed(
    customer_id: str,
    number: str,
    region: LocalizedText,
    before: ContactPreferences,
    after: ContactPreferences,
    now: datetime,
) -> Notice:
    words = [_WORDS[each][getattr(after, each)] for each in _WORDS if getattr(after, each) != getattr(before, each)]
    decided = joined(LocalizedText(zh_cn=zh_cn, en=en) for zh_cn, en in words)
    text = LocalizedText(
        zh_cn=f"{region.zh_cn}已为您变更联系偏好：{decided.zh_cn}。如非您本人要求，请联系我们更正。",
        en=f"{region.en} has changed which contacts you permit: {decided.en}. If you did not ask for it, tell us.",
    )
    return Notice(f"contact/{customer_id}/{to_microseconds(now)}", "contact-changed", number, text)
