"""Audit rows for events that peers may repeat at will: denials and alarms. One row per case and minute, with a count.

A case is an actor, an action and a subject. No subject may hold text chosen by the peer, else each text is a case.
"""

import logging
from dataclasses import dataclass

from gateway.auditing import audit
from gateway.errors import Refused, reason_name
from gateway.security.identity import Identity
from gateway.store.port import Store
from gateway.time.clock import Clock, to_microseconds

INTERVAL_US = 60 * 1_000_000  # microseconds between two rows of one case: a peer cannot fill the disk
DENIED = "DENIED"
"""The action of the row of a caller that was turned away; its subject is the path of the method."""
CASES_LIMIT = 1024  # cases held in memory; the oldest case is dropped first
_log = logging.getLogger(__name__)


@dataclass
class _Case:
    """The events since the last row of this case."""

    noted: int
    unnoted: int = 0


class DenialLog:
    """Adds audit rows about denied callers and suspicious events."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cases: dict[tuple[str, str, str], _Case] = {}

    async def denied(self, identity: Identity, method: str, refused: Refused) -> None:
        """An authenticated peer was turned away."""
        await self.note(identity.path, DENIED, method, reason_name(refused.reason))

    async def alarm(self, actor: str, action: str, subject: str, detail: str) -> None:
        """Adds a row about an event that must not happen; also logged as an error."""
        if await self.note(actor, action, subject, detail):
            _log.error("%s by %s on %s: %s", action, actor, subject, detail)

    async def note(self, actor: str, action: str, subject: str, detail: str) -> bool:
        """Adds a row, unless the same actor did the same less than a minute ago. Returns whether a row was added."""
        now = self._clock.now()
        key, instant = (actor, action, subject), to_microseconds(now)
        case = self._cases.pop(key, None)
        if case is not None and abs(instant - case.noted) < INTERVAL_US:
            case.unnoted += 1
            self._cases[key] = case
            return False
        self._cases[key] = _Case(instant)
        if len(self._cases) > CASES_LIMIT:
            del self._cases[next(iter(self._cases))]
        if case is not None and case.unnoted:
            detail = f"{detail} (and {case.unnoted} more before)"
        await self._store.write(
            lambda tx: audit.append(tx, now=now, actor=actor, action=action, subject=subject, detail=detail)
        )
        return True
