"""Statements of ended months, and their credits: computed by a timer, page by page, each posted once.

The timer holds the place of the run, and is set in the transaction of the page. After a kill, another process
continues. A late report about a month leads to another revision, which posts the difference.
"""

from datetime import datetime, timedelta

from gateway.api.region.v1.agreement_pb2 import Agreement, AgreementStatement, OutageCause, StatementLine
from gateway.api.region.v1.agreement_pb2 import StatementLineKind as Kind
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.types_pb2 import LocalizedText, Money
from gateway.errors import Refused
from gateway.process import failpoints
from gateway.store.port import Transaction
from gateway.store.timers import Timer, set_timer
from gateway.time.clock import from_microseconds, from_timestamp, to_microseconds, to_timestamp
from gateway.values.money import in_major_units
from region_node.business.billing.rules import Month
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import COMPENSATION, EntryKind, Posting, transfer
from region_node.customers.notices.rows import Notice, tell
from region_node.customers.operations import credited_account
from region_node.customers.rows import Line, line_of
from region_node.customers.states import states_of
from region_node.customers.status import MOVED, status_of
from region_node.network.agreements import rules
from region_node.network.agreements.conformance import measured_of
from region_node.network.agreements.monthly import RETRY, come_back, ensure_monthly, has_passed, place_of
from region_node.network.agreements.outages import CORRECTION_TIMER, outages_of, waivers_of
from region_node.network.agreements.part_outages import together_outages_of
from region_node.network.agreements.regional import claim_credit
from region_node.network.agreements.rows import (
    find_statement,
    insert_statement,
    keep_ends,
    on_service_after,
    running_after,
)
from region_node.network.agreements.spans import Span
from region_node.node.context import RegionContext

STATEMENT_TIMER = "agreement-statements"
SETTLES = timedelta(hours=1)  # after a month's end: reports in transit have arrived by then
PAGE = 25  # agreements in one transaction, for which everything else of the region waits
_BREATH = timedelta(milliseconds=20)  # between two pages, for everything else that the store has to do


def ensure_statements(tx: Transaction, now: datetime) -> None:
    """Sets the timer if it is missing: the first month is the current one."""
    ensure_monthly(tx, STATEMENT_TIMER, now)


