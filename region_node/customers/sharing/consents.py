"""The customers' decisions about the sharing of their records, at the home region: one transaction each."""

from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.federation.v1.configuration_pb2 import ConsentMethod, LegalBasis, ProofWay, Purpose
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.sharing_service_pb2 import ConsentDecision, DisclosureKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, invalid
from gateway.federation.policies import CONSENT_COOLING_OFF, PROOF_OF_CONSENT
from gateway.federation.sharing_rules import CONSENT_PAPER
from gateway.store.port import Transaction
from gateway.store.vault import index_of
from gateway.time.clock import from_timestamp, time_in, to_timestamp
from gateway.values.lists import joined
from region_node.customers.disclosures.rows import DisclosureRow, note_disclosure
from region_node.customers.documents.rows import find_document
from region_node.customers.documents.rules import require_good
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.proof import Asked, Told, ask_customer, must_ask, require_word_of_staff, wait_until
from region_node.customers.rows import Line
from region_node.customers.sharing import rows
from region_node.customers.sharing.fields import field_word
from region_node.customers.sharing.forms import require_form
from region_node.customers.sharing.operations import Call, find_own_line, version_of
from region_node.customers.sharing.rows import SharingRequest
from region_node.customers.sharing.rules import Decided, asked_fields, grant_period, not_allowed, require_method
from region_node.customers.status import require_readable
from region_node.customers.verified import verified_line
from region_node.node.context import RegionContext
from region_node.requests.caller import Caller, done_before, note
from region_node.requests.checks import Questioner
from region_node.requests.rows import insert_request

_DIGEST = "sharing request"  # the kind of index that compares requests
Request = TypeVar("Request", api.GiveConsentRequest, api.WithdrawConsentRequest)
_GRANTED = ConsentDecision.CONSENT_DECISION_GRANTED
_GIVEN = "consent-given"  # the kind of the notices


def give_consent(
    tx: Transaction, context: RegionContext, asked: api.GiveConsentRequest, questioner: Questioner, now: datetime
) -> api.GiveConsentResponse:
    """Records a decision about one of this region's customers, once per request id. The number is in E.164.

    With a paper, the answer for an unassigned number is the same. Raises Refused for the form, with PURPOSE_UNKNOWN,
    REGION_UNKNOWN, DATA_AGREEMENT_MISSING, SHARING_NOT_ALLOWED or REQUEST_ID_REUSED. Raises Refused with
    DOCUMENT_NOT_ON_FILE, DOCUMENT_WITHDRAWN, DOCUMENT_EXPIRED or CONSENT_PAPER_USED, or as `verified_line`; Moved.
    """
    require_form(asked)
    purpose = context.federation.purpose(asked.purpose)
    call = Call(questioner, asked.request_id, asked.requester.staff_id, now)
    digest = _digest(tx, asked)
    done = rows.find_request(tx, call.subject)
    if done is not None:
        return _repeated(call, done, digest)
    decided = _waiting(context, _decided(context, asked, purpose, call), asked, call)
    ways = _ways(context)
    line = verified_line(tx, context, asked, questioner, now, ways=ways) if asked.documents else None
    if line is None:
        line = find_own_line(tx, context, asked.number)
    if decided.granted and asked.paper:
        _require_paper(tx, asked.paper, line, questioner, now)
    rows.insert_request(tx, call.subject, SharingRequest(digest, decided.start, decided.end), now)
    kind = DisclosureKind.DISCLOSURE_KIND_GRANTED if decided.granted else DisclosureKind.DISCLOSURE_KIND_DECLINED
    what = f"{asked.reader}, {asked.purpose}, {ConsentDecision.Name(asked.decision)}, {_method_name(asked)}"
    call.record(tx, "GiveConsent", line, what)
    if line is not None:
        rows.insert_grant(tx, line, decided, _evidence(asked), now)
        _note(tx, call, line, kind, decided, asked)
        _tell_given(tx, context, line, purpose, decided, call)
    return _answer(call, decided.start, decided.end)


