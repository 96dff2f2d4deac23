"""The comparison with an older tree, its exit code, and the arithmetic of the other programs beside the bench."""

import asyncio
import contextlib
import itertools
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from deploy.local.federation import LocalFederation
from deploy.releases import Release
from gateway.api.region.v1.order_service_pb2 import SubmitOrdersRequest, SubmitOrdersResponse
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from tests.bench import against, disk, mixed
from tests.bench.against import Load
from tests.bench.bulk import OrderRefused, PacksUnknown, in_packs
from tests.bench.comparing import Way
from tests.bench.history import Ratios, Run
from tests.bench.load import Call
from tests.bench.machine import machine_of
from tests.bench.report import Comparison, Window
from tests.unit.test_bench_history import ORDERS, RUN, times

RELEASE = Release("9.1", "a" * 40, date(2026, 11, 28))
GOOD: Ratios = {"orders/128/throughput": ORDERS}
BAD: Ratios = {"orders/128/throughput": times(ORDERS, 0.75, 0.75, 0.75, 0.75, 0.75)}


class Trees:
    """A bench without any process, which remembers the trees that it was to run."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, ratios: Sequence[Ratios]) -> None:
        self.run: list[Path | None] = []
        monkeypatch.setattr(against, "BUILD", directory)
        monkeypatch.setattr(against, "ready", lambda needs: 0.0)
        monkeypatch.setattr(against, "extract", lambda commit, tree: None)
        monkeypatch.setattr(against, "running", self._running)
        monkeypatch.setattr(against, "measure", lambda *_: ratios)

    @contextlib.contextmanager
    def _running(self, directory: Path, *, tree: Path | None) -> Iterator[None]:
        self.run.append(tree)
        yield


def ended(*arguments: str) -> Result:
    return CliRunner().invoke(against.main, list(arguments))


def test_what_got_worse_since_the_last_release_is_named_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = Trees(tmp_path, monkeypatch, [GOOD, BAD])
    monkeypatch.setattr(against, "releases", lambda: [RELEASE])
    told = ended()
    assert told.exit_code == 1
    assert "worse than release 9.1 by more than 5%:\norders/128/throughput: 0.300, was 0.400" in told.output
    old, new = trees.run
    assert (old is not None, new) == (True, None), "both trees run"
    assert not list(tmp_path.iterdir()), "its files are removed"


def test_another_commit_may_be_named_and_what_is_no_worse_ends_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Trees(tmp_path, monkeypatch, [BAD, GOOD])
    monkeypatch.setattr(against, "releases", lambda: [RELEASE])
    told = ended("1234abc")
    assert (told.exit_code, "beside 1234abc" in told.output) == (0, True), told.output


def test_before_the_first_release_the_last_run_of_the_same_machine_is_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = Trees(tmp_path, monkeypatch, [BAD])
    monkeypatch.setattr(against, "releases", list)
    here = replace(RUN, machine=machine_of(tmp_path))
    runs: list[Run] = [here, RUN]
    monkeypatch.setattr(against, "read", lambda: runs)
    told = ended()
    assert (told.exit_code, "worse than run of aaaaaaaa" in told.output, trees.run) == (1, True, [None])
    runs.remove(here)
    told = ended()
    assert (told.exit_code, "name a commit" in told.output) == (1, True)


class Node:
    """An order service that takes in every order, but for one that it refuses; also of a release without packs."""

    def __init__(self, *, knows_packs: bool = True, refused: str = "") -> None:
        self.packs: list[int] = []
        self._knows_packs = knows_packs
        self._refused = refused

    async def SubmitOrders(  # noqa: N802 - named by the contract
        self, requests: Iterator[SubmitOrdersRequest]
    ) -> AsyncIterator[SubmitOrdersResponse]:
        for request in requests:
            response = SubmitOrdersResponse()
            self.packs.append(len(request.orders))
            if not self._knows_packs:
                response.refused.message.en = "The field request_id is empty."
            for each in request.orders if self._knows_packs else ():
                result = response.pack.results.add(request_id=each.request_id)
                if each.request_id == self._refused:
                    result.refused.message.en = "No."
                else:
                    result.order.id = each.request_id
            yield response


def test_packed_orders_go_by_sixteen_in_a_message_and_a_refusal_of_any_ends_the_run() -> None:
    requests = [SubmitOrdersRequest(request_id=str(number)) for number in range(40)]

    def submitted(node: Node) -> list[int]:
        asyncio.run(in_packs(cast("OrderServiceStub", node), requests))
        return node.packs

    assert submitted(Node()) == [16, 16, 8]
    with pytest.raises(OrderRefused, match="No"):
        submitted(Node(refused="17"))
    with pytest.raises(PacksUnknown):
        submitted(Node(knows_packs=False))


def test_a_load_that_the_older_tree_does_not_know_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bills, packs = Load("bills", "bills, 1/s", "QueryBill"), Load("packs", "orders, 1/s", "packs")

    async def four() -> float:
        return 4.0

    async def no_call() -> None:
        return

    async def ways(stack: object, known: Sequence[Load], seconds: float) -> dict[Load, Way]:
        return dict.fromkeys(known, four)

    @contextlib.asynccontextmanager
    async def bare_calls(directory: Path) -> AsyncIterator[Call]:
        yield no_call

    monkeypatch.setattr(against, "bare_calls", bare_calls)
    monkeypatch.setattr(against, "rate_of", lambda call, seconds: four)
    monkeypatch.setattr(against, "ways_of", ways)

    def compared(*known: Sequence[Load]) -> list[list[str]]:
        trees = cast("Sequence[LocalFederation]", known)
        found = asyncio.run(against.beside_bare(trees, tmp_path, 3, 1.0))
        return [[each.name for each in of_one if each.ratios == (1.0,) * 3] for of_one in found]

    assert compared([bills], [bills, packs]) == [["bills"]] * 2
    assert compared([bills, packs], [bills, packs]) == [["bills", "packs"]] * 2


def test_the_refusals_of_both_trees_are_told_each_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = Window(100, 1.0, p50=0.01, p99=0.04, servers_cpu=1.0, client_cpu=0.5, busy=2.0)
    done = [quiet, replace(quiet, refused=50), replace(quiet, refused=25)]

    async def beside_bare(*_: object) -> list[list[Comparison]]:
        return [[], []]

    monkeypatch.setattr(against, "LEVELS", (128,))
    monkeypatch.setattr(against, "order_client", lambda *_: Mock())
    monkeypatch.setattr(against, "chain_client", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(against, "windows_of", lambda *_: [done])
    monkeypatch.setattr(against, "beside_bare", beside_bare)
    trees = cast("dict[str, LocalFederation]", {"release 9.1": None, "the present tree": None})
    against.measure(trees, tmp_path, 1, 1.0)
    assert capsys.readouterr().out.splitlines() == [
        "release 9.1, 128 callers: 0.50 refusals for each call done",
        "the present tree, 128 callers: 0.25 refusals for each call done",
    ]


@pytest.mark.parametrize("has_pages", [True, False])
def test_the_rows_and_bytes_of_a_table_are_known_with_its_indexes_or_by_its_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_pages: bool
) -> None:
    if not has_pages:
        monkeypatch.setattr(disk, "_PAGES", "SELECT name, pgsize FROM lacking")
    file = tmp_path / "region.sqlite"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, content BLOB, note TEXT)")
        before = disk.sizes_of(file)
        rows = [(f"{number:08d}", bytes(992), None) for number in range(100)]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
        after = disk.sizes_of(file)
    grown = before.growth(after, 100)["orders"]
    assert after.file - before.file >= 100_000, "the log is emptied into the file"
    assert grown.rows == 1
    assert 1000 < grown.size < 1600 if has_pages else grown.size == 1000
    assert (after.tables["orders"].indexes > 0) == has_pages


def test_a_mixed_load_keeps_its_shares_in_every_hundred_calls() -> None:
    kinds = mixed.shuffled(mixed.KINDS, random.Random(1))
    for _ in range(3):
        assert Counter(itertools.islice(kinds, 100)) == mixed.KINDS
    stretch = mixed.Stretch(2.0, {"bill": [0.01, 0.02], "order": [0.05]})
    assert (stretch.rate(), stretch.rate("bill"), stretch.rate("document")) == (1.5, 1.0, 0.0)
    assert (stretch.p99("order"), stretch.p99("document")) == (50.0, 0.0)