def statements_are_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Does one page of the ended month and returns for the next.

    The subject of the timer is the month and the last agreement, or the time of the first request. The month of that
    time is known once there is a configuration.
    """
    try:
        zone = context.time_zone
    except Refused:  # no configuration yet
        come_back(tx, STATEMENT_TIMER, timer.subject, now + RETRY)
        return
    month, after = place_of(timer.subject, zone)
    if now < month.end + SETTLES:
        come_back(tx, STATEMENT_TIMER, f"{month.name} {after}", month.end + SETTLES)
        return
    page = running_after(tx, month.start, month.end, after, PAGE)
    keep_ends(tx, page)
    for each in page:
        if each.agreement is not None:
            settle(tx, context, each.agreement, month, now)
    failpoints.reach("statements.before-commit")
    if page:
        come_back(tx, STATEMENT_TIMER, f"{month.name} {page[-1].agreement_id}", now + _BREATH)
    else:
        come_back(tx, STATEMENT_TIMER, f"{month.next().name} ", now)


def correction_is_due(tx: Transaction, context: RegionContext, timer: Timer, now: datetime) -> None:
    """Computes existing statements of a service and month again, page by page; missing ones follow by themselves."""
    service, name, after = timer.subject.split(" ", 2)
    month = Month.of(name, context.time_zone)
    page = on_service_after(tx, service, after, PAGE)
    for each in page:
        if each.agreement is not None and find_statement(tx, each.agreement, name) is not None:
            settle(tx, context, each.agreement, month, now)
    failpoints.reach("correction.before-commit")
    if len(page) == PAGE:
        subject = f"{service} {name} {page[-1].agreement_id}"
        set_timer(tx, timer.timer_id, kind=CORRECTION_TIMER, subject=subject, due=now + _BREATH)


def settle_passed(
    tx: Transaction, context: RegionContext, agreement: Agreement, moment: datetime, now: datetime
) -> None:
    """Computes the months that the run has passed, from that of a moment on: the run does the later ones.

    The moment is that of a move, of which this region hears later.
    """
    month = Month.at(moment, context.time_zone)
    while has_passed(tx, STATEMENT_TIMER, month, agreement.id):
        settle(tx, context, agreement, month, now)
        month = month.next()


def settle(tx: Transaction, context: RegionContext, agreement: Agreement, month: Month, now: datetime) -> bool:
    """Computes a month, and posts the difference to earlier postings. Returns False without a change.

    A line in service of a customer who has moved came back with an older database: the new home states its months.
    """
    line = line_of(tx, agreement.product_id)
    if line is None or (not line.is_closed and status_of(tx, agreement.customer_id) == MOVED):
        return False
    before = find_statement(tx, agreement, month.name)
    statement = _computed(tx, context, agreement, line, month)
    if not statement.period_us if before is None else _same(before, statement):
        return False
    currency = agreement.monthly_charge.currency
    posted = before.credit.minor_units if before is not None else 0
    statement.revision = before.revision + 1 if before is not None else 1
    statement.create_time.CopyFrom(to_timestamp(now))
    difference = statement.credit.minor_units - posted
    if before is not None:
        _add_amount(statement, Kind.STATEMENT_LINE_KIND_POSTED, -posted, currency)
        _add_amount(statement, Kind.STATEMENT_LINE_KIND_POSTING, difference, currency)
    statement.posted.CopyFrom(Money(minor_units=difference, currency=currency))
    if difference:
        posting = _posting(statement, line, difference)
        statement.posting_id = posting.posting_id
        ledger.post(tx, posting, currency, now)
        if line.number:  # a line whose customer has moved to another home has none, and nobody to tell
            tell(tx, _credited(statement, line, difference), now)
    insert_statement(tx, agreement.customer_id, statement, now)
    claim_credit(tx, context, agreement, statement)
    return True


def _computed(
    tx: Transaction, context: RegionContext, agreement: Agreement, line: Line, month: Month
) -> AgreementStatement:
    """The calculation; of no time and no credit for a month in which the agreement did not run."""
    whole = Span(to_microseconds(month.start), to_microseconds(month.end))
    term = _term(tx, agreement, line).within(whole)
    if not term.length:
        term = Span(whole.start, whole.start)
    hours = context.federation.figure(rules.NOTICE_POLICY, (context.region, context.region))
    outages = [
        *outages_of(tx, agreement.service, agreement.id, term),
        *together_outages_of(tx, context.federation.network, agreement.service, term),
        *waivers_of(tx, agreement.product_id, term),
        *_suspensions(tx, line, term),
    ]
    charge, currency = agreement.monthly_charge.minor_units, agreement.monthly_charge.currency
    measured = measured_of(tx, agreement.service, month.name)
    situation = rules.Situation(agreement.terms, whole, term, charge, timedelta(hours=hours), outages, measured)
    result = rules.compute(situation)
    return AgreementStatement(
        agreement_id=agreement.id,
        month=month.name,
        lines=[_line(each, currency) for each in result.lines],
        period_us=result.period,
        downtime_us=result.downtime,
        availability_ppm=rules.availability_ppm(result.downtime, result.period),
        credit=Money(minor_units=result.credit, currency=currency),
        measured_windows=measured.windows,
        kept_windows=measured.kept,
    )


def _term(tx: Transaction, agreement: Agreement, line: Line) -> Span:
    """The span of an agreement: until its end, or the closure of its line."""
    start = to_microseconds(from_timestamp(agreement.start_time))
    ends = [to_microseconds(from_timestamp(agreement.end_time))] if agreement.HasField("end_time") else []
    last = states_of(tx, line)[-1]
    if last.status == ProductStatus.PRODUCT_STATUS_TERMINATED:
        ends.append(to_microseconds(last.time))
    return Span(start, min(ends, default=_FOR_EVER))


_FOR_EVER = 2**62  # microseconds


def _suspensions(tx: Transaction, line: Line, term: Span) -> list[rules.Outage]:
    """The suspensions of the line, by the customer or for arrears: nobody could have used it."""
    states = states_of(tx, line)
    ends = [to_microseconds(each.time) for each in states[1:]] + [term.end]
    return [
        rules.Outage("", Span(to_microseconds(each.time), end), OutageCause.OUTAGE_CAUSE_CUSTOMER)
        for each, end in zip(states, ends, strict=True)
        if each.status == ProductStatus.PRODUCT_STATUS_SUSPENDED
    ]


def _same(before: AgreementStatement, after: AgreementStatement) -> bool:
    """Whether two calculations have the same result, lines and measurements."""
    added = (Kind.STATEMENT_LINE_KIND_POSTED, Kind.STATEMENT_LINE_KIND_POSTING)
    if (before.measured_windows, before.kept_windows) != (after.measured_windows, after.kept_windows):
        return False
    return [each for each in before.lines if each.kind not in added] == list(after.lines)


def _posting(statement: AgreementStatement, line: Line, difference: int) -> Posting:
    """The posting of a credit. The credit of a closed line is owed to the customer instead of set off."""
    is_first = statement.revision == 1
    part = "credit" if is_first else f"correction-{statement.revision}"
    posting_id = f"{statement.agreement_id}/{statement.month}#{part}"
    kind = EntryKind.SERVICE_CREDIT if is_first else EntryKind.SERVICE_CREDIT_CORRECTION
    account = credited_account(line)
    if difference > 0:
        return transfer(posting_id, kind, difference, debit=COMPENSATION, credit=account)
    return transfer(posting_id, kind, -difference, debit=account, credit=COMPENSATION)


def _credited(statement: AgreementStatement, line: Line, difference: int) -> Notice:
    """The notice of a credit, or of its correction."""
    amount = in_major_units(difference, statement.posted.currency)
    month = statement.month
    text = (
        LocalizedText(
            zh_cn=f"根据服务等级协议，{month}的服务可用率未达承诺，已向您的账户赔付{amount}。",
            en=f"In {month} the service fell short of your agreement: {amount} were credited to your account.",
        )
        if statement.revision == 1
        else LocalizedText(
            zh_cn=f"您{month}的服务等级赔付已重新核算，差额为{amount}。",
            en=f"The credit under your agreement for {month} was computed again; the difference is {amount}.",
        )
    )
    notice_id = f"statement/{statement.agreement_id}/{month}/{statement.revision}"
    return Notice(notice_id, "service-credit", line.number, text)


def _line(line: rules.Line, currency: str) -> StatementLine:
    told = StatementLine(kind=line.kind, time_us=line.time, percent=line.percent, source=line.source)
    if line.span is not None:
        told.start_time.CopyFrom(to_timestamp(from_microseconds(line.span.start)))
        told.end_time.CopyFrom(to_timestamp(from_microseconds(line.span.end)))
    if line.kind in _OF_MONEY:
        told.amount.CopyFrom(Money(minor_units=line.amount, currency=currency))
    return told


_OF_MONEY = frozenset(
    {
        Kind.STATEMENT_LINE_KIND_CHARGE,
        Kind.STATEMENT_LINE_KIND_AVAILABILITY,
        Kind.STATEMENT_LINE_KIND_QUALITY,
        Kind.STATEMENT_LINE_KIND_CAP,
        Kind.STATEMENT_LINE_KIND_CREDIT,
    }
)


def _add_amount(statement: AgreementStatement, kind: Kind.ValueType, amount: int, currency: str) -> None:
    statement.lines.add(kind=kind, amount=Money(minor_units=amount, currency=currency))