def confirm_consent(
    tx: Transaction, context: RegionContext, asked: api.ConfirmConsentRequest, caller: Caller, now: datetime
) -> api.ConfirmConsentResponse:
    """Takes the customer's word, given to staff of this home region, on consents that wait for it; each once.

    The number is in E.164. An objection of a restricted customer is taken, too. Raises Refused with
    CONSENT_NOT_WAITING, REQUEST_ID_REUSED, or as `require_readable`; Moved.
    """
    key = caller.key(b"confirm-consent\0" + asked.SerializeToString(deterministic=True))
    if done_before(tx, key) is not None:
        return api.ConfirmConsentResponse()
    line = find_own_line(tx, context, asked.number)
    held = [] if line is None else [each for each in rows.granted_to_anybody(tx, line) if not each.counts(now)]
    held = [each for each in held if _fits(each, asked)]
    if line is None or not held:
        raise Refused(Reason.REASON_CONSENT_NOT_WAITING)
    if asked.agreed:
        require_word_of_staff(context, [PROOF_OF_CONSENT])
        require_readable(tx, line.customer_id)
    for each in held:
        if asked.agreed:
            rows.confirm(tx, each.grant_id, max(now, each.attested or now))
        note(tx, caller, "ConfirmConsent", each.grant_id, now)
    if not asked.agreed:
        rows.withdraw(tx, [each.grant_id for each in held], now)
        _tell_withdrawn(tx, line, caller.subject(context.region), now)
    insert_request(tx, key, held[0].grant_id, settled=True, now=now)
    return api.ConfirmConsentResponse(grant_ids=[each.grant_id for each in held])


def withdraw_consent(
    tx: Transaction, context: RegionContext, asked: api.WithdrawConsentRequest, questioner: Questioner, now: datetime
) -> api.WithdrawConsentResponse:
    """Ends the matching grants of one of this region's customers. The number is in E.164.

    Each grant leaves a row of its own in the audit chain. A repeated request ends the grants that match then. Raises
    Refused for the form, with REQUEST_ID_REUSED, or as `verified_line`; Moved.
    """
    require_form(asked)
    call = Call(questioner, asked.request_id, asked.requester.staff_id, now)
    digest, done = _digest(tx, asked), rows.find_request(tx, call.subject)
    if done is not None:
        _require_same(call, done, digest)
    line = verified_line(tx, context, asked, questioner, now) if asked.documents else None
    if line is None:
        line = find_own_line(tx, context, asked.number)
    if done is None:
        rows.insert_request(tx, call.subject, SharingRequest(digest, None, None), now)
    held = [] if line is None else [each for each in rows.granted_to_anybody(tx, line) if _fits(each, asked)]
    if line is None or not held:
        call.record(tx, "WithdrawConsent", line, "nothing to withdraw")
    else:
        rows.withdraw(tx, [each.grant_id for each in held], now)
        for each in held:
            call.record(tx, "WithdrawConsent", line, f"{each.grant_id}: {each.reader}, {each.purpose}")
            _note(tx, call, line, DisclosureKind.DISCLOSURE_KIND_WITHDRAWN, each, asked)
        _tell_withdrawn(tx, line, call.subject, now)
    told = [each.grant_id for each in held] if asked.documents else []
    return api.WithdrawConsentResponse(withdraw_time=to_timestamp(now), grant_ids=told)


def _require_paper(tx: Transaction, document_id: str, line: Line | None, questioner: Questioner, now: datetime) -> None:
    """Raises Refused unless a signed paper of this customer is on file, from the region that records the consent.

    No other consent may rest on the paper: an old paper does not restore a withdrawn consent.
    """
    row = find_document(tx, document_id)
    is_own = row is not None and line is not None and row.customer_id == line.customer_id
    if row is None or not is_own or row.region != questioner.region or row.code != CONSENT_PAPER:
        raise Refused(Reason.REASON_DOCUMENT_NOT_ON_FILE, document=document_id)
    require_good(row.message(), now)
    if rows.is_paper_used(tx, document_id):
        raise Refused(Reason.REASON_CONSENT_PAPER_USED, document=document_id)


