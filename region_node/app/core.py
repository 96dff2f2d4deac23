"""A region without its edges: everything that the process and the simulation have in common."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from secrets import SystemRandom

from gateway.errors import Refused
from gateway.federation.current import FederationState
from gateway.process.starting import persistently
from gateway.process.tracing import Tracing
from gateway.relay.border import Kinds
from gateway.relay.claims import Claims
from gateway.relay.lanes import LanePorts, Lanes
from gateway.relay.ports import RelayPorts
from gateway.relay.queries import Asker
from gateway.relay.retry import FullJitter
from gateway.relay.sealed_batches import SealedBatchReceiver
from gateway.relay.service import Receiver
from gateway.relay.settling import Settler
from gateway.relay.transport import Transport
from gateway.relay.workers import Workers
from gateway.security.region_keys import RegionKeys
from gateway.store.failed_timers import LONGEST_REST, SHORTEST_REST
from gateway.store.port import Store, Transaction
from gateway.store.scheduler import OfFailed, Scheduler
from gateway.store.timers import Timer, TimerHandler
from gateway.time.clock import Clock
from region_node.app import registered
from region_node.business.billing.readings import BILL_LIMIT
from region_node.business.billing.relayed import BillingEnvelopes
from region_node.business.billing.runs import BillingRuns
from region_node.business.joint import provisioning, working
from region_node.business.joint.application import JointApplication
from region_node.business.joint.items import RESERVATION_TIMER
from region_node.business.joint.leading import ORDER_TIMER, order_is_due
from region_node.business.joint.proving import VERIFY_TIMER
from region_node.business.joint.relayed import JointEnvelopes
from region_node.business.joint.watching import LIMIT_TIMER, OVERDUE_TIMER
from region_node.business.orders import home, intake, promises, provisioning_answers, steps
from region_node.business.orders.application import Decisions, OrderApplication, OrderApplicationPorts
from region_node.business.orders.context import OrderContext
from region_node.business.orders.provisioning_rows import next_due
from region_node.business.orders.relayed import OrderEnvelopes
from region_node.business.orders.rows import FOLLOW_TIMER, PROMISES
from region_node.business.providers.fulfilment import FulfilmentProvider
from region_node.business.providers.worker import FulfilmentWorker, Provisioned, WorkerPorts
from region_node.business.reconciliation.nightly import (
    DAY_TIMER,
    NIGHT_TIMER,
    day_is_due,
    ensure_reconciliation,
    night_is_due,
)
from region_node.business.reconciliation.relayed import ReconciliationEnvelopes
from region_node.business.settlement.relayed import SettlementEnvelopes
from region_node.business.settlement.rows import ANSWER_TIMER, PAYMENT_TIMER
from region_node.business.settlement.unproposed import MONTH_TIMER, ensure_settlement_months, month_has_ended
from region_node.care.bulletins import reminding
from region_node.care.bulletins.application import BulletinApplication
from region_node.care.bulletins.relayed import BulletinEnvelopes
from region_node.care.bulletins.reminding import BULLETIN_TIMER
from region_node.care.complaints import remedy_orders
from region_node.care.complaints.application import ComplaintApplication
from region_node.care.complaints.attachment_contents import AttachmentApplication
from region_node.care.complaints.handling import escalation_is_due
from region_node.care.complaints.owner import ESCALATION_TIMER
from region_node.care.complaints.relayed import ComplaintEnvelopes
from region_node.care.complaints.remedy import REMEDY_TIMER
from region_node.care.complaints.remote_repeats_relayed import JoiningEnvelopes
from region_node.care.escalations.daily_readings import readings_are_many
from region_node.care.escalations.joint_orders import limit_is_near, limit_is_overdue
from region_node.care.escalations.notifier import EscalationNotifier
from region_node.care.escalations.port import Sink
from region_node.care.escalations.rows import waiting_sinks
from region_node.care.escalations.settlements import answer_is_due, payment_is_due
from region_node.care.issues.application import IssueApplication
from region_node.care.issues.owner import due_time_has_passed
from region_node.care.issues.relayed import IssueEnvelopes
from region_node.care.issues.watching import ISSUE_TIMER
from region_node.care.loans.application import LoanApplication
from region_node.care.loans.owner import time_has_passed
from region_node.care.loans.relayed import LoanEnvelopes
from region_node.care.loans.watching import LOAN_TIMER
from region_node.care.quarantine.operations import Quarantine
from region_node.care.quarantine.watching import QUARANTINE_TIMER, decision_is_due
from region_node.care.surveys.follow_ups import FOLLOW_UP_TIMER
from region_node.care.surveys.follow_ups import due_time_has_passed as follow_up_is_overdue
from region_node.care.surveys.following import SURVEY_TIMER, ensure_surveys, surveys_are_due
from region_node.care.surveys.inviting import CAMPAIGN_TIMER, campaign_is_due
from region_node.care.surveys.relayed import SurveyEnvelopes
from region_node.customers.contacts_relayed import ContactEnvelopes
from region_node.customers.documents.content_stream import ContentApplication
from region_node.customers.documents.moved import SEALING_TIMER, sealing_is_due
from region_node.customers.documents.on_file import RegisterApplication
from region_node.customers.documents.receiving import UPLOAD_TIMER, abandon
from region_node.customers.documents.relayed import DocumentEnvelopes
from region_node.customers.notices.delivery import NoticeDelivery
from region_node.customers.notices.port import Notifier
from region_node.customers.operations import SUSPENSION_TIMER, suspension_has_ended
from region_node.customers.profiles_relayed import ProfileEnvelopes
from region_node.customers.reminders import REMINDER_TIMER, ensure_reminders, remind
from region_node.customers.sharing.duty_readings import DUTY_LIMIT
from region_node.customers.sharing.relayed import SharingEnvelopes
from region_node.customers.verification.application import VerificationApplication, VerificationPorts
from region_node.customers.verification.relayed import VerificationEnvelopes
from region_node.customers.verification.rules import PASSWORD_COST
from region_node.lifecycle.erasure.indexes import (
    INDEX_TIMER,
    STATUS_TIMER,
    ensure_forgotten,
    indexes_are_due,
    status_is_due,
)
from region_node.lifecycle.erasure.of_numbers import NUMBER_TIMER, number_is_due
from region_node.lifecycle.erasure.relayed import ERASURE_TIMER, ErasureEnvelopes, erasure_is_due
from region_node.lifecycle.erasure.status_envelopes import CustomerStatusEnvelopes, forget_envelopes, record_has_ended
from region_node.lifecycle.holds.relayed import HoldEnvelopes
from region_node.lifecycle.moving.faults import MovedFaultEnvelopes
from region_node.lifecycle.moving.former_bills import FormerBillEnvelopes
from region_node.lifecycle.moving.operations import CONFIRMATION_TIMER, confirmation_is_overdue
from region_node.lifecycle.moving.port import MoveEnded
from region_node.lifecycle.moving.recovering import HandOverEnvelopes
from region_node.lifecycle.moving.relayed import MoveEnvelopes
from region_node.lifecycle.recovery.telling import CatchUpEnvelopes
from region_node.lifecycle.registry import Registry
from region_node.lifecycle.retention.purge import PURGE_TIMER, ensure_purge, purge
from region_node.network.agreements.announced import PLANNED_TIMER, planned_is_told
from region_node.network.agreements.of_measurements import CONFORMANCE_TIMER, conformance_is_due, ensure_conformance
from region_node.network.agreements.outages import CORRECTION_TIMER
from region_node.network.agreements.relayed import OutageEnvelopes
from region_node.network.agreements.statements import (
    STATEMENT_TIMER,
    correction_is_due,
    ensure_statements,
    statements_are_due,
)
from region_node.network.faults.application import FaultApplication
from region_node.network.faults.owner import REPAIR_TIMER, limit_has_passed
from region_node.network.faults.relayed import FaultEnvelopes
from region_node.network.problems.following import PROBLEM_TIMER, tell_customers
from region_node.network.support.application import SupportApplication
from region_node.network.support.relayed import SupportEnvelopes
from region_node.node.context import RegionContext
from region_node.node.witnessing.relayed import WitnessEnvelopes
from region_node.records.forgetting import FORGET_TIMER
from region_node.records.kinds import RecordKind
from region_node.requests.changes import Changes
from region_node.requests.questions import Questions
from region_node.requests.room import Room

DUE_ROWS = (PROMISES,)
"""The rows that fall due as timers do."""
HELD_AGAIN = 1.0  # seconds until held orders are looked at again after the store refused
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CorePorts:
    """The ports of a region."""

    orders: OrderContext
    keys: RegionKeys
    store: Store
    clock: Clock
    transport: Transport
    asker: Asker
    source: random.Random
    tracing: Tracing
    workers: Workers
    provider: FulfilmentProvider | None = None
    """The region's own system for the businesses that the context lists as provisioned."""
    notifier: Notifier | None = None
    """The region's own system that sends texts to customers. Without one, notices wait and no code can be sent."""
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    """The sinks of escalation notices, by the names in the context."""
    secret_source: random.Random = field(default_factory=SystemRandom)
    """The source of randomness for codes, keys and salts."""
    password_cost: int = PASSWORD_COST
    """The cost of scrypt for passwords."""
    questions: Questions | None = None
    """Queries other regions for the current call. Without it only the own register is used."""

    @property
    def context(self) -> RegionContext:
        """The region."""
        return self.orders.node


