"""A new home with a database of before a move asks for the customer, and believes nobody too much."""

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from gateway.api.region.v1.customer_move_pb2 import CustomerHandOver, HandOverKept, HandOverWanted
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border, Query
from gateway.relay.envelopes import Answer, OutgoingEnvelope
from gateway.security.signing import ENVELOPE
from gateway.store.port import Operation, Transaction
from gateway.time.clock import BETWEEN_TRUSTED, from_timestamp
from region_node.business.orders.context import OrderContext
from region_node.customers.accounts import ledger
from region_node.customers.moved_numbers import is_awaited
from region_node.customers.operations import own_line
from region_node.customers.rows import find_line
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.port import MoveEnded
from region_node.lifecycle.moving.recovering import HandOverEnvelopes, LostCustomers
from region_node.node.context import RegionContext
from region_node.node.rules import erasure_mark
from tests.simulation.batch import run_batch
from tests.simulation.disk import Disk, T
from tests.simulation.one_region import OneRegion
from tests.simulation.test_found_in_moves import MOVE, MOVER, NEXT_MONTH, OldHome
from tests.simulation.virtual_time import NodeClock, VirtualLoop, WallTime
from tests.simulation.world import START, drawn_keys, first_database, keys

WANTED = EnvelopeKind.ENVELOPE_KIND_HAND_OVER_WANTED
NUMBER = MOVER.number


def region(name: str, kind: type[OneRegion]) -> OneRegion:
    border = Border(name, keys().signers[name], keys().trusted, CurrentFederation())
    disk = Disk(first_database(name), lambda: False, drawn_keys(name, random.Random(1)))
    return kind(disk, OrderContext(RegionContext(border), {}))


class StoreOf:
    """The store of a region, as far as the search for lost customers needs it."""

    def __init__(self, of: OneRegion, events: list[object]) -> None:
        self._of = of
        self._events = events

    async def read(self, operation: Operation[T]) -> T:
        return self._of.run(operation)

    async def write(self, operation: Operation[T]) -> T:
        (outcome,) = run_batch(self._of.disk, [operation])
        if outcome.error is not None:
            raise outcome.error
        self._events += outcome.events
        return outcome.result  # type: ignore[return-value]  # of this very operation


class Both:
    """Sichuan, which gave a customer to Guangdong, and Guangdong with a database of before."""

    def __init__(self, old: OldHome, new: OneRegion) -> None:
        self.old, self.new = old, new
        self.told: Callable[[OutgoingEnvelope], bytes] = self.asked
        self.now = START + NEXT_MONTH
        """The time by Guangdong's clock."""
        self.events: list[object] = []
        """What Guangdong has published."""

    async def ask(self, outgoing: OutgoingEnvelope, seconds: float, trace: str, attempts: int) -> bytes:
        """The answer of Sichuan; Henan knows nothing."""
        return self.told(outgoing) if outgoing.destination == "sichuan" else b""

    def asked(self, outgoing: OutgoingEnvelope, origin: str = "guangdong") -> bytes:
        """What Sichuan answers to the question of a region."""
        content = EnvelopeContent(origin=origin, subject=outgoing.subject, payload=outgoing.payload)
        query = HandOverEnvelopes(self.old.context).kinds()[WANTED]
        assert isinstance(query, Query)
        act: Callable[..., Answer] = query.act
        return self.old.run(lambda tx: act(tx, content, START + NEXT_MONTH)).result

    def recover(self) -> bool:
        """Whether a process of Guangdong that has just started finds every customer."""
        loop = VirtualLoop()
        try:
            wall = WallTime(loop, self.now)
            store = StoreOf(self.new, self.events)
            lost = LostCustomers(self.new.context, store, self, NodeClock(wall))  # type: ignore[arg-type]

            async def twice() -> bool:
                first = await lost.recover()
                return await lost.recover() and first

            return asyncio.Runner(loop_factory=lambda: loop).run(twice())
        finally:
            loop.close()

    def reason(self) -> str:
        """Why Guangdong refuses what is asked about the number; empty where it serves it."""
        context = self.new.context
        try:
            self.new.run(lambda tx: own_line(tx, context.federation, "guangdong", NUMBER, asking="guangdong"))
        except Refused as refused:
            return Reason.Name(refused.reason).removeprefix("REASON_")
        return ""

    def awaits(self, *, is_new: bool = False) -> bool:
        """Whether Guangdong waits for the customer."""
        federation = self.new.context.federation
        return self.new.run(lambda tx: is_awaited(tx, federation, "guangdong", NUMBER, is_new=is_new))


@pytest.fixture(name="both")
def both_regions() -> Iterator[Both]:
    old, new = region("sichuan", OldHome), region("guangdong", OneRegion)
    assert isinstance(old, OldHome)
    old.plan(NUMBER, "sichuan")
    old.confirm()
    old.accepted()
    for each in (old, new):
        each.revision = 1
        each.plan(NUMBER, "guangdong")
    yield Both(old, new)
    for each in (old, new):
        each.disk.close()


