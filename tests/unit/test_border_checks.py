"""Everything forged, stale, foreign or unreadable about a record of any kind gets the same answer as of every other."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.region.v1.issue_pb2 import Issue
from gateway.api.region.v1.loan_pb2 import Loan
from gateway.api.region.v1.support_request_pb2 import SupportRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, is_temporary, reason_name
from gateway.relay.border import Command
from gateway.relay.envelopes import OutgoingEnvelope, Sealed
from gateway.relay.inbox import receive
from gateway.store import vault
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import to_timestamp
from region_node.business.orders.rows import ORDER
from region_node.care.complaints.rows import COMPLAINT
from region_node.care.issues.rows import ISSUE
from region_node.network.faults.rows import FAULT
from region_node.network.support.rows import SUPPORT
from region_node.records.stored import Records
from region_node.tickets.followed import Followed, M, R
from tests.keys import region_keys
from tests.sealed_envelopes import seal
from tests.simulation.world import keys
from tests.unit.border_kinds import HERE, ORIGIN, OWNER, Kind, all_kinds
from tests.unit.purging import NOW, Archive, archive

STRANGER = "chongqing"
NOT_ALLOWED, INVALID, NOT_FOUND = "ENVELOPE_KIND_NOT_ALLOWED", "ENVELOPE_INVALID", "NOT_FOUND"


@dataclass(frozen=True)
class Border:
    """The messages about a kind to the node of Sichuan."""

    node: Archive
    kind: Kind

    def arrives(self, kind: EnvelopeKind.ValueType, payload: Message | bytes, subject: str, sender: str) -> str:
        """The answer in short: the reason, or ACCEPTED."""
        told = payload if isinstance(payload, bytes) else payload.SerializeToString()
        content = EnvelopeContent(
            id=f"{subject}@1>{HERE}", origin=sender, destination=HERE, subject=subject, kind=kind, payload=told
        )
        try:
            answer = self._command(kind).act(self.node.tx, content, NOW)
        except Refused as refused:
            return Reason.Name(refused.reason).removeprefix("REASON_")
        if answer.outcome == Outcome.OUTCOME_ACCEPTED:
            return "ACCEPTED"
        return Reason.Name(answer.reason).removeprefix("REASON_")

    def filed(self, spoil: Callable[[Message], None], sender: str = ORIGIN, subject: str = "") -> str:
        """The answer to a filing of Guangdong that is good but for `spoil`."""
        filed = self.kind.new(self.name(ORIGIN), ORIGIN, HERE)
        spoil(filed)
        kind, wrap = self.kind.filing
        return self.arrives(kind, wrap(filed), subject or self.name(ORIGIN), sender)

    def commanded(self, sender: str = ORIGIN, subject: str = "", author: str = "4711", text: str = "so") -> str:
        """The answer to what Guangdong says of its own."""
        name = self.name(ORIGIN)
        kind, command = self.kind.command
        return self.arrives(kind, command(name, author, text), subject or name, sender)

    def told(self, spoil: Callable[[Message], None], sender: str = OWNER, subject: str = "") -> str:
        """The answer to a next version of what Henan owns and this region took in."""
        kind, wrap = self.kind.update
        return self.arrives(kind, wrap(self.version(2, spoil)), subject or self.name(HERE), sender)

    def answered(self, result: bytes, kind: EnvelopeKind.ValueType) -> None:
        """Henan answers what this region has sent about its own."""
        name = self.name(HERE)
        sent = EnvelopeContent(id=f"{name}#counter/R1>{OWNER}", origin=HERE, destination=OWNER, subject=name, kind=kind)
        if kind == self.kind.command[0]:
            sent.payload = self.kind.command[1](name, "4711", "so").SerializeToString()
        receipt = ReceiptContent(outcome=Outcome.OUTCOME_ACCEPTED, result=result)
        self._command(kind).answered(self.node.tx, sent, receipt, NOW)

    def version(self, number: int, spoil: Callable[[Message], None]) -> Message:
        """A version of what Henan owns and this region took in."""
        found = self.kind.new(self.name(HERE), HERE, OWNER)
        setattr(found, "version", number)  # noqa: B010 - a field of every kind
        spoil(found)
        return found

    def has(self, name: str, origin: str, owner: str, version: int = 1, state: int = 0) -> None:
        """Stores a record."""
        stored = self.kind.new(name, origin, owner)
        setattr(stored, "version", version)  # noqa: B010 - a field of every kind
        if state:
            setattr(stored, "state", state)  # noqa: B010 - a field of every kind
        self.kind.store(self.node.tx, stored)

    def destroyed(self, name: str) -> None:
        """Makes a record unreadable."""
        vault.destroy(self.node.tx, [self.kind.subject(name)])

    def name(self, origin: str) -> str:
        """The id of a record."""
        return f"{origin}/{self.kind.prefix}20311124-1"

    def stored(self, origin: str = HERE) -> Message | None:
        """The record as it is here."""
        return self.kind.read(self.node.tx, self.name(origin))

    def _command(self, kind: EnvelopeKind.ValueType) -> Command:
        command = self.kind.kinds(self.node.context)[kind]
        assert isinstance(command, Command)
        return command


@dataclass(frozen=True)
class Sending:
    """What Guangdong says of its own, sealed: it arrives at the inbox of Sichuan as often as it is sent."""

    border: Border
    sealed: Sealed

    @classmethod
    def to(cls, border: Border, lifetime: timedelta = timedelta(days=7), state: int = 0) -> "Sending":
        """A command that its kind accepts of a record that this region has just taken in."""
        name = border.name(ORIGIN)
        border.has(name, ORIGIN, HERE, state=state)
        outgoing = OutgoingEnvelope(
            envelope_id=f"{name}#counter/R1>{HERE}",
            destination=HERE,
            kind=border.kind.command[0],
            payload=border.kind.taken(name).SerializeToString(),
            subject=name,
            operator="counter",
            lifetime=lifetime,
        )
        return cls(border, seal(outgoing, ORIGIN, keys().signers[ORIGIN], now=NOW, revision=1, traceparent=""))

    def arrives(self, now: datetime = NOW) -> str:
        """The answer in the signed receipt, and the version of the record then; the reason where there is none."""
        node, kinds = self.border.node, self.border.kind.kinds(self.border.node.context)
        tx = SqliteTransaction(node.connection, region_keys())
        node.connection.execute("SAVEPOINT arrival")
        try:
            receipt = receive(tx, node.context.border, kinds, self.sealed, now)
        except Refused as refused:
            node.connection.execute("ROLLBACK TO arrival")
            return f"sent again: {reason_name(refused.reason)}"
        content = ReceiptContent.FromString(receipt.content)
        told = "ACCEPTED" if content.outcome == Outcome.OUTCOME_ACCEPTED else reason_name(content.reason)
        return f"{told}, version {getattr(self.border.stored(ORIGIN), 'version')}"  # noqa: B009 - of every kind


@contextlib.contextmanager
def refusing(reason: Reason.ValueType) -> Iterator[None]:
    """No record can be stored."""

    def update(*_: object) -> None:
        raise Refused(reason)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Records, "update", update)
        yield


def as_it_is(_message: Message) -> None:
    """Spoils nothing."""


def having(field: str, value: object) -> Callable[[Message], None]:
    """Spoils a field."""

    def spoil(message: Message) -> None:
        current = getattr(message, field)
        if value is None:
            message.ClearField(field)
        elif isinstance(current, Message):
            current.CopyFrom(cast(Message, value))
        else:
            setattr(message, field, value)

    return spoil


@pytest.fixture(name="borders")
def a_border_of_each_kind() -> Iterator[Sequence[Border]]:
    with archive() as node:
        yield [Border(node, kind) for kind in all_kinds()]


Row = tuple[str, Callable[[Border], object], object]


def wrong(borders: Sequence[Border], table: Sequence[Row]) -> list[str]:
    """The rows of a table whose answer is another one, of any kind; each from the same beginning."""
    found = []
    for border in borders:
        for what, say, expected in table:
            with undone(border.node):
                said = say(border)
            is_right = (
                said.endswith(expected) if isinstance(said, str) and isinstance(expected, str) else said == expected
            )
            if not is_right:
                found.append(f"{border.kind.name}: {what}: {said} and not {expected}")
    return found


@contextlib.contextmanager
def undone(node: Archive) -> Iterator[None]:
    node.connection.execute("BEGIN")
    try:
        yield
    finally:
        node.connection.execute("ROLLBACK")
        node.tx.subject_keys.clear()


def test_a_forged_filing_is_refused_alike_of_every_kind(borders: Sequence[Border]) -> None:
    def known(border: Border) -> str:
        border.has(border.name(ORIGIN), ORIGIN, HERE)
        return border.filed(as_it_is)

    def known_and_unreadable(border: Border) -> str:
        border.has(border.name(ORIGIN), ORIGIN, HERE)
        border.destroyed(border.name(ORIGIN))
        return border.filed(as_it_is)

    later = to_timestamp(NOW + timedelta(minutes=2))
    table: Sequence[Row] = (
        ("the subject is not the id", lambda each: each.filed(as_it_is, subject=f"{ORIGIN}/other"), NOT_ALLOWED),
        ("the sender is not in the id", lambda each: each.filed(as_it_is, STRANGER), NOT_ALLOWED),
        ("another origin", lambda each: each.filed(having(each.kind.origin, STRANGER)), NOT_ALLOWED),
        ("decided", lambda each: each.filed(having("version", 1)), INVALID),
        ("in a later state", lambda each: each.filed(having("state", each.kind.final)), INVALID),
        ("at no time", lambda each: each.filed(having(each.kind.created, None)), INVALID),
        ("in the future", lambda each: each.filed(having(each.kind.created, later)), INVALID),
        ("known", known, INVALID),
        ("known and unreadable", known_and_unreadable, INVALID),
        ("no message", lambda each: each.arrives(each.kind.filing[0], b"\xff", each.name(ORIGIN), ORIGIN), INVALID),
    )
    assert wrong(borders, table) == []


def test_a_filing_has_no_word_of_anybody_but_its_author(borders: Sequence[Border]) -> None:
    def spoken_for(message: Message) -> None:
        if isinstance(message, Issue | Loan | SupportRequest):
            message.state_changes[0].author = "henan/li"

    def with_a_reason(message: Message) -> None:
        if isinstance(message, Issue | Loan | SupportRequest):
            message.state_changes[0].reason = "x" * 1000

    kept = [each for each in borders if each.kind.name in ("issue", "loan", "support")]
    table: Sequence[Row] = (
        ("of another person", lambda each: each.filed(spoken_for), INVALID),
        ("with a reason", lambda each: each.filed(with_a_reason), INVALID),
    )
    assert len(kept) == 3
    assert wrong(kept, table) == []


def test_a_forged_command_is_refused_alike_of_every_kind(borders: Sequence[Border]) -> None:
    def owned(say: Callable[[Border], str], owner: str = HERE, state: int = 0) -> Callable[[Border], str]:
        def at(border: Border) -> str:
            border.has(border.name(ORIGIN), ORIGIN, owner, state=state)
            return say(border)

        return at

    def unreadable(border: Border) -> str:
        border.destroyed(border.name(ORIGIN))
        return border.commanded()

    def of_another_origin(border: Border) -> str:
        name, (kind, command) = border.name(STRANGER), border.kind.command
        border.has(name, ORIGIN, HERE)
        return border.arrives(kind, command(name, "4711", "so"), name, STRANGER)

    def of_nothing(border: Border) -> str:
        name, (kind, command) = border.name(ORIGIN), border.kind.command
        said = command(name, "4711", "so")
        said.ClearField("command")
        return border.arrives(kind, said, name, ORIGIN)

    def ended(border: Border) -> str:
        return owned(lambda each: each.commanded(), state=border.kind.final)(border)

    table: Sequence[Row] = (
        ("the subject is not the id", owned(lambda each: each.commanded(subject=f"{ORIGIN}/other")), NOT_ALLOWED),
        ("of a stranger", owned(lambda each: each.commanded(STRANGER)), NOT_ALLOWED),
        ("of the region in the id, which is not the origin", of_another_origin, NOT_ALLOWED),
        ("of a stranger about nothing", lambda each: each.commanded(STRANGER), NOT_ALLOWED),
        ("about nothing", lambda each: each.commanded(), NOT_FOUND),
        ("about what is unreadable", owned(unreadable), NOT_FOUND),
        ("about what another region decides", owned(lambda each: each.commanded(), OWNER), NOT_FOUND),
        ("by nobody with a name", owned(lambda each: each.commanded(author="no name")), "REQUEST_INVALID"),
        ("with a text that is too long", owned(lambda each: each.commanded(text="x" * 9_000)), "REQUEST_INVALID"),
        ("about what has ended", ended, "STATE_FORBIDS"),
        ("that says nothing", owned(of_nothing), "REQUEST_INVALID"),
        ("no message", lambda each: each.arrives(each.kind.command[0], b"\xff", each.name(ORIGIN), ORIGIN), INVALID),
    )
    assert wrong(borders, table) == []


def test_a_command_refused_for_now_is_sent_again_and_done_once_of_every_kind(borders: Sequence[Border]) -> None:
    for_now = [each for each in Reason.values() if each and is_temporary(each)]
    assert {Reason.REASON_TOO_BUSY, Reason.REASON_PROVIDER_UNAVAILABLE, Reason.REASON_UPGRADE_REQUIRED} < set(for_now)

    def until_done(reason: Reason.ValueType) -> Callable[[Border], list[str]]:
        def at(border: Border) -> list[str]:
            sending = Sending.to(border)
            with refusing(reason):
                said = [sending.arrives(), sending.arrives()]
            return [*said, sending.arrives(), sending.arrives()]

        return at

    def done(reason: Reason.ValueType) -> list[str]:
        return [f"sent again: {reason_name(reason)}"] * 2 + ["ACCEPTED, version 2"] * 2

    table: Sequence[Row] = [(reason_name(each), until_done(each), done(each)) for each in for_now]
    assert wrong(borders, table) == []


def test_a_command_is_refused_for_good_for_a_lasting_reason_or_past_its_time_of_every_kind(
    borders: Sequence[Border],
) -> None:
    def ended(border: Border) -> str:
        sending = Sending.to(border, state=border.kind.final)
        (said,) = {sending.arrives(), sending.arrives()}
        return said

    def past_its_time(border: Border) -> list[str]:
        sending = Sending.to(border, timedelta(minutes=5))
        with refusing(Reason.REASON_TOO_BUSY):
            said = [sending.arrives(), sending.arrives(NOW + timedelta(minutes=6))]
        return [*said, sending.arrives()]

    table: Sequence[Row] = (
        ("a lasting reason", ended, "STATE_FORBIDS, version 1"),
        ("past its time", past_its_time, ["sent again: TOO_BUSY", *["ENVELOPE_EXPIRED, version 1"] * 2]),
    )
    assert wrong(borders, table) == []


def test_a_forged_or_stale_version_changes_nothing_of_any_kind(borders: Sequence[Border]) -> None:
    def after(say: Callable[[Border], str], version: int = 1, state: int = 0) -> Callable[[Border], tuple[str, bool]]:
        """The answer, and whether the record is as it was."""

        def at(border: Border) -> tuple[str, bool]:
            border.has(border.name(HERE), HERE, OWNER, version, state)
            before = border.stored()
            return say(border), border.stored() == before

        return at

    def ended(border: Border) -> tuple[str, bool]:
        return after(lambda each: each.told(as_it_is), state=border.kind.final)(border)

    def unreadable(border: Border) -> tuple[str, bool]:
        border.has(border.name(HERE), HERE, OWNER)
        border.destroyed(border.name(HERE))
        return border.told(as_it_is), border.stored() is None

    def unreadable_by_a_stranger(border: Border) -> tuple[str, bool]:
        border.has(border.name(HERE), HERE, OWNER)
        border.destroyed(border.name(HERE))
        return border.told(having(border.kind.owner, STRANGER), STRANGER), border.stored() is None

    def other_words(border: Border) -> str:
        return border.told(having("state", border.kind.final))

    def nonsense(border: Border) -> str:
        return border.arrives(border.kind.update[0], b"\xff", border.name(HERE), OWNER)

    earlier = to_timestamp(NOW - timedelta(minutes=1))
    no, invalid, taken = (NOT_ALLOWED, True), (INVALID, True), ("ACCEPTED", True)
    table: Sequence[Row] = (
        ("the subject is not the id", after(lambda each: each.told(as_it_is, subject=f"{HERE}/other")), no),
        ("the sender is not the owner", after(lambda each: each.told(as_it_is, STRANGER)), no),
        ("a stranger is the owner", after(lambda each: each.told(having(each.kind.owner, STRANGER), STRANGER)), no),
        ("the owner names another", after(lambda each: each.told(having(each.kind.owner, STRANGER))), no),
        ("without a version", after(lambda each: each.told(having("version", 0))), no),
        ("of nothing", lambda each: (each.told(as_it_is), each.stored() is None), no),
        ("filed at another time", after(lambda each: each.told(having(each.kind.created, earlier))), invalid),
        ("older", after(other_words, version=3), taken),
        ("the same version with other content", after(other_words, version=2), taken),
        ("of what has ended", ended, taken),
        ("of what is unreadable", unreadable, taken),
        ("of what is unreadable, by a stranger", unreadable_by_a_stranger, no),
        ("no message", after(nonsense), invalid),
    )
    assert wrong(borders, table) == []


def test_no_version_of_the_owner_changes_a_field_of_the_origin(borders: Sequence[Border]) -> None:
    changed = []
    for border in borders:
        checked = {border.kind.key, border.kind.created, border.kind.owner}  # by which a version is refused
        for field in [each for each in border.kind.fixed if each not in checked]:
            with undone(border.node):
                border.has(border.name(HERE), HERE, OWNER)
                before = border.stored()
                assert before is not None
                value = "other" if isinstance(getattr(before, field), str) else None
                said = border.told(having(field, value))
                after = border.stored()
                kept = after is not None and getattr(after, field) == getattr(before, field)
                is_next = after is not None and getattr(after, "version") == 2  # noqa: B009 - a field of every kind
            if (said, kept, is_next) != ("ACCEPTED", True, True):
                changed.append(f"{border.kind.name}.{field}: {said}, kept {kept}, next version {is_next}")
    assert changed == []


def test_an_answer_tells_of_nothing_but_what_was_sent_there(borders: Sequence[Border]) -> None:
    def about_another(border: Border) -> bool:
        border.has(border.name(HERE), HERE, OWNER)
        other = f"{border.name(HERE)}1"
        border.has(other, HERE, OWNER)
        before = border.kind.read(border.node.tx, other)
        result = border.version(5, having(border.kind.key, other)).SerializeToString()
        for kind in (border.kind.filing[0], border.kind.command[0]):
            border.answered(result, kind)
        return border.kind.read(border.node.tx, other) == before

    def taken(owner: str, told: Callable[[Border], bytes]) -> Callable[[Border], bool]:
        def at(border: Border) -> bool:
            border.has(border.name(HERE), HERE, owner)
            before = border.stored()
            for kind in (border.kind.filing[0], border.kind.command[0]):
                border.answered(told(border), kind)
            return border.stored() != before

        return at

    def next_of(owner: str) -> Callable[[Border], bytes]:
        return lambda each: each.version(2, having(each.kind.owner, owner)).SerializeToString()

    def unreadable(border: Border) -> bool:
        border.has(border.name(HERE), HERE, OWNER)
        border.destroyed(border.name(HERE))
        border.answered(border.version(2, as_it_is).SerializeToString(), border.kind.command[0])
        return border.stored() is None

    def implausible(border: Border) -> bytes:
        """A fault without an outage, a complaint above every level, an order or an issue of no time."""
        spoil = {
            "fault": having("outages", None),
            "complaint": having("level", 9),
            "order": having("cancellation_time", Timestamp(seconds=2**60)),
            "loan": lambda each: cast(Loan, each).notices.add().due_time.MergeFrom(Timestamp(seconds=2**60)),
            "issue": lambda each: cast(Issue, each).actions.add().due_time.MergeFrom(Timestamp(seconds=2**60)),
        }.get(border.kind.name)
        return b"" if spoil is None else border.version(2, spoil).SerializeToString()

    table: Sequence[Row] = (
        ("of what cannot be", taken(OWNER, implausible), False),
        ("of the owner", taken(OWNER, next_of(OWNER)), True),
        ("about another record", about_another, True),
        ("of one that names another owner", taken(OWNER, next_of(STRANGER)), False),
        ("of one that is not the owner any more", taken(STRANGER, next_of(OWNER)), False),
        ("no message", taken(OWNER, lambda _: b"\xff"), False),
        ("of what is unreadable", unreadable, True),
    )
    assert wrong(borders, table) == []


def test_a_watch_that_has_missed_changes_says_so_of_every_kind(borders: Sequence[Border]) -> None:
    def resumed(border: Border, key: str) -> object:
        assert border.kind.events is not None
        for number in range(3):
            border.has(f"{border.name(HERE)}{number}", HERE, OWNER)
        border.node.tx.execute(f"DELETE FROM {border.kind.events.table} WHERE sequence < 3")
        try:
            return border.kind.events.resumed_after(border.node.tx, key)
        except Refused as refused:
            return Reason.Name(refused.reason)

    table: Sequence[Row] = (
        ("behind the oldest change", lambda each: resumed(each, "1"), "TOKEN_EXPIRED"),
        ("at the oldest change", lambda each: resumed(each, "2"), 2),
        ("ahead of the last one", lambda each: resumed(each, "4"), "TOKEN_INVALID"),
    )
    assert wrong([each for each in borders if each.kind.events is not None], table) == []


def test_the_fields_of_the_origin_are_fields_of_the_message() -> None:
    def unknown(ticket: Followed[M, R]) -> set[str]:
        return set(ticket.fixed) - set(ticket.records.message.DESCRIPTOR.fields_by_name)

    found = (unknown(SUPPORT), unknown(ISSUE), unknown(FAULT), unknown(COMPLAINT), unknown(ORDER))
    assert found == (set(), set(), set(), set(), set())
