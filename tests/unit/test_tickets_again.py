"""Tickets that a region has lost come back by its own signed versions: the last one, once, and over no later change."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.complaint_pb2 import ComplaintState
from gateway.api.region.v1.fault_pb2 import FaultState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import Refused
from gateway.relay.border import Command, Refiled
from gateway.relay.envelopes import Answer
from gateway.relay.outbox import Enqueued
from gateway.store import catch_ups, losses
from gateway.store.catch_ups import CatchUp
from gateway.store.losses import Loss
from gateway.time.clock import to_microseconds, to_timestamp
from gateway.values.choices import UnknownChoice
from region_node.care.complaints import owner as complaints
from region_node.network.faults import owner as faults
from region_node.network.support.rows import facts
from region_node.tickets.border import require_caught_up
from tests.unit.border_kinds import HERE, ORIGIN, OWNER, Kind, all_kinds, new_support
from tests.unit.purging import NOW, Archive, archive
from tests.unit.situations import FEDERATION

MINUTE = timedelta(minutes=1)
LOST = NOW - timedelta(hours=1)  # when the lost commands were signed
FOUND = to_microseconds(NOW - timedelta(minutes=10))
ACCEPTED = Loss(1, FOUND, "coordinator", 1, 9, 0, 10_009, to_microseconds(NOW), "staff", "INC-1", 1)

WORKING = {"complaint": ComplaintState.COMPLAINT_STATE_IN_PROGRESS, "fault": FaultState.FAULT_STATE_IN_PROGRESS}


class Tickets:
    """A kind of ticket at the node of Sichuan, which has lost its newest part."""

    def __init__(self, node: Archive, kind: Kind) -> None:
        self.node, self.kind = node, kind
        self.name = f"{ORIGIN}/{kind.prefix}20311124-7"
        """Of a ticket that Sichuan owns."""
        losses.keep(node.tx, ACCEPTED)

    def version(self, number: int, author: str = "") -> Message:
        """A version of that ticket, with a change of its state by an author, if any."""
        found = self.kind.new(self.name, ORIGIN, HERE)
        setattr(found, "version", number)  # noqa: B010 - a field of every kind
        if author:
            found.state_changes.add(author=author)  # type: ignore[attr-defined]  # a field of these kinds
        return found

    def command(self, kind: EnvelopeKind.ValueType) -> Command:
        """What handles a kind of envelope."""
        found = self.kind.kinds(self.node.context)[kind]
        assert isinstance(found, Command)
        return found

    def refiled(
        self, kind: EnvelopeKind.ValueType, payload: Message, name: str, to: str, signed: datetime = LOST
    ) -> Refiled:
        """What comes of a command that Sichuan had sent."""
        content = EnvelopeContent(id=f"{name}>{to}", origin=HERE, destination=to, subject=name, kind=kind)
        content.payload = payload.SerializeToString()
        content.create_time.CopyFrom(to_timestamp(signed))
        command = self.command(kind)
        refile = command.refile
        return refile(self.node.tx, content, NOW + MINUTE)

    def told_again(self, number: int, signed: datetime = LOST, author: str = "") -> Refiled:
        """Guangdong tells a version that it has of Sichuan."""
        kind, wrap = self.kind.update
        return self.refiled(kind, wrap(self.version(number, author)), self.name, ORIGIN, signed)

    def commanded_again(self, number: int, created: datetime = LOST, author: str = "") -> Answer:
        """Guangdong tells a command of its time, and the version by which Sichuan had answered it."""
        act_again = self.command(self.kind.command[0]).act_again
        assert act_again is not None
        return act_again(self.node.tx, *self.answered(Outcome.OUTCOME_ACCEPTED, number, created, author), NOW + MINUTE)

    def refused_again(self, number: int, author: str = "") -> None:
        """Guangdong reports a command, and Sichuan's refusal with a version, to which an author is added."""
        command = self.command(self.kind.command[0])
        refused_again = command.refused_again
        content, first = self.answered(Outcome.OUTCOME_REFUSED, number, LOST, author)
        refused_again(self.node.tx, content, first, NOW + MINUTE)

    def answered(
        self, outcome: Outcome.ValueType, number: int, created: datetime, author: str = ""
    ) -> tuple[EnvelopeContent, ReceiptContent]:
        """A command of Guangdong, and the receipt with a version of the ticket."""
        kind, command = self.kind.command
        content = EnvelopeContent(id="c", origin=ORIGIN, destination=HERE, subject=self.name, kind=kind)
        content.payload = command(self.name, "4711", "so").SerializeToString()
        content.create_time.CopyFrom(to_timestamp(created))
        first = ReceiptContent(outcome=outcome, result=self.version(number, author).SerializeToString())
        first.decide_time.CopyFrom(to_timestamp(LOST))
        return content, first

    def is_watched(self, name: str) -> bool:
        """Whether a timer awaits the word of another owner, or the kind has no such watch."""
        has_none = self.kind.name not in ("issue", "loan")
        timers = self.node.tx.all(str, "SELECT timer_id FROM timers WHERE subject = :name", name=name)
        return has_none or len(timers) == 1

    @property
    def known(self) -> Message | None:
        """The ticket, as Sichuan has it."""
        return self.kind.read(self.node.tx, self.name)


