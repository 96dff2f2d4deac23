"""Sending, checking and changing at the home region, one transaction each.

Refusals are returned, not raised: a wrong code counts, and every attempt leaves a row in the audit chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document, LocalizedText
from gateway.errors import Refused, invalid, reason_name
from gateway.store.port import Transaction
from gateway.time.clock import time_in, to_microseconds
from gateway.wording.masking import masked_number, prints_masked
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.operations import readable_line
from region_node.customers.other_contacts.notices import notify_of_code
from region_node.customers.other_contacts.rows import other_contacts
from region_node.customers.other_contacts.rules import reached
from region_node.customers.rows import Line
from region_node.customers.verification import rows
from region_node.customers.verification.rows import Asker, StoredCode
from region_node.customers.verification.rules import (
    OTP,
    OTP_CONTACT,
    PWD,
    HashedPassword,
    attest,
    failures_that_count,
    hash_code,
    hash_contact,
    is_equal,
)
from region_node.node.context import RegionContext
from region_node.node.subjects import number_index
from region_node.requests.auditing import AuditedCall
from region_node.requests.checks import Questioner
from region_node.requests.dealings import Dealer, count_failure

CODE_EXPIRES = "code-expires"
CODE_INTERVAL = "code-interval"
FAILURES = "verification-failures"
REGION_FAILURES = "verification-failures-of-a-region"
WINDOW = "verification-window"
LOCK = "verification-lock"
OPERATOR_RATE = "codes-of-an-operator"
REGION_RATE = "codes-of-a-region"
# For unreadable and unknown customers, other regions get the same answer, so that a code reveals nobody.
_NOBODY = frozenset(
    {
        Reason.REASON_SUBSCRIPTION_NOT_FOUND,
        Reason.REASON_CUSTOMER_ERASED,
        Reason.REASON_CUSTOMER_RESTRICTED,
    }
)


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class Attempt:
    """An attempt: its content, its caller, its number, and its request. `action` is the name of the RPC.

    `contact` is the mask of another contact that is to get the code; empty for the line.
    """

    action: str
    questioner: Questioner
    request_id: str
    number: str
    staff_id: str
    now: datetime
    contact: str = ""

    @property
    def subject(self) -> str:
        """The request's subject between regions."""
        return self.questioner.subject(self.request_id)

    @property
    def askers(self) -> tuple[str, str]:
        """The caller and its region, for each of whom codes and guesses are counted."""
        return self.questioner.path, f"region/{self.questioner.region}"

    @property
    def dealer(self) -> Dealer:
        """The caller, for whom failures are counted."""
        return Dealer(self.questioner.region, self.questioner.caller, self.staff_id)

    def asker(self, tx: Transaction) -> Asker:
        """The caller and the number, as stored."""
        return Asker(number_index(tx, self.number), self.questioner.region, self.questioner.caller)

    def note(self, tx: Transaction, line: Line | None, outcome: str) -> None:
        """Adds the audit row, without code and password."""
        call = AuditedCall(self.questioner.path, self.staff_id, self.now, self.questioner.proof)
        call.record(tx, self.action, "-" if line is None else line.customer_id, f"{self.subject}: {outcome}")


@dataclass(frozen=True)
class Sent:
    """A code that is valid until `expire_time`.

    A repeated request does not send it again. An unknown number or contact has no recipient, but the same answer.
    """

    expire_time: datetime
    recipient: str = field(default="", repr=False)
    """The number to send it to; empty for none."""
    is_of_nobody: bool = False
    """Whether the request is the first one, and the number or its other contact unknown."""


@dataclass(frozen=True)
class Said:
    """The customer's claim. The password is hashed with the parameters of the one in force; None without a password."""

    code: str = field(default="", repr=False)
    has_password: bool = False
    password: HashedPassword | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Fresh:
    """New random values for an attempt: a code, and the region's key, should it have none yet."""

    code: str = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Counted:
    """The codes and guesses of an asker in this minute, and the most that it may have."""

    asker: str
    count: int
    most: int


@dataclass(frozen=True)
class Hashing:
    """The salt and cost for hashing a claimed password, and what it counts against once it is hashed."""

    held: HashedPassword = field(repr=False)
    counts: Sequence[Counted]


