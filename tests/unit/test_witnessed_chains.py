"""A region keeps the heads of the coordinators' audit chains, and notices a chain that was cut or written anew."""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.api.federation.v1.federation_pb2 import ChainHead, GetChainHeadsRequest, GetChainHeadsResponse
from gateway.auditing import audit
from gateway.auditing.audit import Head
from gateway.auditing.chain_heads import HeadSigner
from gateway.security.authority import Authority
from gateway.security.identity import parse
from gateway.security.member_proofs import proof_of_member
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.signing import COORDINATOR_HEAD, TrustedKeys
from gateway.security.tls import Credentials
from gateway.store.port import Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteStore, SqliteTransaction
from gateway.time.clock import SystemClock
from region_node.node.witnessing.broken import broken_chains
from region_node.node.witnessing.chain_rows import CHAINS_AT_ONCE, keep_chains, known_chains, witnessed_chains
from region_node.node.witnessing.coordinators import CoordinatorWitness, KnownChains
from region_node.node.witnessing.rows import claim, update
from tests.empty_database import empty_database
from tests.keys import region_keys

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HERE, THERE = "10.0.0.1:7443", "10.0.0.2:7443"
FEDERATION, CHAIN, HEAD = "demo.example", "coordinator/0", Head(7, b"h" * 32)


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


def signed(sequence: int, certificate: bytes = b"certificate") -> ChainHead:
    """A row with a signature, whose verification comes before."""
    told = row(sequence)
    told.sign_time_us, told.signature, told.certificate = sequence, b"signature", certificate
    return told


def given_back(tx: Transaction) -> ChainHead | None:
    """The signed head that the region gives back."""
    (head,) = witnessed_chains(tx)
    return head.signed if head.HasField("signed") else None


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


def test_the_chains_that_a_witness_has_found_broken_are_named(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(7), row(5, chain="registry"))
    whole = {"region/henan": False, f"chain/{CHAIN}": False, "chain/registry": False}
    assert broken_chains(tx, "henan") == whole
    hear(tx, 1 * MINUTE, row(9))
    assert broken_chains(tx, "henan") == {**whole, f"chain/{CHAIN}": True}
    claimed = claim(tx, "sichuan", NOW)
    assert claimed is not None
    update(tx, replace(claimed, contradicted=True))
    assert broken_chains(tx, "henan")["region/henan"]


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


def test_a_head_is_given_back_with_its_signature_and_certificate_alone(tx: Transaction) -> None:
    told = signed(7)
    told.proof = b"of another use" * 1000
    hear(tx, 0 * MINUTE, told)
    assert given_back(tx) == signed(7)
    hear(tx, 1 * MINUTE, signed(9), known=(row(7),))
    assert (given_back(tx), kept(tx)) == (signed(9), [(CHAIN, 9, False)])


def test_a_head_from_a_version_before_is_kept_and_leaves_the_last_signed_one(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(7))
    assert given_back(tx) is None
    hear(tx, 1 * MINUTE, signed(8), known=(row(7),))
    hear(tx, 2 * MINUTE, row(9), known=(row(8),))
    assert (kept(tx), given_back(tx), alarms(tx)) == ([(CHAIN, 9, False)], signed(8), [])


def test_a_contradicting_head_does_not_replace_what_the_coordinator_has_signed(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, signed(7))
    hear(tx, 2 * MINUTE, signed(5))
    assert (kept(tx), given_back(tx)) == ([(CHAIN, 7, True)], signed(7))


def test_a_chain_without_new_rows_gets_its_signature_and_that_of_another_certificate(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, row(7))
    for minute, certificate in enumerate((b"first", b"renewed"), start=1):
        hear(tx, minute * MINUTE, signed(7, certificate), known=(row(7),))
        assert given_back(tx) == signed(7, certificate)
    hear(tx, 3 * MINUTE, row(7), known=(row(7),))
    assert given_back(tx) == signed(7, b"renewed")


def test_a_process_of_a_version_before_leaves_the_signed_head(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, signed(7))
    tx.execute("UPDATE witnessed_chains SET sequence = 8, hash = :hash, told = told + 1", hash=row(8).hash)
    assert (kept(tx), given_back(tx)) == ([(CHAIN, 8, False)], signed(7))
    hear(tx, 1 * MINUTE, signed(8), known=(row(8),))
    assert given_back(tx) == signed(8)


def test_a_witness_keeps_no_head_whose_signature_counts_for_nothing(tmp_path: Path) -> None:
    clock = SystemClock()
    begin, end = clock.now() - MINUTE, clock.now() + timedelta(hours=1)
    authority = Authority.create(FEDERATION, begin, end)
    authority.issue(parse(f"spiffe://{FEDERATION}/{CHAIN}", FEDERATION), begin, end).write(tmp_path)
    signer = HeadSigner(proof_of_member(Credentials.within(tmp_path), clock, COORDINATOR_HEAD), clock)
    proven, other = signer.signed(CHAIN, HEAD), signer.signed("coordinator/1", HEAD)

    async def ask(_: KnownChains) -> AsyncIterator[tuple[str, GetChainHeadsRequest, GetChainHeadsResponse]]:
        heads = [proven, other, row(7, chain="of a version before")]
        yield HERE, GetChainHeadsRequest(), GetChainHeadsResponse(heads=heads)

    async def scenario() -> None:
        store = SqliteStore(tmp_path / "node.db", migrations_of("gateway", "region_node"), region_keys())
        keys = TrustedKeys(authority.certificate_pem, FEDERATION)
        await CoordinatorWitness(store, keys, clock, random.Random(1), ask).witness()
        found = await store.read(witnessed_chains)
        assert [(each.chain, each.signed.signature) for each in found] == [
            (CHAIN, proven.signature),
            ("of a version before", b""),
        ]
        await store.close()

    asyncio.run(scenario())


def test_what_is_no_head_and_more_chains_than_there_are_leave_nothing(tx: Transaction) -> None:
    hear(tx, 0 * MINUTE, ChainHead(chain="", hash=bytes(32)), ChainHead(chain=CHAIN, sequence=2**63, hash=bytes(32)))
    hear(tx, 0 * MINUTE, ChainHead(chain=CHAIN, sequence=1, hash=b"short"), ChainHead(chain="a\nb", hash=bytes(32)))
    assert kept(tx) == []
    hear(tx, 0 * MINUTE, *(row(1, chain=f"coordinator/{each}") for each in range(2 * CHAINS_AT_ONCE)))
    assert len(kept(tx)) == CHAINS_AT_ONCE
