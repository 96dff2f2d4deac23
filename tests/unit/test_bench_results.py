"""The requirements of a bench are checked before it begins, and its results outlive a later failure."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from deploy.local import etcd, postgresql
from tests.bench import __main__ as bench
from tests.bench.report import Comparison, Level, Round, Window
from tests.bench.results import EngineResult, Results
from tests.bench.suspension import Suspension

WINDOW = Window(1000, 2.0, p50=0.01, p99=0.04, servers_cpu=1.0, client_cpu=0.5, busy=2.0)
LEVEL = Level(1, [Round(WINDOW, WINDOW)])
IMPORT = Comparison("import", "customers taken over, 1/s", "batches", "stream", [(4000.0, 6000.0)])
SUSPENSION = Suspension(confirmed=0.05, last_envelope=0.02, later=0)


def idle_bench(directory: Path, stack: ExitStack) -> SimpleNamespace:
    """A bench without any process."""
    return SimpleNamespace(sizes={}, chain=None, orders=None, federation=None)


def unmeasured(*_: object) -> Level:
    """In place of a comparison."""
    return LEVEL


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