@pytest.fixture(params=all_kinds()[:3], ids=lambda each: each.name)
def tickets(request: pytest.FixtureRequest) -> Iterator[Tickets]:
    with archive() as node:
        yield Tickets(node, request.param)


def test_the_last_version_that_an_owner_has_signed_is_its_own_again_in_whatever_order_it_is_told(
    tickets: Tickets,
) -> None:
    assert tickets.told_again(3) == Refiled.RESTORED
    assert tickets.known == tickets.version(3)
    assert tickets.told_again(2) == Refiled.KNOWN
    assert tickets.commanded_again(1).outcome == Outcome.OUTCOME_ACCEPTED
    assert tickets.known == tickets.version(3), "an earlier version is a part of it: nothing is done twice"
    assert tickets.commanded_again(4).outcome == Outcome.OUTCOME_ACCEPTED
    assert tickets.known == tickets.version(4)


def test_a_version_that_only_a_refusal_has_told_comes_back(tickets: Tickets) -> None:
    assert tickets.told_again(1) == Refiled.RESTORED
    tickets.refused_again(2)
    assert tickets.known == tickets.version(2)


@pytest.mark.parametrize("kind", all_kinds()[3:], ids=lambda each: each.name)
def test_a_refusal_that_told_a_later_version_of_a_fault_complaint_or_order_is_left_to_people(kind: Kind) -> None:
    with archive() as node:
        tickets = Tickets(node, kind)
        tickets.refused_again(1)  # nothing is here
        kind.store(node.tx, tickets.version(1))
        tickets.refused_again(1)
        with pytest.raises(Refused) as refused:
            tickets.refused_again(2)
        assert refused.value.reason == Reason.REASON_COMMAND_LOST


def test_a_ticket_that_has_changed_since_the_loss_was_accepted_is_left_to_people(tickets: Tickets) -> None:
    tickets.kind.store(tickets.node.tx, tickets.version(2))  # now
    for again in (tickets.told_again, tickets.commanded_again):
        for number in (1, 3):
            with pytest.raises(Refused) as refused:
                again(number)
            assert refused.value.reason == Reason.REASON_COMMAND_LOST
    assert tickets.known == tickets.version(2)


def test_a_refusal_is_left_to_people_only_where_a_ticket_that_has_changed_since_lacks_some_of_what_it_told(
    tickets: Tickets,
) -> None:
    changed = tickets.version(2, author="sichuan/li")
    tickets.kind.store(tickets.node.tx, changed)  # now
    tickets.refused_again(1)
    tickets.refused_again(2, author="sichuan/li")
    for number, author in ((1, "sichuan/zhao"), (2, "sichuan/zhao"), (3, "")):
        with pytest.raises(Refused) as refused:
            tickets.refused_again(number, author)
        assert refused.value.reason == Reason.REASON_COMMAND_LOST
    assert tickets.known == changed


@pytest.mark.parametrize("number", [2, 3])
def test_a_decision_from_before_the_loss_was_found_is_not_taken_for_the_lost_one_and_not_replaced_by_it(
    tickets: Tickets, number: int
) -> None:
    tickets.told_again(number, author="sichuan/li")  # with a time before the acceptance, as such a decision has
    for again in (tickets.told_again, tickets.commanded_again):
        for lost in (2, 3, 4):
            with pytest.raises(Refused) as refused:
                again(lost, author="sichuan/zhao")
            assert refused.value.reason == Reason.REASON_COMMAND_LOST
    assert tickets.told_again(1, author="sichuan/zhao") == Refiled.KNOWN, "no owner decides in the first version"
    assert tickets.known == tickets.version(number, author="sichuan/li")


def test_a_command_with_a_time_to_come_does_not_keep_later_versions_from_coming_back(tickets: Tickets) -> None:
    tickets.commanded_again(1, NOW + timedelta(days=3650))
    assert tickets.told_again(2) == Refiled.RESTORED
    assert tickets.known == tickets.version(2)