class RegionCore:
    """The application service, the receiver, the lanes and the scheduler of one region, made on its event loop.

    `loops` run as long as the region does. The end of one is a defect, and the process should end with it.
    """

    def __init__(self, ports: CorePorts) -> None:
        border = ports.context.border
        self.registry = registered.registry(ports.context)
        self.verification = VerificationApplication(_verification_ports(ports))
        self.contents = ContentApplication(ports.context, ports.store, ports.clock, ports.asker)
        self.register = RegisterApplication(ports.context, ports.store, ports.clock, ports.questions)
        attachments = AttachmentApplication(ports.context, ports.store, ports.asker)
        self.kinds = _kinds(self.registry, ports.orders, self.verification, self.contents, attachments, ports.store)
        self.quarantine = Quarantine(ports.context, DUE_ROWS, self.kinds)
        keep = self.quarantine.keep
        relay = RelayPorts(border, self.kinds, ports.store, ports.clock, ports.tracing, ports.workers, keep)
        settler = Settler(relay)
        self._ports = ports
        self.context = ports.context
        self.receiver = SealedBatchReceiver(border, ports.keys, Receiver(relay).deliver)
        self.lanes = Lanes(LanePorts(border.region, ports.transport, settler.settle, ports.clock, ports.source))
        self.changes = Changes(ports.store)
        decisions = Decisions(ports.store, self.changes)
        room = Room(ports.context, ports.store, self.lanes)
        self.application = OrderApplication(
            OrderApplicationPorts(
                ports.orders, ports.store, ports.clock, self.lanes, self.changes, room, decisions, self.register
            )
        )
        self.joint = JointApplication(ports.context, ports.store, ports.clock, self.changes, room)
        self.complaints = ComplaintApplication(ports.context, ports.store, ports.clock, self.changes, room)
        self.faults = FaultApplication(ports.context, ports.store, ports.clock, self.changes, room)
        self.support = SupportApplication(ports.context, ports.store, ports.clock, self.changes, room)
        self.issues = IssueApplication(ports.context, ports.store, ports.clock, self.changes, room)
        self.loans = LoanApplication(ports.context, ports.store, ports.clock, self.changes, room)
        self.bulletins = BulletinApplication(ports.context, ports.store, ports.clock)
        self.scheduler = Scheduler(
            ports.store,
            ports.clock,
            _timer_handlers(self.registry, ports.orders),
            OfFailed(FullJitter(ports.source, SHORTEST_REST, LONGEST_REST).seconds, self.quarantine.keep),
            border.clock.is_settled,
            DUE_ROWS,
        )
        self._billing = BillingRuns(ports.context, ports.store, ports.clock, self.quarantine.keep)
        self.notifiers = [
            EscalationNotifier(ports.store, ports.clock, name, sink, ports.source, border.current)
            for name, sink in ports.sinks.items()
        ]
        self.deliveries = [each.deliveries for each in self.notifiers]
        """Those to each system beside the node, as soon as one of its loops exists."""
        self._claims = Claims(ports.store, border.number, self.lanes)
        self._state_changed = asyncio.Event()
        self.loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Takes up the work of an earlier process, then runs by itself. Raises StoppedWhileStarting."""
        await persistently(self._claims.start)
        waits = await persistently(lambda: self._ports.store.read(_what_waits))
        self._ports.context.border.current.on_update(self._note_state)
        self._ports.store.subscribe(MoveEnded, self._note_state)
        self._state_changed.set()
        self.loops = [self._once_settled(each) for each in (self._timers, self._release_held, self._billing.run)]
        if self._ports.provider is not None:
            worker = _worker(self._ports, self._ports.provider)
            self.deliveries.append(worker.deliveries)
            self.loops.append(self._once_settled(worker.run))
        elif waits.is_to_be_provisioned:
            _log.error("orders wait for a system of the region's own, and the settings name none: providers.fulfilment")
        if self._ports.notifier is not None:
            delivery = NoticeDelivery(self._ports.context, self._ports.store, self._ports.clock, self._ports.notifier)
            self.deliveries.append(delivery.deliveries)
            self.loops.append(self._once_settled(delivery.run))
        for name in waits.sinks:
            if name not in self._ports.sinks:
                _log.error("escalations wait for the sink %s, and the settings name none: escalations.%s", name, name)
        self.loops.extend(self._once_settled(notifier.run) for notifier in self.notifiers)
        if self._ports.store.is_shared:
            self.loops.append(asyncio.create_task(self._claims.run()))

    async def take_up_again(self) -> None:
        """Takes up what the database has again after a loss. Raises Refused where the store does not respond."""
        await self._claims.start()

    def _once_settled(self, loop: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        """Begins a loop that sets instants in the database as soon as the time of day is agreed on.

        From then on it never steps: a node that starts by a wrong clock sets nothing for years ahead.
        """

        async def begin() -> None:
            await self._ports.context.border.clock.settled()
            await loop()

        return asyncio.create_task(begin())

    async def _timers(self) -> None:
        ensures = (
            ensure_reminders,
            ensure_purge,
            ensure_forgotten,
            ensure_statements,
            ensure_conformance,
            ensure_reconciliation,
            ensure_settlement_months,
            ensure_surveys,
        )
        for ensure in ensures:
            await persistently(partial(self._ensure, ensure))
        await self.scheduler.run()

    async def _ensure(self, ensure: Callable[[Transaction, datetime], None]) -> None:
        await self._ports.store.write(lambda tx: ensure(tx, self._ports.clock.now()))

    async def stop(self) -> None:
        """Stops lanes, questions and scheduler. Unfinished work is durable and continues in the next process."""
        await self.lanes.close()
        await self._ports.asker.close()
        for task in self.loops:
            task.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)
        await self._claims.stop()

    def _note_state(self, _: FederationState | MoveEnded) -> None:
        self._state_changed.set()

    async def _release_held(self) -> None:
        """Checks held orders again at the start, after a region may have joined, a new number plan, or a move."""
        while True:
            await self._state_changed.wait()
            self._state_changed.clear()
            if self._ports.context.border.current.revision:
                try:
                    await self.application.release_held()
                except Refused as refused:
                    _log.warning("held orders are looked at again soon: %s", refused)
                    await asyncio.sleep(HELD_AGAIN)
                    self._state_changed.set()


@dataclass(frozen=True)
class _Waiting:
    """The calls to the region's own systems left by an earlier process."""

    is_to_be_provisioned: bool
    sinks: Sequence[str]


