"""Sending, checking and changing at the home region, one transaction each.

What is refused here is returned, not raised: a wrong code counts, and every attempt leaves a row in the audit chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Document, LocalizedText
from gateway.clock import time_in, to_microseconds
from gateway.errors import Refused, reason_name
from gateway.masking import masked_number, prints_masked
from gateway.store.port import Transaction
from region_node.auditing import AuditedCall
from region_node.context import RegionContext
from region_node.customers.operations import own_line
from region_node.customers.rows import Line
from region_node.customers.standing import require_readable
from region_node.notices.rows import Notice, tell
from region_node.requests import Questioner
from region_node.verification import rows
from region_node.verification.rows import StoredCode
from region_node.verification.rules import (
    OTP,
    PWD,
    HashedPassword,
    attest,
    failures_that_count,
    hash_code,
    is_equal,
)

CODE_EXPIRES = "code-expires"
CODE_INTERVAL = "code-interval"
FAILURES = "verification-failures"
WINDOW = "verification-window"
LOCK = "verification-lock"


@prints_masked(number=masked_number)
@dataclass(frozen=True)
class Attempt:
    """What is asked, by whom, about which number, for which request. `action` is the name of the RPC."""

    action: str
    questioner: Questioner
    request_id: str
    number: str
    staff_id: str
    now: datetime

    @property
    def subject(self) -> str:
        """What the request is called between regions."""
        return self.questioner.subject(self.request_id)

    def note(self, tx: Transaction, line: Line, outcome: str) -> None:
        """Adds the audit row; no code and no password is in it."""
        call = AuditedCall(self.questioner.path, self.staff_id, self.now)
        call.record(tx, self.action, line.customer_id, f"{self.subject}: {outcome}")


@dataclass(frozen=True)
class Sent:
    """A code that holds until `expire_time`; whether it is on its way already, since it was asked for before."""

    expire_time: datetime
    is_on_its_way: bool


@dataclass(frozen=True)
class Said:
    """What the customer said. The password is hashed as the one in force was, when it was read; None without one."""

    code: str = field(default="", repr=False)
    has_password: bool = False
    password: HashedPassword | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Fresh:
    """What is drawn anew for an attempt: a code, and the region's key, should it have none yet."""

    code: str = field(repr=False)
    key: bytes = field(repr=False)


def password_in_force(tx: Transaction, context: RegionContext, attempt: Attempt) -> HashedPassword | None:
    """By what salt and cost a password that is said is to be hashed; None where that would be in vain.

    Raises Refused with SUBSCRIPTION_NOT_FOUND or LINE_CLOSED, or Moved.
    """
    line = _line(tx, context, attempt)
    is_locked = rows.standing_of(tx, line.product_id).locked_until > attempt.now
    return None if is_locked else rows.find_password(tx, line.product_id)


def begin_code(tx: Transaction, context: RegionContext, attempt: Attempt, fresh: Fresh) -> Sent | Refused:
    """Puts a code in force, which is then to be sent.

    Raises Refused with SUBSCRIPTION_NOT_FOUND or LINE_CLOSED, or Moved; returns Refused with VERIFICATION_LOCKED or
    CODE_SENT_RECENTLY.
    """
    line, now = _line(tx, context, attempt), attempt.now
    standing, known = rows.standing_of(tx, line.product_id), rows.find_code(tx, line.product_id, now)
    if standing.locked_until > now:
        return _refused(tx, context, attempt, line, _locked(context, standing.locked_until))
    if now - standing.code_sent < _duration(context, CODE_INTERVAL):
        if known is not None and known.subject == attempt.subject:
            attempt.note(tx, line, "on its way")
            return Sent(known.expire_time, is_on_its_way=True)
        return _refused(tx, context, attempt, line, Refused(Reason.REASON_CODE_SENT_RECENTLY))
    expire_time = now + _duration(context, CODE_EXPIRES)
    key = rows.key_or(tx, fresh.key)
    keyed_hash = hash_code(key, attempt.subject, attempt.number, fresh.code)
    rows.keep_code(tx, line.product_id, StoredCode(attempt.subject, keyed_hash, expire_time), now)
    rows.keep_standing(tx, line.product_id, replace(standing, code_sent=now))
    attempt.note(tx, line, "accepted")
    return Sent(expire_time, is_on_its_way=False)


def code_not_sent(tx: Transaction, context: RegionContext, attempt: Attempt) -> None:
    """The code of an attempt could not be sent: it is void, and another may be asked for at once."""
    line = _line(tx, context, attempt)
    standing, known = rows.standing_of(tx, line.product_id), rows.find_code(tx, line.product_id, attempt.now)
    if known is not None and known.subject == attempt.subject and standing.code_sent == attempt.now:
        rows.forget_code(tx, line.product_id)
        rows.keep_standing(tx, line.product_id, replace(standing, code_sent=rows.NEVER))
    attempt.note(tx, line, reason_name(Reason.REASON_NOTIFICATION_UNAVAILABLE))


