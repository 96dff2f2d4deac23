"""The statement of a month with another region: computed by each, signed by the first one, then by the second.

A signed statement never changes. The statement of a later month has what came, or was corrected, since.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1.settlement_pb2 import (
    SettlementSignature,
    SettlementState,
    SettlementStatement,
    SettlementTerms,
)
from gateway.api.region.v1.settlement_service_pb2 import DisputeSettlementRequest, SignSettlementRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.relay.envelopes import OutgoingEnvelope
from gateway.relay.outbox import send
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds, to_timestamp
from gateway.time.months import is_month, month_before, months_between
from gateway.values.names import snake_case
from region_node.business.reconciliation import days
from region_node.business.reconciliation.rows import months_closed_since, open_serials
from region_node.business.settlement import rules
from region_node.business.settlement.booking import keep
from region_node.business.settlement.port import Dispute, Settlement
from region_node.business.settlement.proofs import SUBJECTS, note_signature
from region_node.business.settlement.rows import find_statement, is_any_pending, statements_with
from region_node.requests.caller import Caller

NOTE_LIMIT = 1000  # characters
STATEMENTS = "settlement"
"""The word behind the first region in the id of a statement."""
PROPOSED = SettlementState.SETTLEMENT_STATE_PROPOSED
SIGNED = SettlementState.SETTLEMENT_STATE_SIGNED
DISPUTED = SettlementState.SETTLEMENT_STATE_DISPUTED
CONTESTED = SettlementState.SETTLEMENT_STATE_CONTESTED
_CORRECTED_MONTHS = 3  # before that of a statement
_OLDEST_MONTHS = 24  # before it, of what no statement could charge; shorter than the rules keep completed orders
_LIFETIME = timedelta(days=3650)  # the message waits however long the other region was away


def statement_id(terms: SettlementTerms) -> str:
    """The id of a statement, and the subject of its envelopes behind `SUBJECTS`."""
    return f"{terms.first_region}/{STATEMENTS}/{terms.second_region}/{terms.month}"


def other_region(settlement: Settlement, terms: SettlementTerms) -> str:
    """The region with which this one settles."""
    return terms.second_region if terms.first_region == settlement.node.region else terms.first_region


def oldest_month(month: str) -> str:
    """The oldest month of records that the statement of a month corrects."""
    return month_before(month, _CORRECTED_MONTHS)


def signed_since(tx: Transaction, region: str, month: str) -> list[SettlementStatement]:
    """The statements of a month and later ones that both have signed, in order."""
    return [each for each in statements_with(tx, region, month) if each.state == SIGNED]


def counted_since(terms: SettlementTerms) -> str:
    """The oldest month on whose statements some terms count: both regions say the same."""
    return min(_usual_months(terms.month) | _months_of(terms))


def computed(
    tx: Transaction, settlement: Settlement, region: str, month: str, told: SettlementTerms | None = None
) -> SettlementTerms:
    """The terms by the records of this region. Records with an open difference are left to a later month.

    Beside the usual months they have older ones that no statement could charge in full: those of a difference since
    closed, and those without a statement. The terms in `told`, of the other region, say the latter.
    """
    months = _usual_months(month) | _late_months(tx, settlement, region, month)
    months |= _unsigned_months(tx, settlement, region, month) if told is None else _months_of(told)
    return _of_months(tx, settlement, region, month, months)


def _recomputed(tx: Transaction, settlement: Settlement, region: str, told: SettlementTerms) -> SettlementTerms:
    """The terms of a statement that both have signed, by the records of this region of just its months."""
    return _of_months(tx, settlement, region, told.month, _usual_months(told.month) | _months_of(told))


def _usual_months(month: str) -> set[str]:
    return set(months_between(oldest_month(month), month))


def _months_of(terms: SettlementTerms) -> set[str]:
    """The months of the lines, of those which a statement may have."""
    oldest = month_before(terms.month, _OLDEST_MONTHS)
    return {each.of_month for each in terms.lines if is_month(each.of_month) and oldest <= each.of_month <= terms.month}


def _late_months(tx: Transaction, settlement: Settlement, region: str, month: str) -> set[str]:
    since = days.wanted_month(settlement.node, region, oldest_month(month)).start
    oldest = _oldest_kept(settlement, month)
    return {each for each in months_closed_since(tx, region, since) if oldest <= each <= month}


def _unsigned_months(tx: Transaction, settlement: Settlement, region: str, month: str) -> set[str]:
    """The months since the last signed statement, and those that the one behind it would have looked at."""
    oldest = _oldest_kept(settlement, month)
    signed = [each.terms.month for each in signed_since(tx, region, oldest) if each.terms.month < month]
    return set(months_between(max(oldest, oldest_month(month_before(signed[-1], -1))) if signed else oldest, month))


def _oldest_kept(settlement: Settlement, month: str) -> str:
    """The oldest month of which all completed orders are kept, and that a statement may have."""
    rule = settlement.node.federation.retention_rule(DataClass.DATA_CLASS_ORDERS)
    kept = _OLDEST_MONTHS if rule is None else (rule.months or rule.days // 31) - _CORRECTED_MONTHS
    return month_before(month, max(_CORRECTED_MONTHS, min(_OLDEST_MONTHS, kept)))


def _of_months(
    tx: Transaction, settlement: Settlement, region: str, month: str, months: Collection[str]
) -> SettlementTerms:
    node = settlement.node
    first, second = sorted((node.region, region))
    without = open_serials(tx, region)
    currency = node.federation.region(first).currency
    now: dict[rules.Key, rules.Tally] = {}
    for of_month in months:
        wanted = days.wanted_month(node, region, of_month)
        for kind in settlement.kinds:
            line = rules.Key(kind.name, of_month, currency)
            now |= rules.tallied(kind.charges(tx, wanted), line, first, without)
    signed = (
        each_line
        for each in signed_since(tx, region, min(months))
        if each.terms.month < month
        for each_line in each.terms.lines
        if each_line.of_month in months
    )
    lines = rules.lines(now, signed, {each.name for each in settlement.kinds})
    return SettlementTerms(first_region=first, second_region=second, month=month, lines=lines, net=rules.net(lines))


def sign(
    tx: Transaction, settlement: Settlement, caller: Caller, asked: SignSettlementRequest, now: datetime
) -> SettlementStatement:
    """Signs a month that has ended: the first region as a proposal, the second one under it.

    Raises Refused with SETTLEMENT_STATE_FORBIDS for a month that has not ended, and one before or beside another one;
    with SETTLEMENT_DIFFERS for the other region's terms unless the difference is accepted; in the second region with
    SETTLEMENT_NOT_FOUND.
    """
    region, month = asked.region, asked.month
    if not has_ended(settlement, region, month, now):
        raise _forbidden(month, "the month has not ended", "该月尚未结束")
    is_first = settlement.node.region < region
    known = find_statement(tx, region, month) if is_first else _require_proposed(tx, region, month)
    if known is None or (is_first and known.state != CONTESTED):
        return _propose(tx, settlement, caller, known, computed(tx, settlement, region, month), now)
    if is_first:
        terms = _recomputed(tx, settlement, region, known.terms)
    else:
        terms = computed(tx, settlement, region, month, known.terms)
    differing = rules.differing_line(terms, known.terms)
    if differing is not None and not asked.accepts_difference:
        raise Refused(Reason.REASON_SETTLEMENT_DIFFERS, line=_line_name(differing), month=month)
    if not is_first:
        return _decide(tx, settlement, caller, known, SIGNED, now)
    known.state = SIGNED
    keep(tx, settlement, region, known, now)
    return known


def has_ended(settlement: Settlement, region: str, month: str, now: datetime) -> bool:
    """Whether all business days of a month with another region have ended."""
    return f"{days.today(settlement.node, region, now)}"[:7] > month


def dispute(
    tx: Transaction, settlement: Settlement, caller: Caller, asked: DisputeSettlementRequest, now: datetime
) -> SettlementStatement:
    """Disputes a line of the other region's terms, and opens an issue that the other region owns.

    Raises Refused with SETTLEMENT_NOT_FOUND, REQUEST_INVALID for a line of neither region, and as the issue.
    """
    statement = find_statement(tx, asked.region, asked.month)
    if statement is None or statement.state != CONTESTED:
        statement = _require_proposed(tx, asked.region, asked.month)
    ours = computed(tx, settlement, asked.region, asked.month, statement.terms)
    known = {(each.charge_kind, each.of_month) for terms in (ours, statement.terms) for each in terms.lines}
    if (asked.charge_kind, asked.of_month) not in known:
        raise invalid("charge_kind", "no such line in either statement", "双方结算单均无此行")
    line = f"{asked.charge_kind} {asked.of_month}"
    disputed = Dispute(statement.id, asked.region, line, asked.note)
    statement.issue_id = settlement.open_issue(tx, settlement.node, caller, disputed, now)
    if statement.state == CONTESTED:
        keep(tx, settlement, asked.region, statement, now)
        return statement
    return _decide(tx, settlement, caller, statement, DISPUTED, now)


def learn(
    tx: Transaction, settlement: Settlement, region: str, told: Iterable[SettlementStatement], now: datetime
) -> None:
    """The first region, restored from a backup, learns of statements that both have signed, in the order of months.

    A statement by which its own records agree to the cent is signed again. Another one is contested, until staff accept
    or dispute it: later ones count on it.
    """
    for each in sorted(told, key=lambda statement: statement.terms.month):
        month = each.terms.month
        known = find_statement(tx, region, month)
        is_new = known is None or known.state != SIGNED
        if not is_new or not has_ended(settlement, region, month, now):
            continue
        is_own = known is not None and known.terms == each.terms
        is_same = is_own or rules.differing_line(_recomputed(tx, settlement, region, each.terms), each.terms) is None
        each.state = SIGNED if is_same else CONTESTED
        keep(tx, settlement, region, each, now)
        if not is_same:
            return


def _propose(
    tx: Transaction,
    settlement: Settlement,
    caller: Caller,
    known: SettlementStatement | None,
    terms: SettlementTerms,
    now: datetime,
) -> SettlementStatement:
    region, month = terms.second_region, terms.month
    if known is not None and known.state != DISPUTED:
        _tell(tx, settlement, caller, _as_proposed(known), EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_PROPOSED, now)
        return known
    later = statements_with(tx, region, month)
    is_later_signed = any(each.terms.month > month and each.state == SIGNED for each in later)
    if is_later_signed or is_any_pending(tx, region):
        raise _forbidden(
            month,
            "a later month is signed, or another month waits for a signature",
            "后续月份已签署，或另一月份尚待签署",
        )
    terms.version = known.terms.version + 1 if known is not None else 1
    statement = SettlementStatement(
        id=statement_id(terms),
        terms=terms,
        state=PROPOSED,
        proposer=f"{terms.first_region}/{caller.identity.name}",
        propose_time=to_timestamp(now),
    )
    keep(tx, settlement, region, statement, now)
    _tell(tx, settlement, caller, statement, EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_PROPOSED, now)
    return statement


def _as_proposed(statement: SettlementStatement) -> SettlementStatement:
    """The statement as the first region proposed it."""
    return SettlementStatement(
        id=statement.id,
        terms=statement.terms,
        state=PROPOSED,
        proposer=statement.proposer,
        propose_time=statement.propose_time,
    )


def _decide(
    tx: Transaction,
    settlement: Settlement,
    caller: Caller,
    statement: SettlementStatement,
    state: SettlementState.ValueType,
    now: datetime,
) -> SettlementStatement:
    statement.state = state
    statement.decider = f"{settlement.node.region}/{caller.identity.name}"
    statement.decide_time.CopyFrom(to_timestamp(now))
    keep(tx, settlement, statement.terms.first_region, statement, now)
    _tell(tx, settlement, caller, statement, EnvelopeKind.ENVELOPE_KIND_SETTLEMENT_DECIDED, now)
    return statement


def _require_proposed(tx: Transaction, region: str, month: str) -> SettlementStatement:
    found = find_statement(tx, region, month)
    if found is None or found.state != PROPOSED:
        raise Refused(Reason.REASON_SETTLEMENT_NOT_FOUND, region=region, month=month)
    return found


def _line_name(key: rules.Key) -> str:
    return f"{key.charge_kind} {key.of_month}"


def _forbidden(month: str, state: str, state_zh_cn: str) -> Refused:
    return Refused(Reason.REASON_SETTLEMENT_STATE_FORBIDS, month=month, state=state, state_zh_cn=state_zh_cn)


def _tell(
    tx: Transaction,
    settlement: Settlement,
    caller: Caller,
    statement: SettlementStatement,
    kind: EnvelopeKind.ValueType,
    now: datetime,
) -> None:
    """Sends a signature. The envelope is the evidence: a third party checks it as any other one.

    Its id has the request and the time: a region restored from a backup may sign a version once more.
    """
    region = other_region(settlement, statement.terms)
    state = snake_case(SettlementState.DESCRIPTOR, statement.state)
    months = [each.terms.month for each in signed_since(tx, region, counted_since(statement.terms))]
    signature = SettlementSignature(statement=statement, signed_months=months if state == "proposed" else ())
    outgoing = OutgoingEnvelope(
        envelope_id=f"{statement.id}@{statement.terms.version}/{to_microseconds(now)}.{caller.request_id}#{state}>{region}",
        destination=region,
        kind=kind,
        payload=signature.SerializeToString(),
        subject=f"{SUBJECTS}{statement.id}",
        operator="",
        lifetime=_LIFETIME,
    )
    send(tx, settlement.node.border, outgoing, now=now, traceparent="")
    note_signature(tx, settlement.node, region, statement.terms.month, settlement.node.region, outgoing.envelope_id)