def test_after_a_second_loss_a_version_of_before_the_first_does_not_overwrite_what_was_made_between_them(
    tickets: Tickets,
) -> None:
    tickets.kind.store(tickets.node.tx, tickets.version(2))  # now, after the first loss was accepted
    found, accepted = (to_microseconds(NOW + timedelta(hours=each)) for each in (2, 3))
    losses.keep(tickets.node.tx, ACCEPTED._replace(number=2, find_time=found, accept_time=accepted))
    with pytest.raises(Refused) as refused:
        tickets.told_again(3)
    assert refused.value.reason == Reason.REASON_COMMAND_LOST
    assert tickets.told_again(4, NOW + timedelta(hours=1)) == Refiled.RESTORED
    assert tickets.known == tickets.version(4)


def test_a_ticket_that_was_filed_elsewhere_is_back_as_filed_and_a_command_on_it_alone_brings_nothing_back(
    tickets: Tickets,
) -> None:
    name = f"{HERE}/{tickets.kind.prefix}20311124-7"
    filed = tickets.kind.new(name, HERE, OWNER)
    kind, command = tickets.kind.command
    assert tickets.refiled(kind, command(name, "4711", "so"), name, OWNER) == Refiled.LOST
    kind, wrap = tickets.kind.filing
    assert tickets.refiled(kind, wrap(filed), name, OWNER) == Refiled.RESTORED
    assert tickets.kind.read(tickets.node.tx, name) == filed
    assert tickets.is_watched(name), "whose owner may be silent since"
    assert tickets.refiled(kind, wrap(filed), name, OWNER) == Refiled.KNOWN
    name = f"{HERE}/{tickets.kind.prefix}20311124-8"
    update, introduced = tickets.kind.update
    filed = tickets.kind.new(name, HERE, OWNER)
    assert tickets.refiled(update, introduced(filed), name, ORIGIN) == Refiled.RESTORED, "as a helper has it"
    assert tickets.is_watched(name)


@pytest.mark.parametrize("kind", all_kinds()[:5], ids=lambda kind: kind.name)
def test_a_lost_ticket_whose_id_another_one_has_by_now_is_left_to_people(kind: Kind) -> None:
    with archive() as node:
        tickets, name, (filing, wrap) = Tickets(node, kind), f"{HERE}/{kind.prefix}20311124-7", kind.filing
        known, lost = (kind.new(name, HERE, owner) for owner in (OWNER, ORIGIN))
        assert tickets.refiled(filing, wrap(known), name, OWNER) == Refiled.RESTORED
        getattr(lost, kind.created).seconds -= 1
        assert tickets.refiled(filing, wrap(lost), name, ORIGIN) == Refiled.LOST
        assert kind.read(node.tx, name) == known


def test_no_version_of_a_lost_ticket_replaces_another_one_that_has_its_id_by_now(tickets: Tickets) -> None:
    assert tickets.told_again(1) == Refiled.RESTORED
    kind, wrap = tickets.kind.update
    for number in (1, 2):
        lost = tickets.version(number)
        getattr(lost, tickets.kind.created).seconds -= 1
        assert tickets.refiled(kind, wrap(lost), tickets.name, ORIGIN) == Refiled.LOST
    assert tickets.known == tickets.version(1)


def test_later_versions_of_a_ticket_that_the_other_region_had_refused_come_back_after_it(tickets: Tickets) -> None:
    name = f"{HERE}/{tickets.kind.prefix}20311124-7"
    filing, wrap = tickets.kind.filing
    payload = wrap(tickets.kind.new(name, HERE, OWNER))
    tickets.refiled(filing, payload, name, OWNER)
    content = EnvelopeContent(id=f"{name}>{OWNER}", origin=HERE, destination=OWNER, subject=name, kind=filing)
    content.payload = payload.SerializeToString()
    content.create_time.CopyFrom(to_timestamp(LOST))
    refusal = ReceiptContent(outcome=Outcome.OUTCOME_REFUSED, reason=Reason.REASON_ISSUE_NOT_RESPONSIBLE)
    tickets.command(filing).answered(tickets.node.tx, content, refusal, NOW + MINUTE)
    later = tickets.kind.new(name, HERE, HERE)
    setattr(later, "version", 3)  # noqa: B010 - a field of every kind
    update, wrap = tickets.kind.update
    assert tickets.refiled(update, wrap(later), name, ORIGIN) == Refiled.RESTORED
    assert tickets.kind.read(tickets.node.tx, name) == later


def test_a_first_version_made_once_more_is_the_one_of_before_and_a_later_one_only_with_the_same_content() -> None:
    for kind in all_kinds()[:4]:
        update, _ = kind.update

        def told(number: int, again: int, kind: Kind = kind) -> EnvelopeContent:
            version = kind.new(f"{HERE}/{kind.prefix}20311124-7", HERE, HERE)
            setattr(version, "version", number)  # noqa: B010 - a field of every kind
            getattr(version, kind.created).seconds += again
            return EnvelopeContent(kind=kind.update[0], payload=kind.update[1](version).SerializeToString())

        with archive() as node:
            command = kind.kinds(node.context)[update]
        assert isinstance(command, Command)
        same = [command.wants_same(told(first, 0), told(second, 1)) for first, second in ((1, 1), (2, 2), (1, 2))]
        assert same == [True, False, False], kind.name
        assert command.wants_same(told(2, 0), told(2, 0))


