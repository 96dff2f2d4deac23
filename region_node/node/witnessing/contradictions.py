"""The alarm of a witness: a chain no longer continues the head that this region keeps of it."""

import logging

from gateway.auditing import audit
from gateway.auditing.audit_heads import KeptHead
from gateway.store.port import Transaction

_log = logging.getLogger(__name__)


def alarm(tx: Transaction, subject: str, before: KeptHead, told: KeptHead, *, at: str = "") -> None:
    """Keeps a row in this region's own chain, at the time of the new head, and logs an error.

    `subject` names the chain, for example `region/henan`; `at` is the address of a coordinator with the new head.
    """
    place = f" at {at}" if at else ""
    detail = (
        f"row {told.head.sequence} {told.head.hash.hex()}{place} does not continue"
        f" row {before.head.sequence} {before.head.hash.hex()}, kept since {before.time:%Y-%m-%dT%H:%M:%SZ}"
    )
    audit.append(tx, now=told.time, actor=subject, action="AUDIT_HEAD_CONTRADICTED", subject=subject, detail=detail)
    _log.error("the audit chain of %s contradicts what this region keeps as its witness: %s", subject, detail)
