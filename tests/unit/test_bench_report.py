"""The arithmetic of the bench's report."""

import asyncio
import io
import itertools
import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.__main__ import show
from tests.bench.comparing import in_turns, turns
from tests.bench.processor_time import busy_seconds, processor_seconds
from tests.bench.report import FIGURES, Comparison, Level, Round, Spread, Window, percentile, report
from tests.bench.results import EngineResult, Results
from tests.bench.suspension import Suspension
from tests.bench.table import business_table, refusals_told, suspension_table, table


def window(calls: int, *, seconds: float = 2.0, p50: float = 0.01, servers_cpu: float = 1.0) -> Window:
    return Window(calls, seconds, p50=p50, p99=4 * p50, servers_cpu=servers_cpu, client_cpu=0.5, busy=2.0)


ROUNDS = (
    Round(base=window(1000), measured=window(500, p50=0.02)),
    Round(base=window(2000), measured=window(1800, p50=0.03)),
    Round(base=window(1500), measured=window(600, p50=0.01)),
)
IMPORT = Comparison(
    name="import",
    figure="customers taken over, 1/s",
    base="batches",
    measured="stream",
    rounds=[(4000.0, 6000.0), (1000.0, 4000.0), (8000.0, 8000.0)],
)


def test_a_window_gives_calls_per_second_and_processor_time_per_call() -> None:
    measured = window(400, seconds=2.0, servers_cpu=1.0)
    assert measured.throughput == 200
    assert measured.servers_cpu_per_call == 0.0025
    assert measured.client_cpu_per_call == 0.00125


def test_what_others_used_is_what_is_left_of_the_machine_s_time() -> None:
    assert window(400, seconds=2.0, servers_cpu=1.0).others == 0.25, "2 s of the machine, 1.5 s of it ours, in 2 s"
    assert window(400, seconds=2.0, servers_cpu=1.6).others == 0, "clocks of two files: never less than nothing"
    level = Level(1, [Round(window(400, servers_cpu=1.5), window(400)), Round(window(400), window(400))])
    assert level.others == Spread(median=0.25, low=0.0, high=0.25)


def test_the_table_tells_of_each_load_the_calls_that_had_no_room_for_each_one_that_was_done() -> None:
    refused = replace(window(400), refused=100)
    of_one = Level(128, [Round(window(1000), refused), Round(window(1000), window(400))])
    of_both = Level(256, [Round(replace(window(1000), refused=750), refused)])
    assert (of_one.refused, of_both.refused) == ((0, 0.125), (0.75, 0.25))
    assert refusals_told([Level(32, ROUNDS), of_one, of_both], "SQLite", "PostgreSQL") == [
        "PostgreSQL, 128 callers: 0.12 refusals for each call done",
        "SQLite, 256 callers: 0.75 refusals for each call done",
        "PostgreSQL, 256 callers: 0.25 refusals for each call done",
    ]


def test_a_ratio_is_taken_within_a_round_and_its_median_over_the_rounds() -> None:
    ratios = {figure.name: figure.ratio(ROUNDS) for figure in FIGURES}
    # The ratio of the medians would be 300 to 750.
    assert ratios["throughput"] == Spread(median=0.5, low=0.4, high=0.9)
    assert ratios["p50"] == Spread(median=2.0, low=1.0, high=3.0)
    assert ratios["servers_cpu_per_call"].median == pytest.approx(2.0)


def test_a_figure_is_told_in_its_unit() -> None:
    told = {figure.name: figure.of([ROUNDS[0].measured]).median for figure in FIGURES}
    assert told == {
        "throughput": 250,
        "p50": 20,
        "p99": 80,
        "servers_cpu_per_call": 2000,
        "client_cpu_per_call": 1000,
    }


@pytest.mark.parametrize("ways", [2, 3])
def test_each_way_begins_and_follows_each_other_as_often(ways: int) -> None:
    orders = list(turns(ways, 2 * ways))
    begins = Counter(order[0] for order in orders)
    follows = Counter(pair for order in orders for pair in itertools.pairwise(order))
    assert begins == dict.fromkeys(range(ways), 2)
    assert follows == dict.fromkeys(itertools.permutations(range(ways), 2), 2)