def _what_waits(tx: Transaction) -> _Waiting:
    return _Waiting(next_due(tx) is not None, waiting_sinks(tx))


def _worker(ports: CorePorts, provider: FulfilmentProvider) -> FulfilmentWorker:
    orders, node = ports.orders, ports.orders.node
    kinds = {
        "envelope": Provisioned(
            lambda tx, task, now: provisioning_answers.ask(tx, orders, task, now),
            lambda tx, asked, answer, now: provisioning_answers.answered(tx, orders, asked, answer, now),
            lambda tx, asked, problem, wait, now: provisioning_answers.unanswered(
                tx, orders, asked, problem, wait, now
            ),
        ),
        "joint": Provisioned(
            lambda tx, task, now: provisioning.ask(tx, node, task, now),
            lambda tx, asked, answer, now: working.answered(tx, node, asked, answer, now),
            lambda tx, asked, told, wait, now: working.unanswered(tx, node, asked, told, wait, now),
        ),
    }
    number = node.border.number
    return FulfilmentWorker(WorkerPorts(number, kinds, ports.store, ports.clock, provider, ports.source, ports.tracing))


def _kinds(
    registry: Registry,
    orders: OrderContext,
    verification: VerificationApplication,
    contents: ContentApplication,
    attachments: AttachmentApplication,
    store: Store,
) -> Kinds:
    """The handlers of each kind of envelope."""
    context = orders.node
    return {
        **OrderEnvelopes(orders).kinds(),
        **JointEnvelopes(context).kinds(),
        **BillingEnvelopes(context).kinds(),
        **ProfileEnvelopes(context).kinds(),
        **ContactEnvelopes(context).kinds(),
        **VerificationEnvelopes(verification).kinds(),
        **ErasureEnvelopes(registry).kinds(),
        **CustomerStatusEnvelopes(registry).kinds(),
        **HoldEnvelopes(registry).kinds(),
        **SharingEnvelopes(context).kinds(),
        **DocumentEnvelopes(context, contents).kinds(),
        **WitnessEnvelopes(context.border).kinds(),
        **ComplaintEnvelopes(context, attachments).kinds(),
        **OutageEnvelopes(context).kinds(),
        **FaultEnvelopes(context).kinds(),
        **SupportEnvelopes(context).kinds(),
        **IssueEnvelopes(context).kinds(),
        **LoanEnvelopes(context).kinds(),
        **BulletinEnvelopes(context).kinds(),
        **JoiningEnvelopes(context).kinds(),
        **ReconciliationEnvelopes(registered.reconciliation(context)).kinds(),
        **SettlementEnvelopes(registered.settlement(context)).kinds(),
        **SurveyEnvelopes(context).kinds(),
        **MoveEnvelopes(context).kinds(),
        **FormerBillEnvelopes(context).kinds(),
        **MovedFaultEnvelopes(context).kinds(),
        **HandOverEnvelopes(context).kinds(),
        **CatchUpEnvelopes(store).kinds(),
    }


