"""The sessions of people at a console, in the memory of one process.

The certificate names the person in every request. Without one the session does, by the word of an identity provider. A
session adds an end after idle time and after a day of work, signing out, and a token for forms that no other site can
read. It is bound to a proof of the person: the certificate, or that there is none. A process that starts anew has no
sessions, and people sign in again.

The end after idle time is that of pages and forms. A live page that is watched goes on until the end of the day of
work: a display on a wall stays, and nobody opens a page or sends a form from it.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused

IDLE_SECONDS = 30 * 60.0
LONGEST_SECONDS = 12 * 3_600.0
MOST_OF_A_PERSON = 8
NO_CERTIFICATE = b""
"""The proof of a person without a certificate."""
MOST_FILES = 4
"""Large files of all sessions that a process keeps: an administrator looks at one for some minutes."""
SMALL_BYTES = 1_024
"""A file of so many bytes is kept beside any others."""
_BYTES = 32  # of randomness in an id and in a token


@dataclass(frozen=True)
class KeptFile:
    """A file that a person has sent to a page, and looks at before it is put to use."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)
    since: float


@dataclass
class Session:
    """A session. Ids and tokens print nowhere."""

    person: str
    proof: bytes = field(repr=False)
    """The fingerprint of the certificate, to which the session is bound."""
    token: str = field(repr=False)
    began: float
    seen: float
    notice: str = field(default="", repr=False)
    """A text for the next page: the result of the last form."""
    file: KeptFile | None = None

    def require_token(self, token: str) -> None:
        """Raises Refused with FORM_UNTRUSTED for the form of another session or site."""
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            raise Refused(Reason.REASON_FORM_UNTRUSTED)

    def file_of(self, name: str) -> bytes | None:
        """The file that was kept by a name; None where it is no longer here."""
        return self.file.content if self.file is not None and self.file.name == name else None

    def take_notice(self) -> str:
        """The text for this page, which no other page shows again."""
        notice, self.notice = self.notice, ""
        return notice


class Sessions:
    """The sessions by their ids."""

    def __init__(self, steady: Callable[[], float]) -> None:
        """`steady` is a clock in seconds that nobody sets."""
        self._steady = steady
        self._sessions: dict[str, Session] = {}

    def begin(self, person: str, proof: bytes) -> str:
        """Begins a session of a person, and returns its id. The oldest one beyond the most of a person ends."""
        now = self._steady()
        self._sessions = {each: found for each, found in self._sessions.items() if not _is_past(found, now)}
        own = [each for each, found in self._sessions.items() if found.person == person]
        for each in own[: max(0, len(own) - MOST_OF_A_PERSON + 1)]:
            del self._sessions[each]
        session_id = secrets.token_urlsafe(_BYTES)
        self._sessions[session_id] = Session(person, proof, secrets.token_urlsafe(_BYTES), now, now)
        return session_id

    def require(self, session_id: str, person: str | None, proof: bytes, *, is_use: bool = True) -> Session:
        """The session of an id. A use needs one that is not idle, and puts that end off. `person` is None where only
        the session can name one.

        Raises Refused with SESSION_MISSING, also where the person has another certificate by now: the session ends.
        Raises Refused with SESSION_FOREIGN for the session of another person: its id is in other hands, so it ends.
        """
        now, found = self._steady(), self._sessions.get(session_id)
        if found is None or (_is_over(found, now) if is_use else _is_past(found, now)):
            self.end(session_id)
            raise Refused(Reason.REASON_SESSION_MISSING)
        if not hmac.compare_digest(found.proof, proof):
            self.end(session_id)
            is_own = found.person == person
            raise Refused(Reason.REASON_SESSION_MISSING if is_own else Reason.REASON_SESSION_FOREIGN)
        if is_use:
            found.seen = now
        return found

    def has(self, session_id: str) -> bool:
        """Whether a session of this id is in force for a use."""
        found = self._sessions.get(session_id)
        return found is not None and not _is_over(found, self._steady())

    def keep(self, session: Session, file: bytes) -> str:
        """Keeps a file for a session in place of the one before, and returns its name. It ends with the session.

        The process forgets the oldest large file of all beyond the most that it keeps.
        """
        session.file = KeptFile(secrets.token_urlsafe(_BYTES), file, self._steady())
        kept = [(each.file, each) for each in self._sessions.values() if each.file is not None]
        found = [(large.since, each) for large, each in kept if len(large.content) > SMALL_BYTES]
        for _, each in sorted(found, key=lambda pair: pair[0])[:-MOST_FILES]:
            each.file = None
        return session.file.name

    def end(self, session_id: str) -> None:
        """Ends a session, if there is one."""
        self._sessions.pop(session_id, None)


def _is_over(session: Session, now: float) -> bool:
    return now - session.seen >= IDLE_SECONDS or _is_past(session, now)


def _is_past(session: Session, now: float) -> bool:
    return now - session.began >= LONGEST_SECONDS