def password_in_force(
    tx: Transaction, context: RegionContext, attempt: Attempt, code: str, decoy: HashedPassword
) -> Hashing | None:
    """How to hash a claimed password; None where neither code nor password is checked.

    Without a password in force it is the decoy, so that the time of an answer reveals nothing. Raises Moved.
    """
    line = _line(tx, context, attempt)
    if rows.locked_until(tx, attempt.asker(tx)) > attempt.now:
        return None
    counts: list[Counted] = []
    if _is_guess(tx, attempt, code):
        minute = _minute(attempt)
        counts = [Counted(each, rows.codes_asked(tx, each, minute), most) for each, most in _rates(context, attempt)]
        if any(each.count >= each.most for each in counts):
            return None
    held = rows.find_password(tx, line.product_id) if line is not None else None
    return Hashing(held or decoy, counts)


def is_right(tx: Transaction, context: RegionContext, attempt: Attempt, said: Said) -> bool:
    """Whether the customer's claim is right and would be heard. Counts nothing. Raises Moved."""
    line = _line(tx, context, attempt)
    if rows.locked_until(tx, attempt.asker(tx)) > attempt.now:
        return False
    return _matches(tx, attempt, line, said)


def begin_code(tx: Transaction, context: RegionContext, attempt: Attempt, fresh: Fresh) -> Sent | Refused:
    """Puts a code in force, which the caller then sends.

    Raises Moved. Returns Refused with CODES_ASKED_TOO_OFTEN, VERIFICATION_LOCKED or CODE_SENT_RECENTLY, for assigned
    and unassigned numbers and contacts alike.
    """
    line, now, asker = _line(tx, context, attempt), attempt.now, attempt.asker(tx)
    if (refused := _beyond_rate(tx, context, attempt)) is not None:
        return refused
    known, locked = rows.find_code(tx, asker, now), rows.locked_until(tx, asker)
    if locked > now:
        return _refused(tx, attempt, line, _locked(context, locked))
    key = rows.key_or(tx, fresh.key)
    contact = hash_contact(key, attempt.number, attempt.contact) if attempt.contact else ""
    if known is not None and now - known.sent < _duration(context, CODE_INTERVAL):
        if (known.subject, known.contact) == (attempt.subject, contact):
            attempt.note(tx, line, "on its way")
            return Sent(known.expire_time)
        return _refused(tx, attempt, line, Refused(Reason.REASON_CODE_SENT_RECENTLY))
    expire_time = now + _duration(context, CODE_EXPIRES)
    recipient = _recipient(tx, attempt, line)
    if not recipient:
        count_failure(tx, attempt.dealer, now)
    elif line is not None and contact:
        notify_of_code(tx, line.number, attempt.contact, attempt.subject, now)
    keyed_hash = hash_code(key, attempt.subject, attempt.number, fresh.code, contact)
    rows.keep_code(tx, asker, StoredCode(attempt.subject, keyed_hash, expire_time, now, contact))
    to_contact = "to another contact, " if contact else ""
    attempt.note(tx, line, to_contact + ("accepted" if recipient else "of nobody"))
    return Sent(expire_time, recipient, is_of_nobody=not recipient)


def _recipient(tx: Transaction, attempt: Attempt, line: Line | None) -> str:
    """The number that gets the code: the line, or the other contact with the mask; empty for none."""
    if line is None:
        return ""
    if not attempt.contact:
        return attempt.number
    return reached(other_contacts(tx, line.customer_id), attempt.contact, attempt.now) or ""


def _beyond_rate(tx: Transaction, context: RegionContext, attempt: Attempt) -> Refused | None:
    """Counts a requested code, or a guess; returns a refusal where the operator, or its region, exceeds its rate.

    The first refusal of an operator in a minute leaves a row in the audit chain: rows, too, cost room.
    """
    minute = _minute(attempt)
    for asker, most in _rates(context, attempt):
        asked = rows.codes_asked(tx, asker, minute)
        if asked > most:
            return Refused(Reason.REASON_CODES_ASKED_TOO_OFTEN, most=str(most))
        rows.count_code(tx, asker, minute)
        if asked == most:
            refused = Refused(Reason.REASON_CODES_ASKED_TOO_OFTEN, most=str(most))
            attempt.note(tx, None, reason_name(refused.reason))
            return refused
    return None


