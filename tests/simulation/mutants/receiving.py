"""Defects of a region that receives."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import pytest

from gateway.api.region.v1.order_pb2 import Order
from gateway.api.relay.v1.relay_pb2 import Outcome, Receipt, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.relay import inbox, service
from gateway.relay.border import Border, Command, Kinds
from gateway.relay.envelopes import Answer, Sealed, seal_receipt
from gateway.security.signing import RECEIPT
from gateway.store.port import Operation, Transaction
from gateway.store.sqlite import SqliteDatabase
from gateway.time.clock import from_timestamp, to_timestamp
from region_node.app.core import RegionCore
from region_node.business.orders import handling, home
from region_node.business.orders.context import OrderContext
from region_node.business.orders.rows import OrderRow, insert_order, update_order
from tests.simulation import federation
from tests.simulation.world import new_database


def inbox_without_unique(patch: pytest.MonkeyPatch) -> None:
    """Nothing in the inbox keeps an envelope from being acted on again."""
    find, receive = inbox.find, inbox.receive

    def receive_again(tx: Transaction, border: Border, kinds: Kinds, sealed: Sealed, now: datetime) -> Receipt:
        def find_nothing_once(tx: Transaction, origin: str, envelope_id: str) -> None:
            patch.setattr(inbox, "find", find)

        patch.setattr(inbox, "find", find_nothing_once)
        try:
            return receive(tx, border, kinds, sealed, now)
        finally:
            patch.setattr(inbox, "find", find)

    def database(region: str) -> bytes:
        made = SqliteDatabase(":memory:")
        made.connection.deserialize(new_database(region))
        made.connection.executescript(
            "CREATE TABLE copy AS SELECT * FROM inbox; DROP TABLE inbox; ALTER TABLE copy RENAME TO inbox"
        )
        content = made.connection.serialize()
        made.close()
        return content

    patch.setattr(service, "receive", receive_again)
    patch.setattr(federation, "first_database", database)


_DELAY = 0.5  # seconds until the second transaction begins


@dataclass(frozen=True)
class _Later:
    """Published by an operation that leaves something for a transaction of its own."""

    operation: Operation[None]


def effect_and_inbox_in_two_transactions(patch: pytest.MonkeyPatch) -> None:
    """The effect is committed first, the inbox row and the receipt a little later."""
    keep, start = inbox._keep, RegionCore.start

    def keep_later(tx: Transaction, border: Border, sealed: Sealed, receipt: Receipt, now: datetime) -> None:
        tx.publish(_Later(lambda tx: keep(tx, border, sealed, receipt, now)))

    async def start_and_listen(self: RegionCore) -> None:
        loop = asyncio.get_running_loop()
        self._ports.store.subscribe(_Later, lambda later: _soon(loop, self, later))
        await start(self)

    patch.setattr(inbox, "_keep", keep_later)
    patch.setattr(RegionCore, "start", start_and_listen)


def _soon(loop: asyncio.AbstractEventLoop, core: RegionCore, later: _Later) -> None:
    loop.call_later(_DELAY, _write, core, later)


def _write(core: RegionCore, later: _Later) -> None:
    core._ports.store.write(later.operation)


def receipt_serialised_again(patch: pytest.MonkeyPatch) -> None:
    """A duplicate is answered with a receipt made afresh from what is stored."""
    receive = inbox.receive

    def receive_afresh(tx: Transaction, border: Border, kinds: Kinds, sealed: Sealed, now: datetime) -> Receipt:
        known = inbox.find(tx, sealed.content.origin, sealed.content.id)
        receipt = receive(tx, border, kinds, sealed, now)
        if known is None:
            return receipt
        content = ReceiptContent.FromString(receipt.content)
        content.decide_time.CopyFrom(to_timestamp(now))
        data = content.SerializeToString()
        return Receipt(content=data, signature=border.signer.sign(RECEIPT, data))

    patch.setattr(service, "receive", receive_afresh)


def moved_without_a_tombstone(patch: pytest.MonkeyPatch) -> None:
    """A region that answers MOVED does not remember that it did."""
    keep = inbox._keep

    def keep_others(tx: Transaction, border: Border, sealed: Sealed, receipt: Receipt, now: datetime) -> None:
        if ReceiptContent.FromString(receipt.content).outcome != Outcome.OUTCOME_MOVED:
            keep(tx, border, sealed, receipt, now)

    patch.setattr(inbox, "_keep", keep_others)


def tombstone_of_a_cancellation_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A cancellation that overtakes its order is granted, and the order is done when it comes."""

    def insert_known(tx: Transaction, row: OrderRow, now: datetime) -> None:
        if row.order.request.business:
            insert_order(tx, row, now)

    patch.setattr(home, "insert_order", insert_known)


def older_versions_adopted(patch: pytest.MonkeyPatch) -> None:
    """The origin region shows whatever came last, not the highest version."""
    adopt = handling.adopt

    def adopt_anything(
        tx: Transaction, context: OrderContext, known: Order, snapshot: Order, now: datetime, *, again: bool = True
    ) -> bool:
        if snapshot.version >= known.version:
            return adopt(tx, context, known, snapshot, now, again=again)
        update_order(tx, snapshot, now)
        return True

    patch.setattr(handling, "adopt", adopt_anything)


def expiry_before_the_stored_receipt(patch: pytest.MonkeyPatch) -> None:
    """A duplicate that comes after its time is called expired, though it was acted on in time."""
    receive = inbox.receive

    def receive_late(tx: Transaction, border: Border, kinds: Kinds, sealed: Sealed, now: datetime) -> Receipt:
        if now > from_timestamp(sealed.content.expire_time) and isinstance(kinds[sealed.content.kind], Command):
            answer = Answer(Outcome.OUTCOME_REFUSED, reason=Reason.REASON_ENVELOPE_EXPIRED)
            return seal_receipt(sealed, answer, border.signer, now=now, revision=border.current.revision)
        return receive(tx, border, kinds, sealed, now)

    patch.setattr(service, "receive", receive_late)
