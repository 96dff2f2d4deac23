"""Defects where the region's own system carries orders out, and in what orders cost."""

from datetime import datetime, timedelta

import pytest

from gateway.api.region.v1.order_pb2 import Order
from gateway.store.port import Transaction
from region_node.business.orders import provisioning, provisioning_answers, steps
from region_node.business.orders.business import Effects, Situation
from region_node.business.orders.context import OrderContext
from region_node.business.orders.provisioning_rows import Task
from region_node.business.orders.rows import require_order
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import FEES, EntryKind, transfer
from region_node.customers.rows import line_of


def effects_before_the_provider_has_done_it(patch: pytest.MonkeyPatch) -> None:
    """The records follow as soon as the system has said that it can be done."""
    patch.setattr(provisioning_answers, "_NEXT", {})


def number_of_the_provider_ignored(patch: pytest.MonkeyPatch) -> None:
    """The system chooses the number of a line, and the records have another one."""
    patch.setattr(provisioning_answers, "replace", lambda situation, provided: situation)


def nothing_undone(patch: pytest.MonkeyPatch) -> None:
    """An order that is given up after it was begun just ends, whatever the system has done."""

    def end_at_once(tx: Transaction, context: OrderContext, order: Order, task: Task, now: datetime) -> None:
        provisioning.end(tx, context, order, now)

    patch.setattr(provisioning, "withdraw", end_at_once)


def fee_at_every_try(patch: pytest.MonkeyPatch) -> None:
    """The fee is taken each time that the system is asked anew because it did not answer."""
    unanswered = provisioning_answers.unanswered

    def unanswered_and_charged(
        tx: Transaction,
        context: OrderContext,
        asked: provisioning_answers.Asked,
        problem: str,
        wait: timedelta,
        now: datetime,
    ) -> None:
        order, attempt = require_order(tx, asked.task.order_id).order, asked.task.attempts
        fee, line = (
            context.node.federation.business(order.request.business).fee.minor_units,
            line_of(tx, order.product_id),
        )
        if fee and line is not None:
            posting = transfer(f"{order.id}#fee{attempt}", EntryKind.FEE, fee, debit=line.account_id, credit=FEES)
            ledger.post(tx, posting, context.node.currency, now)
        unanswered(tx, context, asked, problem, wait, now)

    patch.setattr(provisioning_answers, "unanswered", unanswered_and_charged)


def fee_forgotten_after_the_provider(patch: pytest.MonkeyPatch) -> None:
    """Orders of the region's own system cost nothing."""
    carry_out = steps.carry_out

    def carry_out_without_fee(tx: Transaction, context: OrderContext, situation: Situation, effects: Effects) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(steps, "with_fee", lambda situation, effects: effects)
            carry_out(tx, context, situation, effects)

    patch.setattr(provisioning_answers, "carry_out", carry_out_without_fee)


def line_opened_at_the_quote(patch: pytest.MonkeyPatch) -> None:
    """A line is there as soon as its customer has been asked."""
    ask = steps._ask_customer

    def ask_and_open(tx: Transaction, context: OrderContext, situation: Situation, action: str) -> None:
        if action == "confirm" and context.rule(situation.business).opens_line:
            context.fulfilment.carry_out(tx, situation, context.rule(situation.business).fulfil(situation))
        ask(tx, context, situation, action)

    patch.setattr(steps, "_ask_customer", ask_and_open)