def _rates(context: RegionContext, attempt: Attempt) -> list[tuple[str, int]]:
    """The callers whose codes and guesses are counted together, with their limit per minute."""
    regions = attempt.questioner.region, context.region
    rates = OPERATOR_RATE, REGION_RATE
    return [
        (asker, context.federation.figure(rate, regions)) for asker, rate in zip(attempt.askers, rates, strict=True)
    ]


def _minute(attempt: Attempt) -> int:
    return int(attempt.now.timestamp()) // 60


def code_not_sent(tx: Transaction, context: RegionContext, attempt: Attempt) -> None:
    """Voids the code of an attempt that could not be sent; another one may be requested immediately."""
    line, asker = _line(tx, context, attempt), attempt.asker(tx)
    known = rows.find_code(tx, asker, attempt.now)
    if known is not None and known.subject == attempt.subject and known.sent == attempt.now:
        rows.forget_code(tx, asker)
    attempt.note(tx, line, reason_name(Reason.REASON_NOTIFICATION_UNAVAILABLE))


def verify(
    tx: Transaction, context: RegionContext, attempt: Attempt, said: Said, fresh_key: bytes
) -> Sequence[Document] | Refused:
    """Checks the customer's claim; returns the documents that attest it for this request alone. Uses up a code.

    Raises Moved. Returns Refused with CODES_ASKED_TOO_OFTEN, VERIFICATION_LOCKED, CODE_EXPIRED or VERIFICATION_FAILED.
    The answer is the same whether or not the number has a customer and a password.
    """
    line = _line(tx, context, attempt)
    if _is_guess(tx, attempt, said.code) and (beyond := _beyond_rate(tx, context, attempt)) is not None:
        return beyond
    refused = _judge(tx, context, attempt, line, said)
    if refused is not None:
        return _refused(tx, attempt, line, refused)
    codes = [PWD] if said.has_password else []
    if said.code and (code := _code(tx, attempt)) is not None:
        codes.insert(0, OTP_CONTACT if code.contact else OTP)
        rows.forget_code(
            tx, attempt.asker(tx)
        )  # used up: only its reader could say it, who may get another one at once
    key = rows.key_or(tx, fresh_key)
    attempt.note(tx, line, "accepted")
    return [attest(key, attempt.subject, attempt.number, code, attempt.now) for code in codes]


def change_password(
    tx: Transaction, context: RegionContext, attempt: Attempt, said: Said, chosen: HashedPassword | None
) -> Refused | None:
    """Puts another password in force, and notifies the customer.

    A current password must be given; without one, a code. `chosen` is None for a claim that was not right before: it
    gets its refusal, and CODE_EXPIRED if it is right meanwhile. Raises and returns as `verify`. Returns Refused with
    REQUEST_INVALID for a code alone though a password is in force.
    """
    line = _line(tx, context, attempt)
    if _is_guess(tx, attempt, said.code) and (beyond := _beyond_rate(tx, context, attempt)) is not None:
        return beyond
    refused = _judge(tx, context, attempt, line, said)
    if line is None:
        return _refused(tx, attempt, line, refused or _count_failure(tx, context, attempt))
    if refused is None and not said.has_password and rows.find_password(tx, line.product_id) is not None:
        refused = invalid("password", "not set, and one is in force", "未填写，且已有有效密码")
    if refused is not None or chosen is None:
        return _refused(tx, attempt, line, refused or Refused(Reason.REASON_CODE_EXPIRED))
    if said.code:
        rows.forget_code(tx, attempt.asker(tx))
    rows.keep_password(tx, line.product_id, chosen)
    notice_id = f"{attempt.subject}#password-changed@{to_microseconds(attempt.now)}"
    tell(tx, Notice(notice_id, "password-changed", line.number, _CHANGED), attempt.now)
    attempt.note(tx, line, "accepted")
    return None


_CHANGED = LocalizedText(
    zh_cn="您的服务密码已修改。如非本人操作，请立即联系客服。",
    en="Your service password was changed. If this was not you, call customer service at once.",
)


