"""A region keeps the heads of the coordinators' audit chains, and notices a chain that was cut or written anew."""

import contextlib
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.federation.v1.federation_pb2 import ChainHead, GetChainHeadsRequest, GetChainHeadsResponse
from gateway.auditing import audit
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteTransaction
from region_node.node.witnessing.chain_rows import CHAINS_AT_ONCE, keep_chains, known_chains, witnessed_chains
from tests.empty_database import empty_database

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HERE, THERE = "10.0.0.1:7443", "10.0.0.2:7443"
CHAIN = "coordinator/0"


def row(sequence: int, *, written: str = "first", chain: str = CHAIN) -> ChainHead:
    """A row of a chain as it was written first, or anew."""
    return ChainHead(chain=chain, sequence=sequence, hash=hashlib.sha256(f"{written}/{sequence}".encode()).digest())


@pytest.fixture(name="tx")
def transaction() -> Iterator[Transaction]:
    with contextlib.closing(empty_database("gateway", "region_node")) as connection:
        yield SqliteTransaction(connection, RegionKeys(KeySet.new()))


def hear(tx: Transaction, after: timedelta, *heads: ChainHead, known: tuple[ChainHead, ...] = ()) -> None:
    """One answer of the coordinator, which knows these rows of those asked for."""
    request = GetChainHeadsRequest(known=known_chains(tx, HERE))
    keep_chains(tx, HERE, request, GetChainHeadsResponse(heads=heads, known=known), NOW + after)


def alarms(tx: Transaction) -> list[str]:
    return [each.subject for each in audit.rows(tx) if each.action == "AUDIT_HEAD_CONTRADICTED"]


def kept(tx: Transaction) -> list[tuple[str, int, bool]]:
    return [(each.chain, each.head.sequence, each.contradicted) for each in witnessed_chains(tx)]


def test_the_furthest_head_of_each_chain_is_kept(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(3), row(5, chain="registry"))
    hear(tx, 1 * MINUTE, row(7), row(5, chain="registry"), known=(row(3), row(5, chain="registry")))
    assert kept(tx) == [(CHAIN, 7, False), ("registry", 5, False)]
    assert alarms(tx) == []


def test_a_cut_chain_is_one_alarm_and_the_head_from_before_is_kept(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(7))
    for minutes in (1, 2):
        hear(tx, minutes * MINUTE, row(5))
    assert kept(tx) == [(CHAIN, 7, True)]
    assert alarms(tx) == [f"chain/{CHAIN}"]


def test_a_chain_that_was_written_anew_and_is_longer_is_an_alarm(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(7))
    hear(tx, 1 * MINUTE, row(9, written="anew"), known=(row(7, written="anew"),))
    assert (kept(tx), alarms(tx)) == ([(CHAIN, 7, True)], [f"chain/{CHAIN}"])


def test_a_chain_that_hides_the_known_row_is_an_alarm(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(7))
    hear(tx, 1 * MINUTE, row(9))
    assert alarms(tx) == [f"chain/{CHAIN}"]


def test_an_answer_that_another_process_has_overtaken_is_none(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(7))
    late = GetChainHeadsRequest(known=known_chains(tx, HERE))
    hear(tx, 1 * MINUTE, row(9), known=(row(7),))
    answer = GetChainHeadsResponse(heads=[row(8)], known=[row(7)])
    keep_chains(tx, HERE, late, answer, NOW + MINUTE + timedelta(seconds=1))
    first = GetChainHeadsResponse(heads=[row(10)])
    keep_chains(tx, HERE, GetChainHeadsRequest(), first, NOW + MINUTE + timedelta(seconds=2))
    assert (kept(tx), alarms(tx)) == ([(CHAIN, 10, False)], [])


def test_no_coordinator_tells_of_the_word_of_another(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(7))
    answer = GetChainHeadsResponse(heads=[row(900, written="invented")])
    keep_chains(tx, THERE, GetChainHeadsRequest(), answer, NOW + MINUTE)
    hear(tx, 2 * MINUTE, row(8), known=(row(7),))
    assert (kept(tx), alarms(tx)) == ([(CHAIN, 8, False), (CHAIN, 900, False)], [])


def test_what_is_no_head_and_more_chains_than_there_are_leave_nothing(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, ChainHead(chain="", hash=bytes(32)), ChainHead(chain=CHAIN, sequence=2**63, hash=bytes(32)))
    hear(tx, 0 * MINUTE, ChainHead(chain=CHAIN, sequence=1, hash=b"short"), ChainHead(chain="a\nb", hash=bytes(32)))
    assert kept(tx) == []
    hear(tx, 0 * MINUTE, *(row(1, chain=f"coordinator/{each}") for each in range(2 * CHAINS_AT_ONCE)))
    assert len(kept(tx)) == CHAINS_AT_ONCE
