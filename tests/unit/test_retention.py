"""The retention of data: the rules of the configuration, and the work of the purge."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Configuration, DataClass, RetentionRule, RetentionStart
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.auditing import audit
from gateway.federation.catalogue import Federation
from gateway.federation.rules import problems
from gateway.federation.witnesses import witnesses_of
from gateway.time.clock import to_microseconds
from region_node.business.orders.completed import DAYS_COUNTED, times_taken
from region_node.customers.documents.files import REGISTERED, StoredFile, insert_file
from region_node.customers.rows import insert_line
from region_node.lifecycle.holds import operations as holds
from region_node.lifecycle.retention.classes import purgers
from region_node.records.purging.rules import cutoff, next_purge
from region_node.requests.auditing import AuditedCall
from tests.shipped import shipped_configuration
from tests.unit.purging import LONG_AGO, NOW, Archive, archive
from tests.unit.situations import LINE

SHIPPED = shipped_configuration()
CHINA = ZoneInfo("Asia/Shanghai")
COMPLETED = OrderState.ORDER_STATE_COMPLETED
IN_PROGRESS = OrderState.ORDER_STATE_IN_PROGRESS
TOMORROW = NOW + timedelta(days=1)
instants = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
regions = st.sets(st.text("abcdefgh", min_size=1, max_size=4), min_size=1, max_size=12)


@pytest.fixture(name="kept")
def an_archive() -> Iterator[Archive]:
    with archive() as found:
        found.night(NOW)  # the timer finds when the night begins
        yield found


@given(instants, st.integers(1, 600))
def test_months_are_those_of_the_calendar_and_never_longer_than_said(now: datetime, months: int) -> None:
    rule = RetentionRule(months=months)
    before = cutoff(rule, now, CHINA)
    local, then = now.astimezone(CHINA), before.astimezone(CHINA)
    assert (local.year * 12 + local.month) - (then.year * 12 + then.month) == months
    assert then.day == local.day or then.day < local.day <= 31
    assert cutoff(RetentionRule(months=months + 1), now, CHINA) < before < now


@given(instants, st.integers(1, 3650))
def test_days_are_twenty_four_hours(now: datetime, days: int) -> None:
    assert now - cutoff(RetentionRule(days=days), now, CHINA) == timedelta(days=days)


@given(instants)
def test_the_purge_begins_at_two_in_the_regions_night_and_always_later(now: datetime) -> None:
    due = next_purge(now, CHINA)
    assert (due.astimezone(CHINA).hour, due.astimezone(CHINA).minute) == (2, 0)
    assert timedelta(0) < due - now <= timedelta(days=1)


@given(regions, st.text("abcdefgh", min_size=1, max_size=4))
def test_witnesses_stay_unless_they_themselves_go(others: set[str], region: str) -> None:
    before = witnesses_of(region, others)
    assert len(before) == min(2, len(others - {region}))
    assert region not in before
    for gone in others:
        after = witnesses_of(region, others - {gone})
        assert gone in before or after == before
        assert set(before) - {gone} <= set(after)


Break = Callable[[dict[int, RetentionRule], Configuration], object]


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (lambda rules, _: setattr(rules[1], "months", 5), "AUDIT_TRAIL].months: less than 6 months"),
        (lambda rules, _: setattr(rules[2], "months", 35), "DISCLOSURES].months: less than 36 months"),
        (lambda rules, _: setattr(rules[13], "days", 1000), "IMPACT_RECORDS].days: less than 36 months"),
        (lambda rules, _: setattr(rules[4], "days", 3), "ENVELOPES].days: less than 1 months"),
        (lambda rules, _: setattr(rules[6], "months", 0), "NOTICES].months: must be 1 to"),
        (lambda rules, _: rules[6].ClearField("months"), "NOTICES].None: must be 1 to"),
        (lambda rules, _: rules[6].ClearField("start"), "NOTICES].start: is missing"),
        (lambda rules, _: rules[6].ClearField("source"), "NOTICES].source: is missing"),
        (lambda rules, _: setattr(rules[6], "policy", "bills-kept"), "usage and bills name a policy"),
        (lambda rules, _: setattr(rules[7], "months", 5), "usage and bills name a policy"),
        (lambda rules, _: setattr(rules[7], "policy", "unknown"), "unknown policy 'unknown'"),
        (lambda rules, _: setattr(rules[7], "start", RetentionStart.RETENTION_START_END), "leave it out"),
        (lambda rules, _: setattr(rules[3], "start", RetentionStart.RETENTION_START_CREATION), "must be RETENTION"),
        (lambda rules, _: setattr(rules[11], "months", 12), "REQUESTS]: must be kept as long as DATA_CLASS_ORDERS"),
        (lambda rules, _: setattr(rules[15], "months", 72), "REQUESTS]: must be kept as long as DATA_CLASS_COMPLAINTS"),
        (
            lambda rules, _: setattr(rules[14], "months", 12),
            "CONSENTS]: must be kept as long as DATA_CLASS_DISCLOSURES",
        ),
        (lambda rules, _: setattr(rules[8], "start", RetentionStart.RETENTION_START_CREATION), "must be RETENTION"),
        (lambda rules, _: setattr(rules[6], "data_class", 99), "99 is not known"),
        (lambda rules, told: told.retention_rules.append(rules[6]), "stands here twice"),
    ],
)
def test_a_rule_that_must_not_be_is_told(breaks: Break, told: str) -> None:
    configuration = Configuration()
    configuration.CopyFrom(SHIPPED)
    breaks({rule.data_class: rule for rule in configuration.retention_rules}, configuration)
    assert any(told in each for each in problems(configuration)), problems(configuration)


def test_everything_that_can_be_purged_has_a_rule_in_what_is_shipped(kept: Archive) -> None:
    assert not problems(SHIPPED)
    ruled = {rule.data_class for rule in SHIPPED.retention_rules}
    assert set(purgers(kept.registry)) <= ruled
    assert ruled == {value for value in DataClass.values() if value}


def test_an_order_goes_behind_its_envelopes_and_before_its_request(kept: Archive) -> None:
    old = NOW - LONG_AGO
    gone, stays = kept.order("old", old, COMPLETED), kept.order("open", old, IN_PROGRESS)
    for order_id in (gone, stays):
        kept.received(order_id, old)
        kept.sent(order_id, old)
    kept.received(kept.order("new", NOW, COMPLETED), NOW)
    kept.night(TOMORROW)
    left = {str(row[0]) for row in kept.connection.execute("SELECT order_id FROM orders")}
    assert left == {stays, "guangdong/counter/new"}
    assert (kept.count("outbox"), kept.count("inbox"), kept.count("requests")) == (1, 2, 2)
    assert kept.report()["DATA_CLASS_ORDERS"].removed == 1
    assert kept.report()["DATA_CLASS_ENVELOPES"].removed == 2
    assert kept.report()["DATA_CLASS_REQUESTS"].removed == 1


@pytest.mark.parametrize("rules", [SHIPPED.retention_rules, ()], ids=["rules", "no rule"])
def test_a_night_forgets_the_days_whose_completed_orders_are_counted_no_more(
    kept: Archive, rules: Sequence[RetentionRule]
) -> None:
    configuration = Configuration()
    configuration.CopyFrom(SHIPPED)
    del configuration.retention_rules[:]
    configuration.retention_rules.extend(rules)
    kept.context.border.current.update(Federation(2, configuration), [])
    ages = (0, DAYS_COUNTED - 1, DAYS_COUNTED, DAYS_COUNTED + 1, 400)
    for days in ages:
        kept.order(f"{days} days ago", NOW - timedelta(days=days), COMPLETED)
    assert (kept.count("completed_orders"), times_taken(kept.tx, "", NOW)) == (len(ages), [(1, 3)])
    kept.night(TOMORROW)
    assert (kept.count("completed_orders"), times_taken(kept.tx, "", TOMORROW)) == (2, [(1, 2)])


@pytest.mark.parametrize("why", ["not heard of since", "made lately", "unanswered"])
def test_what_exactly_once_still_needs_is_kept_however_old(kept: Archive, why: str) -> None:
    old = NOW - LONG_AGO
    order_id = kept.order("old", old, COMPLETED)
    kept.received(order_id, old, made=NOW if why == "made lately" else old)
    if why == "unanswered":
        kept.sent(order_id, old, closed=False)
    if why != "not heard of since":
        kept.received(kept.order("new", NOW, COMPLETED), NOW)
    kept.night(TOMORROW)
    assert kept.connection.execute("SELECT 1 FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    assert kept.connection.execute("SELECT 1 FROM requests WHERE order_id = ?", (order_id,)).fetchone()
    if why == "unanswered":
        assert kept.count("outbox") == 1
    else:
        assert kept.connection.execute("SELECT 1 FROM inbox WHERE subject = ?", (order_id,)).fetchone()


def sent_about(kept: Archive, order_id: str) -> int:
    """How many envelopes about an order were sent."""
    return len(kept.connection.execute("SELECT 1 FROM outbox WHERE subject = ?", (order_id,)).fetchall())


def test_under_a_legal_hold_everything_stays_until_it_ends(kept: Archive) -> None:
    old = NOW - LONG_AGO
    customer = kept.customer()
    insert_line(kept.tx, LINE)
    order_id = kept.order("old", old, COMPLETED)
    kept.sent(order_id, old)
    call = AuditedCall("staff", "chen", NOW)
    holds.hold(kept.tx, customer, "court/1", NOW + timedelta(days=30), call, kept.revocations)
    kept.night(TOMORROW)
    assert (kept.count("orders"), sent_about(kept, order_id)) == (1, 1)
    assert kept.report()["DATA_CLASS_ENVELOPES"].held == 1
    after = NOW + timedelta(days=31)
    kept.night(after)
    assert (kept.count("orders"), sent_about(kept, order_id)) == (0, 0)


@pytest.mark.parametrize("broken_at", range(1, 9))
def test_a_night_that_is_broken_at_any_page_ends_as_one_that_is_not(broken_at: int) -> None:
    def purged(broken: int) -> tuple[int, dict[str, int]]:
        with archive() as kept:
            kept.night(NOW)
            then = to_microseconds(NOW - LONG_AGO)
            for number in range(450):
                kept.tx.execute(
                    "INSERT INTO notices (notice_id, kind, number, zh_cn, en, create_time, delivery_time, attempts,"
                    " due_time) VALUES (:id, 'bill', '+8619851000000', '', '', :then, :delivered, 1, :then)",
                    id=f"n{number}",
                    then=then,
                    delivered=then if number % 3 else None,
                )
            for number in range(205):
                kept.order(f"o{number}", NOW - LONG_AGO + timedelta(seconds=number), COMPLETED)
            kept.night(TOMORROW, broken_at=broken)
            audit.verify(audit.rows(kept.tx))
            removed = {name: each.removed for name, each in kept.report().items()}
            assert all(each.complete for each in kept.report().values())
            return kept.count("notices"), removed

    whole, removed = purged(0)
    assert (whole, removed["DATA_CLASS_NOTICES"], removed["DATA_CLASS_ORDERS"]) == (150, 300, 205)
    assert removed["DATA_CLASS_ORDER_EVENTS"] == 204, "the last one stays, because the next is numbered after it"
    assert purged(broken_at) == (whole, removed)


def test_the_audit_chain_is_never_cut(kept: Archive) -> None:
    audit.append(kept.tx, now=NOW - 2 * LONG_AGO, actor="a", action="b", subject="c")
    kept.night(TOMORROW)
    assert audit.head_at(kept.tx, 1) is not None
    assert kept.report()["DATA_CLASS_AUDIT_TRAIL"].removed == 0


def test_what_is_attached_to_a_complaint_does_not_go_with_the_documents(kept: Archive) -> None:
    for ticket_id in ("", "guangdong/20250101-1"):
        file = StoredFile(
            document_id=f"sichuan/counter/{ticket_id[-1:]}",
            subject="customer/c1",
            number_hash="",
            named_hash="",
            size=1,
            received=1,
            state=REGISTERED,
            home="sichuan",
            ticket_id=ticket_id,
        )
        insert_file(kept.tx, file, b"", NOW - LONG_AGO)
    kept.night(TOMORROW)
    assert kept.connection.execute("SELECT ticket_id FROM document_files").fetchall() == [("guangdong/20250101-1",)]
    assert kept.report()["DATA_CLASS_DOCUMENTS"].removed == 1
