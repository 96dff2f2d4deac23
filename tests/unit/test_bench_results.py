"""The requirements of a bench are checked before it begins, and its results outlive a later failure."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from deploy.local import etcd, postgresql
from tests.bench import __main__ as bench
from tests.bench import requirements
from tests.bench.history import Run
from tests.bench.report import Comparison, Level, Round, Window
from tests.bench.results import EngineResult, Results
from tests.bench.suspension import Suspension

WINDOW = Window(1000, 2.0, p50=0.01, p99=0.04, servers_cpu=1.0, client_cpu=0.5, busy=2.0)
LEVEL = Level(1, [Round(WINDOW, WINDOW)] * 3)
IMPORT = Comparison("import", "customers taken over, 1/s", "batches", "stream", [(4000.0, 6000.0)])
SUSPENSION = Suspension(confirmed=0.05, last_envelope=0.02, later=0)


def idle_bench(directory: Path, stack: ExitStack) -> SimpleNamespace:
    """A bench without any process."""
    return SimpleNamespace(sizes={}, chain=None, orders=None, federation=None)


def unmeasured(*_: object) -> Level:
    """In place of a comparison."""
    return LEVEL


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is quiet, and its disk syncs."""
    monkeypatch.setattr(requirements, "other_processors", lambda seconds: 0.0)
    monkeypatch.setattr(requirements, "sync_seconds", lambda place: 0.001)


def run(output: Path, *options: str) -> Result:
    return CliRunner().invoke(bench.main, [f"--output={output}", *options])


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (("etcd",), ["etcd-server"]),
        (("postgresql",), ["postgresql"]),
        (("etcd", "postgresql"), ["etcd-server", "postgresql"]),
    ],
)
def test_a_server_that_is_not_installed_is_told_before_anything_is_started(
    missing: Sequence[str], named: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd, "program", lambda: None if "etcd" in missing else "etcd")
    monkeypatch.setattr(postgresql, "programs", lambda: None if "postgresql" in missing else Path())
    told = run(tmp_path / "build" / "bench.json")
    assert told.exit_code == 1
    assert [package for package in ("etcd-server", "postgresql") if f"package {package})" in told.output] == named
    assert "make services" in told.output
    assert "--engine-callers 0" in told.output
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_without_other_engines_no_server_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd, "program", lambda: None)
    monkeypatch.setattr(postgresql, "programs", lambda: None)
    monkeypatch.setattr(bench, "Bench", idle_bench)
    monkeypatch.setattr(bench, "compare", unmeasured)
    done = run(tmp_path / "bench.json", "--engine-callers=0", "--business-rounds=0")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "bench.json").read_text("utf-8"))["complete"] is True


def test_all_that_is_missing_is_told_in_one_message_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd, "program", lambda: None)
    monkeypatch.setattr(requirements, "sync_seconds", lambda place: 0.000005)
    monkeypatch.setattr(requirements, "LEAST_FREE", 2**62)
    monkeypatch.setattr(requirements, "changes", lambda tree: " M gateway/errors.py\n")
    told = run(tmp_path / "build" / "bench.json", "--record", "--unsynced")
    assert told.exit_code == 1
    wanted = ("etcd-server", "GiB free", "lies in memory", " M gateway/errors.py")
    assert [each for each in wanted if each not in told.output] == []
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_a_run_beside_other_load_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "other_processors", lambda seconds: 1.26)
    monkeypatch.setattr(bench, "Bench", idle_bench)
    monkeypatch.setattr(bench, "compare", unmeasured)
    done = run(tmp_path / "bench.json", "--engine-callers=0", "--business-rounds=0")
    assert "other programs keep 1.3 processors busy" in done.output
    conditions = json.loads((tmp_path / "bench.json").read_text("utf-8"))["conditions"]
    assert conditions["others_processors_before"] == 1.26