def _verification_ports(ports: CorePorts) -> VerificationPorts:
    return VerificationPorts(
        ports.context,
        ports.store,
        ports.clock,
        ports.workers,
        ports.secret_source,
        ports.notifier,
        ports.password_cost,
    )


def _timer_handlers(registry: Registry, orders: OrderContext) -> Mapping[str, TimerHandler]:
    context = orders.node
    reconciliation, settlement = registered.reconciliation(context), registered.settlement(context)
    return {
        **{kind.ended_timer: partial(_ended, registry, kind) for kind in registry.kinds},
        steps.STEP_TIMER: lambda tx, timer, now: home.step_is_due(tx, orders, timer, now),
        steps.ANSWER_TIMER: lambda tx, timer, now: home.answer_is_overdue(tx, orders, timer, now),
        intake.HELD_TIMER: lambda tx, timer, now: intake.hold_is_over(tx, orders, timer, now),
        PROMISES.kind: lambda tx, timer, now: promises.promise_is_due(tx, orders, timer, now),
        ORDER_TIMER: lambda tx, timer, now: order_is_due(tx, context, timer, now),
        LIMIT_TIMER: lambda tx, timer, now: limit_is_near(tx, context, timer, now),
        OVERDUE_TIMER: lambda tx, timer, now: limit_is_overdue(tx, context, timer, now),
        RESERVATION_TIMER: lambda tx, timer, now: working.reservation_is_due(tx, context, timer, now),
        VERIFY_TIMER: lambda tx, timer, now: working.verify_is_due(tx, context, timer, now),
        REMEDY_TIMER: lambda tx, timer, now: remedy_orders.order_is_due(tx, orders, timer, now),
        FOLLOW_TIMER: lambda tx, timer, now: remedy_orders.order_changed(tx, context, timer, now),
        ESCALATION_TIMER: lambda tx, timer, now: escalation_is_due(tx, context, timer, now),
        REPAIR_TIMER: lambda tx, timer, now: limit_has_passed(tx, context, timer, now),
        ISSUE_TIMER: lambda tx, timer, now: due_time_has_passed(tx, context, timer, now),
        BULLETIN_TIMER: lambda tx, timer, now: reminding.time_has_passed(tx, context, timer, now),
        ANSWER_TIMER: lambda tx, timer, now: answer_is_due(tx, settlement, timer, now),
        PAYMENT_TIMER: lambda tx, timer, now: payment_is_due(tx, settlement, timer, now),
        MONTH_TIMER: lambda tx, timer, now: month_has_ended(tx, settlement, timer, now),
        QUARANTINE_TIMER: lambda tx, timer, now: decision_is_due(tx, context, timer, now),
        LOAN_TIMER: lambda tx, timer, now: time_has_passed(tx, context, timer, now),
        ERASURE_TIMER: lambda tx, timer, now: erasure_is_due(tx, registry, timer, now),
        NUMBER_TIMER: lambda tx, timer, now: number_is_due(tx, registry, timer, now),
        INDEX_TIMER: lambda tx, timer, now: indexes_are_due(tx, registry, timer.subject, now),
        STATUS_TIMER: lambda tx, timer, now: status_is_due(tx, registry, timer, now),
        FORGET_TIMER: lambda tx, timer, now: forget_envelopes(tx, registry, timer, now),
        SUSPENSION_TIMER: suspension_has_ended,
        CONFIRMATION_TIMER: confirmation_is_overdue,
        UPLOAD_TIMER: abandon,
        SEALING_TIMER: sealing_is_due,
        PROBLEM_TIMER: lambda tx, timer, now: tell_customers(tx, context, timer, now),
        REMINDER_TIMER: lambda tx, timer, now: remind(tx, context.border, timer, now),
        PURGE_TIMER: lambda tx, timer, now: purge(tx, registry, timer, now),
        STATEMENT_TIMER: lambda tx, timer, now: statements_are_due(tx, context, timer, now),
        PLANNED_TIMER: lambda tx, timer, now: planned_is_told(tx, context, timer, now),
        CONFORMANCE_TIMER: lambda tx, timer, now: conformance_is_due(tx, context, timer, now),
        SURVEY_TIMER: lambda tx, timer, now: surveys_are_due(tx, context, now),
        FOLLOW_UP_TIMER: lambda tx, timer, now: follow_up_is_overdue(tx, context, timer, now),
        CAMPAIGN_TIMER: lambda tx, timer, now: campaign_is_due(tx, context, timer, now),
        CORRECTION_TIMER: lambda tx, timer, now: correction_is_due(tx, context, timer, now),
        NIGHT_TIMER: lambda tx, timer, now: night_is_due(tx, reconciliation, timer, now),
        DUTY_LIMIT.timer: lambda tx, timer, now: readings_are_many(tx, context, DUTY_LIMIT, timer, now),
        BILL_LIMIT.timer: lambda tx, timer, now: readings_are_many(tx, context, BILL_LIMIT, timer, now),
        DAY_TIMER: lambda tx, timer, now: day_is_due(tx, reconciliation, timer, now),
    }


def _ended(registry: Registry, kind: RecordKind, tx: Transaction, timer: Timer, now: datetime) -> None:
    record_has_ended(tx, registry, kind, timer, now)
