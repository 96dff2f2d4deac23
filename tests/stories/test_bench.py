"""The bench runs: both systems start, every order is completed, and the report is written."""

import json
import subprocess
import sys
from pathlib import Path


def test_a_short_bench_follows_every_order_to_its_completion_and_writes_its_report(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--callers=1", "--seconds=0.5", "--rounds=1"]
    command += ["--engine-callers=1", "--business-rounds=1", "--business-items=64", f"--output={output}"]
    run = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=110, check=False
    )
    assert run.returncode == 0, run.stderr
    made = json.loads(output.read_text("utf-8"))
    assert made["ratios"]["1"]["throughput"]["median"] > 0
    assert list(made["business"]) == [
        "import",
        "bulk_orders",
        "bill_time",
        "bills",
        "bulk_bills",
        "guides",
        "searches",
        "number_plan",
    ]
    assert all(each["ratio"]["median"] > 0 for each in made["business"].values())
    assert made["conditions"]["answer_bytes"] > made["conditions"]["request_bytes"] > 0
    assert "CPU of servers" in run.stdout
    assert "the rest of the business" in run.stdout
    assert list(tmp_path.iterdir()) == [output], "the processes' files are removed"
