"""Orders at a given rate: intended starts by chance that can be repeated, and latencies that count from them."""

import asyncio
import io
import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from xml.etree import ElementTree

import grpc
import pytest
from rich.console import Console

from deploy.local.federation import LocalFederation
from tests.bench import neighbours
from tests.bench.arrivals import Outcome, offer, starts
from tests.bench.load import LoadClient
from tests.bench.openloop import LATE, Offer, drawn, lines_for, milliseconds, plain, shown
from tests.bench.orders import HOME
from tests.bench.report import Window

SVG = "{http://www.w3.org/2000/svg}"


def test_starts_come_at_the_rate_in_order_and_the_same_again_for_the_same_seed() -> None:
    found = list(starts(1000.0, 10.0, random.Random(7)))
    assert len(found) == pytest.approx(10_000, rel=0.05)
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 10
    assert found == list(starts(1000.0, 10.0, random.Random(7)))


def test_the_distances_of_starts_vary_as_those_of_a_poisson_process() -> None:
    found = list(starts(1000.0, 50.0, random.Random(1)))
    distances = [later - earlier for earlier, later in pairwise(found)]
    mean = sum(distances) / len(distances)
    variance = sum((each - mean) ** 2 for each in distances) / len(distances)
    assert variance == pytest.approx(mean**2, rel=0.1)


def test_there_are_lines_enough_for_every_number_of_orders_that_chance_brings() -> None:
    for seed, rate in itertools.product(range(50), (0.0, 1.0, 30.0, 4000.0)):
        come = list(starts(rate, 1.0, random.Random(seed))) if rate else []
        assert len(come) <= lines_for(rate) <= 1.2 * rate + 50


def submitting(*answers: str) -> Callable[[], Awaitable[str]]:
    waiting = iter(answers)

    async def submit() -> str:
        return next(waiting)

    return submit


def test_a_latency_counts_from_the_intended_start_and_not_from_when_the_order_was_sent() -> None:
    late = asyncio.run(offer([-5.0, -3.0], submitting("", "")))
    assert (late.latencies[0] >= 5, late.latencies[1] >= 3, late.refused) == (True, True, 0), "both were sent late"


def test_orders_are_sent_whether_or_not_those_before_them_are_done() -> None:
    async def run() -> Outcome:
        sent: list[None] = []
        all_sent = asyncio.Event()

        async def submit() -> str:
            sent.append(None)
            if len(sent) == 3:
                all_sent.set()
            await all_sent.wait()  # as long as one waits for another, none is done
            return ""

        async with asyncio.timeout(10):
            return await offer([0.0, 0.0, 0.0], submit)

    assert len(asyncio.run(run()).latencies) == 3


def test_a_refused_order_is_counted_with_its_reason_and_its_time_counts_from_its_sending() -> None:
    some = asyncio.run(offer([-5.0, -5.0, -5.0], submitting("TOO_BUSY", "", "TOO_BUSY")))
    assert (len(some.latencies), some.refused) == (1, 2)
    assert asdict(some)["reasons"] == {"TOO_BUSY": 2}, "as a client hands it on"
    assert max(some.refusals) < 5 < some.latencies[0]


FEW = Outcome([0.01, 0.02], [0.001])
BUSY = Offer(2.0, 4.0, Outcome([0.1, 0.2, 0.3, LATE + 1], [0.002] * 6), FEW, FEW)


def test_what_is_late_is_not_done_in_time_and_what_is_refused_was_offered() -> None:
    assert (BUSY.offered, BUSY.goodput, BUSY.late) == (5.0, 1.5, 1)
    assert [milliseconds(BUSY.orders.latencies, each) for each in (0.5, 0.99)] == [200.0, (LATE + 1) * 1e3]


def test_an_offer_of_which_nothing_was_done_is_shown_as_well() -> None:
    orders = Outcome([], [0.001] * 7 + [0.004], {"CALLS_TOO_MANY": 4, "CONNECTIONS_TOO_MANY": 2, "TOO_BUSY": 2})
    refused = Offer(2.0, 4.0, orders, Outcome([], [0.001] * 3), FEW)
    console = Console(width=180, record=True, file=io.StringIO())
    console.print(shown("sqlite", {0.5: [BUSY], 2.0: [refused]}))
    told = console.export_text()
    row = next(line for line in told.splitlines() if line.startswith("│     2 "))
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "2",
        "4.00",
        "0.00",
        "0.00",
        "0.00",
        "0.00",
        "0.00",
        "4.00",
        "3.00",
        "1.00",
        "4.00",
        "0.00",
        "3.00",
        "20.00",
    ]
    assert "in time: █▁" in told
    kept = json.loads(json.dumps(plain({0.5: [BUSY]})))
    assert kept["0.5"]["in time, 1/s"] == {"median": 1.5, "min": 1.5, "max": 1.5}


def test_the_curves_of_all_engines_are_in_one_picture_that_needs_no_other_file() -> None:
    engines = {"sqlite": {0.5: [BUSY], 2.0: [BUSY]}, "postgresql": {0.5: [BUSY], 2.0: [BUSY]}}
    root = ElementTree.fromstring(drawn(engines))
    told = "".join(root.itertext())
    assert all(f"{engine}: 38, 38" in told for engine in engines), "in time, % of the capacity"
    assert all(f"{engine}: 20, 20" in told for engine in engines), "p99 of the small operator, ms"
    assert len(root.findall(f".//{SVG}polyline")) == 6
    assert b"http" not in drawn(engines).replace(b"http://www.w3.org/2000/svg", b"")


def test_refused_orders_of_a_small_operator_are_told_beside_the_latencies_that_lack_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def offered(*_: object) -> Outcome:
        return FEW

    def run(*_: object) -> Window:
        return Window(10, 1.0, 0.1, 0.2, 0.0, 0.0, 0.0)

    monkeypatch.setattr(neighbours, "offer", offered)
    monkeypatch.setattr(neighbours, "_WARM_UP", 0.0)

    async def measured() -> list[neighbours.Beside]:
        node = SimpleNamespace(process=SimpleNamespace(pid=os.getpid()))
        async with grpc.aio.insecure_channel("localhost:1") as channel:
            federation = SimpleNamespace(nodes={HOME: [node]}, dial_region=lambda *_: nullcontext(channel))
            flood = SimpleNamespace(run=run)
            return await neighbours.measure(
                cast("LocalFederation", federation), cast("LoadClient", flood), 1, 0.1, 20.0
            )

    found = neighbours.spreads(asyncio.run(measured()))
    assert found["refused"].median == 3 * FEW.refused


def test_servers_and_clients_have_processors_of_their_own_until_the_end(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    command = [sys.executable, "-c", "print(flush=True); input()", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline(), "it runs"
        with neighbours.processors_apart(cast("LocalFederation", SimpleNamespace(directory=tmp_path))):
            clients, servers = os.sched_getaffinity(0), os.sched_getaffinity(server.pid)
        server.communicate(b"\n")
    assert clients | servers == before
    assert clients.isdisjoint(servers) or len(before) == 1
    assert os.sched_getaffinity(0) == before
