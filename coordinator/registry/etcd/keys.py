"""The keys of a federation in etcd. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SEQUENCE_DIGITS = 20  # so that keys sort as their numbers do
_PART_DIGITS = 4


@dataclass(frozen=True)
class ConfigurationKey:
    """The configuration in force."""


@dataclass(frozen=True)
class RevisionKey:
    """The statement that administrators signed about a revision."""

    revision: str
    """In digits."""


@dataclass(frozen=True)
class JoinedKey:
    """The key of a region's join, with its signing certificate."""

    region: str


@dataclass(frozen=True)
class SuspensionKey:
    """The suspension of a region."""

    region: str


@dataclass(frozen=True)
class LiveKey:
    """A process of a region with a live lease."""

    region: str
    endpoint: str


@dataclass(frozen=True)
class ReplicaKey:
    """A coordinator that lives."""

    name: str


@dataclass(frozen=True)
class EnteredKey:
    """A coordinator that entered and has not left."""

    name: str


@dataclass(frozen=True)
class SuspensionStatementKey:
    """The signed statement about a region."""

    region: str


@dataclass(frozen=True)
class RevocationKey:
    """The revocation list of an issuer."""

    issuer: str


@dataclass(frozen=True)
class AssignmentMarkKey:
    """The end of the list of assignments of numbers."""


CopiedKey = (
    ConfigurationKey
    | RevisionKey
    | AssignmentMarkKey
    | JoinedKey
    | SuspensionKey
    | SuspensionStatementKey
    | LiveKey
    | ReplicaKey
    | EnteredKey
    | RevocationKey
)

_SINGLE: Mapping[str, CopiedKey] = {
    "configuration": ConfigurationKey(),
    "number-assignment-mark": AssignmentMarkKey(),
}
_OF_ONE_NAME: Mapping[str, Callable[[str], CopiedKey]] = {
    "revisions": RevisionKey,
    "joined": JoinedKey,
    "suspensions": SuspensionKey,
    "suspension-statements": SuspensionStatementKey,
    "revocations": RevocationKey,
    "replicas": ReplicaKey,
    "entered-replicas": EnteredKey,
}


@dataclass(frozen=True)
class KeyRange:
    """The keys from `first` up to, and without, `end`."""

    first: bytes
    end: bytes

    def holds(self, key: bytes) -> bool:
        """Whether a key is one of them."""
        return self.first <= key < self.end


