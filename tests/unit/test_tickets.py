"""A kind of ticket of its own, made of a table, a message and a few words: regions file, command and follow it."""

import importlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import Order, OrderState
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, Outcome, ReceiptContent
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.sqlite import SqliteTransaction
from gateway.time.clock import MAX_CLOCK_ERROR, to_timestamp
from region_node.records.stored import Records
from region_node.tickets import border
from region_node.tickets.followed import Facts, Followed
from region_node.tickets.sending import followers
from tests.empty_database import empty_database

ROOT = Path(__file__).parents[2]
TICKETS = ("network/support", "network/faults", "care/complaints", "care/issues")
NOW = datetime(2030, 6, 15, 4, 0, tzinfo=UTC)
OPEN, ENDED = OrderState.ORDER_STATE_ACKNOWLEDGED, OrderState.ORDER_STATE_CANCELLED


@dataclass(frozen=True)
class Dispute:
    """A dispute about a number that moves, and its trace."""

    message: Order = field(repr=False)
    traceparent: str


def facts(dispute: Order) -> Facts:
    return Facts(
        name=dispute.id,
        origin=dispute.origin_region,
        owner=dispute.home_region,
        operator=dispute.operator,
        version=dispute.version,
        state=dispute.state,
        created=dispute.create_time,
        number=dispute.request.number,
        home="",
    )


DISPUTE = Followed(
    records=Records(
        table="disputes",
        key="dispute_id",
        dated="made",
        fixed=("dispute_id", "made"),
        changing=("owner",),
        message=Order,
        row=Dispute,
        subject=lambda name: f"dispute/{name}",
        not_found=lambda name: Refused(Reason.REASON_ORDER_NOT_FOUND, order=name),
    ),
    facts=facts,
    prefix="P",
    first=OPEN,
    final=frozenset({ENDED}),
    fixed=("id", "origin_region", "home_region", "operator", "create_time", "request"),
    owner_column="owner",
)


@pytest.fixture
def tx() -> Iterator[SqliteTransaction]:
    with closing(empty_database("gateway")) as connection:
        connection.execute(
            "CREATE TABLE disputes (dispute_id TEXT PRIMARY KEY, made INTEGER, owner TEXT, traceparent TEXT, body BLOB)"
        )
        yield SqliteTransaction(connection, RegionKeys(KeySet.new()))


def new(version: int = 0, state: OrderState.ValueType = OPEN) -> Order:
    return Order(
        id="guangdong/P1",
        origin_region="guangdong",
        home_region="sichuan",
        operator="counter",
        create_time=to_timestamp(NOW),
        version=version,
        state=state,
    )


def store(tx: SqliteTransaction, dispute: Order) -> None:
    DISPUTE.records.insert(tx, dispute.id, dispute, {"made": 1, "owner": dispute.home_region, "traceparent": ""})


def test_a_ticket_may_be_as_new_as_another_trusted_clock_says_and_no_newer() -> None:
    border.require_plausible(to_timestamp(NOW + 2 * MAX_CLOCK_ERROR), NOW)
    with pytest.raises(Refused, match="ENVELOPE_INVALID"):
        border.require_plausible(to_timestamp(NOW + 2 * MAX_CLOCK_ERROR + timedelta(seconds=2)), NOW)


def test_the_owner_takes_a_ticket_in_once_and_does_what_its_origin_says(tx: SqliteTransaction) -> None:
    content = EnvelopeContent(origin="guangdong", destination="sichuan", subject="guangdong/P1")
    border.require_filing(DISPUTE, new(), content, NOW, is_untouched=True)
    border.require_unknown(DISPUTE, tx, new())
    store(tx, new(version=1))
    with pytest.raises(Refused):
        border.require_unknown(DISPUTE, tx, new())
    known = border.commanded(DISPUTE, tx, "sichuan", "guangdong/P1", content)

    def refuse() -> Order:
        raise Refused(Reason.REASON_ORDER_NOT_FOUND)

    done = border.decided(known, lambda: new(version=2))
    refused = border.decided(known, refuse)
    assert (done.outcome, Order.FromString(done.result)) == (Outcome.OUTCOME_ACCEPTED, new(version=2))
    assert (refused.outcome, Order.FromString(refused.result)) == (Outcome.OUTCOME_REFUSED, new(version=1))