def test_what_is_measured_in_two_ways_takes_turns_and_each_begins_in_every_other_round() -> None:
    order: list[str] = []

    async def way(name: str, figure: float) -> float:
        order.append(name)
        return figure * len(order)

    rounds = asyncio.run(in_turns(lambda: way("base", 10.0), lambda: way("measured", 1.0), rounds=3))
    assert order == ["base", "measured", "measured", "base", "measured", "base"]
    assert rounds == [(10.0, 2.0), (40.0, 3.0), (60.0, 5.0)], "the base stands first, whichever was measured first"


def test_a_comparison_takes_its_ratio_within_a_round_and_tells_both_figures_and_what_they_are_of() -> None:
    assert IMPORT.ratio == Spread(median=1.5, low=1.0, high=4.0)
    assert json.loads(json.dumps(IMPORT.plain())) == {
        "figure": "customers taken over, 1/s",
        "base": {"what": "batches", "median": 4000.0, "min": 1000.0, "max": 8000.0},
        "measured": {"what": "stream", "median": 6000.0, "min": 4000.0, "max": 8000.0},
        "ratio": {"median": 1.5, "min": 1.0, "max": 4.0},
    }


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(share: float, expected: float) -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, share) == expected


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_the_report_is_json_with_the_ratios_first() -> None:
    made = report([Level(1, ROUNDS), Level(32, ROUNDS[:1])], "chain", "orders")
    assert next(iter(made)) == "ratios"
    read = json.loads(json.dumps(made))
    assert read["ratios"]["1"]["throughput"] == {"median": 0.5, "min": 0.4, "max": 0.9}
    assert read["ratios"]["32"]["throughput"]["median"] == 0.5
    assert read["chain"]["1"]["throughput"] == {"median": 750.0, "min": 500.0, "max": 1000.0}
    assert read["orders"]["1"]["throughput"]["max"] == 900.0
    assert read["others_processors"]["1"]["median"] == 0.25
    assert read["refused_per_call"]["1"] == {"chain": 0.0, "orders": 0.0}


def test_the_table_shows_each_level_and_the_ratio_with_its_spread() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table([Level(128, ROUNDS)], "orders against a chain", "chain", "orders"))
    line = next(line for line in console.export_text().splitlines() if "throughput" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "128",
        "throughput, 1/s",
        "750",
        "300",
        "0.50",
        "0.40",
        "0.90",
    ]


def test_the_table_of_suspensions_shows_milliseconds_and_what_came_too_late() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(suspension_table([Suspension(confirmed=0.05, last_envelope=0.02, later=0)]))
    line = next(line for line in console.export_text().splitlines() if "│ 1 " in line.replace("  ", ""))
    assert [cell.strip() for cell in line.strip("│").split("│")] == ["1", "20", "50", "0"]


def test_the_table_of_the_rest_of_the_business_shows_each_figure_beside_its_base() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(business_table([IMPORT]))
    line = next(line for line in console.export_text().splitlines() if "customers" in line)
    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "customers taken over, 1/s",
        "batches",
        "stream",
        "4,000",
        "6,000",
        "1.50",
        "1.00",
        "4.00",
    ]


def test_where_the_output_is_no_terminal_nothing_is_cut_off(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    busy = [Level(128, [Round(window(10**7, p50=12.0), window(10**5, p50=99.0))])]
    late = Suspension(confirmed=12.0, last_envelope=0.0, later=0)
    results = Results(tmp_path / "bench.json", {})
    results.levels = busy
    results.engines = [EngineResult("PostgreSQL and etcd with two coordinators", busy)]
    results.suspensions = [late]
    results.business = [IMPORT]
    show(results)
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert "(a) SQLite" in printed
    assert "0: none was acted on after the question" in printed


def test_the_machine_is_at_least_as_busy_as_this_process() -> None:
    assert busy_seconds() >= processor_seconds([os.getpid()]) > 0


def test_processor_time_grows_with_work_and_counts_every_process() -> None:
    before = processor_seconds([os.getpid()])
    while processor_seconds([os.getpid()]) == before:
        sum(range(10_000))
    assert processor_seconds([os.getpid(), os.getpid()]) >= 2 * before