def _is_guess(tx: Transaction, attempt: Attempt, code: str) -> bool:
    """Whether the claim counts as a guess: a code for this request was already counted at its sending."""
    known = rows.find_code(tx, attempt.asker(tx), attempt.now)
    return not code or known is None or known.subject != attempt.subject


def _judge(tx: Transaction, context: RegionContext, attempt: Attempt, line: Line | None, said: Said) -> Refused | None:
    """The refusal of a wrong claim, which is counted; one too many locks the caller out.

    A claim about an unknown number, or without a password in force, gets the same refusal.
    """
    asker = attempt.asker(tx)
    if (locked := rows.locked_until(tx, asker)) > attempt.now:
        return _locked(context, locked)
    code = _code(tx, attempt)
    if said.code and (code is None or code.subject != attempt.subject):
        return Refused(Reason.REASON_CODE_EXPIRED)
    return None if _matches(tx, attempt, line, said) else _count_failure(tx, context, attempt)


def _matches(tx: Transaction, attempt: Attempt, line: Line | None, said: Said) -> bool:
    password = rows.find_password(tx, line.product_id) if line is not None else None
    is_right = line is not None
    if said.code:
        is_right &= _is_code(tx, attempt, said.code)
    if said.has_password:
        is_right &= said.password is not None and password is not None and said.password.equals(password)
    return is_right


def _is_code(tx: Transaction, attempt: Attempt, said: str) -> bool:
    code, key = _code(tx, attempt), rows.find_key(tx)
    if code is None or code.subject != attempt.subject or key is None:
        return False
    return is_equal(code.keyed_hash, hash_code(key, attempt.subject, attempt.number, said, code.contact))


def _code(tx: Transaction, attempt: Attempt) -> StoredCode | None:
    """The valid code of the caller's region; one to another contact sets no password."""
    code = rows.find_code(tx, attempt.asker(tx), attempt.now)
    return None if code is not None and code.contact and attempt.action == "ChangePassword" else code


def _count_failure(tx: Transaction, context: RegionContext, attempt: Attempt) -> Refused:
    """Counts a failure of the operator, and of its region. Only they are locked out, and not the customer."""
    count_failure(tx, attempt.dealer, attempt.now)
    now, asker, regions = attempt.now, attempt.asker(tx), (attempt.questioner.region, context.region)
    known = rows.wrong_answers(tx, asker)
    rows.note_wrong_answer(tx, asker, known, now)
    counting = failures_that_count([each.time for each in known], now, _duration(context, WINDOW))
    own = [each.time for each in known if each.operator == asker.operator and each.time in counting]
    left_of_region = context.federation.figure(REGION_FAILURES, regions) - len(counting) - 1
    left = min(left_of_region, context.federation.figure(FAILURES, regions) - len(own) - 1)
    if left > 0:
        return Refused(Reason.REASON_VERIFICATION_FAILED, left=str(left))
    until = now + _duration(context, LOCK)
    code = rows.find_code(tx, asker, now)
    if code is not None and code.subject == attempt.subject:
        rows.forget_code(tx, asker)
    rows.lock(tx, asker if left_of_region > 0 else replace(asker, operator=""), until, now)
    return _locked(context, until)


def _refused(tx: Transaction, attempt: Attempt, line: Line | None, refused: Refused) -> Refused:
    attempt.note(tx, line, reason_name(refused.reason))
    return refused


def _locked(context: RegionContext, until: datetime) -> Refused:
    return Refused(Reason.REASON_VERIFICATION_LOCKED, until=time_in(ZoneInfo(context.time_zone), until))


def _line(tx: Transaction, context: RegionContext, attempt: Attempt) -> Line | None:
    """The customer's line; None for an unknown number, and for an unreadable customer. Raises Moved."""
    try:
        line = readable_line(tx, context.federation, context.region, attempt.number, asking=attempt.questioner.region)
    except Refused as refused:
        if refused.reason not in _NOBODY:
            raise
        return None
    return None if line.is_closed else line


def _duration(context: RegionContext, policy: str) -> timedelta:
    return context.federation.policy(policy).limit.duration.ToTimedelta()