def test_its_origin_follows_the_owner_until_it_ends_and_keeps_its_own_words(tx: SqliteTransaction) -> None:
    store(tx, new())
    told = EnvelopeContent(origin="sichuan", destination="guangdong", subject="guangdong/P1")
    assert border.updated(DISPUTE, tx, new(version=1), told, NOW)
    sent = EnvelopeContent(origin="guangdong", destination="sichuan", subject="guangdong/P1")
    receipt = ReceiptContent(outcome=Outcome.OUTCOME_ACCEPTED, result=new(version=1).SerializeToString())
    assert border.answered(DISPUTE, new(), sent, receipt, NOW) == new(version=1)
    changed = new(version=2, state=ENDED)
    changed.operator, changed.request.number = "another", "+8613900000000"
    ended = DISPUTE.next_version("guangdong", new(version=1), changed)
    assert ended == new(version=2, state=ENDED)
    assert DISPUTE.next_version("guangdong", new(version=2, state=ENDED), new(version=3)) is None
    assert DISPUTE.next_version("sichuan", new(version=1), changed) is None, "of its own"


def test_a_helper_follows_each_version_and_commands_the_owner(tx: SqliteTransaction) -> None:
    helped = replace(DISPUTE, facts=lambda each: facts(each)._replace(helpers=("henan", "sichuan")))
    store(tx, new(version=1))
    assert followers(helped.facts(new())) == ["guangdong", "henan"]

    def commanded(origin: str, subject: str) -> Order:
        content = EnvelopeContent(origin=origin, destination="sichuan", subject=subject)
        return border.commanded(helped, tx, "sichuan", "guangdong/P1", content)

    assert commanded("henan", "guangdong/P1") == commanded("guangdong", "guangdong/P1") == new(version=1)
    for origin, subject in (("hubei", "guangdong/P1"), ("henan", "guangdong/P2")):
        with pytest.raises(Refused) as raised:
            commanded(origin, subject)
        assert raised.value.reason == Reason.REASON_ENVELOPE_KIND_NOT_ALLOWED


def test_a_refused_filing_is_kept_and_the_log_has_the_name_of_the_reason_alone(
    tx: SqliteTransaction, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store(tx, new())
    kept: list[str] = []
    receipt = ReceiptContent(
        outcome=Outcome.OUTCOME_REFUSED,
        reason=Reason.REASON_NUMBER_INVALID,
        reason_parameters={"number": "13912345678"},
    )
    sent = EnvelopeContent(origin="guangdong", destination="sichuan", subject="guangdong/P1")
    border.settle_filing(DISPUTE, tx, sent, receipt, NOW, DISPUTE.copy, lambda _, why: kept.append(why))
    (why,) = kept
    assert "13912345678" in why, "staff read the whole reason"
    assert ("NUMBER_INVALID" in caplog.text, "13912345678" in caplog.text) == (True, False)


def test_the_owner_tells_the_origin_and_the_home_region_each_once() -> None:
    def told(home: str) -> Sequence[str]:
        return followers(facts(new())._replace(home=home))

    assert told("henan") == ["guangdong", "henan"]
    assert told("guangdong") == ["guangdong"]
    assert told("sichuan") == ["guangdong"]


def test_each_kind_has_the_modules_that_the_recipe_names() -> None:
    _, _, rest = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Add a kind of ticket\n")
    names = re.findall(r"`(\w+)\.py`", rest.partition("\n## ")[0])
    named = {each for each in names if not each.startswith("test_")}
    assert named >= {"rules", "rows", "relayed", "kind", "service"}
    missing = [
        f"{folder}/{name}.py"
        for folder in TICKETS
        for name in sorted(named)
        if not (ROOT / "region_node" / folder / f"{name}.py").exists()
    ]
    assert not missing
    for folder in TICKETS:
        rows = vars(importlib.import_module(f"region_node.{folder.replace('/', '.')}.rows"))
        assert [each for each in rows.values() if isinstance(each, Followed)], folder