def _fits(decided: Decided, asked: api.WithdrawConsentRequest | api.ConfirmConsentRequest) -> bool:
    return all(
        not wanted or wanted == own
        for wanted, own in (
            (asked.grant_id, decided.grant_id),
            (asked.reader, decided.reader),
            (asked.purpose, decided.purpose),
        )
    )


def _decided(context: RegionContext, asked: api.GiveConsentRequest, purpose: Purpose, call: Call) -> Decided:
    """The decision, checked. Nothing here depends on whether the number is anybody's."""
    if context.federation.region(asked.reader).id == context.region:
        raise invalid("reader", "it is the home region, which needs no consent", "为归属地区，无需授权")
    fields = frozenset(asked_fields(purpose, asked.fields))
    start, end = _instant(asked, "start_time"), _instant(asked, "end_time")
    granted = asked.decision == _GRANTED
    if granted:
        missing = context.federation.without_agreement((asked.reader, context.region), call.now)
        if missing:
            raise Refused(Reason.REASON_DATA_AGREEMENT_MISSING, region=missing)
        require_method(purpose, _method(asked))
        begins, ends = grant_period(purpose, start, end, call.now)
        version = version_of(context, purpose.name, asked.reader)
        return Decided(call.subject, asked.reader, purpose.name, fields, granted, begins, ends, text_version=version)
    if LegalBasis.LEGAL_BASIS_CONSENT not in purpose.legal_bases:
        raise not_allowed(purpose, "it does not rest on consent")
    begins = start or call.now
    if end is not None and end <= begins:
        raise invalid("end_time", "not after the start", "须晚于开始时间")
    return Decided(call.subject, asked.reader, purpose.name, fields, granted, begins, end)


def _waiting(context: RegionContext, decided: Decided, asked: api.GiveConsentRequest, call: Call) -> Decided:
    """The decision as it takes effect: a grant on a paper that another region attests waits for the customer.

    A refusal takes effect at once. Raises Refused with REQUEST_INVALID for a grant that ends before the wait is over.
    """
    federation, origin = context.federation, call.questioner.region
    is_asked = decided.granted and must_ask(context, origin, asked.documents, _ways(context))
    if not is_asked or not federation.has_policy(CONSENT_COOLING_OFF):
        return decided
    start = max(decided.start, wait_until(context, origin, call.now, CONSENT_COOLING_OFF))
    if decided.end is not None and decided.end <= start:
        effective = time_in(ZoneInfo(context.time_zone), start)
        problem = f"not after {effective}, when a paper of another region takes effect"
        raise invalid("end_time", problem, f"须晚于{effective}，即其他地区材料的生效时间")
    return replace(decided, start=start, attested=decided.start)


def _ways(context: RegionContext) -> frozenset[ProofWay.ValueType]:
    return context.federation.proof_ways([PROOF_OF_CONSENT])


def _instant(asked: api.GiveConsentRequest, name: str) -> datetime | None:
    if not asked.HasField("start_time" if name == "start_time" else "end_time"):
        return None
    told: Timestamp = getattr(asked, name)
    try:
        return from_timestamp(told)
    except (OverflowError, ValueError):
        raise invalid(name, "a time that no calendar has", "不是有效时间") from None


def _digest(tx: Transaction, asked: Request) -> str:
    """The digest by which two requests are the same, without the caller and the verification, which may be repeated."""
    same = type(asked)()
    same.CopyFrom(asked)
    same.ClearField("requester")
    same.ClearField("documents")
    same.ClearField("request_id")
    return index_of(tx, _DIGEST, same.SerializeToString(deterministic=True).hex())


def _repeated(call: Call, done: SharingRequest, digest: str) -> api.GiveConsentResponse:
    _require_same(call, done, digest)
    return _answer(call, done.start, done.end)


def _require_same(call: Call, done: SharingRequest, digest: str) -> None:
    if done.digest != digest:
        raise Refused(Reason.REASON_REQUEST_ID_REUSED, request_id=call.request_id)