def verify(
    tx: Transaction, context: RegionContext, attempt: Attempt, said: Said, fresh_key: bytes
) -> Sequence[Document] | Refused:
    """Checks what the customer said; gives the documents that attest it for this request alone. A code is used up.

    Raises Refused with SUBSCRIPTION_NOT_FOUND or LINE_CLOSED, or Moved; returns Refused with VERIFICATION_LOCKED,
    CODE_EXPIRED, PASSWORD_NOT_SET or VERIFICATION_FAILED.
    """
    line = _line(tx, context, attempt)
    refused = _judge(tx, context, attempt, line, said)
    if refused is not None:
        return _refused(tx, context, attempt, line, refused)
    if said.code:
        _use_code(tx, line)
    codes = [code for code, was_said in ((OTP, said.code), (PWD, said.has_password)) if was_said]
    key = rows.key_or(tx, fresh_key)
    attempt.note(tx, line, "accepted")
    return [attest(key, attempt.subject, attempt.number, code, attempt.now) for code in codes]


def _use_code(tx: Transaction, line: Line) -> None:
    """The code is used up. Who could read it is the customer, to whom another may be sent at once."""
    rows.forget_code(tx, line.product_id)
    rows.keep_standing(tx, line.product_id, replace(rows.standing_of(tx, line.product_id), code_sent=rows.NEVER))


def change_password(
    tx: Transaction, context: RegionContext, attempt: Attempt, said: Said, chosen: HashedPassword
) -> Refused | None:
    """Puts another password in force, and tells the customer.

    Where there is one, it must be said; where there is none, a code. Raises and returns as `verify`; returns Refused
    with REQUEST_INVALID where only a code was said though a password is in force.
    """
    line = _line(tx, context, attempt)
    refused = _judge(tx, context, attempt, line, said)
    if refused is None and not said.has_password and rows.find_password(tx, line.product_id) is not None:
        refused = Refused(Reason.REASON_REQUEST_INVALID, field="password", problem="not set, and one is in force")
    if refused is not None:
        return _refused(tx, context, attempt, line, refused)
    if said.code:
        _use_code(tx, line)
    rows.keep_password(tx, line.product_id, chosen)
    notice_id = f"{attempt.subject}#password-changed@{to_microseconds(attempt.now)}"
    tell(tx, Notice(notice_id, "password-changed", line.number, _CHANGED), attempt.now)
    attempt.note(tx, line, "accepted")
    return None


_CHANGED = LocalizedText(
    zh_cn="您的服务密码已修改。如非本人操作，请立即联系客服。",
    en="Your service password was changed. If this was not you, call customer service at once.",
)


def _judge(tx: Transaction, context: RegionContext, attempt: Attempt, line: Line, said: Said) -> Refused | None:
    """Whether what was said is right; what is wrong counts, and once too often locks the line."""
    standing = rows.standing_of(tx, line.product_id)
    if standing.locked_until > attempt.now:
        return _locked(context, standing.locked_until)
    code = rows.find_code(tx, line.product_id, attempt.now)
    if said.code and (code is None or code.subject != attempt.subject):
        return Refused(Reason.REASON_CODE_EXPIRED)
    password = rows.find_password(tx, line.product_id)
    if said.has_password and password is None:
        return Refused(Reason.REASON_PASSWORD_NOT_SET)
    is_right = True
    if said.code:
        is_right = _is_code(tx, attempt, code, said.code)
    if said.has_password:
        is_right &= said.password is not None and password is not None and said.password.equals(password)
    return None if is_right else _count_failure(tx, context, attempt, line)


def _is_code(tx: Transaction, attempt: Attempt, code: StoredCode | None, said: str) -> bool:
    key = rows.find_key(tx)
    if code is None or key is None:
        return False
    return is_equal(code.keyed_hash, hash_code(key, attempt.subject, attempt.number, said))


def _count_failure(tx: Transaction, context: RegionContext, attempt: Attempt, line: Line) -> Refused:
    now = attempt.now
    regions = (attempt.questioner.region, context.region)
    counting = failures_that_count(rows.failures_of(tx, line.product_id), now, _duration(context, WINDOW))
    left = context.federation.figure(FAILURES, regions) - len(counting) - 1
    if left > 0:
        rows.keep_failures(tx, line.product_id, [*counting, now])
        return Refused(Reason.REASON_VERIFICATION_FAILED, left=str(left))
    until = now + _duration(context, LOCK)
    rows.keep_failures(tx, line.product_id, [])
    rows.forget_code(tx, line.product_id)
    rows.keep_standing(tx, line.product_id, replace(rows.standing_of(tx, line.product_id), locked_until=until))
    return _locked(context, until)


def _refused(tx: Transaction, context: RegionContext, attempt: Attempt, line: Line, refused: Refused) -> Refused:
    attempt.note(tx, line, reason_name(refused.reason))
    return refused


def _locked(context: RegionContext, until: datetime) -> Refused:
    return Refused(Reason.REASON_VERIFICATION_LOCKED, until=time_in(ZoneInfo(context.time_zone), until))


def _line(tx: Transaction, context: RegionContext, attempt: Attempt) -> Line:
    line = own_line(tx, context.federation, context.region, attempt.number, asking=attempt.questioner.region)
    require_readable(tx, line.customer_id)
    if line.status == ProductStatus.PRODUCT_STATUS_TERMINATED:
        raise Refused(Reason.REASON_LINE_CLOSED)
    return line


def _duration(context: RegionContext, policy: str) -> timedelta:
    return context.federation.policy(policy).limit.duration.ToTimedelta()