def test_a_recorded_run_stands_in_the_history_and_on_the_page_and_tells_what_became_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[Run] = []
    pages: list[str] = []
    monkeypatch.setattr(requirements, "changes", lambda tree: "")
    monkeypatch.setattr(bench, "commit_of", lambda tree: "c" * 40)
    monkeypatch.setattr(bench, "append", recorded.append)
    monkeypatch.setattr(bench, "read", list)
    monkeypatch.setattr(bench, "write_page", lambda: pages.append("written"))
    monkeypatch.setattr(bench, "Bench", idle_bench)
    monkeypatch.setattr(bench, "compare", unmeasured)
    done = run(tmp_path / "bench.json", "--engine-callers=0", "--business-rounds=0", "--callers=1", "--record")
    assert done.exit_code == 0, done.output
    assert "worse" not in done.output
    (kept,) = recorded
    assert (kept.commit, kept.machine.cores, pages) == ("c" * 40, os.cpu_count(), ["written"])
    names = ["throughput", "p50", "p99", "servers_cpu_per_call"]
    assert list(kept.ratios) == [f"orders/1/{name}" for name in names]
    twice = {"orders/1/throughput": replace(kept.ratios["orders/1/throughput"], rounds=(2.0, 2.0, 2.0))}
    monkeypatch.setattr(bench, "read", lambda: [replace(kept, ratios=twice)])
    done = run(tmp_path / "bench.json", "--engine-callers=0", "--business-rounds=0", "--callers=1", "--record")
    assert "worse than at cccccccc: orders/1/throughput: 1.000, was 2.000" in done.output


@pytest.mark.parametrize("failure", [RuntimeError("the load client ended"), KeyboardInterrupt()])
def test_a_part_that_fails_leaves_what_was_measured_before_it(
    failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def business(*arguments: object) -> None:
        add = arguments[-1]
        assert callable(add)
        add(IMPORT)
        raise failure

    monkeypatch.setattr(bench, "Bench", idle_bench)
    monkeypatch.setattr(bench, "compare", unmeasured)
    monkeypatch.setattr(bench, "measure_business", business)
    output = tmp_path / "bench.json"
    ended = run(output, "--engine-callers=0")
    assert ended.exit_code == 1
    assert "customers taken over" in ended.output, "the tables are shown as well"
    assert f"written to {output}" in ended.output
    kept = json.loads(output.read_text("utf-8"))
    assert (list(kept["ratios"]), list(kept["business"]), kept["complete"]) == (["1"], ["import"], False)


def test_a_run_that_measures_nothing_keeps_the_file_of_the_run_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Level:
        raise RuntimeError("the load client ended")

    monkeypatch.setattr(bench, "Bench", idle_bench)
    monkeypatch.setattr(bench, "compare", failing)
    output = tmp_path / "bench.json"
    output.write_text("of the run before", "utf-8")
    ended = run(output, "--engine-callers=0")
    assert ended.exit_code == 1
    assert "written" not in ended.output
    assert output.read_text("utf-8") == "of the run before"


def test_each_part_stands_in_the_file_once_it_is_added(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    results = Results(output, {"rounds": 1})
    parts: dict[str, Callable[[], None]] = {
        "ratios": lambda: results.add_level(LEVEL),
        "engines": lambda: results.add_engine(EngineResult("PostgreSQL", [LEVEL])),
        "suspensions": lambda: results.add_suspensions([SUSPENSION]),
        "business": lambda: results.add_business(IMPORT),
    }
    for count, add in enumerate(parts.values(), 1):
        add()
        kept = json.loads(output.read_text("utf-8"))
        assert [part for part in parts if kept[part]] == list(parts)[:count]
        assert (kept["conditions"], kept["complete"]) == ({"rounds": 1}, False)
    results.finish()
    assert json.loads(output.read_text("utf-8"))["complete"] is True


def test_a_bench_that_is_terminated_ends_all_that_it_has_begun_whatever_signal_follows(tmp_path: Path) -> None:
    former = signal.getsignal(signal.SIGTERM)

    def run() -> None:
        with requirements.working_directory(tmp_path, "bench") as directory:
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)
                (directory / "ended").touch()

    with pytest.raises(KeyboardInterrupt):
        run()
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is former