def _answer(call: Call, start: datetime | None, end: datetime | None) -> api.GiveConsentResponse:
    response = api.GiveConsentResponse(grant_id=call.subject)
    if start is not None:
        response.start_time.CopyFrom(to_timestamp(start))
    if end is not None:
        response.end_time.CopyFrom(to_timestamp(end))
    return response


def _method(asked: api.GiveConsentRequest) -> ConsentMethod.ValueType:
    verified, paper = ConsentMethod.CONSENT_METHOD_VERIFIED, ConsentMethod.CONSENT_METHOD_PAPER
    return verified if asked.documents else paper


def _method_name(asked: api.GiveConsentRequest) -> str:
    return ConsentMethod.Name(_method(asked))


def _evidence(asked: api.GiveConsentRequest) -> api.ConsentEvidence:
    return api.ConsentEvidence(
        method=_method(asked),
        verified=[each.code for each in asked.documents],
        paper=asked.paper,
        staff_id=asked.requester.staff_id,
        channel=asked.requester.channel,
        number=asked.number,
    )


def _note(
    tx: Transaction,
    call: Call,
    line: Line,
    kind: DisclosureKind.ValueType,
    decided: Decided,
    asked: api.GiveConsentRequest | api.WithdrawConsentRequest,
) -> None:
    row = DisclosureRow(
        kind=kind,
        time=call.now,
        region=call.questioner.region,
        operator=call.questioner.caller,
        purpose=decided.purpose,
        grant_id=decided.grant_id,
        particulars=api.DisclosureParticulars(requester=asked.requester, reference=asked.paper),
    )
    note_disclosure(tx, line, row)


def _tell_given(
    tx: Transaction, context: RegionContext, line: Line, purpose: Purpose, decided: Decided, call: Call
) -> None:
    """Notifies the customer of the reader, the fields, the purpose, the end, and the right to withdraw.

    PIPL art. 15, 17 and 23. The notice also reveals a forged consent.
    """
    if not decided.granted or decided.end is None:
        return
    reader = context.federation.region(decided.reader).name
    end = time_in(ZoneInfo(context.time_zone), decided.end)
    words = joined(field_word(each) for each in purpose.fields if each in decided.fields)
    zh_cn = f"{reader.zh_cn}公司为“{purpose.title.zh_cn}”查阅您的以下信息：{words.zh_cn}，至{end}止。"
    en = f"{reader.en} to read, for {purpose.title.en}, until {end}: {words.en}."
    if decided.attested is not None:
        asked = Asked(decided.grant_id, call.questioner.region, _GIVEN, _waiting_text(zh_cn, en))
        ask_customer(tx, context, line, asked, decided.start, call.now)
        return
    told = LocalizedText(
        zh_cn=f"您已同意{zh_cn}可随时在任一地区撤回。如非本人意愿，请立即联系客服。",
        en=f"You have allowed {en} You can withdraw this at any time, in any region. If this was not you, call customer"
        " service at once.",
    )
    tell(tx, Notice(f"{decided.grant_id}#consent", _GIVEN, line.number, told), call.now)


def _waiting_text(zh_cn: str, en: str) -> Told:
    """The text about a grant that waits, by the permission in both languages."""
    return lambda region, time: LocalizedText(
        zh_cn=f"{region.zh_cn}登记了您的纸质同意书：同意{zh_cn}{time}起生效。"
        "凭短信验证码重新同意的，立即生效；非本人意愿的，请立即联系归属地客服，或在任一地区撤回。",
        en=f"{region.en} has recorded a paper by which you allow {en} It takes effect from {time} on; at once, if you"
        " consent anew by a code sent by SMS. If this was not you, call your home region at once, or withdraw it in any"
        " region.",
    )


def _tell_withdrawn(tx: Transaction, line: Line, subject: str, now: datetime) -> None:
    told = LocalizedText(
        zh_cn="您对信息共享的同意已撤回，其他地区不能再据此查阅您的信息。",
        en="Your consent to the sharing of your record is withdrawn: no region can read it by that any more.",
    )
    tell(tx, Notice(f"{subject}#withdrawn", "consent-withdrawn", line.number, told), now)
