"""Two regions' borders with real keys, and a store for either: what the relay needs to be driven by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.federation_pb2 import Feature, Member, MemberState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.access_pb2 import Role
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border, Command, Kinds, Query
from gateway.relay.envelopes import Answer, OutgoingEnvelope, Sealed
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.signing import Signer, TrustedKeys
from gateway.store.port import Store, Transaction
from gateway.store.schema import Migration, migrations_of
from gateway.store.sqlite import SqliteStore
from gateway.values.choices import Choice, UnknownChoice
from tests.keys import region_keys
from tests.sealed_envelopes import seal

FEDERATION = "demo.example"
ORIGIN, DESTINATION = "guangdong", "sichuan"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
COMMAND = EnvelopeKind.ENVELOPE_KIND_ORDER_SUBMIT
QUERY = EnvelopeKind.ENVELOPE_KIND_BILL_QUERY
EFFECTS = Migration("effects", "0001_effects.sql", "CREATE TABLE effects (effect TEXT NOT NULL);")
OUTGOING = OutgoingEnvelope(
    envelope_id="1",
    destination=DESTINATION,
    kind=COMMAND,
    payload=b"one",
    subject="order 1",
    operator="counter",
    lifetime=HOUR,
)


class FixedClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> datetime:
        """See the port."""
        return self.instant

    def steady(self) -> float:
        """See the port: time passes by being set."""
        return self.instant.timestamp()


class Pair:
    """Guangdong, which sends, and Sichuan, which acts. Both trust each other's keys."""

    def __init__(self) -> None:
        authority = Authority.create(FEDERATION, NOW - HOUR, NOW + timedelta(days=30))
        keys = TrustedKeys(authority.certificate_pem, FEDERATION)
        self.borders: dict[str, Border] = {}
        for region in (ORIGIN, DESTINATION):
            owner = Identity(FEDERATION, Role.ROLE_REGION, region, "")
            issued = authority.issue_signing(owner, NOW - HOUR, NOW + timedelta(days=30))
            assert isinstance(issued.key, Ed25519PrivateKey)
            keys.accept(region, issued.certificate_pem, NOW)
            self.borders[region] = Border(region, Signer(issued.key), keys, CurrentFederation())
        self.know(MemberState.MEMBER_STATE_JOINED)

    def know(
        self,
        origin: MemberState.ValueType,
        revision: int = 7,
        destination: MemberState.ValueType = MemberState.MEMBER_STATE_JOINED,
        features: Sequence[Feature.ValueType] = (),
    ) -> None:
        """Both know the federation at a revision, how Guangdong and Sichuan stand, and the features of both."""
        configuration = Configuration(federation=FEDERATION, regions=[Region(id=ORIGIN), Region(id=DESTINATION)])
        members = [
            Member(region=ORIGIN, state=origin, features=features),
            Member(region=DESTINATION, state=destination, features=features),
        ]
        for border in self.borders.values():
            border.current.update(Federation(revision, configuration), members)

    def seal(self, outgoing: OutgoingEnvelope = OUTGOING, **changes: object) -> Sealed:
        """An envelope of Guangdong's."""
        changed = replace(outgoing, **changes)  # type: ignore[arg-type]  # of the fields' types
        return seal(changed, ORIGIN, self.borders[ORIGIN].signer, now=NOW, revision=7, traceparent="")


@dataclass
class Desk:
    """Handlers of a command and of a query, with programmable outcomes."""

    result: bytes = b"done"
    before_effect: Exception | None = None
    after_effect: Exception | None = None
    answered: list[tuple[str, Outcome.ValueType]] = field(default_factory=list)
    defect_when_answered: str = ""
    unknown_when_answered: str = ""
    is_repeatable: bool = False
    is_soon_forgotten: bool = False

    def kinds(self) -> Kinds:
        """A command and a query."""
        command = Command(self._act, self._answered, self.is_repeatable, is_soon_forgotten=self.is_soon_forgotten)
        return {COMMAND: command, QUERY: Query(self._look)}

    def _act(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        if self.before_effect is not None:
            raise self.before_effect
        tx.execute("INSERT INTO effects (effect) VALUES (:effect)", effect=content.payload.decode())
        if self.after_effect is not None:
            raise self.after_effect
        return Answer(Outcome.OUTCOME_ACCEPTED, result=self.result)

    def _look(self, tx: Transaction, content: EnvelopeContent, now: datetime) -> Answer:
        seen = len(effects(tx))
        return Answer(Outcome.OUTCOME_ACCEPTED, result=f"{seen} effects".encode())

    def _answered(self, tx: Transaction, content: EnvelopeContent, receipt: ReceiptContent, now: datetime) -> None:
        tx.execute("INSERT INTO effects (effect) VALUES (:effect)", effect=f"answered {content.id}")
        if content.id == self.defect_when_answered:
            raise ZeroDivisionError
        if content.id == self.unknown_when_answered:
            raise UnknownChoice(Choice("state", "OrderState", 9))
        self.answered.append((content.id, receipt.outcome))


def effects(tx: Transaction) -> list[str]:
    """The effects of commands."""
    return tx.all(str, "SELECT effect FROM effects")


@asynccontextmanager
async def open_store(directory: Path) -> AsyncIterator[Store]:
    """A store with the fabric's tables and one for effects."""
    store = SqliteStore(directory / "node.db", [*migrations_of("gateway"), EFFECTS], region_keys())
    try:
        yield store
    finally:
        await store.close()
