"""The bench runs: both systems start, every order is completed, and the report is written."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bench import dbos, nginx
from tests.engines import Engine, require_engine

ROOT = Path(__file__).parents[2]


def run_to_its_end(command: Sequence[str], seconds: float) -> str:
    """What a bench prints, which must end well and leaves nothing behind."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            printed, complaint = run.communicate(timeout=seconds)
        finally:
            if run.poll() is None:
                run.send_signal(signal.SIGINT)  # it ends all that it has started
                run.communicate(timeout=15)
    assert run.returncode == 0, complaint
    return printed


@pytest.mark.slow
@pytest.mark.timeout(360)  # a minute on a quiet machine
def test_a_short_bench_follows_every_order_to_its_completion_and_writes_its_report(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--callers=1", "--seconds=0.3", "--rounds=1"]
    command += ["--engine-callers=1", "--business-rounds=1", "--business-orders=64", "--unsynced", f"--output={output}"]
    printed = run_to_its_end(command, 300)
    made = json.loads(output.read_text("utf-8"))
    assert made["ratios"]["1"]["throughput"]["median"] > 0
    assert list(made["business"]) == [
        "import",
        "measurements",
        "bulk_orders",
        "bulk_orders_beside_bare",
        "packed_orders_beside_bare",
        "bill_time",
        "bills",
        "bills_beside_bare",
        "bulk_bills",
        "guides",
        "searches",
        "granted_reads",
        "masked_reads",
        "granted_reads_beside_bare",
        "masked_reads_beside_bare",
        "papers_on_file",
        "papers_on_file_beside_bare",
        "complaints_beside_orders",
        "faults_beside_orders",
        "complaints_beside_bare",
        "faults_beside_bare",
        "number_plan",
    ]
    assert all(each["ratio"]["median"] > 0 for each in made["business"].values())
    assert made["conditions"]["answer_bytes"] > made["conditions"]["request_bytes"] > 0
    assert "CPU of servers" in printed
    assert "the rest of the business" in printed
    assert list(tmp_path.iterdir()) == [output], "the processes' files are removed"


@pytest.mark.slow
@pytest.mark.timeout(360)  # a minute on a quiet machine
def test_a_tree_beside_itself_has_every_figure_of_the_comparison() -> None:
    command = [sys.executable, "-m", "tests.bench.against", "HEAD", "--rounds=1", "--seconds=0.3", "--unsynced"]
    printed = run_to_its_end(command, 300)
    figures = (
        "orders, 1 caller: throughput",
        "orders, 128 callers: p50",
        "bills of another region",
        "by a grant",
        "complaints",
        "faults",
        "packs of 16",
    )
    assert [each for each in figures if each not in printed] == []
    assert "nothing is told to be worse" in printed, "one round says too little"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_mixed_load_a_rest_and_the_bytes_of_an_order_are_measured() -> None:
    mixed = ["mixed", "--callers=4", "--rounds=1", "--seconds=2", "--unsynced"]
    programs = {
        "shared record": mixed,
        "coordinator:": ["rest", "--rest=0.5", "--seconds=1"],
        "sichuan:": ["disk", "--orders=64"],
        "100,000,000": ["capacity", "--customers=2048", "--orders=64"],
    }
    printed = {
        word: run_to_its_end([sys.executable, "-m", f"tests.bench.{words[0]}", *words[1:]], 60)
        for word, words in programs.items()
    }
    assert [word for word, told in printed.items() if word not in told] == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_orders_are_measured_at_a_given_rate_and_beside_more_data_and_more_regions(tmp_path: Path) -> None:
    small = ["--rounds=1", "--seconds=0.5", "--unsynced"]
    programs = {
        "openloop": (["--engine=sqlite", "--share=0.5", "--share=2"], {"engines", "conditions"}),
        "growth": (
            ["--factor=1", "--factor=2", "--customers=64", "--orders=32", "--regions=3"],
            {"data", "regions", "conditions"},
        ),
    }
    parts = {name: measured(name, [*small, *options], tmp_path) for name, (options, _) in programs.items()}
    assert parts == {name: wanted for name, (_, wanted) in programs.items()}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_joint_orders_of_five_regions_are_all_done_and_measured_beside_plain_orders(tmp_path: Path) -> None:
    options = ["--orders=5", "--rounds=1", "--unsynced"]
    assert measured("joint", options, tmp_path) == {"rate", "servers_cpu", "conditions"}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_open_api_is_measured_beside_the_same_rpcs(tmp_path: Path) -> None:
    assert measured("openapi", ["--rounds=1", "--seconds=0.5", "--unsynced"], tmp_path) == {"calls", "conditions"}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_orders_are_measured_beside_a_chain_with_nginx(tmp_path: Path) -> None:
    require_engine(Engine("nginx", nginx.PACKAGE, lambda: nginx.program() is not None))
    options = ["--callers=1", "--rounds=1", "--seconds=0.5", "--unsynced"]
    assert measured("nginx", options, tmp_path) == {nginx.NGINX, "orders", "conditions"}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_orders_are_measured_beside_a_workflow_of_dbos(tmp_path: Path) -> None:
    if lacks := dbos.missing():
        pytest.skip("\n".join(lacks))
    options = ["--engine=sqlite", "--callers=2", "--rounds=1", "--seconds=0.5", "--unsynced"]
    assert measured("dbos", options, tmp_path) == {"sqlite", "conditions"}


def measured(name: str, options: Sequence[str], directory: Path) -> set[str]:
    """The parts of what a bench writes, which leaves nothing else behind."""
    output = directory / name / "bench.json"
    run_to_its_end([sys.executable, "-m", f"tests.bench.{name}", *options, f"--output={output}"], 200)
    assert list(output.parent.iterdir()) == [output], "the files of its processes are removed"
    return set(json.loads(output.read_text("utf-8")))