def test_a_lost_customer_is_taken_over_once_with_the_balance_of_the_hand_over(both: Both) -> None:
    assert (both.reason(), both.awaits()) == ("HAND_OVER_AWAITED", True)
    assert both.recover()
    assert both.reason() == ""
    assert both.recover(), "the next process finds nothing to do"
    account = f"account-{rules.ids_at_new_home(MOVE)}-0"
    told = both.old.balance("payable/guangdong")
    booked = both.new.run(lambda tx: tx.all(int, "SELECT amount FROM ledger_entries WHERE account = :a", a=account))
    assert booked.count(told) == 1
    assert told > both.new.run(lambda tx: ledger.balance(tx, account)) > 0, "it owes its rent since the confirmation"
    texts = both.new.run(lambda tx: tx.all(int, "SELECT COUNT(*) FROM notices WHERE notice_id LIKE '%/m1/%'"))
    assert texts == [0], "the customer was told of the move before"
    sent = both.new.run(lambda tx: tx.all(str, "SELECT envelope_id FROM outbox ORDER BY destination"))
    asked = [each.partition(">") for each in sent if each.startswith(f"{MOVE}#documents-wanted/")]
    assert [each[2] for each in asked] == ["henan", "sichuan"], "their registrations were lost as well"


def test_without_the_answer_of_each_region_the_number_is_refused_only_for_now(both: Both) -> None:
    def away(outgoing: OutgoingEnvelope) -> bytes:
        raise Refused(Reason.REASON_REGION_UNREACHABLE, region=outgoing.destination)

    both.told = away
    assert not both.recover()
    assert both.reason() == "HAND_OVER_AWAITED"
    both.told = both.asked
    assert both.recover()


def test_a_number_that_nobody_handed_over_is_free_and_asked_for_again_by_the_next_process(both: Both) -> None:
    both.told = lambda outgoing: b""
    assert both.recover()
    assert (both.reason(), both.awaits(), both.awaits(is_new=True)) == ("SUBSCRIPTION_NOT_FOUND", False, True)
    assert MoveEnded() in both.events, "an order that was held for it is refused"
    both.told = both.asked
    assert both.recover()
    assert both.reason() == ""


def test_a_customer_whom_the_region_has_erased_since_is_not_brought_back(both: Both) -> None:
    both.new.context.erased_keys.add([erasure_mark(rules.ids_at_new_home(MOVE))])
    assert both.recover()
    assert both.reason() == "SUBSCRIPTION_NOT_FOUND"
    assert erasure_mark("customer-1") == "", "only the ids of moved customers come again"


def test_a_hand_over_that_is_altered_or_of_another_number_or_region_is_not_taken(both: Both) -> None:
    def lies() -> Iterator[HandOverKept]:
        real = HandOverKept.FromString(both.asked(wanted(NUMBER)))
        altered = HandOverKept()
        altered.CopyFrom(real)
        altered.hand_over.content += b"\x10\x01"
        yield altered
        unsigned = HandOverKept()
        unsigned.CopyFrom(real)
        unsigned.hand_over.signature = bytes(64)
        yield unsigned
        signer = keys().signers["henan"]
        other = EnvelopeContent.FromString(real.hand_over.content)
        other.origin = "henan"
        stolen = HandOverKept()
        stolen.hand_over.content = other.SerializeToString()
        stolen.hand_over.signature = signer.sign(ENVELOPE, stolen.hand_over.content)
        yield stolen

    for lie in list(lies()):
        both.told = lambda outgoing, lie=lie: lie.SerializeToString()  # type: ignore[misc]
        assert not both.recover()
        assert both.reason() == "HAND_OVER_AWAITED"
    assert both.new.run(lambda tx: find_line(tx, NUMBER)) is None


def test_a_hand_over_may_be_of_any_trusted_clock_and_of_none_that_is_further_ahead(both: Both) -> None:
    kept = EnvelopeContent.FromString(HandOverKept.FromString(both.asked(wanted(NUMBER))).hand_over.content)
    handed_over = from_timestamp(CustomerHandOver.FromString(kept.payload).move.change_time)
    both.now = handed_over - BETWEEN_TRUSTED - timedelta(seconds=1)
    assert not both.recover()
    both.now = handed_over - BETWEEN_TRUSTED
    assert both.recover()


def test_a_former_home_tells_only_the_new_home_and_says_what_it_no_longer_has(both: Both) -> None:
    assert both.asked(wanted(NUMBER), origin="henan") == b""
    assert both.asked(wanted("+8619851000002")) == b""

    def purge(tx: Transaction) -> int:
        return tx.execute("DELETE FROM outbox WHERE closed IS NOT NULL")

    both.old.run(purge)
    with pytest.raises(Refused) as refused:
        both.asked(wanted(NUMBER))
    assert refused.value.reason == Reason.REASON_HAND_OVER_NOT_KEPT
    assert not both.recover()
    assert both.reason() == "HAND_OVER_AWAITED", "somebody has to decide"


def test_a_former_home_that_still_brings_the_customer_says_so() -> None:
    old = region("sichuan", OldHome)
    assert isinstance(old, OldHome)
    old.plan(NUMBER, "sichuan")
    old.confirm()
    with pytest.raises(Refused) as refused:
        Both(old, old).asked(wanted(NUMBER))
    assert refused.value.reason == Reason.REASON_CUSTOMER_MOVING
    old.disk.close()


def wanted(number: str) -> OutgoingEnvelope:
    return OutgoingEnvelope(
        "w", "sichuan", WANTED, HandOverWanted(number=number).SerializeToString(), "w", "", NEXT_MONTH
    )
