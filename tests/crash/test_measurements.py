"""A file of measurements whose import is killed on both sides ends with each of them once, and nothing missing."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation
from deploy.local.process import wait_until
from deploy.local.profiles import EMBEDDED, Engine
from gateway.process.failpoints import VARIABLE
from region_node.network.measurements.intake import BEFORE_COMMIT
from region_node.network.measurements.measurement_rows import totals_since
from region_node.network.measurements.thresholds import DELAY
from tests import preloaded
from tests.crash.records import Records
from tests.crash.test_import import ON_POSTGRESQL, PATIENCE, SLOW
from tests.faults.background import Background
from tests.faults.proxy import FaultProxy
from tests.measurements_kept import measurements_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
REGION = "sichuan"
LINES = 20_000


@dataclass(frozen=True)
class Site:
    """A region that runs, and a file of measurements for it."""

    federation: LocalFederation
    records: Records
    file: Path

    def start_import(self, endpoint: str) -> "subprocess.Popen[str]":
        """The command, calling the node there."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "region_node.cli.main", "measurements", "import"),
                *(str(self.file), "--patience", str(PATIENCE)),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "CROSSREGION_NODE": endpoint,
                "CROSSREGION_CREDENTIALS": str(self.federation.directory / "certificates" / f"{REGION}-{OPERATOR}"),
                "CROSSREGION_FEDERATION": FEDERATION,
                "CROSSREGION_REGION": REGION,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def done(self) -> int:
        """How many measurements are in."""
        return self.records.count("SELECT COALESCE(MAX(last_sequence), 0) FROM network_streams")

    def restart_node(self, *, dies_at: str = "") -> None:
        """The node once more; it may die at a point."""
        self.federation.start_region(REGION, {VARIABLE: dies_at} if dies_at else None)

    def require_whole(self) -> None:
        """Asserts that every measurement is there once, as it came and in what its hours came to."""
        ((stream,),) = self.records.rows("SELECT stream FROM network_streams")
        with self.records.database.look() as tx:
            kept = measurements_of(tx, str(stream))
            totals = totals_since(tx, 0)
        assert [each.delay_us for each in kept] == list(range(LINES))
        assert sum(each[DELAY].count for each in totals.values()) == LINES
        assert sum(each[DELAY].sum for each in totals.values()) == sum(range(LINES))
        assert self.records.count("SELECT COALESCE(SUM(measurements), 0) FROM measurement_pieces") == LINES


@contextmanager
def site(federation: LocalFederation, directory: Path) -> Iterator[Site]:
    """The federation's one region, running."""
    file, start = directory / "probes.csv", datetime.now(UTC) - timedelta(days=2)
    with file.open("w", encoding="utf-8", newline="") as written:
        rows = (
            ("chengdu-guangzhou-1", (start + timedelta(seconds=number)).isoformat(), 1, number)
            for number in range(LINES)
        )
        csv.writer(written).writerows([("link", "start_time", "window_seconds", "delay_us"), *rows])
    try:
        federation.prepare()
        federation.start()
        records = Records.of(federation, REGION)
        yield Site(federation, records, file)
        records.database.close()
    finally:
        federation.kill()


@pytest.mark.parametrize("engine", list(Engine), ids=lambda engine: engine.value)
def test_a_stream_whose_ends_are_killed_loses_and_doubles_no_measurement(
    engine: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgresql_server") if engine is Engine.POSTGRESQL else None
    profile = ON_POSTGRESQL if engine is Engine.POSTGRESQL else EMBEDDED
    background = Background()
    with site(
        LocalFederation(tmp_path / "federation", (REGION,), profile, server, launcher=preloaded.launch), tmp_path
    ) as region:
        proxy = FaultProxy(background, lambda: region.federation.endpoint(REGION))
        proxy.delay(SLOW)
        first = region.start_import(proxy.endpoint)
        wait_until(lambda: region.done() > 0, PATIENCE, "the first pieces are in")
        first.kill()
        first.communicate()
        node, done = region.federation.nodes[REGION][0].process, region.done()
        assert 0 < done < LINES
        node.kill()
        region.restart_node(dies_at=BEFORE_COMMIT)
        second = region.start_import(proxy.endpoint)
        wait_until(lambda: not node.runs(), PATIENCE, "the node has died before it has committed a piece")
        known = region.done()
        assert known >= done
        region.restart_node()
        proxy.heal()
        said, _ = second.communicate(timeout=PATIENCE)
        assert second.returncode == 0, said
        region.require_whole()
        third = region.start_import(region.federation.endpoint(REGION))
        said, _ = third.communicate(timeout=PATIENCE)
        assert third.returncode == 0, said
        region.require_whole()
        proxy.close()
    background.close()