class Keys:
    """The keys below `/crossregion/<federation>/`."""

    def __init__(self, federation: str) -> None:
        self.federation = federation
        self._prefix = f"/crossregion/{federation}/"

    @property
    def everything(self) -> KeyRange:
        """All keys of the federation in etcd."""
        return _below(self._prefix)

    @property
    def copied(self) -> tuple[KeyRange, ...]:
        """The ranges of which every coordinator keeps a copy. Ranges that may grow without limit are not among them."""
        return (
            KeyRange(self.configuration, self.configuration + b"\0"),
            KeyRange(self.assignment_mark, self.assignment_mark + b"\0"),
            *(_below(f"{self._prefix}{kind}/") for kind in (*_OF_ONE_NAME, "live")),
        )

    @property
    def configuration(self) -> bytes:
        """The configuration in force."""
        return self._key("configuration")

    def configuration_at(self, revision: int) -> bytes:
        """A configuration that is or was in force."""
        return self._key(f"configurations/{revision:0{_SEQUENCE_DIGITS}}")

    def revision(self, revision: int) -> bytes:
        """The signed statement of a revision."""
        return self._key(f"revisions/{revision:0{_SEQUENCE_DIGITS}}")

    def plan_part(self, digest: str, number: int) -> bytes:
        """A part, counted from 0, of a number plan stored apart from its configuration."""
        return self._key(f"number-plans/{digest}/{number:0{_PART_DIGITS}}")

    def plan_parts(self, digest: str) -> KeyRange:
        """All parts of a number plan."""
        return _below(f"{self._prefix}number-plans/{digest}/")

    @property
    def assignment_mark(self) -> bytes:
        """The end of the list of assignments of numbers."""
        return self._key("number-assignment-mark")

    def assignment(self, revision: int) -> bytes:
        """An assignment of a number, by its place in the list."""
        return self._key(f"number-assignments/{revision:0{_SEQUENCE_DIGITS}}")

    def assignments_of(self, number: str) -> bytes:
        """All assignments of one number."""
        return self._key(f"assigned-numbers/{number}")

    def assignment_certificate(self, certificate_hash: bytes) -> bytes:
        """A certificate of the signatures of assignments."""
        return self._key(f"number-assignment-certificates/{certificate_hash.hex()}")

    def joined(self, region: str) -> bytes:
        """The key of a region's join."""
        return self._key(f"joined/{region}")

    def suspension(self, region: str) -> bytes:
        """The suspension of a region."""
        return self._key(f"suspensions/{region}")

    def suspension_statement(self, region: str) -> bytes:
        """The signed statement about a region."""
        return self._key(f"suspension-statements/{region}")

    def suspension_statement_beside(self, region: str, sign_time_us: int) -> bytes:
        """Another statement about a region, which stands beside the first one in a copy on disk alone."""
        return self._key(f"suspension-statements/{region}/{sign_time_us}")

    def revocation_list(self, issuer: str) -> bytes:
        """The revocation list of an issuer, by its id."""
        return self._key(f"revocations/{issuer}")

    def audit_head_of(self, region: str) -> bytes:
        """The furthest audit head that a region has handed in."""
        return self._key(f"audit-heads/{region}")

    def case(self, ticket_id: str) -> bytes:
        """A case of complaints."""
        return self._key(f"cases/{ticket_id}")

    @property
    def cases(self) -> KeyRange:
        """All cases of complaints."""
        return _below(f"{self._prefix}cases/")

    def cases_of(self, region: str) -> KeyRange:
        """The cases that a region leads."""
        return _below(f"{self._prefix}cases/{region}/")

    def network_event(self, event_id: str) -> bytes:
        """The key of an alarm or fault that a region reports."""
        return self._key(f"network-events/{event_id}")

    @property
    def network_events(self) -> KeyRange:
        """All alarms and faults."""
        return _below(f"{self._prefix}network-events/")

    def problem(self, problem_id: str) -> bytes:
        """A problem of the network."""
        return self._key(f"problems/{problem_id}")

    @property
    def problems(self) -> KeyRange:
        """All problems."""
        return _below(f"{self._prefix}problems/")

    @property
    def problem_changes(self) -> bytes:
        """The key that every change of problems writes and compares."""
        return self._key("problem-changes")

    def problem_follower(self, problem_id: str, region: str) -> bytes:
        """The last version of a problem that a region has accepted."""
        return self._key(f"problem-followers/{problem_id}/{region}")

    @property
    def problem_followers(self) -> KeyRange:
        """The range of all followers."""
        return _below(f"{self._prefix}problem-followers/")

    def problem_follower_of(self, key: bytes) -> tuple[str, str]:
        """The problem and the region of such a key."""
        problem, _, region = key.decode().removeprefix(f"{self._prefix}problem-followers/").partition("/")
        return problem, region

    def record(self, prefix: str, record_id: str) -> bytes:
        """A record of one kind, such as a risk."""
        return self._key(f"{prefix}/{record_id}")

    def records(self, prefix: str) -> KeyRange:
        """All records of one kind."""
        return _below(f"{self._prefix}{prefix}/")

    @property
    def planned_outages(self) -> bytes:
        """The planned outages of all regions."""
        return self._key("planned-windows")

    def live(self, region: str, endpoint: str) -> bytes:
        """A process of a region."""
        return self._key(f"live/{region}/{endpoint}")

    def live_of(self, region: str) -> KeyRange:
        """All processes of a region."""
        return _below(f"{self._prefix}live/{region}/")

    def replica(self, name: str) -> bytes:
        """A coordinator."""
        return self._key(f"replicas/{name}")

    def entered(self, name: str) -> bytes:
        """A coordinator that entered and has not left."""
        return self._key(f"entered-replicas/{name}")

    @property
    def audit_head(self) -> bytes:
        """The end of the registry's own audit chain."""
        return self._key("audit-head")

    def audit_row(self, sequence: int) -> bytes:
        """A row of the registry's own audit chain."""
        return self._key(f"audit/{sequence:0{_SEQUENCE_DIGITS}}")

    def parse(self, key: bytes) -> CopiedKey | None:
        """The parsed key; None for a key that no coordinator copies."""
        kind, _, rest = key.decode("utf-8", "replace").removeprefix(self._prefix).partition("/")
        if not rest:
            return _SINGLE.get(kind)
        if kind == "live":
            region, _, endpoint = rest.partition("/")
            return LiveKey(region, endpoint) if endpoint else None
        return _OF_ONE_NAME[kind](rest) if kind in _OF_ONE_NAME else None

    def _key(self, rest: str) -> bytes:
        return f"{self._prefix}{rest}".encode()


def _below(prefix: str) -> KeyRange:
    """All keys that begin so. The prefix ends with a slash, after which `0` is the next character."""
    first = prefix.encode()
    return KeyRange(first, first[:-1] + bytes([first[-1] + 1]))