def told_to_origin(kind: Kind, kept: int) -> list[str]:
    """The versions that Sichuan sends where a command is done again on a kept one, and was answered by the second."""
    with archive() as node:
        tickets = Tickets(node, kind)
        found = tickets.version(kept)
        setattr(found, "state", WORKING[kind.name])  # noqa: B010 - a field of every kind
        kind.store(node.tx, found)
        assert tickets.commanded_again(2).outcome == Outcome.OUTCOME_ACCEPTED
        return [each.sealed.content.id.partition("@")[2] for each in node.tx.events if isinstance(each, Enqueued)]


@pytest.mark.parametrize("kind", all_kinds()[3:5], ids=lambda each: each.name)
def test_an_origin_is_sent_the_later_version_that_its_command_makes_once_more_of_a_complaint_or_fault(
    kind: Kind,
) -> None:
    assert told_to_origin(kind, kept=1) == [], "it has the second version by its answer"
    assert told_to_origin(kind, kept=2) == [f"3>{ORIGIN}"], "another region has reported the cause of the second first"


@pytest.mark.parametrize("kind", all_kinds()[3:5], ids=lambda each: each.name)
def test_a_command_with_an_answer_of_a_later_version_waits_before_anything_is_done_on_a_complaint_or_fault(
    kind: Kind,
) -> None:
    with archive() as node:
        tickets = Tickets(node, kind)
        kind.store(node.tx, before := tickets.version(1))
        content, first = tickets.answered(Outcome.OUTCOME_ACCEPTED, 2, LOST)
        told = type(before).FromString(first.result)
        setattr(told, "state", 9_999)  # noqa: B010 - a field of every kind
        first.result, command = told.SerializeToString(), tickets.command(kind.command[0])
        assert command.act_again is not None
        with pytest.raises(UnknownChoice):
            command.act_again(node.tx, content, first, NOW + MINUTE)
        assert tickets.known == before


def test_no_version_is_sent_of_a_complaint_that_its_origin_has_called_back() -> None:
    def recall(name: str, author: str, _: str) -> ComplaintCommand:
        requester = Requester(staff_id=author)
        return ComplaintCommand(ticket_id=name, requester=requester, recall=ComplaintCommand.Recall())

    kind = all_kinds()[4]
    assert told_to_origin(replace(kind, command=(kind.command[0], recall)), kept=2) == []


def test_staff_decide_on_no_complaint_or_fault_while_a_region_may_still_tell_what_was_lost_of_it() -> None:
    with archive() as node:
        losses.keep(node.tx, ACCEPTED)
        node.context.border.current.update(FEDERATION, [Member(region=ORIGIN, state=MemberState.MEMBER_STATE_JOINED)])
        for kind, require_owned in zip(all_kinds()[3:5], (faults.require_owned, complaints.require_owned), strict=True):
            name = f"{ORIGIN}/{kind.prefix}20311124-7"
            found = kind.new(name, ORIGIN, HERE)
            setattr(found, "version", 1)  # noqa: B010 - a field of every kind
            kind.store(node.tx, found)
            with pytest.raises(Refused) as refused:
                require_owned(node.tx, node.context, name, NOW)
            assert refused.value.reason == Reason.REASON_CATCHING_UP
            require_owned(node.tx, node.context, name, NOW + catch_ups.PATIENCE)


def test_nobody_makes_a_version_of_a_ticket_while_a_region_with_a_part_in_it_may_still_tell_one() -> None:
    asked = facts(new_support(f"{ORIGIN}/S20311124-7", ORIGIN, HERE))
    with archive() as node:
        losses.keep(node.tx, ACCEPTED)
        joined, left = MemberState.MEMBER_STATE_JOINED, MemberState.MEMBER_STATE_ABSENT
        for state, done, is_held_up in ((joined, None, True), (joined, 7, False), (left, None, False)):
            catch_ups.keep(node.tx, CatchUp(1, ORIGIN, finish_time=done))
            node.context.border.current.update(FEDERATION, [Member(region=ORIGIN, state=state)])
            if is_held_up:
                with pytest.raises(Refused) as refused:
                    require_caught_up(node.context, node.tx, asked, NOW)
                assert refused.value.reason == Reason.REASON_CATCHING_UP
                require_caught_up(node.context, node.tx, asked, NOW + catch_ups.PATIENCE)  # it may be silent for ever
            else:
                require_caught_up(node.context, node.tx, asked, NOW)
